"""Fleet runs as rows: who is admitted, and what an end makes of it, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from serialfix.errors import TargetError, UsageError
from serialfix.fleet import store
from serialfix.fleet.database import Database, journal
from serialfix.fleet.standing import FleetRun, State, Target, TargetState
from serialfix.fleet.writer import patiently
from serialfix.model import Outcome
from tests.fleet.frozen import NOW, admit, claims, do, frozen, one
from tests.fleet.vms import found
from tests.support.postgres import until


def finish(
    database: Database, run: FleetRun, number: int = 1, attempt: int = 1, **more: Any
) -> bool:
    how = {"outcome": Outcome.CHANGED, "exit_code": 0, "touched": "yes", "now": NOW, **more}
    return do(database, lambda c: store.finish(c, run.id, number, attempt, **how))


def test_what_was_frozen_is_read_as_it_was(opened: Database) -> None:
    run = frozen(opened, 5, waves="1,rest", window="22:00-04:00 Europe/Berlin", retries=2)
    assert do(opened, lambda c: store.load(c, run.id)) == run
    targets = do(opened, lambda c: list(store.targets(c, run.id)))
    assert [(each.number, each.wave, each.name) for each in targets] == [
        (1, 1, "vm-001"),
        *((number, 2, f"vm-{number:03}") for number in range(2, 6)),
    ]
    assert "three" in do(opened, lambda c: store.playbook_text(c, run.id))
    assert do(opened, store.ids) == [run.id]


def test_a_run_is_found_by_the_start_of_its_id_when_that_is_one_alone(opened: Database) -> None:
    run, other = frozen(opened), frozen(opened)
    for start in (run.id, run.id[:-1]):
        with opened.engine.begin() as connection:
            standing = store.standing(connection, start, NOW, workers=0)
        assert standing.run == run
        assert standing.waves[0].total == 3
    with pytest.raises(TargetError, match=f"several.*{run.id}") as several:
        do(opened, lambda c: store.load(c, "20261126"))
    assert other.id in str(several.value)
    with pytest.raises(TargetError, match="no fleet run"):
        do(opened, lambda c: store.load(c, ""))


def test_who_is_told_to_pause_go_on_and_stop_and_who_is_not(opened: Database) -> None:
    allowed = {
        (State.RUNNING, State.PAUSED),
        (State.PAUSED, State.RUNNING),
        (State.RUNNING, State.STOPPING),
        (State.PAUSED, State.STOPPING),
    }
    ways: dict[State, list[State]] = {
        State.RUNNING: [],
        State.PAUSED: [State.PAUSED],
        State.STOPPING: [State.STOPPING],
    }
    for before in (*ways, State.ENDED):
        for after in ways:
            run = frozen(opened, 1)
            with opened.engine.begin() as c:
                for step in ways.get(before, []):
                    store.set_state(c, run.id, step, why="me")
                if before is State.ENDED:
                    store.end(c, run.id, NOW)
                if (before, after) in allowed or before is after:
                    assert store.set_state(c, run.id, after).state is after
                else:
                    with pytest.raises(UsageError, match=f"is {before}"):
                        store.set_state(c, run.id, after)


def test_a_later_wave_does_not_begin_because_this_one_is_busy_elsewhere(opened: Database) -> None:
    """The canary is worked on by another fleet run, which may take hours."""
    other = frozen(opened, [found("vm-001")])
    assert admit(opened, other) == [1]
    run = frozen(opened, [found("VM-001"), found("vm-002")], waves="1,rest")
    situation = do(opened, lambda c: store.situation(c, run.id, NOW))
    assert [(each.waiting, each.busy) for each in situation.places] == [(0, 1)]
    place = situation.places[0].key
    nobody = do(opened, lambda c: store.admit(c, opened.insert, run.id, {place: 5}, NOW))
    assert nobody == []
    assert finish(opened, other)
    assert admit(opened, run) == [1]
    assert finish(opened, run)
    assert admit(opened, run) == [2]


def test_two_fleet_runs_never_meet_on_a_vm_also_where_its_id_is_written_otherwise(
    opened: Database,
) -> None:
    """Four leaders, two for each run; their VMs are in opposite orders."""
    names = [f"vm-{number:02}" for number in range(24)]
    runs = (
        frozen(opened, [found(name) for name in names]),
        frozen(opened, [found(name.upper(), group="RG1") for name in reversed(names)]),
    )
    lock, at_work = threading.Lock(), set[str]()
    started: Counter[tuple[str, int]] = Counter()
    met: list[str] = []

    def lead(run: FleetRun) -> None:
        def act(connection: sa.Connection) -> list[Target]:
            store.hold(connection, run.id)
            numbers = {each.key: 2 for each in store.situation(connection, run.id, NOW).places}
            return store.admit(connection, opened.insert, run.id, numbers, NOW)

        while do(opened, lambda c: store.waves(c, run.id)[0].waiting):
            admitted = patiently(opened, act)
            with lock:
                for each in admitted:
                    started[run.id, each.number] += 1
                    key = each.vm_id.lower()
                    met.extend([key] if key in at_work else [])
                    at_work.add(key)
            for each in admitted:
                with lock:  # let go of before the others can know of it
                    at_work.discard(each.vm_id.lower())
                finish(opened, run, each.number)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(lead, run) for run in runs * 2]:
            done.result(30)
    assert met == []
    assert set(started.values()) == {1}
    assert len(started) == 2 * len(names)
    assert claims(opened) == []


def test_who_holds_a_run_sees_what_the_one_before_has_done(opened: Database) -> None:
    """The second leader waits, and then decides on what is, not on what was when it asked."""
    run = frozen(opened, 4, max_concurrency="2")
    held, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def first(connection: sa.Connection) -> None:
        store.hold(connection, run.id)
        held.set()
        go.wait(10)
        places = store.situation(connection, run.id, NOW).places
        store.admit(connection, opened.insert, run.id, {places[0].key: 2}, NOW)

    def second(connection: sa.Connection) -> None:
        store.hold(connection, run.id)
        seen.append(store.situation(connection, run.id, NOW).waves[0].running)

    with ThreadPoolExecutor(2) as threads:
        one_ = threads.submit(do, opened, first)
        held.wait(10)
        two = threads.submit(do, opened, second)
        if not opened.is_sqlite:
            until(lambda: waiting_for_a_lock(opened), "the second waits for the first")
        assert not seen
        go.set()
        one_.result(20)
        two.result(20)
    assert seen == [2]


def waiting_for_a_lock(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(do(database, lambda c: c.execute(sa.text(query)).scalar_one()))


def test_an_attempt_ends_once_and_a_late_one_ends_nothing(opened: Database) -> None:
    run = frozen(opened, 1)
    admit(opened, run)
    later = NOW + timedelta(minutes=1)
    again: dict[str, Any] = {"outcome": Outcome.UNREACHABLE, "exit_code": 6, "touched": "no"}
    assert finish(opened, run, **again, not_before=later, error={"slug": "transport"})
    assert claims(opened) == []
    assert finish(opened, run)  # a second time: it is not under way any more
    waits = one(opened, run)
    assert (waits.state, waits.outcome, waits.not_before) == (TargetState.WAITING, None, later)
    assert admit(opened, run) == []
    assert admit(opened, run, now=later) == [1]
    assert finish(opened, run, attempt=1)  # the first attempt, by a worker that was frozen
    still = one(opened, run)
    assert (still.state, still.attempt) == (TargetState.RUNNING, 2)
    assert len(claims(opened)) == 1
    assert finish(opened, run, attempt=2)
    ended = one(opened, run)
    assert (ended.state, ended.outcome, ended.error) == (TargetState.ENDED, Outcome.CHANGED, None)
    assert claims(opened) == []


def test_who_was_taken_over_does_not_let_the_vm_go(opened: Database) -> None:
    """Its own journal has two records; the one who took over has written a third."""
    run = frozen(opened, 1)
    admit(opened, run)
    run_id = one(opened, run).run_id or ""
    rows = [{"run_id": run_id, "seq": seq, "writer": "w", "record": "{}"} for seq in (1, 2, 3)]
    do(opened, lambda c: c.execute(sa.insert(journal), rows))
    assert not finish(opened, run, known=(run_id, 2))
    assert not finish(opened, run, known=("another run", 3))
    assert len(claims(opened)) == 1
    assert one(opened, run).state is TargetState.RUNNING
    assert finish(opened, run, known=(run_id, 3))
    assert claims(opened) == []


def test_the_end_of_a_run_is_the_end_of_what_waits_and_of_nothing_else(opened: Database) -> None:
    run = frozen(opened, 4)
    admit(opened, run, 3)
    later = NOW + timedelta(minutes=1)
    lost: dict[str, Any] = {
        "outcome": Outcome.UNKNOWN,
        "exit_code": 6,
        "touched": "maybe",
        "not_before": later,
    }
    assert finish(opened, run, 1, **lost)
    assert finish(opened, run, 2)
    do(opened, lambda c: store.end(c, run.id, NOW))
    targets = do(opened, lambda c: list(store.targets(c, run.id)))
    assert [(each.state, each.outcome) for each in targets] == [
        (TargetState.ENDED, Outcome.UNKNOWN),  # its last attempt: not one that was never started
        (TargetState.ENDED, Outcome.CHANGED),
        (TargetState.RUNNING, None),
        (TargetState.ENDED, Outcome.NOT_STARTED),
    ]
    assert (targets[0].touched, targets[0].exit_code) == ("maybe", 6)
    ended = do(opened, lambda c: store.load(c, run.id))
    assert ended == replace(run, state=State.ENDED, ended=NOW)


def test_who_works_on_it_is_whoever_took_the_attempt_that_is_under_way(opened: Database) -> None:
    run = frozen(opened, 1)
    admit(opened, run)
    do(opened, lambda c: store.started(c, run.id, 1, 1, "one"))
    do(opened, lambda c: store.phase(c, run.id, 1, 1, "apply"))
    do(opened, lambda c: store.started(c, run.id, 1, 2, "two"))
    do(opened, lambda c: store.phase(c, run.id, 1, 2, "restart"))
    assert (one(opened, run).worker, one(opened, run).phase) == ("one", "apply")


def test_a_standing_has_the_slowest_and_the_last_that_went_wrong(opened: Database) -> None:
    run = frozen(opened, 6)
    for number in range(6):
        admit(opened, run, 1, NOW + timedelta(seconds=number))
    bad: dict[str, Any] = {
        "outcome": Outcome.FAILED,
        "error": {"slug": "step"},
        "result": {"outcome": "failed"},
    }
    for number in (1, 2, 3):
        finish(opened, run, number, now=NOW + timedelta(minutes=number), **bad)
    do(opened, lambda c: store.waits_for(c, run.id, "nothing"))
    seen = do(opened, lambda c: store.standing(c, run.id, NOW, workers=2, most=2))
    assert [each.number for each in seen.running] == [4, 5]
    assert [each.number for each in seen.errors] == [3, 2]
    assert (seen.waiting_for, seen.workers, seen.outcomes) == ("nothing", 2, {Outcome.FAILED: 3})
    assert do(opened, lambda c: sorted(store.results(c, run.id))) == [1, 2, 3]
