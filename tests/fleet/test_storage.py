"""The journal and the documents of a run in the database, also while it dies or is taken over."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from serialfix.errors import Fenced, PreflightError, RecordError
from serialfix.fleet.database import Database, journal, open_database
from serialfix.fleet.storage import EVIDENCE, DatabaseStorage, kept, records, result_of
from serialfix.fleet.writer import Act, Writer
from serialfix.model import Outcome, RunResult
from serialfix.record.evidence import write_evidence
from serialfix.record.journal import Record
from serialfix.record.storage import PLAYBOOK, UNDO
from serialfix.secrets import Redactor, Secret
from tests.fleet.frozen import do
from tests.support.postgres import Postgres


RUN = "f1.1"
VM = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"


class Twice(Writer):
    """A writer whose every commit is one that nobody heard the end of."""

    async def write(self, act: Act) -> object:
        await super().write(act)
        return await super().write(act)


def storage(
    database: Database,
    folder: Path,
    *,
    past: Sequence[Record] = (),
    attempt: int = 1,
    writer: Writer | None = None,
    redactor: Redactor | None = None,
) -> DatabaseStorage:
    return DatabaseStorage(
        database,
        writer or Writer(database),
        RUN,
        attempt=attempt,
        path=folder / f"run-{attempt}",
        state_dir=folder,
        holder="fleet run f1",
        redactor=redactor or Redactor(),
        past=past,
    )


def kinds(database: Database) -> list[str]:
    return [each["kind"] for each in do(database, lambda c: records(c, RUN))]


async def test_a_journal_is_gone_on_with_by_the_next_worker(
    opened: Database, tmp_path: Path
) -> None:
    secret = Redactor([Secret("Tr0ub4dor&3", name="password")])
    first = storage(opened, tmp_path, redactor=secret)
    await first.journal.append("run_started", said="it is Tr0ub4dor&3 \0 \ud800")
    await first.keep(PLAYBOOK, "steps: ä\n")
    past = do(opened, lambda c: records(c, RUN))
    assert past == list(first.journal.records)
    assert "Tr0ub4dor" not in json.dumps(past)
    second = storage(opened, tmp_path, past=past)
    assert (await second.journal.append("run_resumed"))["seq"] == 2
    assert kinds(opened) == ["run_started", "run_resumed"]
    assert await second.kept(PLAYBOOK) == "steps: ä\n"
    assert await second.kept(UNDO) is None


async def test_who_was_taken_over_can_neither_tell_nor_keep_anything(
    opened: Database, tmp_path: Path
) -> None:
    stale = storage(opened, tmp_path)
    await stale.journal.append("run_started")
    await stale.keep(UNDO, "old")
    fresh = storage(opened, tmp_path, past=do(opened, lambda c: records(c, RUN)))
    await stale.keep(UNDO, "older")  # the fresh one has not begun
    await fresh.journal.append("run_resumed")
    with pytest.raises(Fenced, match="taken over"):
        await stale.journal.append("step_entering")
    with pytest.raises(Fenced):
        await stale.keep(UNDO, "stale")
    await fresh.keep(UNDO, "fresh")
    assert await fresh.kept(UNDO) == "fresh"
    assert kinds(opened) == ["run_started", "run_resumed"]
    assert [each["kind"] for each in stale.journal.records] == ["run_started"]


async def test_a_record_whose_commit_nobody_heard_of_is_there_once(
    opened: Database, tmp_path: Path
) -> None:
    here = storage(opened, tmp_path, writer=Twice(opened))
    for kind in ("run_started", "step_entering"):
        await here.journal.append(kind)
        await here.keep(UNDO, kind)
    assert kinds(opened) == ["run_started", "step_entering"]
    assert await here.kept(UNDO) == "step_entering"


async def test_a_record_of_ones_own_that_nobody_heard_of_is_not_taken_for_another(
    opened: Database, tmp_path: Path
) -> None:
    """It was committed, and the database went away before it could say so."""
    here = storage(opened, tmp_path)
    lost = {"run_id": RUN, "seq": 1, "writer": here.journal.token, "record": '{"kind": "lost"}'}
    do(opened, lambda c: c.execute(sa.insert(journal).values(lost)))
    with pytest.raises(Fenced):
        await here.journal.append("another")
    with pytest.raises(Fenced):
        await here.keep(UNDO, "text")
    assert kinds(opened) == ["lost"]


async def test_the_server_is_killed_between_records(
    postgres_url: str, postgres_server: Postgres, tmp_path: Path
) -> None:
    database = open_database(postgres_url)
    here = storage(database, tmp_path)
    for number in range(3):
        await here.journal.append("before", number=number)
        postgres_server.kill()
        after = asyncio.create_task(here.journal.append("after", number=number))
        await asyncio.sleep(0)
        await asyncio.to_thread(postgres_server.start)
        await after
    assert kinds(database) == ["before", "after"] * 3
    database.close()


async def test_how_an_attempt_ended_is_kept_with_its_evidence(
    opened: Database, tmp_path: Path
) -> None:
    for attempt, outcome in ((1, Outcome.UNREACHABLE), (2, Outcome.CHANGED)):
        here = storage(
            opened, tmp_path, attempt=attempt, past=do(opened, lambda c: records(c, RUN))
        )
        await here.journal.append("run_started")
        result = RunResult(
            run_id=RUN,
            vm_id=VM,
            vm_name="vm",
            playbook="three",
            playbook_version="1",
            playbook_sha256="0" * 64,
            outcome=outcome,
            exit_code=0,
            touched="no",
        )
        evidence = write_evidence(
            here.path / "evidence",
            redactor=Redactor(),
            result=result,
            journal=here.journal.records,
            transcript_text="",
            recordings=(),
            playbook_text="steps",
            undo_text=None,
        )
        await here.ended(result, evidence)
        here.close()
    first, second, third = do(opened, lambda c: [result_of(c, RUN, n) for n in (1, 2, 3)])
    assert first is not None
    assert second is not None
    assert (first["outcome"], second["outcome"], third) == ("unreachable", "changed", None)
    with zipfile.ZipFile(io.BytesIO(do(opened, lambda c: kept(c, RUN, EVIDENCE)) or b"")) as packed:
        assert packed.testzip() is None
        names = {name.rpartition("/")[2] for name in packed.namelist()}
    assert {"journal.jsonl", "playbook.yaml"} <= names
    assert not (tmp_path / "run-2" / EVIDENCE).exists()


async def test_a_single_run_on_this_host_keeps_the_vm(opened: Database, tmp_path: Path) -> None:
    here = storage(opened, tmp_path)
    with here.lock_vm(VM), pytest.raises(PreflightError, match="fleet run f1 is working"):
        storage(opened, tmp_path).lock_vm(VM.upper())


def test_a_folder_that_cannot_be_made_is_told(opened: Database, tmp_path: Path) -> None:
    (tmp_path / "run-1").write_text("a file")
    with pytest.raises(RecordError, match="cannot make the folder"):
        storage(opened, tmp_path)
