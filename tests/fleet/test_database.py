"""The database: what it is made as, who may come first, and what is said when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from serialfix.errors import ConfigError, RecordError, SerialfixError
from serialfix.fleet.database import Database, claim, fleet_run, metadata, open_database, version
from tests.support.postgres import Postgres


PASSWORD = "p@ss/w:rd %&+?#é"
ESCAPED = "p%40ss%2Fw%3Ard%20%25%26%2B%3F%23%C3%A9"
OPEN = """
import sys
from serialfix.fleet.database import open_database
from serialfix.fleet.engine import Queue
sys.stdin.readline()
database = open_database(sys.argv[1])
queue = Queue(database)
queue.prepare(per_worker=3)
with database.engine.begin() as connection:
    queue.conduct(connection, sys.argv[2])
queue.close()
database.close()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "fleet.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def database(where: str) -> Iterator[Database]:
    database = open_database(where)
    yield database
    database.close()


@pytest.fixture
def awkward(postgres_server: Postgres, postgres_url: str) -> Iterator[str]:
    """Somebody whose password needs all the escapes, at HOST:PORT/DATABASE."""
    role = sql.Identifier("some.one@home")
    statements = (
        "DROP ROLE IF EXISTS {}",
        f"CREATE ROLE {{}} LOGIN PASSWORD '{PASSWORD}'",
        "GRANT CREATE ON DATABASE test TO {}",
    )
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(sql.SQL(statement).format(role))
    try:
        yield f"127.0.0.1:{postgres_server.port}/test"
    finally:
        postgres_server.drop("test")
        postgres_server._execute("DROP ROLE {}", "some.one@home")


def refused(where: str, *secrets: str) -> SerialfixError:
    """What is said: with a remedy, and with nothing that is secret, wherever one looks."""
    with pytest.raises((ConfigError, RecordError)) as caught:
        open_database(where).close()
    error = caught.value
    everything = "".join(traceback.format_exception(error)) + repr(error) + str(error.facts())
    for secret in secrets:
        assert secret not in everything
    assert error.remedy
    return error


# --- what it is -----------------------------------------------------------------------------------


def test_a_file_is_durable_and_its_writers_come_one_after_the_other(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "new" / "fleet.db"))
    with database.engine.connect() as connection:

        def pragma(name: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2  # FULL
        assert pragma("foreign_keys") == 1
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        assert raw.isolation_level == "IMMEDIATE"
    assert database.is_sqlite
    assert (tmp_path / "new" / "fleet.db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    database.close()


def test_a_server_commits_durably_whatever_it_was_told(
    postgres_server: Postgres, postgres_url: str
) -> None:
    postgres_server._execute("ALTER DATABASE {} SET synchronous_commit = off", "test")
    for query in ("", "?options=-c%20work_mem%3D1234kB"):
        database = open_database(postgres_url + query)
        with database.engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            memory = connection.exec_driver_sql("SHOW work_mem").scalar()
        assert (memory == "1234kB") == bool(query)
        database.close()


def test_the_tables_are_there_and_a_second_opening_changes_nothing(where: str) -> None:
    for _ in range(2):
        database = open_database(where)
        schema = None if database.is_sqlite else "serialfix"
        found = set(sa.inspect(database.engine).get_table_names(schema))
        assert {table.name for table in metadata.tables.values()} <= found
        with database.engine.connect() as connection:
            assert connection.execute(sa.select(version)).all() == [(1,)]
        database.close()


def test_a_moment_comes_back_as_it_was_and_an_insert_may_meet_what_is_there(
    database: Database,
) -> None:
    at = datetime(2026, 2, 3, 4, 5, 6, 789012, UTC)
    row = {"id": "f", "kind": "run", "state": "running", "created": at, "facts": {"ä": [1]}}
    put = database.insert(fleet_run).values(playbook_text="", **row).on_conflict_do_nothing()
    taken = database.insert(claim).values(vm_key="k", fleet="f", number=1).on_conflict_do_nothing()
    with database.engine.begin() as connection:
        connection.execute(put)
        connection.execute(put)
        assert len(connection.execute(taken.returning(claim.c.vm_key)).all()) == 1
        assert len(connection.execute(taken.returning(claim.c.vm_key)).all()) == 0
        found = connection.execute(sa.select(fleet_run)).mappings().one()
    assert (found["created"], found["ended"], found["facts"]) == (at, None, {"ä": [1]})


def test_the_engine_keeps_its_tables_beside_ours(database: Database) -> None:
    """Also where SQLite is older than 3.42 and Python newer than 3.11 (notes.md A.4)."""
    from dbos import DBOSClient, DBOSPortableJSONSerializer

    client = DBOSClient(
        system_database_engine=database.engine,
        serializer=DBOSPortableJSONSerializer(),
        application_name="serialfix",
        lazy=True,
    )
    client._sys_db.run_migrations()
    client.register_queue("q")
    before = datetime.now(UTC).timestamp()
    with database.engine.begin() as connection:
        client.enqueue_in_transaction(
            connection, {"workflow_name": "w", "queue_name": "q", "workflow_id": "id"}, 1
        )
    (status,) = client.list_workflows()
    assert (status.workflow_id, status.status) == ("id", "ENQUEUED")
    assert status.created_at
    assert abs(status.created_at / 1000 - before) < 60
    client.destroy()


def test_processes_that_come_first_at_once_all_find_it_made(where: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, where, f"run-{number}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for each in processes:  # they have imported everything, and wait for this
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    said = [each.communicate(timeout=60)[1] for each in processes]
    assert [each.returncode for each in processes] == [0, 0], said
    database = open_database(where)
    table = "workflow_status" if database.is_sqlite else "dbos.workflow_status"
    with database.engine.connect() as connection:
        query = f"SELECT workflow_uuid FROM {table} ORDER BY 1"
        assert connection.exec_driver_sql(query).scalars().all() == ["run-0", "run-1"]
    database.close()


# --- how it is named ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_a_password_may_have_any_character(scheme: str, awkward: str) -> None:
    database = open_database(f"{scheme}://some.one%40home:{ESCAPED}@{awkward}?sslmode=prefer")
    assert database.url == f"postgresql://some.one%40home@{awkward}"
    assert not {piece for piece in ("p@ss", "w:rd", "w%3Ard") if piece in repr(database.engine)}
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar() == "some.one@home"
    database.close()


def test_what_the_url_says_of_the_connection_holds(postgres_url: str) -> None:
    database = open_database(postgres_url + "?application_name=mine&keepalives_idle=77")
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "mine"
        raw = connection.connection.dbapi_connection
        assert raw is not None
        assert raw.info.get_parameters()["keepalives_idle"] == "77"
    database.close()


def test_a_role_that_may_not_make_tables_may_use_them(
    postgres_server: Postgres, postgres_url: str, awkward: str
) -> None:
    open_database(postgres_url).close()
    postgres_server._execute("REVOKE CREATE ON DATABASE {} FROM {}", "test", "some.one@home")
    as_them = f"postgresql://some.one%40home:{ESCAPED}@{awkward}"
    assert "permission denied" in str(refused(as_them, "p@ss", "p%40ss"))
    with psycopg.connect(postgres_url) as connection:
        connection.execute('GRANT USAGE ON SCHEMA serialfix TO "some.one@home"')
        connection.execute('GRANT SELECT ON serialfix.version TO "some.one@home"')
    open_database(as_them).close()


@pytest.mark.parametrize("name", ["fleet.db", "C:\\x.db", "C:/x.db", "a b/ä.db", "./host=x.db"])
def test_a_path_is_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = open_database(name)
    assert Path(database.url) == tmp_path / name
    assert (tmp_path / name).read_bytes().startswith(b"SQLite format 3")
    database.close()


def test_a_file_has_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link.db").symlink_to("fleet.db")
    names = ("~/fleet.db", f"sqlite:///{tmp_path}/fleet.db", str(tmp_path / "link.db"))
    for name in names:
        database = open_database(name)
        assert database.url == str(tmp_path / "fleet.db")
        database.close()


# --- when it cannot be used -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("mysql://u:s3cret@h/db", "mysql is neither"),
        ("postgresql://u:s3cret:x@h:1x/db", "no URL"),
        ("postgresql://u:s3cret@h:s3cret/db", "no URL"),
        ("postgresql://u:x@s3cret@h/db", "an @ too many"),
        ("://s3cret", "no URL"),
        ("host=h user=u password=s3cret", "no URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("", "names no file"),
    ],
)
def test_what_is_no_name_of_a_database_is_refused(where: str, says: str) -> None:
    assert says in str(refused(where, "s3cret"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "s3cret wr@ng"}, "password authentication failed"),
        ({"username": "nobody"}, "password authentication failed"),
        ({"database": "absent"}, 'database "absent" does not exist'),
        ({"port": 1}, "refused"),
        ({"host": "localhost", "port": 1}, "refused"),
        ({"host": "absent.invalid"}, "absent.invalid"),
        ({"query": {"sslmode": "require"}}, "does not support SSL"),
        ({"query": {"sslmod": "require"}}, "sslmod"),
        ({"query": {"password": "s3cret"}, "password": None}, "password authentication failed"),
    ],
    ids=str,
)
def test_a_server_that_cannot_be_used_is_told_without_the_password(
    change: dict[str, object], says: str, postgres_server: Postgres
) -> None:
    url = sa.make_url(postgres_server.url)
    changed = url.set(**change)  # type: ignore[arg-type]
    where = changed.render_as_string(hide_password=False)
    error = refused(where, "s3cret", str(url.password))
    assert says in str(error)
    assert isinstance(error, RecordError)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, " * 100)
    assert "file is not a database" in str(refused(str(tmp_path / "notes.txt")))
    assert (tmp_path / "notes.txt").read_text() == "not a database, " * 100
    assert "unable to open" in str(refused(str(tmp_path)))
    assert "cannot be made" in str(refused(str(tmp_path / "notes.txt" / "fleet.db")))


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with a database, for somebody who may not write there; root may everywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_database(str(folder / "fleet.db")).close()
        (folder / "fleet.db").chmod(0o444)
        folder.chmod(0o555)
        if os.geteuid() == 0:
            os.seteuid(65534)
            yield folder
            os.seteuid(0)
        else:
            yield folder
        folder.chmod(0o700)


def test_a_read_only_folder(read_only: Path) -> None:
    for name in ("new.db", "fleet.db", "further/down.db"):
        assert "cannot be made: Permission denied" in str(refused(str(read_only / name)))


def test_a_full_disk(tmp_path: Path) -> None:
    from serialfix.fleet.writer import DatabaseAway, patiently

    database = open_database(str(tmp_path / "fleet.db"))

    def full(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count=1")  # no less than there are

    database.engine.dispose()
    sa.event.listen(database.engine, "connect", full)
    insert = sa.insert(claim).values(vm_key="s3cret" * 10_000, fleet="f", number=1)
    with pytest.raises(RecordError, match="disk is full") as caught:
        patiently(database, lambda connection: connection.execute(insert))
    assert not isinstance(caught.value, DatabaseAway)
    assert caught.value.remedy
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    database.close()


def test_a_database_of_another_version(where: str) -> None:
    database = open_database(where)
    with database.engine.begin() as connection:
        connection.execute(sa.update(version).values(number=99))
    database.close()
    error = refused(where, *filter(None, [sa.make_url(where).password] if "://" in where else []))
    assert "is of version 99, and this serialfix knows version 1" in str(error)
    assert "same version of serialfix" in error.remedy
