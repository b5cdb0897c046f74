"""Many small writes in few transactions, on both databases, also while the server dies."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from serialfix.errors import RecordError
from serialfix.fleet.database import Database, journal, open_database
from serialfix.fleet.writer import Act, DatabaseAway, Writer, act_on, in_thread, patiently
from tests.support.postgres import Postgres, until


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    where = str(tmp_path / "fleet.db")
    if request.param == "postgresql":
        where = request.getfixturevalue("postgres_url")
    database = open_database(where)
    yield database
    database.close()


@pytest_asyncio.fixture
async def server(postgres_url: str) -> AsyncIterator[Database]:
    database = open_database(postgres_url)
    yield database
    database.close()


def insert(database: Database, run: str, seq: int) -> Act:
    """Bears being done again."""
    values = {"run_id": run, "seq": seq, "writer": "w", "record": "{}"}
    made = database.insert(journal).values(values).on_conflict_do_nothing()
    return lambda connection: connection.execute(made)


def written(database: Database) -> list[tuple[str, int]]:
    with database.engine.begin() as connection:
        query = sa.select(journal.c.run_id, journal.c.seq).order_by(journal.c.run_id, journal.c.seq)
        return [(run, seq) for run, seq in connection.execute(query)]


class Gate:
    """A write that is under way until it is opened; what comes meanwhile waits for one commit."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self, _: sa.Connection) -> str:
        self.begun.set()
        assert self.open.wait(30)
        return "gate"

    @contextlib.asynccontextmanager
    async def shut(self, database: Database, writer: Writer) -> AsyncIterator[asyncio.Task[Any]]:
        task = asyncio.create_task(writer.write(self))
        await in_thread(database, self.begun.wait)
        yield task
        self.open.set()


async def gathered(*writes: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*writes, return_exceptions=True)


async def test_what_waits_is_committed_together_and_in_order(database: Database) -> None:
    writer, gate = Writer(database), Gate()
    order: list[int] = []
    commits: list[int] = []
    sa.event.listen(database.engine, "commit", lambda _: commits.append(len(order)))

    def act(number: int) -> Act:
        def note(connection: sa.Connection) -> int:
            insert(database, "r", number)(connection)
            order.append(number)
            return number

        return note

    async with gate.shut(database, writer) as first:
        writes = [asyncio.create_task(writer.write(act(number))) for number in range(20)]
        await asyncio.sleep(0)
    assert await first == "gate"
    assert await asyncio.gather(*writes) == list(range(20)) == order
    assert commits == [0, 20]
    assert written(database) == [("r", number) for number in range(20)]


async def test_one_that_fails_does_not_spoil_the_others(database: Database) -> None:
    writer, gate = Writer(database), Gate()

    def raises(connection: sa.Connection) -> None:
        insert(database, "not this", 1)(connection)
        raise ValueError("mine")

    def refused(connection: sa.Connection) -> None:
        """By the database, which then wants to hear nothing more of this transaction."""
        connection.execute(sa.insert(journal).values(run_id="r", seq=9))

    acts = [insert(database, "r", 1), raises, insert(database, "r", 2), refused]
    async with gate.shut(database, writer) as first:
        results = asyncio.create_task(gathered(*(writer.write(act) for act in acts)))
        await asyncio.sleep(0)
    await first
    _, mine, _, theirs = await results
    assert isinstance(mine, ValueError)
    assert isinstance(theirs, RecordError)
    assert not isinstance(theirs, DatabaseAway)
    assert "cannot be used" in str(theirs)
    assert written(database) == [("r", 1), ("r", 2)]
    assert await writer.write(lambda _: "goes on") == "goes on"


async def test_who_is_cancelled_waits_no_longer_and_is_written_all_the_same(
    database: Database,
) -> None:
    writer, gate = Writer(database), Gate()
    async with gate.shut(database, writer) as first:
        writes = [asyncio.create_task(writer.write(insert(database, "r", n))) for n in range(3)]
        await asyncio.sleep(0)
        writes[1].cancel()
        first.cancel()
        assert [type(each) for each in await gathered(first)] == [asyncio.CancelledError]
        with pytest.raises(asyncio.CancelledError):
            await writes[1]
    await asyncio.gather(writes[0], writes[2])
    assert written(database) == [("r", 0), ("r", 1), ("r", 2)]


def test_a_loop_that_ends_lets_nobody_wait(tmp_path: Path) -> None:
    database, gate = open_database(str(tmp_path / "fleet.db")), Gate()
    seen: list[BaseException] = []

    async def leave() -> None:
        writer = Writer(database)

        async def wait() -> None:
            try:
                await writer.write(insert(database, "r", 1))
            except asyncio.CancelledError as error:
                seen.append(error)
                raise

        async with gate.shut(database, writer) as first:
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            assert writer._task
            writer._task.cancel()
            await gathered(first, waiting)

    asyncio.run(leave())
    assert len(seen) == 1
    database.close()


async def test_a_server_that_dies_while_it_commits_has_what_it_said_and_each_once(
    server: Database, postgres_server: Postgres
) -> None:
    writer = Writer(server)
    said: list[tuple[str, int]] = []
    done = asyncio.Event()

    async def session(run: str) -> int:
        seq = 0
        while not done.is_set():
            await writer.write(insert(server, run, seq))
            said.append((run, seq))
            seq += 1
        return seq

    async def until_said(more: int) -> None:
        enough = len(said) + more
        await asyncio.to_thread(until, lambda: len(said) >= enough, "written on")

    sessions = [asyncio.create_task(session(f"r{number:02}")) for number in range(20)]
    await until_said(200)
    await asyncio.to_thread(postgres_server.kill)
    on_disk = set(said)
    await asyncio.to_thread(postgres_server.start)
    assert on_disk <= set(await in_thread(server, written, server))
    await until_said(100)
    done.set()
    lengths = await asyncio.gather(*sessions)
    assert written(server) == sorted(said)
    assert len(said) == sum(lengths)


async def test_a_database_that_stays_away_is_an_error_for_all_that_wait(
    server: Database, postgres_server: Postgres
) -> None:
    writer = Writer(server, away=0.5)
    await writer.write(insert(server, "r", 0))
    postgres_server.kill()
    before = time.monotonic()
    results = await gathered(*(writer.write(insert(server, "r", n)) for n in range(1, 20)))
    assert time.monotonic() - before < 5, "they wait together, not one after the other"
    assert {type(each) for each in results} == {DatabaseAway}
    assert "worker goes on" in results[0].remedy
    postgres_server.start()
    await writer.write(insert(server, "r", 20))
    assert ("r", 20) in written(server)


async def test_a_wait_ends_when_the_database_is_closed(
    server: Database, postgres_server: Postgres
) -> None:
    waiting = asyncio.create_task(
        act_on(server, lambda connection: connection.execute(sa.text("SELECT 1")))
    )
    await waiting
    postgres_server.kill()
    failed = threading.Event()
    sa.event.listen(server.engine, "handle_error", lambda _: failed.set())
    waiting = asyncio.create_task(
        act_on(server, lambda connection: connection.execute(sa.text("SELECT 1")))
    )
    await asyncio.to_thread(failed.wait)
    server.close()
    with pytest.raises(DatabaseAway):
        await waiting


def test_a_mistake_is_not_waited_for(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "fleet.db"))
    before = time.monotonic()
    with pytest.raises(RecordError, match="no such table") as caught:
        patiently(database, lambda connection: connection.execute(sa.text("SELECT 1 FROM absent")))
    assert not isinstance(caught.value, DatabaseAway)
    assert time.monotonic() - before < 5
    database.close()


async def test_fifty_sessions_share_their_commits(database: Database) -> None:
    writer, sessions, records = Writer(database), 50, 10
    commits: list[sa.Connection] = []
    sa.event.listen(database.engine, "commit", commits.append)

    async def session(run: str) -> None:
        for seq in range(records):
            await writer.write(insert(database, run, seq))

    await asyncio.gather(*(session(f"r{number:02}") for number in range(sessions)))
    assert len(commits) <= 3 * records  # one by one: 500
    assert len(written(database)) == sessions * records
