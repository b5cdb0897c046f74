"""The server that tests of the fleet rely on (tests/support/postgres.py)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Postgres, until


ORPHAN = """
from tests.support.postgres import Postgres
with Postgres() as server:
    print(server.port, server.folder, flush=True)
    input()
"""


def reached(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def rows(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]


def write(url: str, *numbers: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (n int)")
        for number in numbers:
            connection.execute("INSERT INTO t VALUES (%s)", [number])


def test_after_a_crash_what_was_committed_is_there_and_nothing_else(
    postgres_server: Postgres, postgres_url: str
) -> None:
    write(postgres_url, 1, 2)
    open_, busy = psycopg.connect(postgres_url), psycopg.connect(postgres_url)
    open_.execute("INSERT INTO t VALUES (3)")
    busy.pgconn.send_query(b"DO 'BEGIN LOOP END LOOP; END'")  # never sees that its parent died
    watching = f"SELECT state = 'active' FROM pg_stat_activity WHERE pid = {busy.info.backend_pid}"
    with psycopg.connect(postgres_url, autocommit=True) as looking:  # one transaction sees one view
        until(lambda: (looking.execute(watching).fetchone() or (False,))[0], "busy")

    postgres_server.kill()
    assert not postgres_server.running
    assert not reached("127.0.0.1", postgres_server.port)
    assert not postgres_server.processes()
    with pytest.raises(psycopg.OperationalError):
        open_.execute("SELECT 1")
    open_.close()
    busy.close()

    postgres_server.start()
    assert rows(postgres_url) == [1, 2]
    write(postgres_url, 4)
    assert rows(postgres_url) == [1, 2, 4]


def test_it_is_stopped_and_started_again(postgres_server: Postgres, postgres_url: str) -> None:
    write(postgres_url, 1)
    postgres_server.stop()
    assert not reached("127.0.0.1", postgres_server.port)
    postgres_server.start()
    assert rows(postgres_url) == [1]


def test_a_test_gets_a_server_that_runs(
    postgres_server: Postgres, request: pytest.FixtureRequest
) -> None:
    postgres_server.kill()
    write(request.getfixturevalue("postgres_url"), 1)


def test_every_database_is_fresh_or_what_its_template_is(
    postgres_server: Postgres, postgres_url: str
) -> None:
    write(postgres_url, 1)
    try:
        copy = postgres_server.database("copy", template="test")
        write(copy, 2)
        assert (rows(copy), rows(postgres_url)) == ([1, 2], [1])
        with psycopg.connect(copy):  # somebody who forgot to leave
            copy = postgres_server.database("copy")
        with pytest.raises(psycopg.errors.UndefinedTable):
            rows(copy)
    finally:
        postgres_server.drop("copy")


def test_only_this_machine_gets_in_and_only_with_the_password(postgres_server: Postgres) -> None:
    assert reached("127.0.0.1", postgres_server.port)
    assert not reached("127.0.0.2", postgres_server.port)
    url = f"postgresql://serialfix:wrong@127.0.0.1:{postgres_server.port}/serialfix"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)
    psycopg.connect(postgres_server.url).close()


@pytest.mark.usefixtures("postgres_server")  # skips where there is none
def test_nothing_is_left_of_it_when_the_tests_are_killed() -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", ORPHAN],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with tests:
        assert tests.stdout
        port, folder = tests.stdout.readline().split()
        assert reached("127.0.0.1", int(port))
        assert Path(folder).is_dir()
        os.kill(tests.pid, signal.SIGKILL)
    until(lambda: not reached("127.0.0.1", int(port)) and not Path(folder).exists(), "gone")
