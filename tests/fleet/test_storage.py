"""A journal in the database: whoever was quicker with a number fences the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from serialfix.fleet.database import Database, open_database
from serialfix.fleet.storage import DatabaseJournal, Fenced, records
from serialfix.fleet.writer import Act, Writer
from serialfix.secrets import Redactor


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    where = str(tmp_path / "fleet.db")
    if request.param == "postgresql":
        where = request.getfixturevalue("postgres_url")
    database = open_database(where)
    yield database
    database.close()


class Twice(Writer):
    """The connection breaks in each commit, which was done."""

    async def write(self, act: Act) -> object:
        await super().write(act)
        return await super().write(act)


def opened(database: Database, writer: Writer | None = None) -> DatabaseJournal:
    with database.engine.begin() as connection:
        past = records(connection, "run.1")
    return DatabaseJournal(
        database, writer or Writer(database), "run.1", redactor=Redactor(), past=past
    )


def kinds(database: Database) -> list[tuple[int, str]]:
    with database.engine.begin() as connection:
        return [(each["seq"], each["kind"]) for each in records(connection, "run.1")]


async def test_a_record_that_is_written_again_is_there_once(database: Database) -> None:
    journal = opened(database, Twice(database))
    await journal.append("run_started")
    await journal.append("target")
    assert kinds(database) == [(1, "run_started"), (2, "target")]


async def test_who_was_taken_over_writes_nothing_more(database: Database) -> None:
    stale = opened(database)
    await stale.append("run_started")
    heir = opened(database)
    await heir.append("run_resumed")
    with pytest.raises(Fenced):
        await stale.append("entering")
    with pytest.raises(Fenced):  # nor in the number after it: it never has another
        await stale.append("entering")
    await heir.append("target")
    assert kinds(database) == [(1, "run_started"), (2, "run_resumed"), (3, "target")]
