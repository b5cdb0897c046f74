"""Leads one fleet run: looks how it stands, decides, starts what may be started.

It keeps nothing: killed anywhere, another worker goes on with the same rows. Two of them at once,
one of them frozen and taken over, cannot start too many: each decision is made in one transaction
that holds the row of the run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from serialfix.errors import RecordError, SerialfixError
from serialfix.fleet import store
from serialfix.fleet.database import Database
from serialfix.fleet.decide import Decision, End, Start, Stop, Wait, decide
from serialfix.fleet.engine import Queue
from serialfix.fleet.standing import State, Target
from serialfix.fleet.storage import records
from serialfix.fleet.turn import bug, without_end
from serialfix.fleet.writer import Act, act_on
from serialfix.model import Outcome


_LOG = logging.getLogger(__name__)
LOOK = 0.5
"""Seconds between two looks at a run; a target that ends on this worker is noticed at once."""
REST = 3
"""So many times as long as a look takes, there is none: with 50,000 targets it takes a while."""
LONGEST = 10.0
"""Seconds of that rest at most: a look also takes long when the process was frozen in it, or when
the database was away, and the run is not to stand still for three times that."""
LOST = 30.0
"""Seconds between two looks for targets that the engine has given up."""
AGAIN = 5.0
"""Seconds after a decision that could not be made, or not be kept."""


class Conductor:
    """Leads fleet runs of a database."""

    def __init__(
        self, database: Database, queue: Queue, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock or _now
        self._wake = asyncio.Event()
        self._resting = False

    def rest(self, resting: bool = True) -> None:
        """Start nothing any more here; whoever leads the run next goes on."""
        self._resting = resting

    def wake(self) -> None:
        """Something has ended here."""
        self._wake.set()

    async def conduct(self, fleet: str) -> None:
        """Until the run has ended, whatever happens: a run that nobody leads would wait forever."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while True:
            self._wake.clear()
            began, pause = loop.time(), LOOK
            try:
                if not self._resting and await self._act(fleet):
                    return
                if loop.time() - looked > LOST:
                    looked = loop.time()
                    await self._do(lambda connection: self._give_up(connection, fleet))
            except RecordError as error:
                _LOG.warning("%s waits: %s", fleet, error)
                pause = AGAIN
            except Exception as error:  # noqa: BLE001 - told to those who watch, and tried again
                _LOG.exception("%s cannot be gone on with", fleet)
                pause = AGAIN
                await self._tell(fleet, str(bug(error)))
            await asyncio.sleep(min(REST * (loop.time() - began), LONGEST))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _tell(self, fleet: str, why: str) -> None:
        with suppress(RecordError):
            await self._do(lambda connection: store.waits_for(connection, fleet, why))

    async def _act(self, fleet: str) -> bool:
        """One decision; whether the run has ended with it."""
        decision = await self._do(lambda connection: self._decision(connection, fleet))
        if isinstance(decision, Wait):  # nothing to change: no need to hold the row
            await self._do(lambda connection: store.waits_for(connection, fleet, decision.why))
            return False
        return bool(decision is None or await self._do(lambda c: self._carry_out(c, fleet)))

    def _decision(self, connection: sa.Connection, fleet: str) -> Decision | None:
        situation = store.situation(connection, fleet, self._clock())
        return None if situation.run.state is State.ENDED else decide(situation)

    def _carry_out(self, connection: sa.Connection, fleet: str) -> bool:
        store.hold(connection, fleet)
        match self._decision(connection, fleet):
            case Start(numbers):
                admitted = store.admit(
                    connection, self._database.insert, fleet, numbers, self._clock()
                )
                for each in admitted:
                    self._queue.remediate(connection, fleet, each.number, each.attempt + 1)
                store.waits_for(connection, fleet, "")
            case Wait(why, _):
                store.waits_for(connection, fleet, why)
            case Stop(why, over_budget):
                store.stop(connection, fleet, why, over_budget=over_budget)
            case End():
                store.end(connection, fleet, self._clock())
                return True
            case None:
                return True
        return False

    def _give_up(self, connection: sa.Connection, fleet: str) -> None:
        """Targets for which the engine does nothing any more: for a person."""
        for each in store.under_way(connection, fleet):
            if self._queue.lost(fleet, each.number, each.attempt):
                past = records(connection, each.run_id or "")
                ended = without_end(
                    store.load(connection, fleet), each, past, _given_up(fleet, each)
                )
                store.finish(
                    connection,
                    fleet,
                    each.number,
                    each.attempt,
                    now=self._clock(),
                    outcome=Outcome(ended["outcome"]),
                    exit_code=ended["exit_code"],
                    touched=ended["touched"],
                    error=ended["error"],
                    result=ended,
                )

    async def _do(self, act: Act) -> Any:
        return await act_on(self._database, act)


def _given_up(fleet: str, target: Target) -> SerialfixError:
    return SerialfixError(
        "the work on this VM ended every worker that took it",
        remedy=f"`serialfix fleet show {fleet} --vm {target.number}`, and the logs of the workers.",
    )


def _now() -> datetime:
    return datetime.now(UTC)
