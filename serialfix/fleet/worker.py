"""A worker: takes turns at VMs, leads fleet runs, takes over from the dead, and ends in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from serialfix.fleet.conductor import Conductor
from serialfix.fleet.database import Database, fleet_run
from serialfix.fleet.engine import Engine, Queue, Work
from serialfix.fleet.presence import TAKEOVER, Presence, alive, make_presence
from serialfix.fleet.standing import State
from serialfix.fleet.tick import Ticks
from serialfix.fleet.turn import Turns
from serialfix.fleet.writer import Writer, act_on, in_thread
from serialfix.remediation.options import RunPatience


IDLE = 3.0
"""Seconds without a fleet run after which a worker that was started for one ends."""
LOOK = 0.25
SHARE = 10.0
"""Seconds between two looks at how many workers share Azure's budgets."""
LEAVE = 3.0
"""Seconds for leaving the consoles when the worker has lost its lock."""
PER_WORKER = 50
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
        self._queue.prepare(per_worker=options.per_worker or PER_WORKER)
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
        self._engine = Engine(
            database,
            self._presence.id,
            Work(self._conductor.conduct, self._turns.remediate, self._ticks.tick),
        )

    def stop(self) -> None:
        """Take nothing more and end when what is under way has."""
        self._stop.set()

    async def work(self) -> int:
        """Until it is stopped, or has nothing to do and was asked to end then: its exit code."""
        self._engine.launch()
        self._presence.watch(self._engine.recover)
        self._tell(f"worker {self._presence.id} works on {self._database.url}")
        loop = asyncio.get_running_loop()
        idle_since = shared = loop.time()
        while not self._stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK)
            if self._presence.lost:
                return await self._lost()
            now = loop.time()
            if now - shared > SHARE:
                shared = now
                await self._share()
            if self._options.until_idle and now - idle_since > IDLE:
                if await self._idle():
                    break
                idle_since = now
        await self._drain()
        return 0

    async def _share(self) -> None:
        """Azure counts all workers together."""
        self._budget.share = 1 / max(1, await in_thread(self._database, alive, self._database))

    async def _idle(self) -> bool:
        def unfinished(connection: sa.Connection) -> int:
            query = sa.select(sa.func.count()).where(fleet_run.c.state != State.ENDED)
            return int(connection.execute(query).scalar_one())

        at_work = self._turns.under_way or self._ticks.under_way
        return not at_work and not await act_on(self._database, unfinished)

    async def _drain(self) -> None:
        """What is under way is let to its end; what takes too long leaves its console in order."""
        self._turns.draining = True
        await self._engine.close()
        if self._turns.under_way:
            self._tell(f"waits for {len(self._turns.under_way)} VMs; a second signal ends at once")
            await self._turns.wait(self._options.drain)
        await self._turns.leave()
        self._presence.close()
        self._queue.close()

    async def _lost(self) -> int:
        """Another may take over: away from the consoles, and out."""
        self._tell("this worker lost its lock in the database: it stops, others go on")
        self._turns.draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._turns.leave(), LEAVE)
        os._exit(LOST)
