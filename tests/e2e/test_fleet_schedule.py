"""Schedules with real workers: whatever is killed, each tick has one fleet run at most."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serialfix.fleet.schedule import CameTo, Schedules
from serialfix.fleet.standing import FleetRun, Kind, State
from serialfix.lab.server import LabThread
from serialfix.lab.switches import ArmFaults
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
    which = () if "--name" in args else ("--all",)
    ended = fleet.command(
        *("schedule", "add", NAME, "--cron", cron, "--playbook", str(fleet.playbook), *which),
        *("--yes", *args),
    )
    assert ended.code == 0, ended.err


def workers(fleet: Fleet) -> int:
    """As many as there may be: a SQLite file has one."""
    hosts = ("one", "two") if fleet.database.startswith("postgresql") else ("one",)
    for host in hosts:
        fleet.worker(host)
    return len(hosts)


def said(fleet: Fleet) -> dict[str, Any]:
    (only,) = json.loads(fleet.command("schedule", "list", "-o", "json").out)
    assert only["name"] == NAME
    return dict(only)


def runs(fleet: Fleet) -> list[FleetRun]:
    """All that the schedule made, the newest first."""
    with fleet.desk() as desk:
        return [each.run for each in Schedules(desk.database).find(NAME, most=100).runs]


def came_to(fleet: Fleet, what: CameTo) -> None:
    with fleet.desk() as desk:
        schedules = Schedules(desk.database)
        until(
            lambda: schedules.find(NAME).schedule.last_came_to is what,
            f"a tick that {what}",
        )


def test_a_tick_while_one_runs_is_skipped_and_the_next_one_after_its_end_runs(
    fleet: Fleet,
) -> None:
    workers(fleet)
    add(fleet, EVERY_SECOND, "--waves", "1,rest", "--approve-after", "1")
    came_to(fleet, CameTo.SKIPPED)  # the first run waits for somebody
    (first,) = runs(fleet)
    last = said(fleet)["last"]
    assert (last["came_to"], first.id in last["words"]) == ("skipped", True)
    assert (first.schedule, first.kind, first.state) == (NAME, Kind.RUN, State.RUNNING)

    assert fleet.command("resume", first.id).code == 0
    fleet.until_ended(first.id)
    assert not [wrong for vm in fleet.vms if (wrong := fleet.repaired(vm))]
    until(lambda: len(runs(fleet)) > 1, "a run after the first")
    assert fleet.command("schedule", "pause", NAME).code == 0
    before = runs(fleet)
    assert len({each.id for each in before}) == len(before) == 2
    assert fleet.command("resume", before[0].id).code in (0, 2)  # it may have ended
    fleet.until_ended(before[0].id)

    # paused, it runs by hand alone; the playbook is what it was, whatever the file says now
    fleet.playbook.write_text("changed")
    ended = fleet.command(
        *("schedule", "run", NAME, "--yes", "--detach"),
    )
    assert ended.code == 0, ended.err
    until(lambda: len(runs(fleet)) == 3, "the run by hand")
    assert runs(fleet)[0].playbook_sha256 == first.playbook_sha256
    # removed while it runs: the run goes on to its end
    assert fleet.command("schedule", "remove", NAME).code == 0
    with fleet.desk() as desk:
        newest = desk.standings()[0].run
    assert newest.state is not State.ENDED
    fleet.command("resume", newest.id)
    assert fleet.until_ended(newest.id)["counts"]["ok"] == 2
    with fleet.desk() as desk:
        assert len(desk.standings()) == 3
    assert [vm.commands["restart"] for vm in fleet.vms] == [1, 1]


def test_a_worker_that_is_killed_in_the_middle_of_a_tick(fleet: Fleet) -> None:
    """It is gone on with by another, or by itself when it is back: one fleet run."""

    def throttled(seconds: float) -> None:
        faults = ArmFaults(throttle={GRAPH: 100} if seconds else {}, throttle_seconds=seconds)
        fleet.lab.call(lambda lab: setattr(lab.cloud, "faults", faults))

    add(fleet, ON_NEW_YEAR)
    first = fleet.worker("one")
    throttled(4)
    assert fleet.command("schedule", "run", NAME, "--yes", "--detach").code == 0
    came_to(fleet, CameTo.LOOKS)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not runs(fleet)
    throttled(0)
    fleet.worker("two")
    came_to(fleet, CameTo.BEGAN)
    (run,) = runs(fleet)
    fleet.until_ended(run.id)
    assert not [wrong for vm in fleet.vms if (wrong := fleet.repaired(vm))]
    assert len(runs(fleet)) == 1
