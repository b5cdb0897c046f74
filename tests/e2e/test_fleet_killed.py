"""A fleet whose workers and database are killed: judged by the lab, not by our own database."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from serialfix.lab.server import LabThread
from tests.support.fleet import Fleet, make_fleet_lab
from tests.support.postgres import Postgres, until


pytestmark = pytest.mark.timeout(240)
VMS = 200
AT_ONCE = ("--waves", "rest", "--max-concurrency", "60", "--max-errors", "100%")


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str) -> Iterator[Fleet]:
    with LabThread(lambda: make_fleet_lab(VMS)) as lab:
        fleet = Fleet(lab, tmp_path, postgres_url)
        try:
            yield fleet
        finally:
            fleet.close()


def judged(fleet: Fleet, report: dict[str, object]) -> None:
    """Every VM has exactly one good end, by the lab's own account."""
    targets = report["targets"]
    assert isinstance(targets, list)
    wrong = {vm.name: found for vm in fleet.vms if (found := fleet.repaired(vm))}
    told = [each for each in targets if each["outcome"] != "changed"]
    assert not wrong, f"{wrong}\n{told}\n{fleet.logs()[-3000:]}"
    assert len({each["id"].lower() for each in targets}) == len(targets) == VMS
    assert Counter(each["outcome"] for each in targets) == {"changed": VMS}


def test_workers_are_killed_at_random_times(fleet: Fleet) -> None:
    """One is back after a while and is killed again; another never comes back."""
    dice = random.Random(5)
    first, second = fleet.worker("one"), fleet.worker("two")
    run = fleet.begin(*AT_ONCE)
    fleet.until_some_ended(run, dice.randint(5, 25))
    first.send_signal(signal.SIGKILL)
    first.wait()
    again = fleet.worker("one")
    fleet.until_some_ended(run, dice.randint(60, 90))
    second.send_signal(signal.SIGKILL)  # never back: its VMs are taken over
    second.wait()
    fleet.until_some_ended(run, dice.randint(100, 120))
    again.send_signal(signal.SIGKILL)
    again.wait()
    fleet.worker("three")
    judged(fleet, fleet.until_ended(run))


def test_the_database_is_killed(fleet: Fleet, postgres_server: Postgres) -> None:
    first, second = fleet.worker("one"), fleet.worker("two")
    run = fleet.begin(*AT_ONCE)
    for ended in (10, 80):
        fleet.until_some_ended(run, ended)
        postgres_server.kill()
        postgres_server.start()
    judged(fleet, fleet.until_ended(run))
    assert (first.poll(), second.poll()) == (None, None)
    for each in (first, second):
        each.send_signal(signal.SIGTERM)
    until(lambda: first.poll() == second.poll() == 0, "the end of both in order")
