"""A fleet whose workers and database are killed: judged by the lab, not by our own database."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from serialfix.lab.server import LabThread
from tests.support.fleet import Fleet, make_fleet_lab
from tests.support.postgres import Postgres


pytestmark = pytest.mark.timeout(300)
VMS = int(os.environ.get("FLEET_VMS", "200"))
SEEDS = range(int(os.environ.get("FLEET_SEEDS", "1")))
AT_ONCE = ("--waves", "1,rest", "--max-concurrency", "60", "--max-errors", "100%")
BACK = 2.0
"""Seconds until a killed worker is back, before anybody takes over."""


@contextmanager
def fleet_of(number: int, home: Path, database: str) -> Iterator[Fleet]:
    with LabThread(lambda: make_fleet_lab(number)) as lab:
        fleet = Fleet(lab, home, database)
        try:
            yield fleet
        finally:
            fleet.close()


def judged(fleet: Fleet, report: dict[str, Any]) -> None:
    """Every VM has exactly one good end, by the lab's own account."""
    targets = report["targets"]
    wrong = {vm.name: found for vm in fleet.vms if (found := fleet.repaired(vm))}
    told = [each for each in targets if each["outcome"] != "changed"]
    assert not wrong, f"{wrong}\n{told}\n{fleet.logs()[-3000:]}"
    assert len({each["id"].lower() for each in targets}) == len(targets) == len(fleet.vms)
    assert Counter(each["outcome"] for each in targets) == {"changed": len(fleet.vms)}


def leader(url: str, run: str) -> str:
    """The worker that leads the run, by the engine's own row."""
    with psycopg.connect(url) as connection:
        (executor,) = connection.execute(
            "SELECT executor_id FROM dbos.workflow_status WHERE workflow_uuid = %s", (run,)
        ).fetchall()[0]
    return str(executor).rpartition("-")[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_dies_every_vm_is_repaired_once(
    tmp_path: Path, postgres_url: str, postgres_server: Postgres, seed: int
) -> None:
    """Who watches, a worker that comes back, the server, and for good the worker that leads."""
    dice = random.Random(seed)
    with fleet_of(VMS, tmp_path, postgres_url) as fleet:
        for name in ("one", "two"):
            fleet.worker(name)
        watching = fleet.process(
            "run", "--playbook", str(fleet.playbook), "--all", "--yes", *AT_ONCE
        )
        run = fleet.begun()

        def comes_back() -> None:
            other = next(name for name in fleet.services if name != leader(postgres_url, run))
            fleet.kill(other)
            time.sleep(BACK)
            fleet.worker(other)

        def the_server() -> None:
            postgres_server.kill()
            time.sleep(dice.random())
            postgres_server.start()

        def never_comes_back() -> None:
            fleet.kill(leader(postgres_url, run))

        what: list[Callable[[], None]] = [comes_back, the_server, watching.kill]
        dice.shuffle(what)
        parts = sorted(dice.uniform(0.02, 0.8) for _ in range(4))
        for part, happens in zip(parts, [*what, never_comes_back], strict=True):
            fleet.until_some_ended(run, 1 + int(part * VMS))
            happens()
        judged(fleet, fleet.until_ended(run, 200))
        (left,) = fleet.services
        fleet.terminate(left)


def test_a_worker_of_its_own_is_killed_with_sqlite(tmp_path: Path) -> None:
    with fleet_of(VMS // 8, tmp_path, str(tmp_path / "fleet.db")) as fleet:
        fleet.worker("one")
        run = fleet.begin(*AT_ONCE)
        for part in (0.1, 0.6):
            fleet.until_some_ended(run, 1 + int(part * len(fleet.vms)))
            fleet.kill("one")
            fleet.worker("one")
        judged(fleet, fleet.until_ended(run))
