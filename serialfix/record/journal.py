"""The write-ahead truth of a run: what was about to be done is on disk before it is done.

One folder per run under `<state>/runs`, readable by its owner only. Its `journal.jsonl` is JSON
Lines, each line on disk (fsync) before `append` returns. A process that is killed can tear the
last line only; that line was never acknowledged, so it is left out when reading and cut off when
the run goes on.
"""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from serialfix.errors import PreflightError, RecordError, TargetError
from serialfix.model import RunResult
from serialfix.record.locks import VmBusy, VmLock, lock_file
from serialfix.secrets import Redactor, Secret


T = TypeVar("T")
Record = dict[str, Any]
_OWN = ("seq", "at", "kind")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REMEDY = "Free some space, or give another folder with --state-dir."
BY_HAND = "somebody at `serialfix attach`"
"""How the holder of a VM begins that is a person and no run."""


class JournalPort(Protocol):
    """What a run needs of its journal."""

    @property
    def records(self) -> tuple[Record, ...]:
        """All records so far, oldest first."""

    async def append(self, kind: str, /, **facts: Any) -> Record:
        """Keep one record durably; returns it as kept, which is redacted JSON.

        Compare what must come back exactly, such as a former value, with what is returned: when
        redaction changed it, it cannot be restored later. What was begun is kept also when the
        task is cancelled meanwhile; then the cancellation goes on.
        """


class MemoryJournal:
    """A journal that lives as long as its process: for replays and tests.

    One that lasts is made of it by `_store`; `records` are those that it has already.
    """

    def __init__(
        self,
        *,
        redactor: Redactor | None = None,
        now: Callable[[], datetime] | None = None,
        records: Iterable[Record] = (),
    ) -> None:
        self._redactor = redactor or Redactor()
        self._now = now or _utc_now
        self._records = list(records)
        self._turn = asyncio.Lock()

    @property
    def records(self) -> tuple[Record, ...]:
        """All records so far, oldest first."""
        return tuple(self._records)

    async def append(self, kind: str, /, **facts: Any) -> Record:
        """Keep one record, after those that were begun before it; returns it as kept."""
        if clash := facts.keys() & set(_OWN):
            raise ValueError(f"a journal record has its own {', '.join(sorted(clash))}")
        plain = json.loads(json.dumps(facts, default=_plain))
        return await to_its_end(self._append(kind, plain))

    async def _append(self, kind: str, facts: Record) -> Record:
        async with self._turn:
            record = {
                "seq": len(self._records) + 1,
                "at": self._now().astimezone(UTC).isoformat(timespec="milliseconds"),
                "kind": kind,
                **self._redactor.redact_data(facts),
            }
            await self._store(record)
            self._records.append(record)
            return record

    async def _store(self, record: Record) -> None:
        """Make it last, or raise; nothing to do for memory."""


async def to_its_end(work: Awaitable[T]) -> T:
    """What was begun is ended, then a cancellation goes on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at: being cancelled is what counts
        raise cancelled
    return task.result()


class Journal(MemoryJournal):
    """A journal in a file, held by one process at a time.

    Opening one that exists goes on after its last whole record. Raises RecordError when another
    process holds it, when it is damaged, or when it cannot be written (disk full); after a failed
    `append` the file is as before it, and nothing may be done that the record would have told.
    """

    def __init__(
        self,
        path: Path,
        *,
        redactor: Redactor | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(redactor=redactor, now=now)
        self.path = path
        try:
            self._file = lock_file(path)
        except BlockingIOError:
            raise RecordError(
                f"another process works on the run of {path}",
                remedy="Wait until it ends; `serialfix runs` shows it.",
            ) from None
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._records, self._end = _read(path)
            os.ftruncate(self._file, self._end)
            os.lseek(self._file, self._end, os.SEEK_SET)
            _sync_folder(path.parent)
        except OSError as error:
            self.close()
            raise self._unwritable(error) from None
        except BaseException:
            self.close()
            raise

    @staticmethod
    def read(path: Path) -> list[Record]:
        """The records of a journal, whoever holds it; a torn last line is left out.

        Raises RecordError, with the line, on any other damage.
        """
        return _read(path)[0]

    def close(self) -> None:
        """Let the run go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def _store(self, record: Record) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            rest = line
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as error:
            self._undo_write()
            raise self._unwritable(error) from None
        self._end += len(line)

    def _undo_write(self) -> None:
        """Cut off what a full disk took of a line, else the next record would be glued to it."""
        try:
            os.ftruncate(self._file, self._end)
            os.lseek(self._file, self._end, os.SEEK_SET)
        except OSError:
            self.close()  # further appends fail on the closed descriptor

    def _unwritable(self, error: OSError) -> RecordError:
        return RecordError(
            f"cannot write the journal {self.path}: {error.strerror or error}", remedy=_REMEDY
        )


class RunFolder:
    """The folder of one run: a `RunStorage`. `journal` opens, and holds, its journal at first
    use."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self.path = path
        self.redactor = redactor
        self._journal: Journal | None = None

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def journal_path(self) -> Path:
        """Where the journal lies; for reading it without holding the run."""
        return self.path / "journal.jsonl"

    @property
    def where(self) -> str:
        """The journal's path."""
        return str(self.journal_path)

    @property
    def undo(self) -> str:
        """The path of the way back, once there is one."""
        return str(self.path / "undo.yaml")

    @property
    def journal(self) -> Journal:
        """The journal, held by this process until `close`."""
        if self._journal is None:
            self._journal = Journal(self.journal_path, redactor=self.redactor)
        return self._journal

    async def keep(self, name: str, text: str) -> None:
        """Write a file. Raises RecordError; one that was there is as it was then."""
        path = self.path / name
        try:
            _write_durably(path, text)
        except OSError as error:
            raise RecordError(f"cannot write {path}: {error.strerror}", remedy=_REMEDY) from None

    async def kept(self, name: str) -> str | None:
        """The text of a file, None when there is none. Raises RecordError."""
        path = self.path / name
        try:
            return path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(f"cannot read {path}: {error}") from None

    @property
    def busy(self) -> bool:
        """Whether a process works on the run now."""
        try:
            os.close(lock_file(self.journal_path))
        except BlockingIOError:
            return True
        except OSError:
            return False  # a folder that can only be read is worked on by nobody
        return False

    def lock_vm(self, vm_id: str) -> VmLock:
        """Claim the VM. Raises PreflightError that names who works on it."""
        return claim_vm(self.path.parent.parent, vm_id, holder=f"run {self.run_id}")

    async def ended(self, result: RunResult, evidence: Path) -> None:
        """The evidence lies in the folder already."""

    def close(self) -> None:
        """Let the run go."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def claim_vm(state_dir: Path, vm_id: str, *, holder: str) -> VmLock:
    """Claim a VM on this host; `holder` says in words who does, such as `run 2026…`.

    Raises PreflightError that names who holds it, RecordError when no lock can be had.
    """
    name = hashlib.sha256(vm_id.strip().rstrip("/").lower().encode()).hexdigest()[:32]
    locks = state_dir / "locks"
    _make_folder(locks)
    try:
        return VmLock(locks / name, holder=holder)
    except VmBusy as busy:
        by_hand = busy.holder.startswith(BY_HAND)
        raise PreflightError(
            f"{busy.holder or 'another process'} is working on this VM: {vm_id}",
            remedy="Leave that console first."
            if by_hand
            else "Wait until it ends; `serialfix runs` shows it.",
        ) from None
    except OSError as error:
        raise RecordError(f"cannot lock {locks / name}: {error.strerror}") from None


class RunStore:
    """All runs of a state folder."""

    def __init__(self, state_dir: Path, *, redactor: Redactor | None = None) -> None:
        self._runs = state_dir / "runs"
        self._redactor = redactor or Redactor()

    def create(self, run_id: str) -> RunFolder:
        """A new, empty folder. Raises RecordError when it exists or cannot be made."""
        if not _RUN_ID.fullmatch(run_id):
            raise RecordError(f"not a name for a run: {run_id!r}")
        path = self._runs / run_id
        _make_folder(self._runs)
        try:
            path.mkdir(mode=0o700)
            _sync_folder(self._runs)
        except OSError as error:
            raise RecordError(
                f"cannot make the folder {path}: {error.strerror}", remedy=_REMEDY
            ) from None
        return RunFolder(path, self._redactor)

    def list(self) -> list[RunFolder]:
        """All runs, sorted by their ids."""
        try:
            names = sorted(path.name for path in self._runs.iterdir() if path.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecordError(f"cannot read {self._runs}: {error.strerror}") from None
        return [RunFolder(self._runs / name, self._redactor) for name in names]

    def open(self, run_id: str) -> RunFolder:
        """The run with this id, or the only one whose id begins so. Raises TargetError."""
        folders = {folder.run_id: folder for folder in self.list()}
        if run_id in folders:
            return folders[run_id]
        matches = [name for name in folders if run_id and name.startswith(run_id)]
        if len(matches) == 1:
            return folders[matches[0]]
        if matches:
            raise TargetError(
                f"several runs begin with {run_id!r}: {', '.join(matches)}",
                remedy="Give more of the id.",
            )
        near = difflib.get_close_matches(run_id, folders, n=3, cutoff=0.5)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise TargetError(f"no run {run_id!r}{hint}", remedy="`serialfix runs` lists all runs.")


def attached_path(state_dir: Path, name: str, *, now: datetime | None = None) -> Path:
    """A new recording of a console that is attached by hand; beside the runs, it is none."""
    folder = state_dir / "attached"
    _make_folder(folder)
    begun = f"{(now or _utc_now()):%Y%m%d-%H%M%S}-{re.sub('[^A-Za-z0-9._-]+', '-', name)[:60]}"
    names = (f"{begun}{f'-{n}' if n > 1 else ''}.cast" for n in count(1))
    return next(path for each in names if not (path := folder / each).exists())


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """`SERIALFIX_STATE_DIR`, else the platform's folder for the state of a user's programs."""
    if chosen := environ.get("SERIALFIX_STATE_DIR"):
        return Path(chosen).expanduser()
    from platformdirs import user_state_path

    return user_state_path("serialfix", appauthor=False)


def _read(path: Path) -> tuple[list[Record], int]:
    """The whole records, and how many bytes they take."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read the journal {path}: {error.strerror}") from None
    end = content.rfind(b"\n") + 1
    records: list[Record] = []
    for number, line in enumerate(content[:end].split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not (
            isinstance(record, dict)
            and record.get("seq") == number
            and all(isinstance(record.get(key), str) for key in ("at", "kind"))
        ):
            raise RecordError(
                f"{path}:{number}: not a record of a journal",
                remedy="The file was changed by something else; restore it from a copy.",
            )
        records.append(record)
    return records, end


def _plain(value: object) -> Any:
    """The JSON form of what is none by itself."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path | Secret):
        return str(value)
    raise TypeError(f"a journal cannot keep a {type(value).__name__}")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise RecordError(
            f"cannot make the folder {path}: {error.strerror}", remedy=_REMEDY
        ) from None


def _write_durably(path: Path, text: str) -> None:
    """On disk before this returns, and never half of it: the way back must survive a power cut."""
    building = path.with_name(f"{path.name}.new")
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    building.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Make the entry of a new file durable; Windows needs no such thing and has none."""
    if sys.platform != "win32":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
