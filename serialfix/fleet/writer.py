"""Many small writes of one process become few transactions: whoever writes waits for its own only.

A commit takes as long for one record as for fifty, and a worker has that many sessions. What is
written while a commit is under way goes together into the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, TimeoutError

from serialfix.errors import RecordError
from serialfix.fleet.database import Database, is_away, unreachable


T = TypeVar("T")
Act = Callable[[sa.Connection], Any]
"""Done within a transaction with others, and again from the start when the connection broke."""
AWAY = 60.0
"""Seconds for which a database that is away is waited for; a console waits no longer."""
PAUSE = 0.25


class DatabaseAway(RecordError):
    """The database did not come back. What was to be written may be there, or not."""

    default_remedy = "Nothing is lost: when it is there again, a worker goes on where this stopped."


@dataclass(slots=True)
class _Write:
    act: Act
    done: asyncio.Future[Any]


class Writer:
    """Writes in the order in which it is asked to. `away` is in seconds."""

    def __init__(self, database: Database, *, away: float = AWAY) -> None:
        self._database = database
        self._away = away
        self._waiting: list[_Write] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, act: Act) -> Any:
        """What `act` returns, once it is durable.

        `act` must bear being done again: after a connection broke in a commit nobody knows whether
        it was done. Who is cancelled waits no longer, and its act is done all the same. Raises
        DatabaseAway, RecordError, and what `act` raises.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(act, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await done

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._commit(batch)
            except asyncio.CancelledError:  # the loop ends
                for each in (*batch, *self._waiting):
                    each.done.cancel()
                raise

    async def _commit(self, batch: list[_Write]) -> None:
        def all_of_it(connection: sa.Connection) -> list[Any]:
            return [each.act(connection) for each in batch]

        try:
            results = await in_thread(
                self._database, lambda: patiently(self._database, all_of_it, away=self._away)
            )
        except DatabaseAway as error:
            for each in batch:
                if not each.done.done():
                    each.done.set_exception(DatabaseAway(str(error)))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for it
            if len(batch) > 1:  # one of them spoils it for all: each by itself
                for each in batch:
                    await self._commit([each])
            elif not batch[0].done.done():
                batch[0].done.set_exception(error)
        else:
            for each, result in zip(batch, results, strict=True):
                if not each.done.done():
                    each.done.set_result(result)


async def act_on(database: Database, act: Act) -> Any:
    """`patiently`, for those who must not block."""
    return await in_thread(database, patiently, database, act)


async def in_thread(database: Database, function: Callable[..., T], *arguments: Any) -> T:
    """In a thread of the database's own: those of the loop end with the engine."""
    return await asyncio.get_running_loop().run_in_executor(database.threads, function, *arguments)


def patiently(database: Database, act: Act, *, away: float = AWAY) -> Any:
    """Do something in a transaction; a database that is away is waited for, so many seconds.

    Raises DatabaseAway when it stays away, RecordError when it refuses, and what `act` raises.
    """
    until = time.monotonic() + away
    while True:
        try:
            with database.engine.begin() as connection:
                return act(connection)
        except (DBAPIError, TimeoutError) as error:
            if not is_away(error):
                raise unreachable(database, error) from None
            if time.monotonic() > until or database.closing.wait(PAUSE):
                raise DatabaseAway(str(unreachable(database, error))) from None
