"""A run that is kept where every host finds it, as a fleet's database keeps it; in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serialfix.errors import PreflightError, RecordError
from serialfix.model import RunResult
from serialfix.record.journal import MemoryJournal, Record
from serialfix.secrets import Redactor


class Database:
    """One run, whoever works on it. Each write takes `latency` seconds."""

    def __init__(self, latency: float = 0.05) -> None:
        self.rows: dict[int, str] = {}
        self.documents: dict[str, str] = {}
        self.endings: list[tuple[str, int]] = []
        """How each process ended, and how many records there were then."""
        self.busy: set[str] = set()
        self.at_write: Callable[[Record], None] = lambda _: None
        """Is told of a record while it is on its way."""
        self.at_end: Callable[[], object] = lambda: None
        self._latency = latency

    @property
    def records(self) -> list[Record]:
        return [json.loads(self.rows[seq]) for seq in sorted(self.rows)]

    async def insert(self, record: Record) -> None:
        self.at_write(record)
        await asyncio.sleep(self._latency)
        if record["seq"] in self.rows:
            raise RecordError("another worker has taken this run over")
        self.rows[record["seq"]] = json.dumps(record)


class _Journal(MemoryJournal):
    def __init__(self, database: Database, redactor: Redactor) -> None:
        super().__init__(redactor=redactor, records=database.records)
        self._database = database

    async def _store(self, record: Record) -> None:
        await self._database.insert(record)


class Elsewhere:
    """One process's way to it, from a host of its own: `path` is a folder of that host."""

    def __init__(self, database: Database, path: Path) -> None:
        path.mkdir()
        self.run_id = "fleet-1.7"
        self.path = path
        self.redactor = Redactor()
        self.journal = _Journal(database, self.redactor)
        self.where = "run fleet-1.7 in the database"
        self.undo = "undo.yaml of fleet-1.7 in the database"
        self.closed = False
        self._database = database

    async def keep(self, name: str, text: str) -> None:
        await asyncio.sleep(0.05)
        self._database.documents[name] = text

    async def kept(self, name: str) -> str | None:
        await asyncio.sleep(0.05)
        return self._database.documents.get(name)

    @contextmanager
    def lock_vm(self, vm_id: str) -> Iterator[None]:
        if vm_id in self._database.busy:
            raise PreflightError(f"somebody works on {vm_id}")
        self._database.busy.add(vm_id)
        try:
            yield
        finally:
            self._database.busy.remove(vm_id)

    async def ended(self, result: RunResult, evidence: Path) -> None:
        assert (evidence / "SHA256SUMS").exists()
        self._database.endings.append((str(result.outcome), len(self._database.rows)))
        self._database.at_end()

    def close(self) -> None:
        self.closed = True
