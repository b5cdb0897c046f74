"""The engine's queues and tables on both databases, and what is seen of an exception in it."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from serialfix.fleet.database import Database, open_database
from serialfix.fleet.engine import PER_WORKER, VMS, Engine, Queue, Work
from tests.fleet.frozen import do


_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def prepare(where: str, barrier: Any) -> None:
    """As a command does that is begun at the same moment as others."""
    database = open_database(where)
    queue = Queue(database)
    barrier.wait(20)
    queue.prepare()
    queue.close()
    database.close()


def test_several_begin_on_an_empty_database_at_once(where: str) -> None:
    barrier = _CONTEXT.Barrier(3)
    processes = [_CONTEXT.Process(target=prepare, args=(where, barrier)) for _ in range(3)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(40)
    assert [each.exitcode for each in processes] == [0, 0, 0]
    database = open_database(where)
    assert per_worker(Queue(database)) == PER_WORKER
    database.close()


def per_worker(queue: Queue) -> int | None:
    found = queue._client.retrieve_queue(VMS)
    assert found is not None
    return found.worker_concurrency


def test_what_was_said_of_a_worker_stays_until_another_says_otherwise(opened: Database) -> None:
    queue = Queue(opened)
    for said, holds in ((None, PER_WORKER), (7, 7), (None, 7), (9, 9)):
        queue.prepare(per_worker=said)
        assert per_worker(queue) == holds
    queue.close()


class Doing:
    """Work that tells what it was given, and is told how to end."""

    def __init__(self) -> None:
        self.led: list[str] = []
        self.seen: list[tuple[str, int, int]] = []
        self.go = asyncio.Event()

    async def conduct(self, fleet: str) -> None:
        self.led.append(fleet)

    async def remediate(self, fleet: str, number: int, attempt: int) -> None:
        self.seen.append((fleet, number, attempt))
        if number == 13:
            raise LookupError("thirteen")
        if number > 99:
            await self.go.wait()

    async def tick(self, at: datetime, schedule: str, by_hand: bool) -> None:
        raise AssertionError(at, schedule, by_hand)


@asynccontextmanager
async def engine(database: Database, doing: Doing, name: str = "one") -> AsyncIterator[Engine]:
    engine = Engine(database, name, Work(doing.conduct, doing.remediate, doing.tick))
    engine.launch()
    try:
        yield engine
    finally:
        await engine.close()


async def until(what: Any) -> None:
    async with asyncio.timeout(15):
        while not what():  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)


async def test_work_is_done_once_and_an_exception_of_it_is_seen(
    opened: Database, caplog: pytest.LogCaptureFixture
) -> None:
    doing, queue = Doing(), Queue(opened)
    queue.prepare()

    def add(connection: Any) -> None:
        queue.conduct(connection, "f1")
        queue.remediate(connection, "f1", 1, 1)
        queue.remediate(connection, "f1", 13, 1)

    do(opened, add)
    do(opened, add)  # as after a commit that nobody heard the end of
    async with engine(opened, doing):
        await until(lambda: queue.lost("f1", 13, 1) and queue.lost("f1", 1, 1) and doing.led)
    assert doing.led == ["f1"]
    assert sorted(doing.seen) == [("f1", 1, 1), ("f1", 13, 1)]
    assert not queue.lost("f1", 2, 1)
    assert "the work on f1/13 ended with a bug" in caplog.text
    assert "LookupError: thirteen" in caplog.text
    queue.close()


async def test_what_is_under_way_goes_on_while_the_engine_ends_and_another_takes_it_over(
    opened: Database,
) -> None:
    doing, queue = Doing(), Queue(opened)
    queue.prepare()
    do(opened, lambda c: queue.remediate(c, "f1", 100, 1))
    async with engine(opened, doing):
        await until(lambda: doing.seen)
    # every name is looked up in a thread of the loop
    loop = asyncio.get_running_loop()
    assert await loop.getaddrinfo("localhost", 1)
    assert await asyncio.to_thread(lambda: 1) == 1
    assert not queue.lost("f1", 100, 1)
    async with engine(opened, doing, "two") as second:
        await asyncio.to_thread(second.recover, "one")
        await until(lambda: len(doing.seen) == 2)
        doing.go.set()
        await until(lambda: queue.lost("f1", 100, 1))
    assert doing.seen == [("f1", 100, 1)] * 2
    queue.close()


async def test_what_was_taken_and_not_begun_is_put_back(
    opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away between the engine's two: what it takes, and what that is."""
    from dbos._sys_db import SystemDatabase

    doing, queue = Doing(), Queue(opened)
    queue.prepare()
    away, asked = True, []

    def failing(name: str) -> None:
        found = getattr(SystemDatabase, name)

        def get(self: Any, which: Any, *args: Any, **more: Any) -> Any:
            if away and "f1/100/1" in which:
                asked.append(name)
                raise ConnectionError("away")
            return found(self, which, *args, **more)

        monkeypatch.setattr(SystemDatabase, name, get)

    do(opened, lambda c: queue.remediate(c, "f1", 100, 1))
    for name in ("get_workflow_status", "get_workflow_statuses"):
        failing(name)
    async with engine(opened, doing) as here:
        await until(lambda: {"get_workflow_status", "get_workflow_statuses"} <= set(asked))
        away = False
        do(opened, lambda c: queue.remediate(c, "f1", 101, 1))
        await until(lambda: doing.seen)
        assert doing.seen == [("f1", 101, 1)]
        await asyncio.to_thread(here.sweep)  # it may be on its way
        await asyncio.to_thread(here.sweep)
        await until(lambda: len(doing.seen) == 2)
        for _ in range(3):  # what is being done is left alone
            await asyncio.to_thread(here.sweep)
        doing.go.set()
        await until(lambda: all(queue.lost("f1", number, 1) for number in (100, 101)))
    assert doing.seen == [("f1", 101, 1), ("f1", 100, 1)]
    queue.close()
