"""What one VM's run of a fleet is kept in: the database, so that another host can go on with it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from serialfix.errors import Fenced, RecordError
from serialfix.fleet.database import Database, document, journal
from serialfix.fleet.writer import Writer
from serialfix.model import RunResult
from serialfix.record.evidence import pack
from serialfix.record.journal import MemoryJournal, Record, claim_vm
from serialfix.record.locks import VmLock
from serialfix.record.storage import UNDO
from serialfix.result import run_json
from serialfix.secrets import Redactor


EVIDENCE = "evidence.zip"
RESULT = "result.{attempt}.json"


class DatabaseJournal(MemoryJournal):
    """A journal in the database. A number that another writer was quicker to take fences this one:
    it fails before the act that the record would have told."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        run_id: str,
        *,
        redactor: Redactor,
        past: Sequence[Record],
    ) -> None:
        super().__init__(redactor=redactor, records=past)
        self.token = secrets.token_hex(8)
        self._writer = writer
        self._run_id = run_id
        made = database.insert(journal)
        # the same may be there already, after a commit that nobody heard the end of; not another
        # one of our own: of that one nobody heard whether it was written
        self._put = made.on_conflict_do_update(
            index_elements=[journal.c.run_id, journal.c.seq],
            set_={"writer": made.excluded.writer},
            where=sa.and_(
                journal.c.writer == made.excluded.writer, journal.c.record == made.excluded.record
            ),
        ).returning(journal.c.seq)

    async def _store(self, record: Record) -> None:
        row = {
            "run_id": self._run_id,
            "seq": record["seq"],
            "writer": self.token,
            "record": json.dumps(record),
        }
        if not await self._writer.write(lambda c: c.execute(self._put, row).first()):
            raise fenced(self._run_id)


class DatabaseStorage:
    """A run's journal and texts in the database; recordings and evidence in a folder of this host.

    The packed evidence goes into the database when the run has ended. `past` is the journal as far
    as it is there.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        run_id: str,
        *,
        attempt: int,
        path: Path,
        state_dir: Path,
        holder: str,
        redactor: Redactor,
        past: Sequence[Record] = (),
    ) -> None:
        self.run_id = run_id
        self.path = path
        self.redactor = redactor
        self.journal = DatabaseJournal(database, writer, run_id, redactor=redactor, past=past)
        self._database = database
        self._writer = writer
        self._attempt = attempt
        self._state_dir = state_dir
        self._holder = holder
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(f"cannot make the folder {path}: {error.strerror}") from None

    @property
    def where(self) -> str:
        """The journal's place, in words for the result."""
        return f"{self._database.url} ({self.run_id})"

    @property
    def undo(self) -> str:
        """Where the way back is, in words for the result."""
        return f"{self._database.url} ({self.run_id}, {UNDO})"

    async def keep(self, name: str, text: str) -> None:
        """Keep a document; it is durable when this returns. Raises RecordError."""
        await self._keep(name, text.encode())

    async def kept(self, name: str) -> str | None:
        """A document's text, whichever worker kept it. Raises RecordError."""
        content = await self._writer.write(lambda connection: kept(connection, self.run_id, name))
        return None if content is None else content.decode()

    async def ended(self, result: RunResult, evidence: Path) -> None:
        """Keep the result and the packed evidence, before the journal says that the run ended."""
        await self._keep(EVIDENCE, await asyncio.to_thread(self._packed, evidence))
        name = RESULT.format(attempt=self._attempt)
        await self._keep(name, json.dumps(run_json(result)).encode())

    def _packed(self, evidence: Path) -> bytes:
        packed = self.path / EVIDENCE
        packed.unlink(missing_ok=True)
        pack(evidence, packed)
        content = packed.read_bytes()
        packed.unlink()
        return content

    def lock_vm(self, vm_id: str) -> VmLock:
        """Claim the VM on this host too: single runs know nothing of the database."""
        return claim_vm(self._state_dir, vm_id, holder=self._holder)

    def close(self) -> None:
        """Nothing is held."""

    async def _keep(self, name: str, content: bytes) -> None:
        more = sa.exists().where(
            journal.c.run_id == self.run_id, journal.c.seq > len(self.journal.records)
        )
        run_id, called = sa.literal(self.run_id), sa.literal(name)
        values = sa.select(run_id, called, sa.literal(content, sa.LargeBinary)).where(~more)
        made = self._database.insert(document).from_select(["run_id", "name", "content"], values)
        put = made.on_conflict_do_update(
            index_elements=[document.c.run_id, document.c.name],
            set_={"content": made.excluded.content},
        ).returning(document.c.name)

        def write(connection: sa.Connection) -> bool:
            # one statement: between two, another worker could take over
            return connection.execute(put).first() is not None

        if not await self._writer.write(write):
            raise fenced(self.run_id)


def fenced(run_id: str) -> Fenced:
    """The error of a worker that was taken over."""
    return Fenced(
        f"another worker has taken over run {run_id}; this one stops",
        remedy="Nothing needs to be done: the other one goes on.",
    )


def kept(connection: sa.Connection, run_id: str, name: str) -> bytes | None:
    """A document, or None."""
    query = sa.select(document.c.content).where(
        document.c.run_id == run_id, document.c.name == name
    )
    found: bytes | None = connection.execute(query).scalar_one_or_none()
    return found


def records(connection: sa.Connection, run_id: str) -> list[Record]:
    """The journal, oldest first."""
    query = sa.select(journal.c.record).where(journal.c.run_id == run_id).order_by(journal.c.seq)
    return [json.loads(each) for each in connection.execute(query).scalars()]


def result_of(connection: sa.Connection, run_id: str, attempt: int) -> dict[str, Any] | None:
    """The result of an attempt, as serialfix.run/1, once it has come to an end."""
    content = kept(connection, run_id, RESULT.format(attempt=attempt))
    return None if content is None else json.loads(content)
