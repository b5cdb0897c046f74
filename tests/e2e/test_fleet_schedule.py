"""Schedules with real workers: whatever is killed, each tick has one fleet run at most."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from serialfix.errors import UsageError
from serialfix.fleet.desk import Desk
from serialfix.fleet.schedule import CameTo, Schedule, Schedules
from serialfix.fleet.standing import FleetRun, Kind, State
from serialfix.lab.server import LabThread
from serialfix.lab.switches import ArmFaults
from serialfix.model import Outcome
from tests.support.fleet import Fleet, make_fleet_lab
from tests.support.postgres import until


pytestmark = pytest.mark.timeout(120)
GRAPH = "Microsoft.ResourceGraph/resources/read"
EVERY_SECOND = "* * * * * *"
ON_NEW_YEAR = "0 0 1 1 *"
NAME = "nightly"


@pytest.fixture(params=["sqlite", "postgresql"])
def fleet(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Two VMs, and no worker yet."""
    sqlite = request.param == "sqlite"
    database = str(tmp_path / "fleet.db") if sqlite else request.getfixturevalue("postgres_url")
    with LabThread(lambda: make_fleet_lab(2)) as lab:
        fleet = Fleet(lab, tmp_path, database)
        try:
            yield fleet
        finally:
            fleet.close()


def add(fleet: Fleet, cron: str, *args: str) -> None:
    ended = fleet.command(
        *("schedule", "add", NAME, "--cron", cron, "--playbook", str(fleet.playbook), "--all"),
        *("--yes", *args),
    )
    assert ended.code == 0, ended.err


@contextmanager
def at_the_desk(fleet: Fleet) -> Iterator[tuple[Desk, Schedules]]:
    with fleet.desk() as desk:
        yield desk, Schedules(desk.database)


def runs(schedules: Schedules) -> list[FleetRun]:
    """All that the schedule made, the newest first."""
    return [each.run for each in schedules.find(NAME, most=100).runs]


def comes_to(schedules: Schedules, what: CameTo) -> Schedule:
    """Wait for a tick that comes to this."""
    until(
        lambda: schedules.find(NAME).schedule.last_came_to is what,
        f"a tick that {what}",
        seconds=60,
    )
    return schedules.find(NAME).schedule


def to_the_end(desk: Desk, run: FleetRun) -> Counter[Outcome]:
    """Let it go on after its first wave, and wait for its end."""

    def ended() -> bool:
        if (now := desk.standing(run.id)).run.state is not State.ENDED:
            with suppress(UsageError):  # it has ended meanwhile
                desk.resume(run.id)
        return now.run.state is State.ENDED

    until(ended, f"the end of {run.id}", seconds=60)
    return desk.standing(run.id).outcomes


def test_a_tick_while_one_runs_is_skipped_and_the_next_one_after_its_end_runs(
    fleet: Fleet,
) -> None:
    add(fleet, EVERY_SECOND, "--waves", "1,rest", "--approve-after", "1")
    fleet.worker("one")
    if fleet.database.startswith("postgresql"):  # a SQLite file has one
        fleet.worker("two")
    fleet.playbook.write_text("changed later, which changes nothing")
    with at_the_desk(fleet) as (desk, schedules):
        last = comes_to(schedules, CameTo.SKIPPED)  # the first run waits for somebody
        (first,) = runs(schedules)
        assert last.last_words == f"fleet run {first.id} still runs"
        assert (first.schedule, first.kind, first.user) == (NAME, Kind.RUN, last.user)
        assert to_the_end(desk, first) == {Outcome.CHANGED: 2}
        assert not [wrong for vm in fleet.vms if (wrong := fleet.repaired(vm))]

        until(lambda: len(runs(schedules)) > 1, "a run after the first", seconds=60)
        schedules.pause(NAME)
        second, *others = runs(schedules)
        assert [each.id for each in others] == [first.id]
        assert to_the_end(desk, second) == {Outcome.OK: 2}
        schedules.tick(NAME)  # by hand, while it is paused
        until(lambda: len(runs(schedules)) > 2, "the run by hand", seconds=60)
        third = runs(schedules)[0]
        schedules.remove(NAME)
        assert to_the_end(desk, third) == {Outcome.OK: 2}
        assert [each.run.id for each in desk.standings()] == [third.id, second.id, first.id]
    assert [vm.commands["restart"] for vm in fleet.vms] == [1, 1]


def test_a_worker_that_is_killed_in_the_middle_of_a_tick(fleet: Fleet) -> None:
    """It is gone on with by another, or by itself when it is back: one fleet run."""

    def throttled(calls: int) -> None:
        faults = ArmFaults(throttle={GRAPH: calls}, throttle_seconds=4)
        fleet.lab.call(lambda lab: setattr(lab.cloud, "faults", faults))

    add(fleet, ON_NEW_YEAR)
    first = fleet.worker("one")
    throttled(100)
    with at_the_desk(fleet) as (desk, schedules):
        schedules.tick(NAME)
        comes_to(schedules, CameTo.LOOKS)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert not runs(schedules)
        throttled(0)
        fleet.worker("two")
        comes_to(schedules, CameTo.BEGAN)
        (run,) = runs(schedules)
        assert to_the_end(desk, run) == {Outcome.CHANGED: 2}
        assert len(runs(schedules)) == 1
    assert not [wrong for vm in fleet.vms if (wrong := fleet.repaired(vm))]


def test_one_is_run_by_hand_and_watched(tmp_path: Path) -> None:
    """On SQLite a worker is started for it, which may end when nothing is left."""
    with LabThread(lambda: make_fleet_lab(1)) as lab:
        fleet = Fleet(lab, tmp_path, str(tmp_path / "fleet.db"))
        add(fleet, ON_NEW_YEAR, "--check")
        ended = fleet.command("schedule", "run", NAME, "-o", "json")
        assert ended.code == 0, ended.err
        assert (ended.result["schedule"], ended.result["kind"]) == (NAME, "check")
        assert ended.result["counts"]["would_change"] == 1
        lab.call(lambda lab: setattr(lab.vms[0], "power", "deallocated"))
        add(fleet, ON_NEW_YEAR, "--check", "--replace", "--power", "running")
        ended = fleet.command("schedule", "run", NAME)
        assert ended.code == 9
        assert "failed: no VM can be worked on: all 1 are skipped" in " ".join(ended.err.split())
