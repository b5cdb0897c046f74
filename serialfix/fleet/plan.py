"""The plan of a fleet run: who, in which waves, within which bounds, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import serialfix
from serialfix.azure.discovery import FoundVm, Scope
from serialfix.fleet import cost
from serialfix.fleet.budget import ErrorBudget, concurrency
from serialfix.fleet.policy import Policy
from serialfix.fleet.targets import TargetSet, Wish
from serialfix.fleet.waves import Waves
from serialfix.playbook.load import LoadedPlaybook


SCHEMA = "serialfix.fleet-plan/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """Everything is decided; nothing of it depends on when it is looked at."""

    loaded: LoadedPlaybook
    parameters: Mapping[str, str]
    scope: Scope
    wish: Wish
    policy: Policy
    chosen: TargetSet
    waves: tuple[tuple[FoundVm, ...], ...]
    at_once: int
    budget: ErrorBudget
    per_vm: cost.Span
    in_all: cost.Span
    calls: Mapping[str, int]
    regions: tuple[cost.Region, ...]
    queries: int
    notes: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many targets."""
        return len(self.chosen.targets)


def make_plan(
    loaded: LoadedPlaybook,
    chosen: TargetSet,
    policy: Policy,
    *,
    scope: Scope,
    wish: Wish,
    parameters: Mapping[str, str] | None = None,
    queries: int = 0,
    notes: tuple[str, ...] = (),
) -> FleetPlan:
    """Put the targets into waves and count what they take. Raises UsageError."""
    total = len(chosen.targets)
    waves = Waves.parse(policy.waves).split(chosen.targets)
    at_once = concurrency(policy.max_concurrency, total)
    per_vm = cost.seconds_per_vm(loaded.playbook)
    restart, most_of = cost.restarts(loaded.playbook), policy.most_of_region
    return FleetPlan(
        loaded=loaded,
        parameters=parameters or {},
        scope=scope,
        wish=wish,
        policy=policy,
        chosen=chosen,
        waves=waves,
        at_once=at_once,
        budget=ErrorBudget.of(policy.max_errors, total),
        per_vm=per_vm,
        in_all=cost.seconds_in_all(waves, at_once=at_once, most_of=most_of, per_vm=per_vm),
        calls=cost.calls_per_vm(restart=restart),
        regions=cost.regions(
            chosen.targets, restart=restart, at_once=at_once, most_of=most_of, per_vm=per_vm
        ),
        queries=queries,
        notes=(*notes, *_notes(chosen)),
    )


def plan_json(plan: FleetPlan) -> dict[str, Any]:
    """The plan as `serialfix.fleet-plan/1`."""
    playbook = plan.loaded.playbook
    return {
        "schema": SCHEMA,
        "version": serialfix.__version__,
        "playbook": {
            "name": playbook.name,
            "version": playbook.version,
            "sha256": plan.loaded.sha256,
            "parameters": dict(plan.parameters),
            "steps": len(playbook.steps),
            "restart": playbook.restart,
        },
        "asked": asked_json(plan.scope, plan.wish),
        "targets_sha256": plan.chosen.sha256,
        "targets": [
            {
                "id": vm.id,
                "name": vm.name,
                "resource_group": vm.resource_group,
                "subscription_id": vm.subscription_id,
                "location": vm.location,
                "power": vm.power,
                "wave": number,
            }
            for number, wave in enumerate(plan.waves, 1)
            for vm in wave
        ],
        "skipped": [asdict(each) for each in plan.chosen.skipped],
        "policy": {
            **plan.policy.to_json(),
            "wave_sizes": [len(wave) for wave in plan.waves],
            "errors_allowed": plan.budget.allowed,
            "at_once": plan.at_once,
        },
        "estimate": {"per_vm_s": asdict(plan.per_vm), "in_all_s": asdict(plan.in_all)},
        "arm_calls": {
            "per_vm": dict(plan.calls),
            "in_all": sum(region.calls for region in plan.regions),
            "discovery": plan.queries,
            "regions": [
                {
                    "subscription_id": region.subscription_id,
                    "location": region.location,
                    "targets": region.targets,
                    "calls": region.calls,
                    "fits": region.fits,
                    "budgets": [{**asdict(need), "fits": need.fits} for need in region.needs],
                }
                for region in plan.regions
            ],
        },
        "notes": list(plan.notes),
    }


def asked_json(scope: Scope, wish: Wish) -> dict[str, Any]:
    """Which VMs are meant."""
    return {
        **asdict(scope),
        "resource_group": wish.resource_group,
        "location": wish.location,
        "name": wish.name,
        "tags": dict(wish.tags),
        "power": wish.power,
        "ids": None if wish.ids is None else len(wish.ids),
        "all": wish.everything,
    }


def rows(plan: FleetPlan) -> list[dict[str, Any]]:
    """Every VM as a row, targets first: id, wave, power; id, nothing, reason, why."""
    data = plan_json(plan)
    return [
        *({"id": t["id"], "wave": t["wave"], "is": t["power"], "why": ""} for t in data["targets"]),
        *(
            {"id": s["id"], "wave": "", "is": s["reason"], "why": s["text"]}
            for s in data["skipped"]
        ),
    ]


def _notes(chosen: TargetSet) -> tuple[str, ...]:
    idle = sum(vm.power != "running" for vm in chosen.targets)
    if not idle:
        return ()
    who = "1 target does not run: it" if idle == 1 else f"{idle} targets do not run: each"
    return (f"{who} would be refused. --power running leaves out what does not run.",)
