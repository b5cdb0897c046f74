"""A worker: takes turns at VMs, leads fleet runs, takes over from the dead, and ends in order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from serialfix.errors import RecordError, SerialfixError
from serialfix.fleet.conductor import Conductor
from serialfix.fleet.database import Database, fleet_run
from serialfix.fleet.engine import Engine, Queue, Work
from serialfix.fleet.presence import TAKEOVER, Presence, alive, make_presence
from serialfix.fleet.standing import State
from serialfix.fleet.tick import Ticks
from serialfix.fleet.turn import Turns
from serialfix.fleet.writer import Writer, act_on, in_thread
from serialfix.remediation.options import RunPatience


_LOG = logging.getLogger(__name__)
IDLE = 3.0
"""Seconds without a fleet run after which a worker that was started for one ends."""
LOOK = 0.25
SWEEP = 30.0
"""Seconds between two looks for work that was taken and is not done."""
SHARE = 10.0
"""Seconds between two looks at how many workers share Azure's budgets."""
LEAVE = 3.0
"""Seconds for leaving the consoles when the worker has lost its lock."""
DRAIN = 900.0
LOST = 6
"""Exit code of a worker that could not be known to be alive any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works. `takeover` and `drain` are in seconds."""

    host: str
    state_dir: Path
    environ: Mapping[str, str]
    per_worker: int | None = None
    takeover: float = TAKEOVER
    drain: float = DRAIN
    until_idle: bool = False
    patience: RunPatience = field(default_factory=RunPatience)


class Worker:
    """One process's part of all fleet runs of a database."""

    def __init__(
        self, database: Database, options: WorkerOptions, tell: Callable[[str], None]
    ) -> None:
        from serialfix.azure.budget import ArmBudget

        self._database = database
        self._options = options
        self._tell = tell
        self._stop = asyncio.Event()
        self._queue = Queue(database)
        self._queue.prepare(per_worker=options.per_worker)
        self._presence: Presence = make_presence(database, options.host, takeover=options.takeover)
        self._budget = ArmBudget()
        self._conductor = Conductor(database, self._queue)
        self._turns = Turns(
            database=database,
            writer=Writer(database),
            worker=self._presence.id,
            state_dir=options.state_dir,
            environ=options.environ,
            ended=self._conductor.wake,
            budget=self._budget,
            patience=options.patience,
        )
        self._ticks = Ticks(
            database=database,
            queue=self._queue,
            environ=options.environ,
            patience=options.patience.azure,
        )
        self._engine = self._make_engine()

    def _make_engine(self) -> Engine:
        work = Work(self._conductor.conduct, self._turns.remediate, self._ticks.tick)
        return Engine(self._database, self._presence.id, work)

    def stop(self) -> None:
        """Take nothing more and end when what is under way has."""
        self._stop.set()

    async def work(self) -> int:
        """Until it is stopped, or has nothing to do and was asked to end then: its exit code."""
        while True:
            lost = await self._shift()
            if lost:
                await self._lost()
            await self._drain()
            if self._stop.is_set() or await self._idle() or not self._back():
                break
        self._queue.close()
        return 0

    async def _shift(self) -> bool:
        """Work until there is a reason to end; whether it is that the lock was lost."""
        self._engine.launch()
        self._presence.watch(self._engine.recover)
        self._tell(f"worker {self._presence.id} works on {self._database.url}")
        sharing = asyncio.create_task(self._share())
        sweeping = asyncio.create_task(self._sweep())
        idle = asyncio.create_task(self._until_idle())
        try:
            while not self._stop.is_set() and not idle.done():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), LOOK)
                if self._presence.lost:
                    return True
        finally:
            for each in (sharing, sweeping, idle):
                each.cancel()
            await asyncio.wait((sharing, sweeping, idle))
        return False

    def _back(self) -> bool:
        """Whether a fleet run that was begun while we ended is ours.

        Who began it saw us alive, and started no other; one that came since has the lock.
        """
        try:
            self._presence = make_presence(
                self._database, self._options.host, takeover=self._options.takeover
            )
        except SerialfixError:
            return False
        self._turns.worker, self._turns.draining = self._presence.id, False
        self._conductor.rest(False)
        self._engine = self._make_engine()
        return True

    async def _share(self) -> None:
        """Azure counts all workers together."""
        while True:
            with suppress(RecordError):  # then it is as it was
                many = await in_thread(self._database, alive, self._database)
                self._budget.share = 1 / max(1, many)
            await asyncio.sleep(SHARE)

    async def _sweep(self) -> None:
        """A run must end although the database was away in the wrong moment."""
        while True:
            await asyncio.sleep(SWEEP)
            try:
                await in_thread(self._database, self._engine.sweep)
            except Exception as error:  # noqa: BLE001 - of the engine, whatever it is: next time
                _LOG.warning(
                    "work that is not done could not be looked for: %s", type(error).__name__
                )

    async def _until_idle(self) -> None:
        """Until nothing is left, for a worker that is to end then."""
        while True:
            await asyncio.sleep(IDLE)
            if self._options.until_idle and await self._idle():
                return

    async def _idle(self) -> bool:
        """Whether nothing is left to be done, for certain; a worker that is to stay never is."""

        def unfinished(connection: sa.Connection) -> int:
            query = sa.select(sa.func.count()).where(fleet_run.c.state != State.ENDED)
            return int(connection.execute(query).scalar_one())

        if self._turns.under_way or self._ticks.under_way:
            return False
        try:
            return not await act_on(self._database, unfinished)
        except RecordError:
            return False

    async def _drain(self) -> None:
        """End in order, and know all the while whether another may take over: nothing of it,
        neither the engine's threads nor a console that is left, is waited for when it may."""
        ending = asyncio.ensure_future(self._end())
        while not (await asyncio.wait([ending], timeout=LOOK))[0]:
            if self._presence.lost:
                await self._lost()
        await ending
        await asyncio.to_thread(self._presence.close)

    async def _end(self) -> None:
        """What is under way is let to its end; what takes too long leaves its console in order."""
        self._turns.draining = True
        if self._database.is_sqlite:
            self._conductor.rest()  # what it would start nobody is there to work on
        await self._engine.close()
        if self._turns.under_way:
            self._tell(f"waits for {len(self._turns.under_way)} VMs; a second signal ends at once")
            await self._turns.wait(self._options.drain)
        await self._turns.leave()

    async def _lost(self) -> None:
        """Another may take over: away from the consoles, and out."""
        self._tell("this worker lost its lock in the database: it stops, others go on")
        self._turns.draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._turns.leave(), LEAVE)
        os._exit(LOST)
