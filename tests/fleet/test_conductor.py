"""Leading fleet runs, by one, by two at once, and by one with a bug; on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from serialfix.fleet import conductor as module
from serialfix.fleet import store
from serialfix.fleet.conductor import Conductor
from serialfix.fleet.database import Database, fleet_run, journal, open_database
from serialfix.fleet.desk import Desk
from serialfix.fleet.engine import Engine, Queue, Work
from serialfix.fleet.standing import FleetRun, State, TargetState
from serialfix.fleet.writer import act_on
from serialfix.model import Outcome
from tests.fleet.frozen import NOW, admit, do, frozen, one


pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def queue(opened: Database) -> Iterator[Queue]:
    queue = Queue(opened)
    queue.prepare()
    yield queue
    queue.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    monkeypatch.setattr(module, "AGAIN", 0.05)


@pytest_asyncio.fixture
async def leader(opened: Database, queue: Queue) -> AsyncIterator[Conductor]:
    yield Conductor(opened, queue, clock=lambda: NOW)


def work(database: Database, run: FleetRun, outcome: Outcome = Outcome.CHANGED) -> int:
    """End everything that is under way; how many that were."""
    running = do(database, lambda c: store.under_way(c, run.id))
    for each in running:
        with database.engine.begin() as c:
            store.finish(
                c, run.id, each.number, each.attempt, now=NOW, outcome=outcome, exit_code=0
            )
    return len(running)


async def working(database: Database, run: FleetRun, *leaders: Conductor) -> list[int]:
    """Work like workers do until the run has ended; how many VMs were under way at once."""
    leading = [asyncio.create_task(each.conduct(run.id)) for each in leaders]
    many = []
    while not all(each.done() for each in leading):
        many.append(await asyncio.to_thread(work, database, run))
        await asyncio.sleep(0.01)
    for each in leading:
        each.result()
    return many


async def working_on(database: Database, run: FleetRun) -> None:
    """Work as soon as there is something to work on."""
    async with asyncio.timeout(15):
        while not await asyncio.to_thread(work, database, run):  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.01)


async def until(database: Database, run: FleetRun, words: str) -> None:
    """Until those who watch are told this."""
    query = sa.select(fleet_run.c.waiting_for).where(fleet_run.c.id == run.id)
    async with asyncio.timeout(15):
        while words not in await act_on(database, lambda c: c.execute(query).scalar()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_two_leaders_start_no_more_than_one(opened: Database, queue: Queue) -> None:
    run = frozen(opened, 12, waves="1,rest", max_concurrency="3")
    leaders = [Conductor(opened, queue, clock=lambda: NOW) for _ in range(2)]
    many = await working(opened, run, *leaders)
    assert max(many) <= 3
    ended = do(opened, lambda c: store.standing(c, run.id, NOW, workers=0))
    assert (ended.run.state, ended.outcomes) == (State.ENDED, {Outcome.CHANGED: 12})
    targets = do(opened, lambda c: list(store.targets(c, run.id)))
    assert {each.attempt for each in targets} == {1}
    added = queue._client.list_workflows(name="remediate")
    assert len(added) == 12


async def test_it_ends_only_when_nothing_runs(opened: Database, leader: Conductor) -> None:
    run = frozen(opened, 3, max_concurrency="1")
    leading = asyncio.create_task(leader.conduct(run.id))
    await until(opened, run, "all 1 that may run at once do")
    Desk(opened).cancel(run.id)
    await until(opened, run, "1 VM is let to the end")
    assert one(opened, run).state is TargetState.RUNNING
    work(opened, run)
    await leading
    targets = do(opened, lambda c: list(store.targets(c, run.id)))
    assert [each.outcome for each in targets] == [
        Outcome.CHANGED,
        Outcome.NOT_STARTED,
        Outcome.NOT_STARTED,
    ]


async def test_a_run_that_is_paused_can_be_cancelled(opened: Database, leader: Conductor) -> None:
    run = frozen(opened, 2)
    Desk(opened).pause(run.id)
    leading = asyncio.create_task(leader.conduct(run.id))
    await until(opened, run, "paused: 0 VMs run, 2 VMs wait")
    Desk(opened).cancel(run.id)
    await leading
    assert one(opened, run).outcome is Outcome.NOT_STARTED


async def test_vms_of_another_fleet_run_are_waited_for(opened: Database, leader: Conductor) -> None:
    other, run = frozen(opened, 2), frozen(opened, 2)
    admit(opened, other)
    leading = asyncio.create_task(leader.conduct(run.id))
    await until(opened, run, "2 VMs wait for other fleet runs that work on them")
    work(opened, other)
    await working_on(opened, run)
    await leading


class Clock:
    """One with a bug in it that is mended after a while."""

    def __init__(self) -> None:
        self.mended = False

    def __call__(self) -> datetime:
        if not self.mended:
            raise KeyError("clock")
        return NOW


async def test_a_bug_is_told_and_the_run_is_gone_on_with(
    opened: Database, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    run, clock = frozen(opened, 1), Clock()
    leading = asyncio.create_task(Conductor(opened, queue, clock=clock).conduct(run.id))
    await until(opened, run, "a bug in serialfix: KeyError at test_conductor.py")
    assert f"{run.id} cannot be gone on with" in caplog.text
    clock.mended = True
    await working_on(opened, run)
    await leading


async def test_who_rests_starts_nothing(opened: Database, leader: Conductor) -> None:
    run = frozen(opened, 1)
    leader.rest()
    leading = asyncio.create_task(leader.conduct(run.id))
    for _ in range(5):
        leader.wake()
        await asyncio.sleep(0.02)
    assert one(opened, run).state is TargetState.WAITING
    leader.rest(False)
    await working_on(opened, run)
    await leading


@pytest.mark.parametrize(
    ("entered", "outcome", "touched"),
    [(False, Outcome.FAILED, "no"), (True, Outcome.UNKNOWN, "maybe")],
)
async def test_what_the_engine_has_given_up_is_for_a_person(
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    entered: bool,
    outcome: Outcome,
    touched: str,
) -> None:
    """As its work ends with an exception: here at once, in life after too many dead workers."""
    monkeypatch.setattr(module, "LOST", 0.0)
    opened = open_database(str(tmp_path / "fleet.db"))
    queue = Queue(opened)
    queue.prepare()
    run = frozen(opened, 1)
    leader = Conductor(opened, queue, clock=lambda: NOW)

    async def remediate(fleet: str, number: int, attempt: int) -> None:
        if entered:
            run_id = one(opened, run).run_id
            record = '{"seq": 1, "kind": "step_entering", "step": "a", "former": "absent"}'
            row = {"run_id": run_id, "seq": 1, "writer": "w", "record": record}
            do(opened, lambda c: c.execute(sa.insert(journal).values(row)))
        raise LookupError(fleet, number, attempt)

    async def tick(at: datetime, schedule: str, by_hand: bool) -> None:
        raise AssertionError(at, schedule, by_hand)

    engine = Engine(opened, "one", Work(leader.conduct, remediate, tick))
    engine.launch()
    await asyncio.wait_for(leader.conduct(run.id), 20)
    await engine.close()
    ended = one(opened, run)
    assert (ended.outcome, ended.touched, ended.exit_code) == (outcome, touched, 1)
    assert "ended every worker that took it" in (ended.error or {})["message"]
    assert do(opened, lambda c: store.results(c, run.id))[1]["outcome"] == outcome
    queue.close()
    opened.close()


async def test_a_look_that_took_for_ever_is_not_rested_from_for_longer(
    opened: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a process that was frozen in it for a day."""
    monkeypatch.setattr(module, "LONGEST", 0.05, raising=False)
    run = frozen(opened, 1)
    loop = asyncio.get_running_loop()
    slept = 0.0

    def clock() -> datetime:
        nonlocal slept
        slept += 86400.0
        return NOW

    now = loop.time
    leader = Conductor(opened, queue, clock=clock)
    monkeypatch.setattr(module, "LOST", 1e9)
    asleep: list[float] = []
    sleep = asyncio.sleep

    async def sleeps(seconds: float) -> None:
        asleep.append(seconds)
        await sleep(min(seconds, 0.01))

    class Loop:
        def time(self) -> float:
            return now() + slept

    class Asyncio:
        def __getattr__(self, name: str) -> object:
            return getattr(asyncio, name)

        def get_running_loop(self) -> Loop:
            return Loop()

    lent = Asyncio()
    monkeypatch.setattr(lent, "sleep", sleeps, raising=False)
    monkeypatch.setattr(module, "asyncio", lent)
    leading = asyncio.create_task(leader.conduct(run.id))
    await working_on(opened, run)
    await leading
    assert asleep
    assert max(asleep) <= 0.05
