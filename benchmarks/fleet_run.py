"""A fleet run against the same remediations without durability, under a plain semaphore.

Both work on a lab of their own, in a process of its own, with VMs that answer at once: what they
take is the driver, the lab's part of the dialogue, and for the fleet its database. The lab judges.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._shared import report
from benchmarks.sessions import memory


if TYPE_CHECKING:
    from serialfix.azure.discovery import FoundVm
    from serialfix.fleet.plan import FleetPlan
    from serialfix.model import RunResult
    from serialfix.playbook.load import LoadedPlaybook
    from serialfix.secrets import Redactor


LAB, FLEET, PLAIN = "lab", "fleet", "plain"
WARM_UP = 1
"""VMs that are repaired first: what is imported and made but once is no part of a figure."""
SESSIONS = 2
"""Of each VM: before the restart, and after it."""
LOOK = 0.1


# --- the lab --------------------------------------------------------------------------------------


def serve(number: int) -> None:
    """A lab until stdin ends; then what it says of its VMs."""
    from serialfix.lab.server import LabThread
    from tests.e2e.conftest import THREE
    from tests.support.fleet import make_fleet_lab

    with LabThread(lambda: make_fleet_lab(number)) as thread:
        vms = thread.lab.vms
        ids = [vm.id for vm in vms]
        print(json.dumps({"env": thread.env, "ids": ids, "playbook": THREE}), flush=True)
        cpu = time.process_time()
        sys.stdin.read()
        once = sum(vm.commands["restart"] == 1 and not vm.displaced for vm in vms)
        print(json.dumps({"once": once, "cpu": time.process_time() - cpu}), flush=True)


@contextmanager
def lab(number: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What leads to it, and what it said at its end, which is filled in then."""
    end: dict[str, Any] = {}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fleet_run", LAB, "--vms", str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield json.loads(process.stdout.readline()), end
        process.stdin.close()
        end |= json.loads(process.stdout.read())


# --- one side -------------------------------------------------------------------------------------


@dataclass
class Peak:
    """The most memory that there was, from now on, as far as it was looked at."""

    base: float
    most: float = 0.0

    async def look(self) -> None:
        """Until it is cancelled."""
        while True:
            self.most = max(self.most, memory())
            await asyncio.sleep(LOOK)


async def measured(side: Any, ids: list[str]) -> dict[str, float]:
    """The side's wall time, processor time and memory."""
    await side(ids[:WARM_UP])
    peak = Peak(memory())
    looking = asyncio.create_task(peak.look())
    cpu = time.process_time()
    wall = await side(ids[WARM_UP:])
    cpu = time.process_time() - cpu
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    return {"wall": wall, "cpu": cpu, "base": peak.base, "peak": peak.most}


@dataclass
class Memory:
    """A run that is kept in memory; its recordings and its evidence are files as ever."""

    run_id: str
    path: Path
    redactor: Redactor

    where = undo = "memory"

    def __post_init__(self) -> None:
        from serialfix.record.journal import MemoryJournal

        self.path.mkdir(parents=True)
        self.journal = MemoryJournal(redactor=self.redactor)
        self.documents: dict[str, str] = {}

    async def keep(self, name: str, text: str) -> None:
        """Keep a document."""
        self.documents[name] = text

    async def kept(self, name: str) -> str | None:
        """A document's text."""
        return self.documents.get(name)

    def lock_vm(self, vm_id: str) -> AbstractContextManager[object]:
        """Nobody else is there."""
        return nullcontext()

    async def ended(self, result: RunResult, evidence: Path) -> None:
        """Nobody is told."""

    def close(self) -> None:
        """Nothing is open."""


async def plain(about: Mapping[str, Any], at_once: int, folder: Path) -> dict[str, float]:
    """The remediations alone."""
    from serialfix.azure.budget import ArmBudget
    from serialfix.playbook.load import parse_playbook
    from serialfix.remediation.events import Silence
    from serialfix.remediation.options import RunOptions
    from serialfix.remediation.run import begin
    from serialfix.secrets import Redactor, Secret
    from serialfix.session import Credentials
    from tests.support.quick_worker import PATIENCE

    env = os.environ
    gate, budget = asyncio.Semaphore(at_once), ArmBudget()
    playbook = parse_playbook(about["playbook"])

    async def one(vm_id: str) -> None:
        password = Secret(env["SERIALFIX_GUEST_PASSWORD"], "guest_password")
        options = RunOptions(
            guest=Credentials(env["SERIALFIX_GUEST_USERNAME"], password),
            environ=env,
            vm_id=vm_id,
            state_dir=folder,
            patience=PATIENCE,
            refuse_foreign=True,
            arm_budget=budget,
            region="westeurope",
        )
        name = vm_id.rpartition("/")[2]
        async with gate:
            storage = Memory(name, folder / name, Redactor([password]))
            result = await begin(storage, playbook, options, Silence())
        assert result.outcome == "changed", result.error

    async def side(ids: list[str]) -> float:
        start = time.perf_counter()
        await asyncio.gather(*map(one, ids))
        return time.perf_counter() - start

    return await measured(side, about["ids"])


async def fleet(
    about: Mapping[str, Any], at_once: int, folder: Path, where: str
) -> dict[str, float]:
    """The same as a fleet run, from its beginning to its end, by one worker."""
    from serialfix.fleet.database import open_database
    from serialfix.fleet.desk import Desk
    from serialfix.fleet.standing import Kind, Settings, State
    from serialfix.fleet.worker import Worker, WorkerOptions
    from serialfix.model import Outcome
    from serialfix.playbook.load import parse_playbook
    from tests.support.quick_worker import PATIENCE

    database = open_database(where)
    options = WorkerOptions(
        host="bench",
        state_dir=folder,
        environ=os.environ,
        per_worker=at_once,
        patience=PATIENCE,
    )
    worker = Worker(database, options, lambda _: None)
    working = asyncio.create_task(worker.work())
    desk, playbook = Desk(database), parse_playbook(about["playbook"])
    settings = Settings(username=os.environ["SERIALFIX_GUEST_USERNAME"])

    async def side(ids: list[str]) -> float:
        plan = planned(playbook, list(map(found, ids)), at_once)
        run = await asyncio.to_thread(desk.begin, plan, Kind.RUN, settings)
        while (  # noqa: ASYNC110 - the database is all that whoever waits has
            now := await asyncio.to_thread(desk.find, run.id)
        ).state is not State.ENDED:
            await asyncio.sleep(1)
        assert now.ended
        outcomes = desk.standing(run.id).outcomes
        assert outcomes[Outcome.CHANGED] == len(ids), outcomes
        return (now.ended - now.created).total_seconds()

    figures = await measured(side, about["ids"])
    worker.stop()
    await working
    database.close()
    return figures


def found(vm_id: str) -> FoundVm:
    """A VM as Azure Resource Graph would show it."""
    from serialfix.azure.discovery import FoundVm

    _, _, subscription, _, group, _, _, _, name = vm_id.split("/")
    return FoundVm(vm_id, name, group, subscription, "westeurope")


def planned(playbook: LoadedPlaybook, vms: list[FoundVm], at_once: int) -> FleetPlan:
    """All of them in one wave."""
    from serialfix.azure.discovery import Scope
    from serialfix.fleet.plan import make_plan
    from serialfix.fleet.policy import Policy
    from serialfix.fleet.targets import TargetSet, Wish

    return make_plan(
        playbook,
        TargetSet(tuple(vms), ()),
        Policy(waves="rest", max_errors="100%", max_concurrency=str(at_once)),
        scope=Scope(),
        wish=Wish(everything=True),
    )


# --- both -----------------------------------------------------------------------------------------


def turn(side: str, vms: int, at_once: int, where: str = "") -> dict[str, float]:
    """One side on a lab of its own, each in a process."""
    with tempfile.TemporaryDirectory() as folder, lab(vms + WARM_UP) as (about, end):
        (told := Path(folder, "about.json")).write_text(json.dumps(about))
        command = [*(sys.executable, "-m", "benchmarks.fleet_run", side), "--about", str(told)]
        options = [*("--at-once", str(at_once)), "--database", where or f"{folder}/fleet.db"]
        out = subprocess.run(
            [*command, *options],
            env={**os.environ, **about["env"]},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        figures: dict[str, float] = json.loads(out)
    assert end["once"] == vms + WARM_UP, end
    return figures | {"lab_cpu": end["cpu"]}


def compare(vms: int, at_once: int, rounds: int, database: str, where: str = "") -> None:
    """Alternate, and report."""
    took: dict[str, list[dict[str, float]]] = {FLEET: [], PLAIN: []}
    for number in range(rounds):
        for side in (FLEET, PLAIN) if number % 2 else (PLAIN, FLEET):
            took[side].append(turn(side, vms, at_once, where if side == FLEET else ""))
    middle = {
        side: {name: statistics.median(each[name] for each in all_) for name in all_[0]}
        for side, all_ in took.items()
    }
    ours, bare = middle[FLEET], middle[PLAIN]
    about: dict[str, Any] = {"database": database, "vms": vms, "at_once": at_once}
    about["rounds"] = rounds
    report(
        "fleet_over_plain_semaphore",
        ours["wall"] / bare["wall"],
        limit="<= 1.3",
        **about,
        fleet_s=round(ours["wall"], 2),
        plain_s=round(bare["wall"], 2),
        cpu=round(ours["cpu"] / bare["cpu"], 3),
    )
    report(
        "fleet_sessions_per_second",
        SESSIONS * vms / ours["wall"],
        **about,
        cpu_ms_per_vm=round(1000 * ours["cpu"] / vms, 1),
        lab_cpu_ms_per_vm=round(1000 * ours["lab_cpu"] / vms, 1),
    )
    report(
        "fleet_memory_mb_per_live_session",
        (ours["peak"] - ours["base"]) / min(at_once, vms),
        **about,
        worker_mb=round(ours["base"], 1),
        plain_mb=round((bare["peak"] - bare["base"]) / min(at_once, vms), 3),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", nargs="?", choices=(LAB, FLEET, PLAIN))
    parser.add_argument("--vms", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--about", type=Path)
    parser.add_argument("--database", default="")
    # `--vms 1000` is the size that is promised; it takes ten times as long
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 16_384)), hard))
    if given.role is None:
        from tests.support import postgres  # not in the parts: psycopg is no part of their memory

        compare(given.vms, given.at_once, given.rounds, "sqlite")
        if why := postgres.missing():
            print(f"not measured with PostgreSQL: {why}", flush=True)
        else:
            with postgres.Postgres() as server:
                compare(given.vms, given.at_once, given.rounds, "postgresql", server.url)
    elif given.role == LAB:
        serve(given.vms)
    else:
        told = json.loads(given.about.read_text())
        with tempfile.TemporaryDirectory() as made:
            if given.role == PLAIN:
                work = plain(told, given.at_once, Path(made))
            else:
                work = fleet(told, given.at_once, Path(made), given.database)
            print(json.dumps(asyncio.run(work)))
