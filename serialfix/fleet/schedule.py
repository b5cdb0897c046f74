"""Schedules: what is to be done again and again is frozen, and the engine told when.

The VMs are not frozen: they are looked for anew at each tick. What a tick does is in `tick`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

from serialfix.azure.discovery import Scope
from serialfix.errors import TargetError, UsageError
from serialfix.fleet import store
from serialfix.fleet.cron import Cron
from serialfix.fleet.database import Database, fleet_run
from serialfix.fleet.database import schedule as table
from serialfix.fleet.engine import Queue
from serialfix.fleet.plan import FleetPlan
from serialfix.fleet.policy import Policy
from serialfix.fleet.presence import alive
from serialfix.fleet.standing import Kind, Settings, Standing
from serialfix.fleet.targets import Wish
from serialfix.fleet.writer import patiently
from serialfix.remediation.run import user


T = TypeVar("T")
AWAY = 10.0
"""Seconds for which a database that is away is waited for by somebody at a terminal."""
GRACE = 60.0
"""Seconds after which a tick is missed: the engine may be ten late, and then has to take it up."""
LATE = 900.0
"""Seconds after which a tick is not caught up: nobody expects a run at that time any more."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class CameTo(StrEnum):
    """What a tick came to; `looks`: VMs are being looked for."""

    LOOKS = "looks"
    BEGAN = "began"
    SKIPPED = "skipped"
    FAILED = "failed"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is done, when, and what the last tick came to."""

    name: str
    cron: Cron
    kind: Kind
    playbook: str
    playbook_version: str
    playbook_sha256: str
    playbook_text: str
    parameters: Mapping[str, str]
    scope: Scope
    wish: Wish
    policy: Policy
    settings: Settings
    user: str
    created: datetime
    since: datetime
    """Ticks are due from then on: it was made, changed, or let go on."""
    paused: bool = False
    last_tick: datetime | None = None
    last_came_to: CameTo | None = None
    last_words: str = ""

    def due(self) -> datetime:
        """The first moment for which there should be a tick, and was none yet."""
        return self.cron.after(max(self.since, self.last_tick or self.since))

    def missed(self, now: datetime) -> datetime | None:
        """The first tick that did not come although it was due: no worker was alive."""
        if self.paused:
            return None
        due = self.due().astimezone(UTC)
        return due if (now - due).total_seconds() > GRACE else None


_COLUMNS = (
    *("name", "created", "since", "paused", "playbook_text"),
    *("last_tick", "last_came_to", "last_words"),
)
_PLAIN = ("playbook", "playbook_version", "playbook_sha256", "parameters", "user")


def make_schedule(
    name: str, cron: Cron, plan: FleetPlan, kind: Kind, settings: Settings
) -> Schedule:
    """Freeze a plan, but for its VMs. Raises UsageError for a name that is none."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a schedule",
            remedy="Use letters, digits, dots, dashes and underscores, at most 64; first a letter "
            "or digit.",
        )
    now = datetime.now(UTC)
    return Schedule(
        name=name,
        cron=cron,
        kind=kind,
        playbook=plan.loaded.playbook.name,
        playbook_version=plan.loaded.playbook.version,
        playbook_sha256=plan.loaded.sha256,
        playbook_text=plan.loaded.text,
        parameters=dict(plan.parameters),
        scope=plan.scope,
        wish=plan.wish,
        policy=plan.policy,
        settings=settings,
        user=user(),
        created=now,
        since=now,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """A schedule with the last fleet runs that it made, the newest first."""

    schedule: Schedule
    runs: tuple[Standing, ...]


class Schedules:
    """The schedules of one database. Raises RecordError when it cannot be reached."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, made: Schedule, *, again: bool = False) -> Schedule:
        """Keep it and tick from now on; `again`: in place of one of this name, paused if that is.

        Raises UsageError when there is one of this name.
        """

        def keep(queue: Queue, connection: sa.Connection) -> Schedule:
            old = hold(connection, made.name)
            if old is not None and not again:
                raise UsageError(
                    f"there is a schedule {made.name}",
                    remedy=f"--replace puts this one in its place; `serialfix fleet schedule show "
                    f"{made.name}` tells what it does.",
                )
            kept = made if old is None else replace(made, paused=old.paused, created=old.created)
            connection.execute(sa.delete(table).where(table.c.name == made.name))
            connection.execute(sa.insert(table).values(_row(kept)))
            queue.schedule(connection, made.name, made.cron.text, made.cron.zone)
            return kept

        return self._change(keep)

    def pause(self, name: str) -> Schedule:
        """Tick no more until it goes on; a fleet run that it began goes on. Raises TargetError."""
        return self._set(name, paused=True)

    def resume(self, name: str) -> Schedule:
        """Tick again, from now on. Raises TargetError."""
        return self._set(name, paused=False)

    def _set(self, name: str, *, paused: bool) -> Schedule:
        def change(queue: Queue, connection: sa.Connection) -> Schedule:
            found = _known(connection, hold(connection, name), name)
            if found.paused == paused:
                return found
            since = found.since if paused else datetime.now(UTC)
            connection.execute(
                sa.update(table).where(table.c.name == name).values(paused=paused, since=since)
            )
            queue.ticking(connection, name, not paused)
            return replace(found, paused=paused, since=since)

        return self._change(change)

    def remove(self, name: str) -> Schedule:
        """Away with it; a fleet run that it began goes on. Raises TargetError."""

        def change(queue: Queue, connection: sa.Connection) -> Schedule:
            found = _known(connection, hold(connection, name), name)
            connection.execute(sa.delete(table).where(table.c.name == name))
            queue.unschedule(connection, name)
            return found

        return self._change(change)

    def tick(self, name: str) -> datetime:
        """Let a worker do now what is done at a tick; also of one that is paused. The moment."""
        at = datetime.now(UTC).replace(microsecond=0)

        def change(queue: Queue, connection: sa.Connection) -> datetime:
            _known(connection, hold(connection, name), name)
            queue.tick(connection, at, name)
            return at

        return self._change(change)

    def find(self, name: str, *, most: int = 5) -> Shown:
        """The schedule of this name, with so many of its fleet runs. Raises TargetError."""
        workers = alive(self.database)

        def look(connection: sa.Connection) -> Shown:
            return _shown(
                connection, _known(connection, load(connection, name), name), workers, most
            )

        return self._do(look)

    def all(self) -> list[Shown]:
        """All schedules by name, each with its last fleet run."""
        workers = alive(self.database)

        def look(connection: sa.Connection) -> list[Shown]:
            rows = connection.execute(sa.select(table).order_by(table.c.name)).all()
            return [_shown(connection, _schedule(row), workers, 1) for row in rows]

        return self._do(look)

    def _change(self, change: Callable[[Queue, sa.Connection], T]) -> T:
        queue = Queue(self.database)
        try:
            queue.prepare()
            return self._do(lambda connection: change(queue, connection))
        finally:
            queue.close()

    def _do(self, act: Callable[[sa.Connection], T]) -> T:
        done: T = patiently(self.database, act, away=AWAY)
        return done


# --- rows -----------------------------------------------------------------------------------------


def load(connection: sa.Connection, name: str) -> Schedule | None:
    """The schedule of this name."""
    row = connection.execute(sa.select(table).where(table.c.name == name)).one_or_none()
    return None if row is None else _schedule(row)


def hold(connection: sa.Connection, name: str) -> Schedule | None:
    """The same, kept from everybody else until the transaction ends."""
    connection.execute(sa.update(table).where(table.c.name == name).values(name=name))
    return load(connection, name)


def came_to(connection: sa.Connection, name: str, at: datetime, what: CameTo, words: str) -> None:
    """Remember what a tick came to, unless a later one was there already."""
    connection.execute(
        sa.update(table)
        .where(table.c.name == name, sa.or_(table.c.last_tick.is_(None), table.c.last_tick <= at))
        .values(last_tick=at, last_came_to=what, last_words=words)
    )


def _known(connection: sa.Connection, found: Schedule | None, name: str) -> Schedule:
    if found is not None:
        return found
    names = connection.execute(sa.select(table.c.name)).scalars().all()
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    raise TargetError(
        f"no schedule {name!r}{'; near: ' + ', '.join(near) if near else ''}",
        remedy="`serialfix fleet schedule list` lists all of this database.",
    )


def _shown(connection: sa.Connection, schedule: Schedule, workers: int, most: int) -> Shown:
    query = (
        sa.select(fleet_run.c.id)
        .where(fleet_run.c.schedule == schedule.name)
        .order_by(fleet_run.c.created.desc(), fleet_run.c.id.desc())
        .limit(most)
    )
    now = datetime.now(UTC)
    return Shown(
        schedule,
        tuple(
            store.standing(connection, each, now, workers=workers, most=0)
            for each in connection.execute(query).scalars().all()
        ),
    )


def _row(schedule: Schedule) -> dict[str, Any]:
    return {
        **{name: getattr(schedule, name) for name in _COLUMNS},
        "cron": schedule.cron.text,
        "time_zone": schedule.cron.zone,
        "facts": {
            **{name: getattr(schedule, name) for name in _PLAIN},
            "kind": schedule.kind,
            "scope": asdict(schedule.scope),
            "wish": schedule.wish.to_json(),
            "policy": schedule.policy.to_json(),
            "settings": schedule.settings.to_json(),
        },
    }


def _schedule(row: sa.Row[Any]) -> Schedule:
    facts = row.facts
    columns = {name: getattr(row, name) for name in _COLUMNS}
    columns["last_came_to"] = row.last_came_to and CameTo(row.last_came_to)
    return Schedule(
        **columns,
        **{name: facts[name] for name in _PLAIN},
        cron=Cron(row.cron, row.time_zone),
        kind=Kind(facts["kind"]),
        scope=Scope(**{each.name: tuple(facts["scope"][each.name]) for each in fields(Scope)}),
        wish=Wish.from_json(facts["wish"]),
        policy=Policy.from_json(facts["policy"]),
        settings=Settings.from_json(facts["settings"]),
    )
