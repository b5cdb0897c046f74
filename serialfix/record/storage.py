"""Where one run is kept: in a folder of this host, or where other hosts find it, too."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from serialfix.model import RunResult
from serialfix.record.journal import JournalPort
from serialfix.secrets import Redactor


PLAYBOOK = "playbook.yaml"
"""The document that holds the playbook as it is run."""
UNDO = "undo.yaml"
"""The document that puts the former values back; there before the first change."""


class RunStorage(Protocol):
    """What a run needs to be kept, and to be gone on with by another process.

    What goes wrong with it is a RecordError.
    """

    @property
    def run_id(self) -> str:
        """The run's name."""

    @property
    def path(self) -> Path:
        """A folder of this host that exists: for this process's recordings and its evidence."""

    @property
    def redactor(self) -> Redactor:
        """Takes secrets out of the journal; a run adds those that it comes to know."""

    @property
    def journal(self) -> JournalPort:
        """The journal, held by this process. Raises RecordError when another one holds it."""

    @property
    def where(self) -> str:
        """Where the journal is, in words for the result."""

    @property
    def undo(self) -> str:
        """Where the way back is once it is kept, in words for the result."""

    async def keep(self, name: str, text: str) -> None:
        """Keep a document, in place of one of that name; it is durable when this returns."""

    async def kept(self, name: str) -> str | None:
        """A document's text; None when there is none of that name."""

    def lock_vm(self, vm_id: str) -> AbstractContextManager[object]:
        """Claim the VM. Raises PreflightError that names who works on it."""

    async def ended(self, result: RunResult, evidence: Path) -> None:
        """Told once by each process, when its evidence is written and before `run_ended` is."""

    def close(self) -> None:
        """Let the run go; a second call does nothing."""
