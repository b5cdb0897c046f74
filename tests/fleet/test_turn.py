"""Turns at VMs of the lab: taken, drained, taken over, ended by a bug; the lab is the judge."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from serialfix.azure.discovery import FoundVm
from serialfix.fleet import store
from serialfix.fleet.database import Database, claim, metadata, open_database, target
from serialfix.fleet.decide import CONSOLE_LOST
from serialfix.fleet.standing import FleetRun, Kind, Settings, Target, TargetState
from serialfix.fleet.storage import EVIDENCE, kept, records
from serialfix.fleet.turn import Turns
from serialfix.fleet.writer import Writer
from serialfix.lab.guest import PASSWORD, USERNAME
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.vm import LabVm
from serialfix.model import Outcome
from serialfix.remediation.options import RunPatience
from tests.fleet.frozen import admit, claims, do, frozen, one
from tests.support.fleet import Fleet, make_fleet_lab
from tests.support.postgres import Postgres
from tests.support.quick_worker import PATIENCE


pytestmark = pytest.mark.timeout(60)


class Ward(Fleet):
    """One VM with a broken listener, and workers that take turns at it in this process."""

    def __init__(self, lab: LabThread, home: Path) -> None:
        super().__init__(lab, home, "")
        self.ended: list[str] = []

    @property
    def vm(self) -> LabVm:
        return self.vms[0]

    def run(self, database: Database, **more: Any) -> FleetRun:
        """A fleet run on it, and its first admission."""
        vm = self.vm
        found = FoundVm(
            id=vm.id,
            name=vm.name,
            resource_group=vm.resource_group,
            subscription_id=vm.subscription,
            location=vm.location,
        )
        run = frozen(database, [found], settings=Settings(username=USERNAME), **more)
        admit(database, run)
        return run

    def turns(
        self,
        database: Database,
        name: str = "one",
        *,
        patience: RunPatience = PATIENCE,
        environ: Mapping[str, str] | None = None,
        away: float = 30,
    ) -> Turns:
        state = self.home / name
        state.mkdir(exist_ok=True)
        return Turns(
            database=database,
            writer=Writer(database, away=away),
            worker=name,
            state_dir=state,
            environ=self.env if environ is None else environ,
            ended=lambda: self.ended.append(name),
            patience=patience,
        )

    async def when(self, happened: Callable[[LabVm], bool], then: Callable[[Lab], None]) -> None:
        """Do something in the lab at the moment when something has happened in it."""

        async def watch(lab: Lab) -> None:
            while not happened(lab.vms[0]):  # noqa: ASYNC110 - the guest tells nobody
                await asyncio.sleep(0.001)
            then(lab)

        loop: Any = self.lab.call(lambda _: asyncio.get_running_loop())
        watching = asyncio.run_coroutine_threadsafe(watch(self.lab.lab), loop)
        await asyncio.wait_for(asyncio.wrap_future(watching), 30)

    def changed(self, vm: LabVm) -> bool:
        """Whether a value was written."""
        guest: Any = vm.guest
        return any(re.match(r"reg\s+(?!query)", entered.line) for entered in guest.entered)

    def at_console(self) -> bool:
        return self.lab.call(lambda lab: lab.vms[0].active)


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    with LabThread(lambda: make_fleet_lab(1)) as lab:
        ward = Ward(lab, tmp_path)
        for name in set(os.environ) - set(ward.env):
            monkeypatch.delenv(name)
        for name, value in ward.env.items():  # azure-identity reads the process's own
            monkeypatch.setenv(name, value)
        yield ward


@pytest_asyncio.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(str(tmp_path / "fleet.db"))
    yield database
    database.close()


def everything(database: Database) -> str:
    """All that is in our tables."""
    rows = [
        value
        for table in metadata.sorted_tables
        for row in do(database, lambda c, t=table: c.execute(sa.select(t)).all())  # type: ignore[misc]
        for value in row
    ]
    return "\n".join(
        each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in rows
    )


def unended(database: Database, run: FleetRun) -> None:
    """As it is when a worker dies between the end of its turn and the row that tells of it."""

    def act(connection: sa.Connection) -> None:
        back = {"state": TargetState.RUNNING, "outcome": None, "ended": None, "result": None}
        connection.execute(sa.update(target).where(target.c.fleet == run.id).values(back))
        row = {"vm_key": one(database, run).vm_id.lower(), "fleet": run.id, "number": 1}
        connection.execute(sa.insert(claim).values(row))

    do(database, act)


async def test_a_vm_is_repaired_its_evidence_kept_and_let_go(ward: Ward, opened: Database) -> None:
    run = ward.run(opened)
    await ward.turns(opened).remediate(run.id, 1, 1)
    ended = one(opened, run)
    assert (ended.outcome, ended.exit_code, ended.touched) == (Outcome.CHANGED, 0, "yes")
    assert (ended.worker, claims(opened), ward.ended) == ("one", [], ["one"])
    assert ward.repaired(ward.vm) == []
    assert do(opened, lambda c: kept(c, ended.run_id or "", EVIDENCE))
    result = do(opened, lambda c: store.results(c, run.id))[1]
    assert [each["outcome"] for each in result["steps"]] == ["changed"] * 3
    secrets = {PASSWORD, *ward.lab.call(lambda lab: set(lab.cloud.tokens.minted))}
    assert len(secrets) > 1
    text = everything(opened)
    assert "step_verified" in text
    assert [each for each in secrets if each in text] == []


async def test_a_worker_that_died_after_the_end_leaves_nothing_to_be_done_at_the_vm(
    ward: Ward, sqlite: Database
) -> None:
    run = ward.run(sqlite)
    await ward.turns(sqlite).remediate(run.id, 1, 1)
    connects = ward.vm.connects
    unended(sqlite, run)
    await ward.turns(sqlite, "two").remediate(run.id, 1, 1)
    assert (one(sqlite, run).outcome, claims(sqlite)) == (Outcome.CHANGED, [])
    assert ward.vm.connects == connects
    await ward.turns(sqlite, "three").remediate(run.id, 1, 1)  # and once more
    assert ward.vm.connects == connects


@pytest.mark.parametrize("when", ["before the restart", "after the restart"])
async def test_what_is_drained_leaves_its_console_and_another_goes_on(
    ward: Ward, opened: Database, when: str
) -> None:
    run = ward.run(opened)
    first = ward.turns(opened)
    turn = asyncio.create_task(first.remediate(run.id, 1, 1))
    restarted = when == "after the restart"
    await ward.when(
        lambda vm: bool(vm.commands["restart"]) if restarted else ward.changed(vm),
        lambda lab: None,
    )
    first.draining = True
    await first.wait(0)
    await first.leave()
    assert not ward.at_console()
    assert not turn.done()  # the engine must not think that it has ended
    target_ = one(opened, run)
    assert (target_.state, len(claims(opened))) == (TargetState.RUNNING, 1)
    await ward.turns(opened, "two").remediate(run.id, 1, 1)
    ended = one(opened, run)
    assert (ended.outcome, ended.worker, ended.attempt) == (Outcome.CHANGED, "two", 1)
    assert ward.repaired(ward.vm) == []
    turn.cancel()


async def test_a_worker_that_drains_begins_nothing(ward: Ward, sqlite: Database) -> None:
    run = ward.run(sqlite)
    turns = ward.turns(sqlite)
    turns.draining = True
    turn = asyncio.create_task(turns.remediate(run.id, 1, 1))
    await asyncio.sleep(0)
    assert not turns.under_way
    assert one(sqlite, run).worker is None
    turn.cancel()


async def test_the_engine_cancels_a_turn_and_it_leaves_in_order(
    ward: Ward, sqlite: Database
) -> None:
    run = ward.run(sqlite)
    turn = asyncio.create_task(ward.turns(sqlite).remediate(run.id, 1, 1))
    await ward.when(ward.changed, lambda lab: None)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(turn, 20)
    assert not ward.at_console()
    await ward.turns(sqlite, "two").remediate(run.id, 1, 1)
    assert one(sqlite, run).outcome is Outcome.CHANGED
    assert ward.repaired(ward.vm) == []


async def test_who_was_taken_over_ends_nothing(
    ward: Ward, opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker does that was frozen, and wakes up in the middle."""
    monkeypatch.setattr("serialfix.fleet.turn.AGAIN", 0.1)
    run = ward.run(opened)
    stale = asyncio.create_task(ward.turns(opened).remediate(run.id, 1, 1))
    await ward.when(ward.changed, lambda lab: None)
    await ward.turns(opened, "two").remediate(run.id, 1, 1)
    ended = one(opened, run)
    assert (ended.outcome, ended.worker, ward.ended) == (Outcome.CHANGED, "two", ["two"])
    assert claims(opened) == []
    assert (ward.vm.commands["restart"], ward.changed(ward.vm)) == (1, True)
    stale.cancel()
    with suppress(asyncio.CancelledError):
        await stale
    kinds = [r["kind"] for r in do(opened, lambda c: records(c, ended.run_id or ""))]
    assert kinds.count("restart_requested") == 1


async def test_a_console_that_was_lost_is_tried_again_and_gone_on_with(
    ward: Ward, sqlite: Database
) -> None:
    run = ward.run(sqlite, retries=1, retry_delay_s=0.0)
    turns = ward.turns(sqlite)
    turn = asyncio.create_task(turns.remediate(run.id, 1, 1))
    await ward.when(ward.changed, lambda lab: lab.cloud.go_down("westeurope"))
    await turn
    waits = one(sqlite, run)
    assert (waits.state, waits.outcome, claims(sqlite)) == (TargetState.WAITING, None, [])
    assert waits.touched in ("maybe", "yes")
    assert (waits.error or {})["slug"].startswith(CONSOLE_LOST)
    assert waits.not_before is not None
    ward.lab.call(lambda lab: lab.cloud.outages.clear())
    admit(sqlite, run, now=waits.not_before)
    await turns.remediate(run.id, 1, 2)
    ended = one(sqlite, run)
    assert (ended.outcome, ended.attempt, ended.error) == (Outcome.CHANGED, 2, None)
    assert ward.repaired(ward.vm) == []


class Broken(dict[str, str]):
    """An environment with a bug in it."""

    def get(self, key: str, default: object = None) -> Any:
        raise ZeroDivisionError(f"{PASSWORD} / 0")


@pytest.mark.parametrize("kind", [Kind.RUN, Kind.CHECK])
async def test_a_bug_ends_the_turn_and_is_named_and_the_vm_is_let_go(
    ward: Ward, sqlite: Database, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    run = ward.run(sqlite, kind=kind)
    await ward.turns(sqlite, environ=Broken(ward.env)).remediate(run.id, 1, 1)
    ended = one(sqlite, run)
    assert (ended.outcome, ended.exit_code, ended.touched) == (Outcome.FAILED, 1, "no")
    assert "a bug in serialfix: ZeroDivisionError at " in (ended.error or {})["message"]
    assert claims(sqlite) == []
    assert "ZeroDivisionError" in caplog.text
    assert PASSWORD not in everything(sqlite)


async def test_a_bug_after_the_changes_tells_that_they_are_there(
    ward: Ward, sqlite: Database
) -> None:
    run = ward.run(sqlite)
    nonsense: Any = None
    turns = ward.turns(sqlite, patience=replace(PATIENCE, restart=nonsense))
    await turns.remediate(run.id, 1, 1)
    ended = one(sqlite, run)
    assert (ended.outcome, ended.exit_code, ended.touched) == (Outcome.FAILED, 1, "yes")
    assert "TypeError at restarting.py" in (ended.error or {})["message"]
    assert not ward.at_console()
    assert ward.vm.commands["restart"] == 0


async def test_a_password_that_is_gone_when_another_goes_on_is_no_refusal(
    ward: Ward, sqlite: Database
) -> None:
    """The VM is half changed: that counts."""
    run = ward.run(sqlite)
    first = ward.turns(sqlite)
    turn = asyncio.create_task(first.remediate(run.id, 1, 1))
    await ward.when(lambda vm: bool(vm.commands["restart"]), lambda lab: None)
    first.draining = True
    await first.leave()
    turn.cancel()
    without = {name: each for name, each in ward.env.items() if "PASSWORD" not in name}
    await ward.turns(sqlite, "two", environ=without).remediate(run.id, 1, 1)
    ended = one(sqlite, run)
    assert (ended.outcome, ended.touched) == (Outcome.FAILED, "yes")
    assert (ended.error or {})["slug"] == "access.guest_password"
    assert claims(sqlite) == []


async def test_a_check_is_looked_at_anew(ward: Ward, sqlite: Database) -> None:
    run = ward.run(sqlite, kind=Kind.CHECK)
    first = ward.turns(sqlite)
    turn = asyncio.create_task(first.remediate(run.id, 1, 1))
    await ward.when(lambda vm: vm.active, lambda lab: None)
    first.draining = True
    await first.leave()
    turn.cancel()
    await ward.turns(sqlite, "two").remediate(run.id, 1, 1)
    ended: Target = one(sqlite, run)
    assert (ended.outcome, ended.touched) == (Outcome.WOULD_CHANGE, "no")
    assert ended.run_id == f"{run.id}.1.2"
    assert not ward.changed(ward.vm)


async def test_a_database_that_is_away_for_long_is_waited_for_and_nothing_typed(
    ward: Ward,
    postgres_url: str,
    postgres_server: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Longer than a record waits: the run gives up its console, and is gone on with later."""
    monkeypatch.setattr("serialfix.fleet.turn.AGAIN", 0.1)
    database = open_database(postgres_url)
    run = ward.run(database)
    turn = asyncio.create_task(ward.turns(database, away=0.2).remediate(run.id, 1, 1))
    await ward.when(ward.changed, lambda lab: postgres_server.kill())
    while ward.at_console():
        assert not turn.done()
        await asyncio.sleep(0.02)
    was = ward.registry(ward.vm)
    assert ward.vm.commands["restart"] == 0
    await asyncio.to_thread(postgres_server.start)
    assert ward.registry(ward.vm) == was
    await asyncio.wait_for(turn, 40)
    assert one(database, run).outcome is Outcome.CHANGED
    assert ward.repaired(ward.vm) == []
    database.close()
