"""Fleet runs at their start: a plan is frozen; a run is tried again, or taken back, by another."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa

from serialfix.errors import UsageError
from serialfix.fleet import store
from serialfix.fleet.budget import ErrorBudget, concurrency
from serialfix.fleet.database import document, target
from serialfix.fleet.plan import FleetPlan
from serialfix.fleet.standing import FleetRun, Kind, Settings, Target
from serialfix.fleet.targets import sha256_of
from serialfix.fleet.waves import Waves
from serialfix.model import Outcome
from serialfix.record.storage import UNDO
from serialfix.remediation.run import new_id, user


RETRIED = (Outcome.FAILED, Outcome.UNREACHABLE, Outcome.NOT_STARTED)
"""What `retry` takes when nothing else is said: `unknown` is for a person."""


def freeze(
    plan: FleetPlan, kind: Kind, settings: Settings, now: datetime, *, schedule: str | None = None
) -> tuple[FleetRun, list[Target]]:
    """The plan as a fleet run."""
    loaded = plan.loaded
    run = FleetRun(
        id=new_id(now),
        kind=kind,
        playbook=loaded.playbook.name,
        playbook_version=loaded.playbook.version,
        playbook_sha256=loaded.sha256,
        parameters=dict(plan.parameters),
        targets_sha256=plan.chosen.sha256,
        policy=plan.policy,
        settings=settings,
        created=now,
        user=user(),
        total=plan.total,
        at_once=plan.at_once,
        errors_allowed=plan.budget.allowed,
        schedule=schedule,
        skipped=tuple(asdict(each) for each in plan.chosen.skipped),
    )
    targets = [
        Target(
            number=number,
            vm_id=vm.id,
            name=vm.name,
            resource_group=vm.resource_group,
            subscription_id=vm.subscription_id.lower(),
            location=vm.location.lower(),
            wave=wave,
        )
        for number, (wave, vm) in enumerate(
            ((wave, vm) for wave, vms in enumerate(plan.waves, 1) for vm in vms), 1
        )
    ]
    return run, targets


def again(
    connection: sa.Connection,
    old: FleetRun,
    outcomes: Sequence[Outcome],
    now: datetime,
) -> tuple[FleetRun, list[Target]]:
    """A run on those targets of `old` that ended so. Raises UsageError when there is none."""
    chosen = list(store.targets(connection, old.id, outcomes))
    if not chosen:
        names = ", ".join(outcomes)
        raise UsageError(
            f"no VM of fleet run {old.id} ended {names}; there is nothing to do",
            remedy=f"`serialfix fleet show {old.id}` tells how they ended; --only names others.",
        )
    return _follow(old, old.kind, chosen, now)


def back(
    connection: sa.Connection, old: FleetRun, now: datetime, only: Container[int] | None = None
) -> tuple[FleetRun, list[Target]]:
    """A run that puts back what `old` changed, on all its targets or on those of these numbers.

    Raises UsageError when it changed nothing there.
    """
    ways = {
        number: run_id
        for number, run_id in _ways_back(connection, old.id).items()
        if only is None or number in only
    }
    chosen = [
        replace(each, undoes=ways[each.number])
        for each in store.targets(connection, old.id)
        if each.number in ways
    ]
    if not chosen:
        there = "" if only is None else " there"
        raise UsageError(
            f"fleet run {old.id} has changed nothing{there} that could be put back, so there is "
            "nothing to undo",
            remedy=f"`serialfix fleet report {old.id} -o csv` tells what became of each VM.",
        )
    # who takes back what went wrong does not stop half way to be asked
    at_once = replace(old, policy=replace(old.policy, approve_after=None))
    return _follow(at_once, Kind.UNDO, chosen, now)


def _ways_back(connection: sa.Connection, fleet: str) -> dict[int, str]:
    """The run of each target whose way back is kept."""
    query = (
        sa.select(target.c.number, document.c.run_id)
        .join(document, document.c.run_id == target.c.run_id)
        .where(target.c.fleet == fleet, document.c.name == UNDO)
    )
    return {number: run_id for number, run_id in connection.execute(query)}


def _follow(
    old: FleetRun, kind: Kind, chosen: Iterable[Target], now: datetime
) -> tuple[FleetRun, list[Target]]:
    kept = sorted(chosen, key=lambda each: each.number)
    total, policy = len(kept), old.policy
    waves = Waves.parse(policy.waves).split(kept)
    run = replace(
        old,
        id=new_id(now),
        kind=kind,
        of=old.id,
        created=now,
        user=user(),
        targets_sha256=sha256_of(each.vm_id for each in kept),
        total=total,
        at_once=concurrency(policy.max_concurrency, total),
        errors_allowed=ErrorBudget.of(policy.max_errors, total).allowed,
        schedule=None,
        skipped=(),
        state=type(old.state).RUNNING,
        approved=0,
        why="",
        over_budget=False,
        ended=None,
    )
    targets = [
        Target(
            number=number,
            wave=wave,
            vm_id=each.vm_id,
            name=each.name,
            resource_group=each.resource_group,
            subscription_id=each.subscription_id,
            location=each.location,
            undoes=each.undoes if kind is Kind.UNDO else None,
        )
        for number, (wave, each) in enumerate(
            ((wave, each) for wave, some in enumerate(waves, 1) for each in some), 1
        )
    ]
    return run, targets
