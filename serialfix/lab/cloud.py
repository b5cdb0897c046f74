"""What the lab's ARM and gateway share: the resources, the operations, the open tickets."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from serialfix.lab.identity import Tokens
from serialfix.lab.switches import ArmDelays, ArmFaults, Outage, Refusal
from serialfix.lab.throttle import Limiter, Quota
from serialfix.lab.vm import LabVm


class Refused(Exception):
    """An error answer on its way out of a handler."""

    def __init__(self, refusal: Refusal, headers: dict[str, str] | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.headers = headers or {}


def refuse(status: int, code: str, message: str, **headers: str) -> Refused:
    """Short for an error that is not a switch; underscores in header names become dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refused(Refusal(status, code, message), named)


def timestamp() -> str:
    """Now, as Compute prints it."""
    return datetime.now(UTC).isoformat()


@dataclass(slots=True, eq=False)
class Operation:
    """A long-running operation; `seconds` None is one that never ends."""

    subscription: str
    location: str
    kind: str = "operations"  # disks and snapshots have DiskOperations
    vm: LabVm | None = None
    error: tuple[str, str] | None = None
    output: Any = None
    lost: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: str = field(default_factory=timestamp)
    ended: str | None = None
    # the signed part of the address makes it 3.2 kB long (azure.md §7)
    signature: str = field(
        default_factory=lambda: (
            f"t={time.time_ns() // 100}&c={secrets.token_urlsafe(1950)}"
            f"&s={secrets.token_urlsafe(256)}&h={secrets.token_urlsafe(32)}"
        )
    )

    @property
    def status(self) -> str:
        """InProgress, Succeeded or Failed."""
        if self.ended is None:
            return "InProgress"
        return "Failed" if self.error else "Succeeded"

    def path(self, api_version: str) -> str:
        """The address without the host; append `&monitor=true` for the Location header."""
        return (
            f"/subscriptions/{self.subscription}/providers/Microsoft.Compute/locations/"
            f"{self.location}/{self.kind}/{self.id}?p={uuid.uuid4()}"
            f"&api-version={api_version}&{self.signature}"
        )


@dataclass(slots=True)
class Ticket:
    """The right to open one websocket, given by a connect POST; good for a single attempt.

    That a refused client needs a new connect is what was seen (azure.md §2, false 1011).
    """

    vm: LabVm
    container: str
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    used: bool = False
    token: str = field(default="", repr=False)
    alive: bool = False  # an authenticated websocket is open: admin commands work


@dataclass(slots=True, eq=False)
class Cloud:
    """All state of the lab's Azure."""

    vms: list[LabVm]
    faults: ArmFaults = field(default_factory=ArmFaults)
    outages: dict[str, Outage] = field(default_factory=dict)  # by location in lower case
    limiter: Limiter = field(default_factory=Limiter)
    delays: ArmDelays = field(default_factory=ArmDelays)
    tokens: Tokens = field(default_factory=Tokens)
    page_size: int = 50
    graph_rows: int = 1000  # of an answer of Resource Graph at most, whatever was asked for
    graph_quota: Quota = field(default_factory=Quota)
    management_groups: dict[str, list[str]] = field(default_factory=dict)  # their subscriptions
    calls: Counter[str] = field(default_factory=Counter)  # by action, refused ones too
    seed: int = 0
    base_url: str = ""
    vault_suffix: str = ""  # what the hosts of Key Vaults end with
    cut: Callable[[LabVm], None] = lambda _: None  # ends the console session of a VM
    operations: dict[str, Operation] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id in lower case
    console_disabled: set[str] = field(default_factory=set)  # subscriptions in lower case
    throttled: Counter[tuple[ArmFaults, str]] = field(default_factory=Counter)
    rejected: Counter[ArmFaults] = field(default_factory=Counter)
    timers: set[asyncio.TimerHandle] = field(default_factory=set)
    _indexed: list[LabVm] = field(default_factory=list)
    _index: dict[tuple[str, ...], list[LabVm]] = field(default_factory=dict)

    @property
    def subscriptions(self) -> list[str]:
        """In the order of the VMs."""
        return list(dict.fromkeys(vm.subscription for vm in self.vms))

    def has(self, subscription: str) -> bool:
        """Whether there is such a subscription."""
        return bool(self._look((subscription.lower(),)))

    def go_down(self, location: str, outage: Outage | None = None) -> None:
        """A region is down from now on, until it is taken out of `outages`; sessions are cut."""
        self.outages[location.lower()] = outage or Outage()
        for vm in self.vms:
            if _same(vm.location, location):
                self.cut(vm)

    def resource_groups(self, subscription: str) -> dict[str, str]:
        """Resource group -> location."""
        return {
            vm.resource_group: vm.location
            for vm in self.vms
            if _same(vm.subscription, subscription)
        }

    def select(self, subscription: str, resource_group: str | None = None) -> list[LabVm]:
        """Plain VMs and scale-set instances of a subscription or a resource group."""
        return [
            vm
            for vm in self.vms
            if _same(vm.subscription, subscription)
            and (resource_group is None or _same(vm.resource_group, resource_group))
        ]

    def find(
        self, subscription: str, resource_group: str, name: str, *, instance: str | None = None
    ) -> LabVm | None:
        """A plain VM, or an instance of the scale set of that name."""
        found = self._look(_place(subscription, resource_group, name, instance))
        return found[0] if found else None

    def instances(self, subscription: str, resource_group: str, scale_set: str) -> list[LabVm]:
        """The instances of a scale set; none = there is no such scale set."""
        return self._look(_place(subscription, resource_group, scale_set, "*"))

    def _look(self, place: tuple[str, ...]) -> list[LabVm]:
        """By the index of all VMs, which costs a call the same with one VM and a thousand.

        Whoever has the list changes it, and the VMs in it, as they like: the lists are compared
        (by identity, some microseconds for a thousand), and what is found is looked at.
        """
        found = self._index.get(place, []) if self._indexed == self.vms else []
        if found and all(place in _places(vm) for vm in found):
            return list(found)
        self._indexed, self._index = list(self.vms), {}
        for vm in self.vms:
            for each in _places(vm):
                here = self._index.setdefault(each, [])
                if len(each) > 1 or not here:  # of a subscription one VM is enough
                    here.append(vm)
        return list(self._index.get(place, ()))

    def run(
        self, operation: Operation, seconds: float | None, then: Callable[[], None] | None = None
    ) -> Operation:
        """Start an operation that ends after `seconds`; `then` is done before, if it succeeds."""
        self.operations[operation.id] = operation

        def finish() -> None:
            if then is not None and operation.error is None:
                then()
            operation.ended = timestamp()

        if seconds is not None:
            self.later(seconds, finish)
        return operation

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something in a while, unless the lab stops before."""

        def act() -> None:
            self.timers.discard(handle)
            action()

        handle = asyncio.get_running_loop().call_later(seconds, act)
        self.timers.add(handle)

    def close(self) -> None:
        """Forget what was still to happen."""
        for handle in self.timers:
            handle.cancel()
        self.timers.clear()


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _place(subscription: str, group: str, name: str, instance: str | None) -> tuple[str, ...]:
    return tuple(map(str.lower, (subscription, group, name, "" if instance is None else instance)))


def _places(vm: LabVm) -> list[tuple[str, ...]]:
    """Where a VM is found: as itself, among the instances of its scale set, in its subscription."""
    within = (vm.subscription, vm.resource_group)
    if vm.scale_set is None:
        places = [_place(*within, vm.name, None)]
    else:
        places = [
            _place(*within, vm.scale_set, str(vm.instance_id)),
            _place(*within, vm.scale_set, "*"),
        ]
    return [*places, (vm.subscription.lower(),)]
