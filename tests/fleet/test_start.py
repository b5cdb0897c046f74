"""What is frozen of a plan, and the runs that follow from one: again, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

from serialfix.errors import UsageError
from serialfix.fleet import start, store
from serialfix.fleet.database import Database, document
from serialfix.fleet.standing import FleetRun, Kind, Settings, State, Target
from serialfix.model import Outcome
from serialfix.record.storage import UNDO
from tests.fleet.frozen import NOW, admit, do, frozen, one, plan_of
from tests.fleet.vms import found


LATER = NOW + timedelta(hours=1)
O = Outcome  # noqa: E741
ENDS = (O.FAILED, O.CHANGED, O.UNREACHABLE, O.UNKNOWN, O.REFUSED, O.FAILED, O.NOT_STARTED)


def ended(database: Database, *outcomes: Outcome, **more: object) -> FleetRun:
    """A fleet run whose targets ended so."""
    run = frozen(database, len(outcomes), **more)  # type: ignore[arg-type]
    for number, outcome in enumerate(outcomes, 1):
        if outcome is not O.NOT_STARTED:
            admit(database, run, 1)
            with database.engine.begin() as c:
                store.finish(c, run.id, number, 1, now=NOW, outcome=outcome, exit_code=0)
    do(database, lambda c: store.end(c, run.id, NOW))
    return do(database, lambda c: store.load(c, run.id))


def sha256(targets: Sequence[Target]) -> str:
    lines = sorted(f"{each.vm_id.lower()}\n" for each in targets)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_a_plan_is_frozen_with_all_that_was_worked_out() -> None:
    vms = [found("VM-b", location="WestEurope"), found("vm-a"), found("vm-c"), found("vm-d")]
    plan = plan_of(vms, waves="1,50%,rest", max_concurrency="50%", max_errors="25%")
    run, targets = start.freeze(plan, Kind.CHECK, Settings(username="me"), NOW, schedule="nightly")
    assert [(each.number, each.wave, each.name) for each in targets] == [
        (1, 1, "vm-a"),
        (2, 2, "VM-b"),
        (3, 2, "vm-c"),
        (4, 3, "vm-d"),
    ]
    assert {each.location for each in targets} == {"westeurope"}
    assert (run.total, run.at_once, run.errors_allowed) == (4, 2, 1)
    assert (run.kind, run.schedule, run.state) == (Kind.CHECK, "nightly", State.RUNNING)
    assert run.targets_sha256 == sha256(targets) == plan.chosen.sha256
    assert run.playbook_sha256 == plan.loaded.sha256
    assert start.freeze(plan, Kind.RUN, Settings(), NOW)[0].id != run.id


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        (start.RETRIED, ["vm-001", "vm-003", "vm-006", "vm-007"]),
        ((O.UNKNOWN,), ["vm-004"]),
        ((O.REFUSED, O.FAILED), ["vm-001", "vm-005", "vm-006"]),
    ],
)
def test_again_takes_exactly_those_that_ended_so(
    opened: Database, asked: Sequence[Outcome], numbers: list[str]
) -> None:
    old = ended(opened, *ENDS, max_concurrency="50%", max_errors="30%", retries=3)
    run, targets = do(opened, lambda c: start.again(c, old, asked, LATER))
    assert [each.name for each in targets] == numbers
    assert [each.number for each in targets] == list(range(1, len(numbers) + 1))
    assert all(each == _new(each) for each in targets)  # nothing of the old attempts
    assert (run.of, run.kind, run.state, run.created) == (old.id, old.kind, State.RUNNING, LATER)
    assert (run.total, run.at_once) == (len(numbers), max(1, len(numbers) // 2))
    assert run.errors_allowed == len(numbers) * 30 // 100
    assert run.targets_sha256 == sha256(targets) != old.targets_sha256
    assert (run.ended, run.why, run.policy) == (None, "", old.policy)


def _new(each: Target) -> Target:
    return Target(
        number=each.number,
        vm_id=each.vm_id,
        name=each.name,
        resource_group=each.resource_group,
        subscription_id=each.subscription_id,
        location=each.location,
        wave=each.wave,
    )


def test_again_with_nobody_is_refused(opened: Database) -> None:
    old = ended(opened, O.CHANGED)
    with pytest.raises(UsageError, match=r"no VM of fleet run .* ended failed, unknown"):
        do(opened, lambda c: start.again(c, old, (O.FAILED, O.UNKNOWN), LATER))


def test_back_takes_those_whose_way_back_is_kept(opened: Database) -> None:
    old = ended(opened, O.CHANGED, O.OK, O.FAILED, O.NOT_STARTED, waves="1,rest", approve_after=1)
    with pytest.raises(UsageError, match="nothing that could be put back"):
        do(opened, lambda c: start.back(c, old, LATER))
    ways = [one(opened, old, number).run_id for number in (1, 3)]
    rows = [{"run_id": each, "name": UNDO, "content": b"text"} for each in ways]
    rows.append({"run_id": one(opened, old, 2).run_id, "name": "playbook.yaml", "content": b""})
    do(opened, lambda c: c.execute(sa.insert(document), rows))
    run, targets = do(opened, lambda c: start.back(c, old, LATER))
    assert [(each.name, each.undoes) for each in targets] == [
        ("vm-001", ways[0]),
        ("vm-003", ways[1]),
    ]
    assert (run.kind, run.of, run.targets_sha256) == (Kind.UNDO, old.id, sha256(targets))
    assert (run.policy.waves, run.policy.approve_after) == ("1,rest", None)
    _, one_of_them = do(opened, lambda c: start.back(c, old, LATER, {3, 4}))
    assert [(each.name, each.undoes) for each in one_of_them] == [("vm-003", ways[1])]
    with pytest.raises(UsageError, match="nothing there that could be put back"):
        do(opened, lambda c: start.back(c, old, LATER, {4}))
    do(opened, lambda c: store.create(c, run, targets, ""))
    do(opened, lambda c: store.end(c, run.id, LATER))
    _, again = do(opened, lambda c: start.again(c, run, (O.NOT_STARTED,), LATER))
    assert [each.undoes for each in again] == ways  # it goes the same ways back
