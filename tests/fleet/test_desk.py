"""What people do with fleet runs, on both databases and with the engine's tables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from serialfix.errors import TargetError, UsageError
from serialfix.fleet import store
from serialfix.fleet.database import Database, document
from serialfix.fleet.desk import Desk
from serialfix.fleet.engine import Queue
from serialfix.fleet.standing import Kind, Settings, State
from serialfix.fleet.storage import EVIDENCE
from serialfix.model import Outcome
from tests.fleet.frozen import NOW, admit, do, frozen, one, plan_of


def finish(database: Database, desk: Desk, fleet: str, number: int, outcome: Outcome) -> None:
    admit(database, desk.find(fleet), 1)
    do(
        database,
        lambda c: store.finish(c, fleet, number, 1, now=NOW, outcome=outcome, exit_code=0),
    )


def led(database: Database) -> list[str]:
    """The fleet runs that a worker is to lead."""
    queue = Queue(database)
    found = queue._client.list_workflows(name="conduct")
    queue.close()
    return sorted(each.workflow_id for each in found)


def test_a_run_is_there_together_with_the_work_of_leading_it(opened: Database) -> None:
    desk = Desk(opened)
    run = desk.begin(plan_of(3), Kind.RUN, Settings(username="me"))
    assert led(opened) == [run.id]
    assert desk.find(run.id[:16]).settings == Settings(username="me")
    assert desk.standing(run.id).waves[0].waiting == 3
    assert [each.run.id for each in desk.standings()] == [run.id]
    with pytest.raises(UsageError, match=f"{run.id} is running; it can be tried again when it has"):
        desk.again(run.id, (Outcome.FAILED,))
    with pytest.raises(UsageError, match="it can be taken back when"):
        desk.back(run.id)
    finish(opened, desk, run.id, 1, Outcome.FAILED)
    do(opened, lambda c: store.end(c, run.id, NOW))
    again = desk.again(run.id[:-2], (Outcome.FAILED,))
    assert (again.of, again.total) == (run.id, 1)
    assert led(opened) == sorted((run.id, again.id))
    with pytest.raises(UsageError, match="nothing that could be put back"):
        desk.back(run.id)
    assert len(desk.standings()) == 2


def test_a_start_of_an_id_is_enough_everywhere(opened: Database) -> None:
    desk, run = Desk(opened), frozen(opened, 2)
    short = run.id[:-1]
    assert desk.standing(short).waves[0].total == 2
    assert len(desk.targets(short)) == 2
    assert desk.results(short) == {}
    assert desk.pause(short).id == desk.resume(short).id == desk.cancel(short).id == run.id
    for unknown in (desk.standing, desk.targets, desk.results, desk.pause, desk.resume):
        with pytest.raises(TargetError, match="no fleet run"):
            unknown("x")


def test_what_waits_for_nobody_cannot_be_resumed(opened: Database) -> None:
    desk, run = Desk(opened), frozen(opened, 2)
    with pytest.raises(UsageError, match="is running; nothing of it waits for you"):
        desk.resume(run.id)
    desk.pause(run.id)
    assert desk.pause(run.id).state is State.PAUSED
    assert desk.resume(run.id).state is State.RUNNING
    assert "cancelled by" in desk.cancel(run.id).why
    assert desk.cancel(run.id).state is State.STOPPING
    for change in (desk.resume, desk.pause):
        with pytest.raises(UsageError, match="is stopping: cancelled by"):
            change(run.id)
    do(opened, lambda c: store.end(c, run.id, NOW))
    for change in (desk.resume, desk.pause, desk.cancel):
        with pytest.raises(UsageError, match="is ended"):
            change(run.id)


def test_a_wave_is_approved_once_it_has_ended_and_not_before(opened: Database) -> None:
    desk, run = Desk(opened), frozen(opened, 3, waves="1,1,rest", approve_after=1)
    with pytest.raises(UsageError, match="nothing of it waits"):
        desk.resume(run.id)
    assert desk.find(run.id).approved == 0
    finish(opened, desk, run.id, 1, Outcome.CHANGED)
    desk.pause(run.id)
    assert desk.resume(run.id).approved == 0  # that was for the pause
    assert desk.resume(run.id).approved == 1
    with pytest.raises(UsageError, match="nothing of it waits"):  # of later waves nobody is asked
        desk.resume(run.id)


def test_nothing_is_approved_of_a_run_that_stops(opened: Database) -> None:
    desk, run = Desk(opened), frozen(opened, 2, waves="1,rest", approve_after=1)
    finish(opened, desk, run.id, 1, Outcome.CHANGED)
    desk.cancel(run.id)
    with pytest.raises(UsageError, match="is stopping"):
        desk.resume(run.id)
    assert desk.find(run.id).approved == 0


def test_the_evidence_of_one_vm_is_had_from_the_database(opened: Database) -> None:
    desk, run = Desk(opened), frozen(opened, 1)
    admit(opened, run)
    run_id = one(opened, run).run_id or ""
    assert desk.evidence(run_id) is None
    row = {"run_id": run_id, "name": EVIDENCE, "content": b"PK"}
    do(opened, lambda c: c.execute(sa.insert(document).values(row)))
    assert desk.evidence(run_id) == b"PK"
