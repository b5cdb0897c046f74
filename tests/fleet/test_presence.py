"""Which workers are alive: with a real server, real processes, and a network that goes bad."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serialfix.errors import ConfigError, RecordError
from serialfix.fleet.database import Database, open_database
from serialfix.fleet.engine import Queue
from serialfix.fleet.presence import STOPS, FilePresence, Presence, alive, make_presence
from tests.support.living import Living
from tests.support.postgres import Postgres, until
from tests.support.tcp_proxy import Proxy


TAKEOVER = 1.5
ROWS = "SELECT id, owner, seen FROM serialfix.worker ORDER BY id"
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'serialfix worker'"
Rows = dict[str, tuple[int, float]]


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = open_database(postgres_url)
    yield database
    database.close()


@pytest.fixture
def start(database: Database) -> Iterator[Callable[..., Presence]]:
    """Workers of this process."""
    started: list[Presence] = []

    def make(host: str, *, takeover: float = TAKEOVER, where: Database = database) -> Presence:
        started.append(make_presence(where, host, takeover=takeover))
        return started[-1]

    yield make
    for each in started:
        each.close()


@pytest.fixture
def living(postgres_url: str, tmp_path: Path) -> Iterator[Callable[[float], Living]]:
    """Workers that are processes."""
    made: list[Living] = []

    def make(takeover: float) -> Living:
        made.append(Living(postgres_url, tmp_path / "events", takeover))
        return made[-1]

    yield make
    for each in made:
        each.end()


def through(database: Database, proxy: Proxy) -> Database:
    """The same database, over a network that may go bad."""
    url = database.engine.url.set(port=proxy.port)
    return open_database(url.render_as_string(hide_password=False))


def rows(database: Database) -> Rows:
    with database.engine.connect() as connection:
        return {name: (owner, seen) for name, owner, seen in connection.exec_driver_sql(ROWS)}


def sessions(database: Database) -> list[int]:
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql(SESSIONS).scalars())


def execute(database: Database, statement: str, *values: object) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statement, values)


def bury(database: Database, name: str) -> None:
    """Somebody died: there is a row, and nobody to change it."""
    execute(database, "INSERT INTO serialfix.worker VALUES (%s, 4711, 0, 0, '')", name)


def until_seen_again(database: Database, name: str) -> None:
    before = rows(database)[name]
    until(lambda: rows(database)[name] != before, f"{name} seen again")
    assert rows(database)[name][0] == before[0]


def nobody(name: str) -> None:
    pytest.fail(f"{name} was taken over")


# --- names ----------------------------------------------------------------------------------------


def test_a_name_is_nobody_elses_and_the_same_after_a_restart(
    start: Callable[..., Presence], database: Database
) -> None:
    first, second, elsewhere = start("h"), start("h"), start("other")
    assert (first.id, second.id, elsewhere.id) == ("h-1", "h-2", "other-1")
    assert alive(database) == 3
    first.close()
    until(lambda: alive(database) == 2, "one less")
    assert start("h").id == "h-1"
    assert not second.lost


def test_workers_that_start_at_once_have_different_names(
    database: Database, start: Callable[..., Presence]
) -> None:
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(start("h").id)) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(names)) == 6
    assert alive(database) == 6


def test_a_worker_that_starts_while_another_of_its_host_is_cut_off_does_not_get_its_name(
    start: Callable[..., Presence], postgres_server: Postgres, database: Database
) -> None:
    with Proxy(postgres_server.port) as proxy:
        far = through(database, proxy)
        cut_off = start("h", takeover=8, where=far)
        (session,) = sessions(database)
        execute(database, "SELECT pg_terminate_backend(%s)", session)
        assert start("h", takeover=8).id == "h-2"
        until_seen_again(database, "h-1")
        assert not cut_off.lost
        cut_off.close()
        far.close()


def test_there_is_no_worker_behind_a_pool_of_connections(
    postgres_server: Postgres, database: Database
) -> None:
    def other_key(data: bytes) -> bytes:
        """As of PgBouncer: the number of the server's process is one of its own."""
        head, found, tail = data.partition(b"K\x00\x00\x00\x0c")
        return head + found + b"\x00\x00\x00\x01" + tail[4:] if found else data

    with Proxy(postgres_server.port, other_key) as proxy:
        database = through(database, proxy)
        with pytest.raises(ConfigError, match="pool") as caught:
            make_presence(database, "h")
        assert "PgBouncer" in caught.value.remedy
        database.close()


def test_without_a_server_there_is_no_worker(database: Database, postgres_server: Postgres) -> None:
    password = database.engine.url.password or ""
    postgres_server.kill()
    for act in (lambda: make_presence(database, "h"), lambda: alive(database)):
        with pytest.raises(RecordError, match="cannot be used") as caught:
            act()
        assert password not in f"{caught.value}{caught.value.remedy}"


# --- the dead -------------------------------------------------------------------------------------


def test_a_killed_workers_work_is_given_to_exactly_one(
    living: Callable[[float], Living], database: Database
) -> None:
    workers = living(TAKEOVER)
    dead, *others = [workers.start(host) for host in ("a", "b", "b")]
    assert workers.name(dead) == "a-1"
    workers.send(dead, signal.SIGKILL)
    until(lambda: alive(database) == 2, "one less")
    restarted = workers.start("a")
    assert workers.name(restarted) == "a-2"  # nobody knows yet that the first is dead
    workers.until_took("a-1")
    until(lambda: "a-1" not in rows(database), "a-1 forgotten")
    for pid in others:
        workers.until_worked_for(pid, TAKEOVER / 4)
    (taker,) = workers.took("a-1")
    assert taker in (*others, restarted)
    (last,) = [e for e in workers.events() if e.what == "took"]
    assert last.at - max(e.at for e in workers.events() if e.pid == dead) > TAKEOVER * (1 - STOPS)
    assert not workers.overlaps()


def test_who_ends_in_order_is_taken_over_at_once(
    living: Callable[[float], Living], database: Database
) -> None:
    workers = living(6)  # a beat is 0.75 s
    leaving, _ = workers.start("a"), workers.start("b")
    workers.send(leaving, signal.SIGTERM)
    workers.until_took("a-1")
    (taken,) = [event.at for event in workers.events() if event.what == "took"]
    closed = workers.last(leaving, "closed")
    assert closed
    assert taken - closed.at < 3
    until(lambda: "a-1" not in rows(database), "a-1 forgotten")


def test_what_is_left_is_the_restarted_workers_when_it_is_quicker(
    start: Callable[..., Presence], database: Database
) -> None:
    other = start("b", takeover=60)  # a beat is 7.5 s
    start("a").close()
    again = start("a")
    other.watch(nobody)
    assert again.id == "a-1"
    until_seen_again(database, "a-1")


@pytest.mark.parametrize("how", ["session", "server"])
def test_a_frozen_worker_is_taken_over_when_its_connection_is_cut_and_knows_it_when_it_thaws(
    how: str,
    living: Callable[[float], Living],
    postgres_server: Postgres,
    database: Database,
) -> None:
    workers = living(TAKEOVER)
    frozen = workers.start("a")
    (session,) = sessions(database)
    workers.send(frozen, signal.SIGSTOP)
    if how == "server":
        postgres_server.kill()
        postgres_server.start()
    other = workers.start("b")
    if how == "session":
        workers.until_worked_for(other, 1.15 * TAKEOVER)
        assert not workers.took("a-1"), "its connection lives"
        execute(database, "SELECT pg_terminate_backend(%s)", session)
    workers.until_took("a-1")
    workers.send(frozen, signal.SIGCONT)
    until(lambda: workers.last(frozen, "lost") is not None, "aware of it")
    assert workers.took("a-1") == [other]
    assert not workers.overlaps()
    assert workers.last(other, "lost") is None


def test_a_worker_that_comes_back_while_another_takes_it_over_is_another(
    start: Callable[..., Presence], database: Database
) -> None:
    begun, end = threading.Event(), threading.Event()

    def take_over(name: str) -> None:
        begun.set()
        assert end.wait(30)

    bury(database, "a-1")
    other = start("b")
    other.watch(take_over)
    assert begun.wait(30)
    assert start("a").id == "a-2"
    # it takes longer than anybody may be silent; the taker is alive all the same
    since = rows(database)["b-1"][1]
    until(lambda: rows(database)["b-1"][1] > since + 0.8 * TAKEOVER, "beating on")
    assert not other.lost
    assert rows(database)["a-1"][0] == rows(database)["b-1"][0]
    end.set()
    until(lambda: "a-1" not in rows(database), "a-1 forgotten")


def test_taking_over_that_fails_is_tried_again_by_somebody(
    start: Callable[..., Presence], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    def take_over(name: str) -> None:
        calls.append(name)
        if len(calls) < 3:
            raise RuntimeError("not now")

    bury(database, "a-1")
    for host in ("b", "c"):
        start(host).watch(take_over)
    until(lambda: "a-1" not in rows(database), "a-1 forgotten")
    assert calls == ["a-1"] * 3
    assert "the work of a-1 could not be taken over" in caplog.text


def test_who_was_seen_between_two_looks_is_not_taken_over_though_its_lock_is_free(
    start: Callable[..., Presence], database: Database
) -> None:
    bury(database, "a-1")
    start("b").watch(nobody)
    goal = rows(database)["b-1"][1] + 1.15 * TAKEOVER

    def a_beats() -> bool:
        execute(database, "UPDATE serialfix.worker SET seen = seen + 1 WHERE id = 'a-1'")
        return rows(database)["b-1"][1] > goal

    until(a_beats, "beating on")
    assert rows(database)["a-1"][0] == 4711


def test_work_that_was_taken_in_a_name_that_is_forgotten_is_taken_over(
    start: Callable[..., Presence], database: Database
) -> None:
    """As by a worker that thawed: its engine takes one more before it knows that it is lost."""
    queue = Queue(database)
    queue.prepare()
    with database.engine.begin() as connection:
        for number in (1, 2):
            queue.remediate(connection, "f1", number, 1)
    taken = "UPDATE dbos.workflow_status SET status = 'PENDING', executor_id = %s WHERE "
    execute(database, f"{taken} workflow_uuid = 'f1/1/1'", "gone-1")
    execute(database, f"{taken} workflow_uuid = 'f1/2/1'", "b-1")  # by one that lives
    took: list[str] = []
    other = start("b")

    def take_over(name: str) -> None:
        took.append(name)
        back = "UPDATE dbos.workflow_status SET status = 'ENQUEUED', executor_id = NULL"
        execute(database, f"{back} WHERE executor_id = %s", name)

    began = time.monotonic()
    other.watch(take_over)
    until(lambda: bool(took), "taken over")
    assert time.monotonic() - began > TAKEOVER  # whoever thawed has left by then
    until(lambda: set(rows(database)) == {"b-1"}, "gone-1 forgotten")
    since = rows(database)["b-1"][1]
    until(lambda: rows(database)["b-1"][1] > since + TAKEOVER / 2, "beating on")
    assert took == ["gone-1"]
    assert set(rows(database)) == {"b-1"}
    queue.close()


# --- the lost -------------------------------------------------------------------------------------


def test_a_server_that_is_back_in_time_has_lost_nobody(
    start: Callable[..., Presence], postgres_server: Postgres, database: Database
) -> None:
    workers = [start(host, takeover=12) for host in ("a", "b", "b")]
    for each in workers:
        each.watch(nobody)
    before = rows(database)
    postgres_server.kill()
    postgres_server.start()
    for name in before:
        until_seen_again(database, name)
    assert {name: owner for name, (owner, _) in rows(database).items()} == {
        name: owner for name, (owner, _) in before.items()
    }
    assert not any(each.lost for each in workers)
    assert [each.id for each in workers] == ["a-1", "b-1", "b-2"]


def test_a_server_that_is_away_for_longer_has_lost_everybody(
    start: Callable[..., Presence], postgres_server: Postgres, database: Database
) -> None:
    lost = start("a")
    postgres_server.kill()
    until(lambda: lost.lost, "lost")
    postgres_server.start()
    took: list[str] = []
    again = start("a")
    again.watch(took.append)
    assert again.id == "a-2"
    until(lambda: took == ["a-1"], "a-1 taken over")
    assert lost.lost, "once is for ever"


@pytest.mark.parametrize("what", ["server process", "network"])
def test_who_hangs_in_a_query_is_lost_in_time(
    what: str, start: Callable[..., Presence], postgres_server: Postgres, database: Database
) -> None:
    with Proxy(postgres_server.port) as proxy:
        far = through(database, proxy)
        hangs = start("a", where=far)
        (session,) = sessions(database)
        until_seen_again(database, "a-1")
        if what == "network":
            proxy.swallow()
        else:
            os.kill(session, signal.SIGSTOP)
        silent = time.monotonic()
        assert not hangs.lost
        until(lambda: hangs.lost, "lost")
        assert time.monotonic() - silent < STOPS * TAKEOVER + 0.5
        if what == "network":
            proxy.forward()
        else:
            os.kill(session, signal.SIGCONT)
        hangs.close()
        assert hangs.lost
        far.close()


def test_who_is_cut_off_and_returns_ends_its_own_former_session(
    start: Callable[..., Presence], postgres_server: Postgres, database: Database
) -> None:
    with Proxy(postgres_server.port) as proxy:
        far = through(database, proxy)
        worker = start("a", takeover=6, where=far)
        former = sessions(database)
        until_seen_again(database, "a-1")
        proxy.cut_clients()  # the server has not noticed, and keeps the lock
        until(lambda: sessions(database) not in (former, []), "connected again")
        until_seen_again(database, "a-1")
        assert not worker.lost
        worker.close()
        far.close()


def test_whatever_happens_no_two_believe_that_a_name_is_theirs(
    living: Callable[[float], Living], database: Database
) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    workers = living(0.6)
    pids = [workers.start(chance.choice("ab")) for _ in range(4)]
    for _ in range(int(os.environ.get("PRESENCE_ROUNDS", "3"))):
        pid = chance.choice(pids)
        match chance.choice(("kill", "freeze", "cut", "all")):
            case "kill":
                workers.send(pid, signal.SIGKILL)
                pids[pids.index(pid)] = workers.start(chance.choice("ab"))
            case "freeze":
                workers.send(pid, signal.SIGSTOP)
                if chance.random() < 0.5:
                    execute(database, "SELECT pg_terminate_backend(pid) FROM (" + SESSIONS + ") s")
                witness = workers.start("c")
                workers.until_worked_for(witness, chance.uniform(0.1, 0.9))
                workers.send(pid, signal.SIGCONT)
                pids.append(witness)
            case "cut":
                session = chance.choice(sessions(database) or [0])
                execute(database, "SELECT pg_terminate_backend(%s)", session)
            case "all":
                execute(database, "SELECT pg_terminate_backend(pid) FROM (" + SESSIONS + ") s")
        pids = [each for each in pids if workers.last(each, "lost") is None]
        pids.append(workers.start(chance.choice("ab")))
    survivor = workers.start("d", takeover=2)
    for each in pids:
        workers.send(each, signal.SIGKILL)
    until(lambda: [*rows(database)] == [workers.name(survivor)], "alone")
    assert not workers.overlaps(), seed


# --- one file -------------------------------------------------------------------------------------


def test_a_file_has_one_worker(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "fleet.db"))
    (tmp_path / "link.db").symlink_to("fleet.db")
    linked = open_database(str(tmp_path / "link.db"))
    assert alive(database) == 0
    worker = make_presence(database, "a")
    assert isinstance(worker, FilePresence)
    assert not worker.lost
    worker.watch(nobody)
    assert alive(database) == alive(linked) == 1
    for each in (database, linked):
        with pytest.raises(ConfigError, match="another process works on") as caught:
            make_presence(each, "b")
        assert "PostgreSQL" in caught.value.remedy
    worker.close()
    worker.close()
    assert alive(database) == 0
    for each in (database, linked):
        each.close()


def test_looking_for_a_worker_keeps_none_from_starting(tmp_path: Path) -> None:
    database, end = open_database(str(tmp_path / "fleet.db")), threading.Event()

    def look() -> None:
        while not end.is_set():
            alive(database)

    looks = threading.Thread(target=look)
    looks.start()
    try:
        for _ in range(50):
            make_presence(database, "a").close()
    finally:
        end.set()
        looks.join()
    database.close()
