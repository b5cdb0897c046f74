"""Workers as processes: they end in order, others go on, and none ends between two fleet runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from serialfix.fleet import store
from serialfix.fleet import worker as module
from serialfix.fleet.database import Database, open_database
from serialfix.fleet.engine import VMS, Engine, Queue
from serialfix.fleet.presence import FilePresence, alive
from serialfix.fleet.standing import State
from serialfix.fleet.turn import Turns
from serialfix.fleet.worker import Worker, WorkerOptions
from serialfix.fleet.writer import act_on
from serialfix.lab.server import LabThread
from tests.fleet.frozen import do, frozen
from tests.support.fleet import Fleet, make_fleet_lab
from tests.support.postgres import until


pytestmark = pytest.mark.timeout(90)
FEW = 6


@pytest.fixture
def fleet(tmp_path: Path, where: str) -> Iterator[Fleet]:
    with LabThread(lambda: make_fleet_lab(FEW)) as lab:
        fleet = Fleet(lab, tmp_path, where)
        try:
            yield fleet
        finally:
            fleet.close()


def test_a_worker_that_is_told_to_end_does_so_in_order_and_another_goes_on(fleet: Fleet) -> None:
    first = fleet.worker("one")
    run = fleet.begin("--waves", "rest", "--max-errors", "100%", "--max-concurrency", "3")
    until(lambda: any(vm.active for vm in fleet.vms), "a VM at which somebody works", seconds=40)
    first.send_signal(signal.SIGTERM)
    assert first.wait(40) == 0, fleet.logs()
    assert not any(fleet.lab.call(lambda lab: [vm.active for vm in lab.vms]))
    standing = fleet.standing(run)
    assert (standing.run.state, standing.workers) == (State.RUNNING, 0)
    assert standing.outcomes.total() < FEW  # it began no further one
    fleet.worker("two")
    report = fleet.until_ended(run)
    assert [each["outcome"] for each in report["targets"]] == ["changed"] * FEW, fleet.logs()
    assert [found for vm in fleet.vms if (found := fleet.repaired(vm))] == []


# --- in this process ------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(str(tmp_path / "fleet.db"))
    yield database
    database.close()


def worker(database: Database, folder: Path, **more: Any) -> tuple[Worker, list[str]]:
    told: list[str] = []
    options = WorkerOptions(host="host", state_dir=folder, environ={}, until_idle=True, **more)
    return Worker(database, options, told.append), told


def begun(database: Database, queue: Queue) -> str:
    """A fleet run that is cancelled at once: to be led to its end, and no VM to be worked on."""
    run = frozen(database, 1)

    def begin(connection: Any) -> None:
        store.set_state(connection, run.id, State.STOPPING, why="for a test")
        queue.conduct(connection, run.id)

    do(database, begin)
    return run.id


async def test_a_run_that_is_begun_while_the_worker_ends_is_not_forgotten(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who began it saw a worker alive, and started none."""
    monkeypatch.setattr(module, "IDLE", 0.05)
    here, told = worker(sqlite, tmp_path)
    queue = Queue(sqlite)
    late: list[str] = []
    close = FilePresence.close

    def closing(self: FilePresence) -> None:
        if not late:
            assert alive(sqlite) == 1
            late.append(begun(sqlite, queue))
        close(self)

    monkeypatch.setattr(FilePresence, "close", closing)
    assert await asyncio.wait_for(here.work(), 30) == 0
    assert alive(sqlite) == 0
    run = await act_on(sqlite, lambda c: store.load(c, late[0]))
    assert run.state is State.ENDED
    assert len(told) == 2  # it took up its work a second time
    queue.close()


async def test_it_ends_when_it_is_idle_and_not_before(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE", 0.05)
    here, _ = worker(sqlite, tmp_path, per_worker=3)
    queue = Queue(sqlite)
    run = begun(sqlite, queue)
    found = queue._client.retrieve_queue(VMS)
    assert found is not None
    assert found.worker_concurrency == 3
    assert await asyncio.wait_for(here.work(), 30) == 0
    assert do(sqlite, lambda c: store.load(c, run)).state is State.ENDED
    assert here._budget.share == 1
    queue.close()


async def test_a_second_worker_of_a_file_is_refused_and_the_first_stays(
    sqlite: Database, tmp_path: Path
) -> None:
    from serialfix.errors import ConfigError

    here, _ = worker(sqlite, tmp_path)
    with pytest.raises(ConfigError, match="another process works on"):
        worker(sqlite, tmp_path)
    here.stop()
    assert await here.work() == 0


class Out(BaseException):
    """Where the process would have ended."""


@pytest.mark.parametrize("where", ["the engine", "the consoles"])
async def test_one_that_is_lost_while_it_ends_waits_for_nothing(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Another may take over: it has to be away from the consoles, whatever its own end hangs in."""
    here, told = worker(sqlite, tmp_path)
    hangs = asyncio.Event()

    async def hanging(self: object) -> None:
        monkeypatch.setattr(FilePresence, "lost", True)
        await hangs.wait()

    def out(code: int) -> None:
        assert code == module.LOST
        hangs.set()
        raise Out

    close = Engine.close
    monkeypatch.setattr("os._exit", out)
    monkeypatch.setattr(module, "LEAVE", 0.05)
    if where == "the engine":
        monkeypatch.setattr(Engine, "close", hanging)
    else:
        monkeypatch.setattr(Turns, "leave", hanging)
    here.stop()
    with pytest.raises(Out):
        await asyncio.wait_for(here.work(), 20)
    assert "lost its lock" in told[-1]
    await close(here._engine)
    here._presence.close()
