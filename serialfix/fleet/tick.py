"""What a worker does at a moment of a schedule: looks for the VMs, and begins a fleet run.

It may be begun again anywhere by another worker, also while a frozen one is still at it: the fleet
run's id follows from the schedule and the moment, and whether it is begun is decided in one
transaction that holds the schedule's row.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa

from serialfix.azure.discovery import Found
from serialfix.azure.identity import Azure, AzurePatience
from serialfix.errors import AzureRefused, AzureUnreachable, RecordError, SerialfixError
from serialfix.fleet import schedule as schedules
from serialfix.fleet import start, store
from serialfix.fleet.database import Database, fleet_run
from serialfix.fleet.engine import Queue
from serialfix.fleet.plan import FleetPlan, make_plan
from serialfix.fleet.schedule import LATE, CameTo, Schedule
from serialfix.fleet.share import vms
from serialfix.fleet.standing import State
from serialfix.fleet.targets import choose, find
from serialfix.fleet.writer import act_on
from serialfix.playbook.load import parse_playbook
from serialfix.session import new_nonce


_LOG = logging.getLogger(__name__)
PAUSES = (30.0, 120.0)
"""Seconds before Azure is asked again that did not answer, beyond what its client does."""
AGAIN = 5.0
"""Seconds before a tick is gone on with whose database was away."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment of a schedule; `by_hand`: somebody asked for it."""

    at: datetime
    name: str
    by_hand: bool = False

    @property
    def fleet(self) -> str:
        """The id of its fleet run, the same whoever asks."""
        facts = f"{self.name} {self.at.astimezone(UTC).isoformat()} {self.by_hand}"
        seed = int.from_bytes(hashlib.sha256(facts.encode()).digest())
        dice = random.Random(seed)  # noqa: S311 - it has to come out the same again
        return f"{self.at.astimezone(UTC):%Y%m%d-%H%M%S}-{new_nonce(dice)}{new_nonce(dice)}"


@dataclass(kw_only=True)
class Ticks:
    """The ticks of one worker. `pauses` are in seconds."""

    database: Database
    queue: Queue
    environ: Mapping[str, str]
    patience: AzurePatience | None = None
    pauses: Sequence[float] = PAUSES
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    under_way: int = 0

    async def tick(self, at: datetime, name: str, by_hand: bool) -> None:
        """All that is to be done at this moment."""
        self.under_way += 1
        try:
            while True:
                try:
                    return await self._tick(Tick(at, name, by_hand))
                except RecordError as error:
                    _LOG.warning("the tick of %s waits: %s", name, error)
                    await asyncio.sleep(AGAIN)
        finally:
            self.under_way -= 1

    async def _tick(self, tick: Tick) -> None:
        found: Schedule | None = await act_on(self.database, lambda c: self._open(c, tick))
        if found is None:
            return
        try:
            plan = await self._plan(found)
        except SerialfixError as error:
            await self._failed(tick, f"{error} {error.remedy}".strip())
        except Exception as error:  # a tick that ends so is never begun again, so it is told here
            await self._failed(tick, f"a bug in serialfix: {type(error).__name__}")
            raise
        else:
            if plan.total:
                await act_on(self.database, lambda c: self._begin(c, tick, found, plan))
            else:
                await self._failed(tick, _nobody(plan))

    async def _failed(self, tick: Tick, words: str) -> None:
        await act_on(
            self.database,
            lambda c: schedules.came_to(c, tick.name, tick.at, CameTo.FAILED, words),
        )

    def _open(self, connection: sa.Connection, tick: Tick) -> Schedule | None:
        """The schedule, when its VMs are to be looked for."""
        found = self._may_begin(connection, tick)
        if found is None:
            return None
        if (late := (self.clock() - tick.at).total_seconds()) > LATE:
            words = f"no worker was alive until {late / 60:.0f} minutes later"
            schedules.came_to(connection, tick.name, tick.at, CameTo.MISSED, words)
            return None
        schedules.came_to(connection, tick.name, tick.at, CameTo.LOOKS, "looks for the VMs")
        return found

    def _may_begin(self, connection: sa.Connection, tick: Tick) -> Schedule | None:
        """The schedule, held, when nothing stands in the way of a fleet run; else it is said what.

        Nothing is said of one that was removed or paused before its moment was at its turn.
        """
        found = schedules.hold(connection, tick.name)
        if found is None or (found.paused and not tick.by_hand) or _exists(connection, tick.fleet):
            return None
        if runs := _still_runs(connection, tick.name):
            words = f"fleet run {runs} still runs"
            schedules.came_to(connection, tick.name, tick.at, CameTo.SKIPPED, words)
            return None
        return found

    def _begin(
        self, connection: sa.Connection, tick: Tick, planned: Schedule, plan: FleetPlan
    ) -> None:
        """The fleet run, its work for the engine, and the word of it: all or nothing."""
        found = self._may_begin(connection, tick)
        if found is None:
            return
        if found.since != planned.since:
            words = "the schedule was changed while the VMs were looked for"
            schedules.came_to(connection, tick.name, tick.at, CameTo.SKIPPED, words)
            return
        run, targets = start.freeze(
            plan, found.kind, found.settings, self.clock(), schedule=found.name
        )
        run = replace(run, id=tick.fleet, user=found.user)
        store.create(connection, run, targets, plan.loaded.text)
        self.queue.conduct(connection, run.id)
        words = f"fleet run {run.id} on {vms(run.total)}"
        schedules.came_to(connection, tick.name, tick.at, CameTo.BEGAN, words)

    async def _plan(self, found: Schedule) -> FleetPlan:
        """With the VMs that there are now. Raises SerialfixError."""
        loaded = parse_playbook(found.playbook_text, file=f"the playbook of {found.name}")
        known = await self._find(found)
        return make_plan(
            replace(loaded, sha256=found.playbook_sha256),
            choose(known.vms, found.wish),
            found.policy,
            scope=found.scope,
            wish=found.wish,
            parameters=found.parameters,
            queries=known.queries,
            notes=known.notes,
        )

    async def _find(self, found: Schedule) -> Found:
        for pause in (*self.pauses, None):
            try:
                async with Azure(environ=self.environ, patience=self.patience) as azure:
                    return await find(azure, found.wish, found.scope, progress=_LOG.info)
            except (AzureRefused, AzureUnreachable) as error:
                if pause is None or not getattr(error, "passing", True):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last try ends it")


def _exists(connection: sa.Connection, fleet: str) -> bool:
    query = sa.select(fleet_run.c.id).where(fleet_run.c.id == fleet)
    return connection.execute(query).first() is not None


def _still_runs(connection: sa.Connection, name: str) -> str | None:
    """The fleet run of this schedule that has not ended."""
    query = (
        sa.select(fleet_run.c.id)
        .where(fleet_run.c.schedule == name, fleet_run.c.state != State.ENDED)
        .limit(1)
    )
    return connection.execute(query).scalar()


def _nobody(plan: FleetPlan) -> str:
    skipped = len(plan.chosen.skipped)
    return "no VM can be worked on: " + (f"all {skipped} are skipped" if skipped else "none found")
