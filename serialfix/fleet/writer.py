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
from sqlalchemy.exc import DBAPIError

from serialfix.fleet.database import Database, is_away, unreachable


T = TypeVar("T")
Act = Callable[[sa.Connection], Any]
"""Done within a transaction with others, and again from the start when the connection broke."""
AWAY = 60.0
"""Seconds for which a database that is away is waited for; a console waits no longer."""
PAUSE = 0.5


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
        it was done. Raises RecordError when the database stays away, and what `act` raises.
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
                results = await in_thread(self._database, self._commit, batch)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for it
                if len(batch) > 1:  # one of them spoils it for all: each by itself
                    for each in batch:
                        await self._alone(each)
                else:
                    _fail(batch[0], error)
            else:
                for each, result in zip(batch, results, strict=True):
                    if not each.done.cancelled():
                        each.done.set_result(result)

    async def _alone(self, write: _Write) -> None:
        try:
            (result,) = await in_thread(self._database, self._commit, [write])
        except BaseException as error:  # noqa: BLE001 - as above
            _fail(write, error)
        else:
            if not write.done.cancelled():
                write.done.set_result(result)

    def _commit(self, batch: list[_Write]) -> list[Any]:
        def all_of_it(connection: sa.Connection) -> list[Any]:
            return [each.act(connection) for each in batch]

        done: list[Any] = patiently(self._database, all_of_it, away=self._away)
        return done


async def act_on(database: Database, act: Act) -> Any:
    """`patiently`, for those who must not block."""
    return await in_thread(database, patiently, database, act)


async def in_thread(database: Database, function: Callable[..., T], *arguments: Any) -> T:
    """In a thread of the database's own: those of the loop end with the engine."""
    return await asyncio.get_running_loop().run_in_executor(database.threads, function, *arguments)


def patiently(database: Database, act: Act, *, away: float = AWAY) -> Any:
    """Do something in a transaction; a database that is away is waited for, so many seconds.

    Raises RecordError when it stays away.
    """
    until = time.monotonic() + away
    while True:
        try:
            with database.engine.begin() as connection:
                return act(connection)
        except DBAPIError as error:
            if not is_away(error) or time.monotonic() > until:
                raise unreachable(database, error) from error
        time.sleep(PAUSE)


def _fail(write: _Write, error: BaseException) -> None:
    if not write.done.cancelled():
        write.done.set_exception(error)
