"""Runs that are kept in no folder: another host goes on with them, from what was kept alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from serialfix.errors import RecordError, UsageError
from serialfix.lab.guest import PASSWORD
from serialfix.model import Outcome, RunResult
from serialfix.playbook.load import parse_playbook
from serialfix.record.journal import Journal, Record
from serialfix.virtual_time import run_virtual
from tests.support.elsewhere import Database, Elsewhere
from tests.support.judge import Judge, flat
from tests.support.matrix import playbook
from tests.support.world import Killed, Mishap, World, kill


TINY = playbook(whole=False)
ORDER = [
    *("run_started", "target", "channel_opened", "planned", "confirmed"),
    *("step_entering", "step_verified", "step_entering", "step_verified", "left"),
    *("restart_requested", "restart_accepted", "restart_done"),
    *("channel_opened", "proof", "proof", "left", "run_ended"),
]


def kinds(database: Database) -> list[str]:
    return [record["kind"] for record in database.records]


def world(tmp_path: Path, *mishaps: Mishap) -> World:
    there = World(tmp_path, mishaps=mishaps)
    there.transcripts = False
    return there


def right(there: World) -> bool:
    """Whether the guest is as the playbook wants it, by one restart and by what was meant."""
    judge, after = Judge(there, TINY.playbook), flat(there.guest.registry.dump())
    return (
        there.restarts == (1, 1)
        and all(after[place] == value for place, value in judge.wanted.items())
        and all(line.entered.line in ("", line.meant) for line in there.lines)
    )


async def whole(tmp_path: Path) -> tuple[World, Database, RunResult]:
    there, database = World(tmp_path), Database()
    await there.boot()
    one = Elsewhere(database, tmp_path / "one")
    result = await there.begin(one, TINY)
    assert one.closed
    return there, database, result


def test_a_run_is_what_it_is_in_a_folder(tmp_path: Path) -> None:
    there, database, result = run_virtual(whole(tmp_path))
    assert (result.outcome, result.exit_code) == (Outcome.CHANGED, 0)
    assert (result.run_id, result.journal) == ("fleet-1.7", "run fleet-1.7 in the database")
    assert result.undo == "undo.yaml of fleet-1.7 in the database"
    assert set(database.documents) == {"playbook.yaml", "undo.yaml"}
    assert database.documents["playbook.yaml"] == TINY.text
    evidence = tmp_path / "one" / "evidence"
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        *("session-1-apply.cast", "session-2-prove.cast", "evidence"),
    }
    # the evidence is whole when it is handed over, and then the run is ended
    assert database.endings == [("changed", len(database.rows) - 1)]
    assert kinds(database) == ORDER
    *before, _ = database.records
    token = {"continuation_token": "<only in the journal itself>"}
    assert Journal.read(evidence / "journal.jsonl") == [
        {**each, **token} if "continuation_token" in each else each for each in before
    ]
    assert (evidence / "undo.yaml").read_text() == database.documents["undo.yaml"]
    assert PASSWORD not in json.dumps([database.rows, database.documents])
    assert right(there)


@pytest.mark.parametrize(
    "number",
    [1, 5, 6, 9, 12, 15],
    ids=lambda number: f"{number}-{ORDER[number - 1]}",
)
def test_another_host_goes_on_with_it(tmp_path: Path, number: int) -> None:
    async def script() -> None:
        there = world(tmp_path, Mishap("a kill", kill, "after", number))
        await there.boot()
        before, database = flat(there.guest.registry.dump()), Database()
        one = Elsewhere(database, tmp_path / "one")
        with pytest.raises(Killed):
            await there.begin(one, TINY)
        assert one.closed
        assert kinds(database) == ORDER[:number]
        await asyncio.sleep(1.0)
        there.mishaps = ()
        two = Elsewhere(database, tmp_path / "two")
        result = await there.go_on(two)
        assert (result.outcome, result.exit_code) == (Outcome.CHANGED, 0), result.error
        assert {step.outcome for step in result.steps} == {Outcome.CHANGED}
        assert right(there)
        assert kinds(database)[number] == "run_resumed"
        assert kinds(database)[-1] == "run_ended"
        assert database.endings == [("changed", len(database.rows) - 1)]
        told = Journal.read(tmp_path / "two" / "evidence" / "journal.jsonl")
        assert [record["kind"] for record in told] == kinds(database)[:-1]
        undone = await there.begin(
            Elsewhere(Database(), tmp_path / "three"),
            parse_playbook(database.documents["undo.yaml"], file="undo.yaml"),
            restart=False,
            undo_of=result.run_id,
        )
        assert undone.exit_code == 0
        assert flat(there.guest.registry.dump()) == before

    run_virtual(script())


def test_who_was_taken_over_types_no_more(tmp_path: Path) -> None:
    """Another worker has a run's next record: this one finds out before it types."""

    async def script() -> None:
        there, database = world(tmp_path), Database()
        await there.boot()

        def taken_over(record: Record) -> None:
            if record["kind"] == "step_entering":
                database.rows.setdefault(record["seq"], json.dumps({**record, "kind": "theirs"}))

        database.at_write = taken_over
        before = flat(there.guest.registry.dump())
        result = await there.begin(Elsewhere(database, tmp_path / "one"), TINY)
        assert (result.outcome, result.touched) == (Outcome.NOT_STARTED, "no")
        assert "taken this run over" in str(result.error)
        assert kinds(database)[5:] == ["theirs"]
        assert flat(there.guest.registry.dump()) == before
        assert there.guest._sac is not None
        assert [session.name for session in there.guest._sac.sessions] == []

    run_virtual(script())


def test_a_cancellation_while_a_record_is_on_its_way(tmp_path: Path) -> None:
    """It is kept, what it tells of is not done, and the next process looks first."""

    async def script() -> None:
        there, database = world(tmp_path), Database()
        await there.boot()
        task = asyncio.ensure_future(there.begin(Elsewhere(database, tmp_path / "one"), TINY))

        def cancel(record: Record) -> None:
            if record["kind"] == "step_entering":
                database.at_write = lambda _: None
                task.cancel(143)

        database.at_write = cancel
        before = flat(there.guest.registry.dump())
        result = await task
        assert (result.exit_code, result.touched) == (143, "maybe")
        assert kinds(database) == [*ORDER[:6], "left", "run_ended"]
        assert flat(there.guest.registry.dump()) == before
        again = await there.go_on(Elsewhere(database, tmp_path / "two"))
        assert (again.outcome, again.exit_code) == (Outcome.CHANGED, 0), again.error
        assert right(there)

    run_virtual(script())


def test_a_cancellation_before_the_first_record_and_after_the_last(tmp_path: Path) -> None:
    async def script() -> None:
        there, database = world(tmp_path), Database()
        await there.boot()
        task = asyncio.ensure_future(there.begin(Elsewhere(database, tmp_path / "one"), TINY))
        await asyncio.sleep(0.01)
        task.cancel()
        assert (await task).exit_code == 130
        assert kinds(database) == ["run_started", "run_ended"]
        task = asyncio.ensure_future(there.go_on(Elsewhere(database, tmp_path / "two")))
        database.at_end = task.cancel
        result = await task
        assert (result.outcome, result.exit_code) == (Outcome.CHANGED, 0)
        assert kinds(database)[-1] == "run_ended"

    run_virtual(script())


def test_what_cannot_be_begun_again_or_gone_on_with(tmp_path: Path) -> None:
    async def script() -> None:
        there, database, _ = await whole(tmp_path)
        records = database.records
        one, two = (Elsewhere(database, tmp_path / name) for name in ("again", "new"))
        with pytest.raises(UsageError, match=r"is complete \(changed\)"):
            await there.go_on(one)
        with pytest.raises(RecordError, match="has begun already"):
            await there.begin(two, TINY)
        assert one.closed
        assert two.closed
        with pytest.raises(UsageError, match="ended before it began"):
            await there.go_on(Elsewhere(Database(), tmp_path / "empty"))
        assert database.records == records

    run_virtual(script())
