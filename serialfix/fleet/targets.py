"""Which VMs are meant: what was asked for, what was found, what is taken and what is not."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from serialfix.azure.discovery import Found, FoundVm, Scope, find_ids, find_vms
from serialfix.errors import TargetError, UsageError
from serialfix.model import VmRef


if TYPE_CHECKING:
    from serialfix.azure.identity import Azure


class Reason(StrEnum):
    """Why a VM is skipped."""

    NOT_FOUND = "not_found"
    DUPLICATE = "duplicate"
    NOT_ASKED = "does_not_match"
    LINUX = "linux"
    CLIENT = "client_windows"
    BOOT_DIAGNOSTICS = "boot_diagnostics_off"
    NOT_RUNNING = "not_running"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A VM that is not a target, and why, for programs and for people."""

    id: str
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for; everything given must hold. Names, groups, tags' names: in any case."""

    resource_group: str | None = None
    location: str | None = None
    name: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    ids: tuple[str, ...] | None = None
    everything: bool = False
    power: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`, also of what became of it in JSON."""
        ids, tags = data["ids"], data["tags"]
        return cls(
            **{
                **data,
                "ids": None if ids is None else tuple(ids),
                "tags": tuple((key, value) for key, value in tags),
            }
        )

    @property
    def name_prefix(self) -> str:
        """What every matching name begins with."""
        return re.split(r"[*?[]", self.name, maxsplit=1)[0] if self.name else ""

    def check(self) -> None:
        """Raises UsageError when nothing says which VMs, or two things contradict each other."""
        narrowed = (self.resource_group, self.location, self.name, self.tags or None, self.ids)
        given = any(each is not None for each in narrowed)
        if not given and not self.everything:
            raise UsageError(
                "nothing says which VMs are meant",
                remedy="Give --resource-group, --tag, --name, --location or --ids; "
                "--all takes every VM of the subscription.",
            )
        if given and self.everything:
            raise UsageError("--all takes every VM: leave out what narrows it, or --all")

    def differs(self, vm: FoundVm) -> str:
        """What of the wish does not hold for the VM; empty when all does."""
        if self.resource_group and not _same(self.resource_group, vm.resource_group):
            return f"its resource group is {vm.resource_group}"
        if self.location and not _same(self.location, vm.location):
            return f"its location is {vm.location}"
        if self.name and not fnmatch.fnmatchcase(vm.name.casefold(), self.name.casefold()):
            return f"its name {vm.name} does not match {self.name}"
        tags = {key.casefold(): value for key, value in vm.tags.items()}
        for key, value in self.tags:
            if tags.get(key.casefold()) != value:
                return f"its tag {key} is {tags.get(key.casefold(), 'not set')}"
        return ""


def sha256_of(ids: Iterable[str]) -> str:
    """The hash of a set of VMs."""
    lines = (f"{each}\n" for each in sorted(each.lower() for each in ids))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TargetSet:
    """Targets in the order of their ids, and what was skipped, with reasons."""

    targets: tuple[FoundVm, ...]
    skipped: tuple[Skipped, ...]

    @property
    def sha256(self) -> str:
        """What the set is known by: the hash of its ids, sorted, in lower case, one a line."""
        return sha256_of(vm.id for vm in self.targets)

    @property
    def reasons(self) -> Counter[Reason]:
        """How many were skipped for which reason."""
        return Counter(each.reason for each in self.skipped)


async def scope_of(
    azure: Azure, wish: Wish, subscriptions: Sequence[str], groups: Sequence[str]
) -> Scope:
    """Where is looked: subscriptions by id or name, or management groups, else that of `run`."""
    if wish.ids is not None:
        return Scope()
    named = [await azure.subscription_named(each) for each in subscriptions]
    if not named and not groups:
        named = [await azure.subscription_id()]
    return Scope(tuple(dict.fromkeys(named)), tuple(groups))


async def find(azure: Azure, wish: Wish, scope: Scope, *, progress: Callable[[str], None]) -> Found:
    """All that may be meant: the VMs of the ids, or of the scope."""
    if wish.ids is not None:
        unique = list({each.lower(): each for each in wish.ids}.values())
        return await find_ids(azure, unique, progress=progress)
    return await find_vms(
        azure,
        scope,
        resource_group=wish.resource_group,
        location=wish.location,
        name_prefix=wish.name_prefix,
        progress=progress,
    )


def choose(found: Iterable[FoundVm], wish: Wish) -> TargetSet:
    """Take what can be worked on; everything else that was asked for is skipped with a reason.

    A VM that a search merely came across is not asked for; one that an id names is.
    """
    by_id: dict[str, FoundVm] = {}
    for vm in found:
        by_id.setdefault(vm.id.lower(), vm)
    skipped: list[Skipped] = []
    seen: set[str] = set()
    for each in wish.ids or ():
        if each.lower() in seen:
            skipped.append(Skipped(each, Reason.DUPLICATE, "named more than once"))
        elif each.lower() not in by_id:
            skipped.append(Skipped(each, Reason.NOT_FOUND, "no such VM that we can see"))
        seen.add(each.lower())
    targets = []
    for key in sorted(by_id):
        vm = by_id[key]
        if differs := wish.differs(vm):
            if key in seen:
                skipped.append(Skipped(vm.id, Reason.NOT_ASKED, differs))
        elif refused := _refused(vm, wish):
            skipped.append(Skipped(vm.id, *refused))
        else:
            targets.append(vm)
    return TargetSet(tuple(targets), tuple(sorted(skipped, key=lambda s: (s.id.lower(), s.reason))))


def _refused(vm: FoundVm, wish: Wish) -> tuple[Reason, str] | None:
    """Why it cannot be worked on, as far as Resource Graph knows."""
    if vm.not_server:
        client = re.search("windows", vm.not_server, re.IGNORECASE)
        return Reason.CLIENT if client else Reason.LINUX, f"it is {vm.not_server}"
    # An instance may show them in its instance view alone (azure.md §4): a run looks there.
    if not vm.boot_diagnostics and not (vm.boot_diagnostics is None and vm.is_instance):
        known = "are off" if vm.boot_diagnostics is False else "were never switched on"
        return Reason.BOOT_DIAGNOSTICS, f"boot diagnostics {known}"
    if wish.power and vm.power != wish.power:
        return Reason.NOT_RUNNING, f"it is {vm.power}"
    return None


def parse_tags(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`k=v`, each. Raises UsageError."""
    tags = []
    for text in given:
        key, assigned, value = text.partition("=")
        if not assigned or not key.strip():
            raise UsageError(f"--tag takes NAME=VALUE, not {text!r}")
        tags.append((key.strip(), value))
    return tuple(tags)


def parse_location(text: str) -> str:
    """`West Europe` is `westeurope`."""
    return text.replace(" ", "").lower()


def decode_list(data: bytes, *, source: str) -> str:
    """The text of a list of ids; PowerShell writes UTF-16. Raises UsageError."""
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is no text: {error}") from error


def parse_ids(text: str, *, source: str) -> tuple[str, ...]:
    """Ids, one a line; blank lines and comments (#) are left out.

    Raises UsageError that names every line that is no id.
    """
    ids, bad = [], []
    for number, line in enumerate(text.splitlines(), 1):
        entry = re.sub(r"(^|\s)#.*", "", line).strip()
        if not entry:
            continue
        try:
            ids.append(VmRef.parse(entry).id)
        except TargetError:
            bad.append(f"{source}:{number}: {entry!r}")
    if bad:
        raise UsageError(
            f"{len(bad)} of {len(bad) + len(ids)} lines are not the id of a VM:\n" + "\n".join(bad),
            remedy='`az vm list --query "[].id" -o tsv` prints such ids.',
        )
    return tuple(ids)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
