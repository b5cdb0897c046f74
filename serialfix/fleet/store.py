"""Fleet runs in the database: made, looked at, changed. Nothing here waits or decides.

Every function is one transaction, and takes the connection that it is to be done on; `Writer` and
`patiently` give one.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from serialfix.errors import TargetError, Touched, UsageError
from serialfix.fleet.budget import ERRORS
from serialfix.fleet.database import claim, fleet_run, journal, target
from serialfix.fleet.decide import Place, Situation
from serialfix.fleet.policy import Policy
from serialfix.fleet.standing import (
    FleetRun,
    Kind,
    Settings,
    Standing,
    State,
    Target,
    TargetState,
    WaveStanding,
)
from serialfix.model import Outcome


_COLUMNS = ("id", "kind", "state", "created", "ended", "approved", "why", "over_budget", "schedule")
_FROZEN = tuple(
    each.name for each in fields(FleetRun) if each.name not in (*_COLUMNS, "policy", "settings")
)
CHUNK = 1000
"""Rows of one insert."""


# --- a fleet run ----------------------------------------------------------------------------------


def create(
    connection: sa.Connection, run: FleetRun, targets: Iterable[Target], playbook_text: str
) -> None:
    """Freeze a fleet run: what is to be done, and to whom."""
    facts = {name: getattr(run, name) for name in _FROZEN}
    facts |= {"policy": run.policy.to_json(), "settings": run.settings.to_json()}
    row = {name: getattr(run, name) for name in _COLUMNS}
    connection.execute(
        sa.insert(fleet_run), {**row, "facts": facts, "playbook_text": playbook_text}
    )
    rows = [{"fleet": run.id, **_target_row(each)} for each in targets]
    for start in range(0, len(rows), CHUNK):
        connection.execute(sa.insert(target), rows[start : start + CHUNK])


def load(connection: sa.Connection, fleet: str) -> FleetRun:
    """The fleet run with this id, or the only one whose id begins so. Raises TargetError."""
    row = connection.execute(sa.select(fleet_run).where(fleet_run.c.id == fleet)).one_or_none()
    if row is not None:
        return _run(row)
    ids = (
        connection.execute(sa.select(fleet_run.c.id).order_by(fleet_run.c.created)).scalars().all()
    )
    matches = [each for each in ids if fleet and each.startswith(fleet)]
    if len(matches) == 1:
        return load(connection, matches[0])
    if matches:
        raise TargetError(
            f"several fleet runs begin with {fleet!r}: {', '.join(matches)}",
            remedy="Give more of the id.",
        )
    near = difflib.get_close_matches(fleet, ids, n=3, cutoff=0.5)
    raise TargetError(
        f"no fleet run {fleet!r}{'; near: ' + ', '.join(near) if near else ''}",
        remedy="`serialfix fleet list` lists all of this database.",
    )


def playbook_text(connection: sa.Connection, fleet: str) -> str:
    """The frozen playbook."""
    query = sa.select(fleet_run.c.playbook_text).where(fleet_run.c.id == fleet)
    return str(connection.execute(query).scalar_one())


def ids(connection: sa.Connection) -> list[str]:
    """All fleet runs, newest first."""
    query = sa.select(fleet_run.c.id).order_by(fleet_run.c.created.desc(), fleet_run.c.id.desc())
    return list(connection.execute(query).scalars())


def set_state(connection: sa.Connection, fleet: str, state: State, *, why: str = "") -> FleetRun:
    """Pause, go on, or stop: `why` in words. Raises UsageError when the run has ended."""
    change = (
        sa.update(fleet_run)
        .where(fleet_run.c.id == fleet, fleet_run.c.state.in_(_FROM[state]))
        .values(state=state, **({"why": why} if why else {}))
    )
    done = connection.execute(change).rowcount
    run = load(connection, fleet)
    if not done and run.state is not state:
        raise UsageError(
            f"fleet run {fleet} is {run.state}{': ' + run.why if run.why else ''}",
            remedy=f"`serialfix fleet show {fleet}` tells how it stands.",
        )
    return run


_FROM = {
    State.PAUSED: (State.RUNNING,),
    State.RUNNING: (State.PAUSED,),
    State.STOPPING: (State.RUNNING, State.PAUSED),
}


def hold(connection: sa.Connection, fleet: str) -> None:
    """Keep everybody else from deciding on this run until the transaction ends."""
    same = sa.update(fleet_run).where(fleet_run.c.id == fleet).values(state=fleet_run.c.state)
    connection.execute(same)


def stop(connection: sa.Connection, fleet: str, why: str, *, over_budget: bool) -> None:
    """Start nothing more."""
    connection.execute(
        sa.update(fleet_run)
        .where(fleet_run.c.id == fleet, fleet_run.c.state.in_(_FROM[State.STOPPING]))
        .values(state=State.STOPPING, why=why, over_budget=over_budget)
    )


def approve(connection: sa.Connection, fleet: str, wave: int) -> None:
    """Let the wave after this one begin."""
    connection.execute(
        sa.update(fleet_run)
        .where(fleet_run.c.id == fleet, fleet_run.c.approved < wave)
        .values(approved=wave)
    )


def waits_for(connection: sa.Connection, fleet: str, why: str) -> None:
    """Remember what the next start waits for, for those who watch."""
    connection.execute(
        sa.update(fleet_run)
        .where(fleet_run.c.id == fleet, fleet_run.c.waiting_for != why)
        .values(waiting_for=why)
    )


def end(connection: sa.Connection, fleet: str, now: datetime) -> None:
    """The run has ended; what was not started never will be, and a last attempt was the last."""
    last = sa.func.coalesce(target.c.outcome, Outcome.NOT_STARTED)
    connection.execute(
        sa.update(target)
        .where(target.c.fleet == fleet, target.c.state == TargetState.WAITING)
        .values(state=TargetState.ENDED, outcome=last, not_before=None)
    )
    connection.execute(
        sa.update(fleet_run)
        .where(fleet_run.c.id == fleet, fleet_run.c.state != State.ENDED)
        .values(state=State.ENDED, ended=now, waiting_for="")
    )


# --- how it stands --------------------------------------------------------------------------------


def waves(connection: sa.Connection, fleet: str) -> tuple[WaveStanding, ...]:
    """All waves in numbers."""
    query = (
        sa.select(target.c.wave, target.c.state, target.c.outcome, sa.func.count())
        .where(target.c.fleet == fleet)
        .group_by(target.c.wave, target.c.state, target.c.outcome)
    )
    states: dict[int, Counter[str]] = {}
    outcomes: dict[int, Counter[Outcome]] = {}
    for wave, state, outcome, number in connection.execute(query):
        states.setdefault(wave, Counter())[state] += number
        if state == TargetState.ENDED:
            outcomes.setdefault(wave, Counter())[Outcome(outcome)] += number
    return tuple(
        WaveStanding(
            wave,
            states[wave].total(),
            states[wave][TargetState.WAITING],
            states[wave][TargetState.RUNNING],
            outcomes.get(wave, Counter()),
        )
        for wave in sorted(states)
    )


_FREE = ~sa.exists().where(claim.c.vm_key == target.c.vm_key)
"""Whether no fleet run works on the VM, this one included."""


def situation(connection: sa.Connection, fleet: str, now: datetime) -> Situation:
    """All that the next decision depends on."""
    found = waves(connection, fleet)
    current = next((wave.number for wave in found if not wave.ended), 0)
    waiting = sa.and_(target.c.wave == current, target.c.state == TargetState.WAITING)
    ready = sa.or_(target.c.not_before.is_(None), target.c.not_before <= now)
    query = (
        sa.select(
            target.c.subscription_id,
            target.c.location,
            _count(waiting, ready, _FREE),
            _count(waiting, ready, ~_FREE),
            sa.func.min(sa.case((sa.and_(waiting, ~ready), target.c.not_before))),
            _count(target.c.state == TargetState.RUNNING),
            sa.func.count(),
        )
        .where(target.c.fleet == fleet)
        .group_by(target.c.subscription_id, target.c.location)
        .order_by(target.c.subscription_id, target.c.location)
    )
    names = ("subscription_id", "location", "waiting", "busy", "retry_at", "running", "total")
    rows = (dict(zip(names, row, strict=True)) for row in connection.execute(query))
    places = tuple(Place(**row) for row in rows if row["waiting"] or row["busy"] or row["retry_at"])
    return Situation(run=load(connection, fleet), waves=found, places=places, now=now)


def standing(
    connection: sa.Connection, fleet: str, now: datetime, *, workers: int, most: int = 10
) -> Standing:
    """For those who watch: numbers, the slowest, and the last that went wrong."""
    run = load(connection, fleet)
    mine = sa.select(*_FACTS).where(target.c.fleet == run.id)
    slowest = mine.where(target.c.state == TargetState.RUNNING).order_by(target.c.started)
    bad = mine.where(
        target.c.state == TargetState.ENDED, target.c.outcome.in_([*ERRORS, Outcome.REFUSED])
    ).order_by(target.c.ended.desc(), target.c.number)
    query = sa.select(fleet_run.c.waiting_for).where(fleet_run.c.id == run.id)
    return Standing(
        run=run,
        waves=waves(connection, run.id),
        running=tuple(map(_target, connection.execute(slowest.limit(most)))),
        errors=tuple(map(_target, connection.execute(bad.limit(most)))),
        waiting_for=connection.execute(query).scalar_one(),
        workers=workers,
        at=now,
    )


def targets(
    connection: sa.Connection, fleet: str, outcomes: Sequence[Outcome] = ()
) -> Iterator[Target]:
    """The targets in their order; only those that ended so, when it is said how."""
    query = sa.select(*_FACTS).where(target.c.fleet == fleet).order_by(target.c.number)
    if outcomes:
        query = query.where(target.c.state == TargetState.ENDED, target.c.outcome.in_(outcomes))
    return map(_target, connection.execute(query))


def under_way(connection: sa.Connection, fleet: str) -> list[Target]:
    """The targets being worked on."""
    query = sa.select(*_FACTS).where(target.c.fleet == fleet, target.c.state == TargetState.RUNNING)
    return list(map(_target, connection.execute(query)))


def one(connection: sa.Connection, fleet: str, number: int) -> Target:
    """One target."""
    query = sa.select(*_FACTS).where(target.c.fleet == fleet, target.c.number == number)
    return _target(connection.execute(query).one())


def results(connection: sa.Connection, fleet: str) -> dict[int, dict[str, Any]]:
    """What the last attempts came to, as serialfix.run/1, by the targets' numbers."""
    query = sa.select(target.c.number, target.c.result).where(
        target.c.fleet == fleet, target.c.result.is_not(None)
    )
    return {number: found for number, found in connection.execute(query)}


# --- one target's turn ----------------------------------------------------------------------------


def admit(
    connection: sa.Connection,
    insert: Any,
    fleet: str,
    numbers: Mapping[tuple[str, str], int],
    now: datetime,
) -> list[Target]:
    """Claim VMs of the current wave, as many as is said of each place; returns their targets.

    One that another fleet run works on is left waiting.
    """
    others = target.alias()
    current = (
        sa.select(sa.func.min(others.c.wave))
        .where(others.c.fleet == fleet, others.c.state != TargetState.ENDED)
        .scalar_subquery()
    )
    found: list[Target] = []
    for (subscription_id, location), number in numbers.items():
        query = (
            sa.select(*_FACTS)
            .where(
                target.c.fleet == fleet,
                target.c.wave == current,
                target.c.subscription_id == subscription_id,
                target.c.location == location,
                target.c.state == TargetState.WAITING,
                sa.or_(target.c.not_before.is_(None), target.c.not_before <= now),
                _FREE,
            )
            .order_by(target.c.number)
            .limit(number)
        )
        found += map(_target, connection.execute(query))
    ours = _claim(connection, insert, fleet, found)
    admitted = [each for each in found if each.number in ours]
    if admitted:
        connection.execute(
            _ADMIT,
            [
                {
                    "of": fleet,
                    "at": each.number,
                    "now": now,
                    "run": each.run_id or f"{fleet}.{each.number}",
                }
                for each in admitted
            ],
        )
    return admitted


_ADMIT = (
    sa.update(target)
    .where(target.c.fleet == sa.bindparam("of"), target.c.number == sa.bindparam("at"))
    .values(
        state=TargetState.RUNNING,
        attempt=target.c.attempt + 1,
        run_id=sa.bindparam("run"),
        outcome=None,
        phase="",
        started=sa.bindparam("now"),
        ended=None,
        worker=None,
        not_before=None,
    )
)


def _claim(
    connection: sa.Connection, insert: Any, fleet: str, wanted: Sequence[Target]
) -> set[int]:
    """Those whose VMs are ours now; a run at the same moment may have been quicker."""
    if not wanted:
        return set()
    made = insert(claim).on_conflict_do_nothing().returning(claim.c.number)
    # in one order: two runs that wait for each other's rows would never end
    rows = [
        {"vm_key": _key(each.vm_id), "fleet": fleet, "number": each.number}
        for each in sorted(wanted, key=lambda each: _key(each.vm_id))
    ]
    return set(connection.execute(made, rows).scalars())


def started(connection: sa.Connection, fleet: str, number: int, attempt: int, worker: str) -> None:
    """Who works on it now: whoever took it last."""
    connection.execute(
        sa.update(target).where(_under_way(fleet, number, attempt)).values(worker=worker)
    )


def renamed(connection: sa.Connection, fleet: str, number: int, run_id: str) -> Target:
    """The target with another run."""
    connection.execute(
        sa.update(target)
        .where(target.c.fleet == fleet, target.c.number == number)
        .values(run_id=run_id)
    )
    return one(connection, fleet, number)


def phase(connection: sa.Connection, fleet: str, number: int, attempt: int, name: str) -> None:
    """What is being done to it now."""
    connection.execute(_PHASE, {"of": fleet, "at": number, "start": attempt, "now": name})


_PHASE = (  # made once: it is what is written most often, but for the journal
    sa.update(target)
    .where(
        target.c.fleet == sa.bindparam("of"),
        target.c.number == sa.bindparam("at"),
        target.c.attempt == sa.bindparam("start"),
        target.c.state == TargetState.RUNNING,
    )
    .values(phase=sa.bindparam("now"))
)


def finish(
    connection: sa.Connection,
    fleet: str,
    number: int,
    attempt: int,
    *,
    now: datetime,
    outcome: Outcome,
    exit_code: int,
    touched: str = Touched.NO,
    error: Mapping[str, str] | None = None,
    result: Mapping[str, Any] | None = None,
    not_before: datetime | None = None,
    known: tuple[str, int] | None = None,
) -> bool:
    """An attempt has ended; with `not_before` there will be another. The VM is let go.

    Done a second time it does nothing: the attempt is no longer the one under way. `known` is the
    run, and how many records of its journal this end is the end of: when there are more, another
    worker has taken over, and is at the VM. Returns whether the attempt is no longer under way.
    """
    mine = [_under_way(fleet, number, attempt)]
    if known is not None:
        run_id, records = known
        more = sa.exists().where(journal.c.run_id == run_id, journal.c.seq > records)
        mine += [target.c.run_id == run_id, ~more]
    done = connection.execute(
        sa.update(target)
        .where(*mine)
        .values(
            state=TargetState.ENDED if not_before is None else TargetState.WAITING,
            outcome=outcome,
            exit_code=exit_code,
            touched=touched,
            error=error,
            result=result,
            phase="",
            ended=now,
            not_before=not_before,
        )
    ).rowcount
    if done:
        connection.execute(sa.delete(claim).where(claim.c.fleet == fleet, claim.c.number == number))
        return True
    still = sa.select(target.c.number).where(_under_way(fleet, number, attempt))
    return connection.execute(still).first() is None


# --- rows -----------------------------------------------------------------------------------------


def _under_way(fleet: str, number: int, attempt: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        target.c.fleet == fleet,
        target.c.number == number,
        target.c.attempt == attempt,
        target.c.state == TargetState.RUNNING,
    )


def _key(vm_id: str) -> str:
    """What a VM is claimed by: Azure's ids differ in case from answer to answer."""
    return vm_id.strip().rstrip("/").lower()


def _count(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((sa.and_(*conditions), 1), else_=0)), 0)


def _run(row: sa.Row[Any]) -> FleetRun:
    facts = dict(row.facts)
    return FleetRun(
        **{name: getattr(row, name) for name in _COLUMNS if name not in ("kind", "state")},
        kind=Kind(row.kind),
        state=State(row.state),
        policy=Policy.from_json(facts.pop("policy")),
        settings=Settings.from_json(facts.pop("settings")),
        skipped=tuple(facts.pop("skipped")),
        **facts,
    )


_TARGET = tuple(each.name for each in fields(Target))
_FACTS = tuple(target.c[name] for name in _TARGET)
"""Without the whole result, which is long."""


def _target(row: sa.Row[Any]) -> Target:
    values = {name: getattr(row, name) for name in _TARGET}
    values["state"] = TargetState(row.state)
    ended = values["state"] is TargetState.ENDED
    values["outcome"] = Outcome(row.outcome) if ended else None
    return Target(**values)


def _target_row(each: Target) -> dict[str, Any]:
    return {"vm_key": _key(each.vm_id), **{name: getattr(each, name) for name in _TARGET}}
