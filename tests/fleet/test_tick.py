from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from serialfix.azure.identity import AzurePatience
from serialfix.fleet import store
from serialfix.fleet.database import Database, open_database
from serialfix.fleet.engine import Queue
from serialfix.fleet.policy import Policy
from serialfix.fleet.schedule import CameTo, Schedule, Schedules
from serialfix.fleet.standing import FleetRun, Kind
from serialfix.fleet.targets import Wish
from serialfix.fleet.tick import Tick, Ticks
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.switches import FORBIDDEN, REGION_DOWN, ArmDelays, ArmFaults, Refusal
from serialfix.lab.vm import LabVm
from tests.fleet.schedules import NAME, made, prepared
from tests.lab.doubles import FakeGuest
from tests.support.postgres import until


GRAPH = "Microsoft.ResourceGraph/resources/read"
AT = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
PATIENCE = AzurePatience(retries=0, retry_after_max=0)


def web(number: int, **more: Any) -> LabVm:
    return LabVm(guest=FakeGuest(), name=f"web-{number}", tags={"env": "prod"}, **more)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[LabThread]:
    """Two VMs run, one does not; azure-identity reads the environment of the process."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)

    def make() -> Lab:
        return Lab([web(1), web(2), web(3, power="deallocated")], delays=ArmDelays.instant())

    with LabThread(make) as thread:
        for name, value in thread.env.items():
            monkeypatch.setenv(name, value)
        yield thread


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("template") / "fleet.db")


@pytest.fixture
def where(template: Path, tmp_path: Path) -> str:
    return str(shutil.copy(template, tmp_path / "fleet.db"))


class Place:
    """A worker's part in ticks, and what came of them."""

    def __init__(self, database: Database) -> None:
        self.now = AT + timedelta(seconds=5)
        self.database = database
        self.schedules = Schedules(database)
        self.queue = Queue(database)
        self.ticks = self.worker()

    def worker(self, *pauses: float) -> Ticks:
        return Ticks(
            database=self.database,
            queue=self.queue,
            environ=dict(os.environ),
            patience=PATIENCE,
            pauses=pauses,
            clock=lambda: self.now,
        )

    def tick(
        self, at: datetime = AT, *, by_hand: bool = False, pauses: tuple[float, ...] = ()
    ) -> None:
        self.now = at + timedelta(seconds=5)
        asyncio.run(self.worker(*pauses).tick(at, NAME, by_hand))

    @property
    def last(self) -> tuple[CameTo | None, str]:
        found = self.schedules.find(NAME).schedule
        return found.last_came_to, found.last_words

    @property
    def runs(self) -> list[FleetRun]:
        return [each.run for each in self.schedules.find(NAME).runs]

    def end(self, run: FleetRun) -> None:
        with self.database.engine.begin() as connection:
            store.end(connection, run.id, self.now)

    def conducted(self) -> list[str]:
        """The fleet runs that the engine was given to lead."""
        return [each.workflow_id for each in self.queue._client.list_workflows(name="conduct")]


@contextmanager
def placed(where: str) -> Iterator[Place]:
    database = open_database(where)
    place = Place(database)
    try:
        yield place
    finally:
        place.queue.close()
        database.close()


@pytest.fixture
def place(where: str) -> Iterator[Place]:
    with placed(where) as place:
        yield place


def faults(lab: LabThread, **more: object) -> None:
    lab.call(lambda lab: setattr(lab.cloud, "faults", ArmFaults(**more)))  # type: ignore[arg-type]


def test_a_tick_begins_what_was_frozen_on_the_vms_that_there_are(
    lab: LabThread, place: Place
) -> None:
    place.schedules.add(schedule := made())
    place.tick()
    (run,) = place.runs
    assert place.last == (CameTo.BEGAN, f"fleet run {run.id} on 2 VMs")
    assert (run.id, run.schedule, run.user) == (Tick(AT, NAME).fleet, NAME, schedule.user)
    assert run.id.startswith("20261128-010000-")
    assert (run.kind, run.policy, run.settings) == (Kind.RUN, schedule.policy, schedule.settings)
    assert (run.playbook_sha256, run.parameters) == (schedule.playbook_sha256, {"level": "2"})
    assert place.conducted() == [run.id]
    with place.database.engine.connect() as connection:
        assert store.playbook_text(connection, run.id) == schedule.playbook_text

    place.tick()  # the worker ended before the engine knew
    assert ([each.id for each in place.runs], place.conducted()) == ([run.id], [run.id])
    place.tick(AT + WEEK)
    assert place.last == (CameTo.SKIPPED, f"fleet run {run.id} still runs")
    assert len(place.runs) == 1

    place.end(run)
    lab.call(lambda lab: setattr(lab.vms[2], "power", "running"))
    place.tick(AT + 2 * WEEK)
    assert [each.total for each in place.runs] == [3, 2]
    place.tick(AT + WEEK)  # a tick of before that is gone on with late changes nothing
    assert len(place.runs) == 2
    assert place.last[0] is CameTo.BEGAN


def test_a_check_by_hand_of_a_schedule_that_is_paused(lab: LabThread, place: Place) -> None:
    place.schedules.add(made(kind=Kind.CHECK))
    place.schedules.pause(NAME)
    place.tick()
    assert (place.last, place.runs) == ((None, ""), [])
    place.tick(by_hand=True)
    (run,) = place.runs
    assert (run.kind, run.id) == (Kind.CHECK, Tick(AT, NAME, by_hand=True).fleet)
    assert run.id != Tick(AT, NAME).fleet


@pytest.mark.parametrize(
    ("wish", "policy", "said"),
    [
        (Wish(name="db-*"), Policy(), "no VM can be worked on: none found"),
        (Wish(everything=True), Policy(waves="1"), "waves"),
    ],
)
def test_nothing_but_words_when_there_is_nobody_or_no_room(
    lab: LabThread, place: Place, wish: Wish, policy: Policy, said: str
) -> None:
    place.schedules.add(replace(made(wish=wish), policy=policy))
    place.tick()
    assert (place.last[0], said in place.last[1], place.runs) == (CameTo.FAILED, True, [])


@pytest.mark.parametrize(
    ("refusal", "said"),
    [(FORBIDDEN, GRAPH), (Refusal(400, "BadRequest", "Query is invalid."), "Query is invalid")],
)
def test_what_azure_refuses_is_told_and_not_asked_again(
    lab: LabThread, place: Place, refusal: Refusal, said: str
) -> None:
    place.schedules.add(made())
    faults(lab, deny={GRAPH: refusal})
    place.tick(pauses=(3600,))
    came, words = place.last
    assert (came, said in words, place.runs) == (CameTo.FAILED, True, [])


def test_what_passes_is_asked_again_within_reason(lab: LabThread, place: Place) -> None:
    place.schedules.add(made())
    faults(lab, throttle={GRAPH: 2}, throttle_seconds=1)
    place.tick(pauses=(0, 0))
    assert place.last[0] is CameTo.BEGAN
    place.end(place.runs[0])
    faults(lab, deny={GRAPH: REGION_DOWN})
    place.tick(AT + WEEK, pauses=(0, 0))
    assert (place.last[0], len(place.runs)) == (CameTo.FAILED, 1)


def test_a_tick_that_is_too_late_is_missed(lab: LabThread, place: Place) -> None:
    place.schedules.add(made())
    place.now = AT + timedelta(hours=3)
    asyncio.run(place.worker().tick(AT, NAME, by_hand=False))
    assert place.last == (CameTo.MISSED, "no worker was alive until 180 minutes later")
    assert place.runs == []


def replaced(schedules: Schedules) -> Schedule:
    return schedules.add(made(cron="0 3 * * *"), again=True)


@pytest.mark.parametrize(
    ("change", "came"),
    [
        (lambda schedules: schedules.remove(NAME), None),
        (lambda schedules: schedules.pause(NAME), CameTo.LOOKS),
        (replaced, CameTo.SKIPPED),
    ],
    ids=["removed", "paused", "replaced"],
)
def test_what_changes_while_vms_are_looked_for_counts(
    lab: LabThread,
    place: Place,
    change: Callable[[Schedules], Schedule],
    came: CameTo | None,
) -> None:
    place.schedules.add(made())
    faults(lab, deny={GRAPH: REGION_DOWN})
    worker = place.worker(*(0.02,) * 3000)

    async def in_the_middle() -> None:
        ticking = asyncio.create_task(worker.tick(AT, NAME, by_hand=False))
        await asyncio.to_thread(until, lambda: place.last[0] is CameTo.LOOKS, "looking")
        await asyncio.to_thread(change, place.schedules)
        await asyncio.to_thread(faults, lab)
        assert worker.under_way == 1
        await ticking

    asyncio.run(in_the_middle())
    assert (worker.under_way, place.conducted()) == (0, [])
    if came is not None:
        assert (place.last[0], place.runs) == (came, [])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_same_tick_on_two_workers_at_once(
    lab: LabThread, kind: str, request: pytest.FixtureRequest
) -> None:
    """One of them was frozen, and taken over."""
    where = request.getfixturevalue("where" if kind == "sqlite" else "postgres_url")
    with placed(where) as one, placed(where) as other:
        one.queue.prepare()
        one.schedules.add(made())

        async def at_once() -> None:
            await asyncio.gather(*(each.ticks.tick(AT, NAME, False) for each in (one, other)))

        asyncio.run(at_once())
        (run,) = one.runs
        assert (one.conducted(), one.last[0]) == ([run.id], CameTo.BEGAN)


def test_ids_are_the_same_for_whoever_asks_and_for_nobody_else() -> None:
    moments = [AT + timedelta(seconds=number) for number in range(200)]
    ids = {Tick(at, name, hand).fleet for at in moments for name in "ab" for hand in (True, False)}
    assert len(ids) == 800
    berlin = datetime.fromisoformat("2026-11-28T02:00:00+01:00")
    assert Tick(berlin, NAME).fleet == Tick(AT, NAME).fleet
