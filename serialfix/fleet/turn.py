"""One target's turn on a worker: begun, or gone on with where another worker left it."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from serialfix.errors import (
    DatabaseAway,
    Fenced,
    RecordError,
    SerialfixError,
    StepError,
    Touched,
    UsageError,
)
from serialfix.fleet import store
from serialfix.fleet.credentials import GuestLogin
from serialfix.fleet.database import Database
from serialfix.fleet.decide import retry
from serialfix.fleet.standing import FleetRun, Kind, Target, TargetState
from serialfix.fleet.storage import DatabaseStorage, fenced, kept, records, result_of
from serialfix.fleet.writer import Writer, act_on
from serialfix.model import Outcome, RunResult
from serialfix.playbook.load import LoadedPlaybook, parse_playbook
from serialfix.record.journal import Record
from serialfix.record.storage import UNDO
from serialfix.remediation import outcomes
from serialfix.remediation.events import Silence
from serialfix.remediation.history import fold
from serialfix.remediation.options import RunOptions, RunPatience
from serialfix.remediation.run import begin, go_on
from serialfix.result import run_json
from serialfix.secrets import Redactor


if TYPE_CHECKING:
    from serialfix.azure.budget import ArmBudget

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_RANDOM = random.SystemRandom()
INTERRUPTED = (130, 143)
_NOT_OVER = {each.slug: each for each in (DatabaseAway, Fenced)}
"""With these errors of a run its turn is not over."""
AGAIN = 5.0
"""Seconds before a turn is gone on with that came to no end."""


@dataclass(kw_only=True)
class Turns:
    """Takes turns at targets for one worker. `patience` is that of every run."""

    database: Database
    writer: Writer
    worker: str
    state_dir: Path
    environ: Mapping[str, str]
    ended: Callable[[], None]
    """Called when a target has ended here."""
    budget: ArmBudget | None = None
    patience: RunPatience = field(default_factory=RunPatience)
    under_way: set[asyncio.Future[bool]] = field(default_factory=set)
    draining: bool = False
    _told: set[asyncio.Future[Any]] = field(default_factory=set)
    _playbooks: dict[str, LoadedPlaybook] = field(default_factory=dict)

    async def remediate(self, fleet: str, number: int, attempt: int) -> None:
        """The whole turn. One that is drained stays for whoever takes it over: it never returns."""
        ended = not self.draining and await self._kept_track_of(fleet, number, attempt)
        if ended:
            self.ended()
        if not ended or self.draining:
            await asyncio.Event().wait()  # the engine must not think that it has ended

    async def _kept_track_of(self, fleet: str, number: int, attempt: int) -> bool:
        """Whether it has ended. `leave` ends it without us; whoever ends us, ends it too."""
        turn = asyncio.ensure_future(self._turn(fleet, number, attempt))
        self.under_way.add(turn)
        try:
            await asyncio.wait([turn])
        except asyncio.CancelledError:
            turn.cancel()
            await asyncio.wait([turn])
            raise
        finally:
            self.under_way.discard(turn)
        return not turn.cancelled() and turn.result()

    async def wait(self, seconds: float) -> None:
        """Until all that are under way have ended, so long at most."""
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=seconds)

    async def leave(self) -> None:
        """Make all that are under way leave their consoles in order, and stop."""
        for turn in self.under_way:
            turn.cancel()
        if self.under_way:
            await asyncio.wait(self.under_way)

    async def _turn(self, fleet: str, number: int, attempt: int) -> bool:
        """Whether the target has ended, or waits for another attempt."""
        me, taken = asyncio.current_task(), False
        while True:
            try:
                if not taken:
                    await self.writer.write(
                        lambda c: store.started(c, fleet, number, attempt, self.worker)
                    )
                    taken = True
                if await self._attempt(fleet, number, attempt):
                    return True
            except _Taken:
                return False
            except (Fenced, DatabaseAway) as error:  # nothing was done that the journal has not
                _LOG.warning("%s/%s waits: %s", fleet, number, error)
            if self.draining or (me and me.cancelling()):
                return False
            await asyncio.sleep(AGAIN)

    async def _attempt(self, fleet: str, number: int, attempt: int) -> bool:
        """Whether it has ended; else it was interrupted."""
        run, target = await self._read(
            lambda c: (store.load(c, fleet), store.one(c, fleet, number))
        )
        if target.state is not TargetState.RUNNING or target.attempt != attempt:
            return True  # it ended, and the worker did so before the engine knew
        if target.worker != self.worker:
            raise _Taken
        ended = await self._read(lambda c: result_of(c, target.run_id or "", attempt))
        if ended is not None and not _goes_on(ended):
            return await self._finish(run, target, ended)
        past = await self._read(lambda c: records(c, target.run_id or ""))
        former: list[Record] = []
        if past and run.kind is Kind.CHECK:  # nothing to go on with: looked at from the start
            former, past = past, []
            target = await self._anew(target, run.id)
        redactor = Redactor()
        storage, wrong = None, None
        try:
            storage = self._storage(run, target, past, redactor)
            ended = await self._remediate(run, target, storage, former)
        except (Fenced, DatabaseAway):
            raise
        except SerialfixError as error:
            wrong = error
        except Exception as error:  # noqa: BLE001 - a bug of ours ends this VM's turn, and no other
            told = redactor.redact("".join(traceback.format_exception(error)))
            _LOG.error("%s/%s: %s", fleet, number, told)
            wrong = bug(error)
        known = past if storage is None else storage.journal.records
        if wrong is not None:
            ended = without_end(run, target, known, wrong)
        assert ended is not None  # noqa: S101
        if _goes_on(ended):
            return False
        return await self._finish(run, target, ended, known=len(known))

    async def _remediate(
        self, run: FleetRun, target: Target, storage: DatabaseStorage, former: Sequence[Record]
    ) -> dict[str, Any]:
        """Begin, or go on; the result as serialfix.run/1. `former`: of a check that was ended."""
        login = GuestLogin.parse(
            username=run.settings.username,
            domain=run.settings.domain,
            credential=run.settings.credential,
        )
        guest = await login.resolve(target, environ=self.environ)
        storage.redactor.add(guest.password)
        options = RunOptions(
            guest=guest,
            environ=self.environ,
            vm_id=target.vm_id,
            check=run.kind is Kind.CHECK,
            snapshot=run.settings.snapshot,
            restart=run.settings.restart,
            state_dir=self.state_dir,
            patience=self.patience,
            refuse_foreign=not run.settings.take_over,
            arm_budget=self.budget,
            region=target.location,
            former_attempts=former,
        )
        observer = _Watcher(lambda phase: self._phase(run.id, target.number, target.attempt, phase))
        if storage.journal.records:
            result = await go_on(storage, options, observer)
        else:
            playbook, undo_of = await self._playbook(run, target)
            result = await begin(storage, playbook, options, observer, undo_of=undo_of)
        if result.error and (kind := _NOT_OVER.get(result.error["slug"])):
            raise kind(result.error["message"])
        return run_json(result)

    async def _anew(self, target: Target, fleet: str) -> Target:
        """The target with a run that has no journal yet."""

        def renamed(connection: sa.Connection) -> Target:
            ids = (f"{fleet}.{target.number}.{number}" for number in count(2))
            free = next(each for each in ids if not records(connection, each))
            return store.renamed(connection, fleet, target.number, free)

        renewed: Target = await self.writer.write(renamed)
        return renewed

    async def _playbook(self, run: FleetRun, target: Target) -> tuple[LoadedPlaybook, str | None]:
        """What is run on this target: the frozen playbook, or its own way back."""
        if (undoes := target.undoes) is not None:
            content = await self._read(lambda c: kept(c, undoes, UNDO))
            return parse_playbook(
                (content or b"").decode(), file=f"the way back of {undoes}"
            ), undoes
        if run.id not in self._playbooks:
            frozen = await self._read(lambda c: store.playbook_text(c, run.id))
            playbook = parse_playbook(frozen, file=f"the playbook of {run.id}")
            self._playbooks[run.id] = replace(playbook, sha256=run.playbook_sha256)
        return self._playbooks[run.id], None

    def _storage(
        self, run: FleetRun, target: Target, past: list[Record], redactor: Redactor
    ) -> DatabaseStorage:
        return DatabaseStorage(
            self.database,
            self.writer,
            target.run_id or "",
            attempt=target.attempt,
            path=self.state_dir / "fleet" / run.id / f"{target.number}-{_file_name(target.name)}",
            state_dir=self.state_dir,
            holder=f"fleet run {run.id}",
            redactor=redactor,
            past=past,
        )

    async def _finish(
        self, run: FleetRun, target: Target, ended: Mapping[str, Any], *, known: int | None = None
    ) -> bool:
        """Tell how it ended. Raises Fenced when the journal has gone on without us."""
        now = datetime.now(UTC)
        outcome, touched, error = Outcome(ended["outcome"]), ended["touched"], ended["error"]
        again = retry(
            run.policy,
            outcome,
            touched,
            (error or {}).get("slug", ""),
            attempt=target.attempt,
            now=now,
            jitter=_RANDOM.random(),
        )
        run_id = target.run_id or ""
        told = await self.writer.write(
            lambda connection: store.finish(
                connection,
                run.id,
                target.number,
                target.attempt,
                now=now,
                outcome=outcome,
                exit_code=ended["exit_code"],
                touched=touched,
                error=error,
                result=ended,
                not_before=again,
                known=None if known is None else (run_id, known),
            )
        )
        if not told:
            raise fenced(run_id)
        return True

    def _phase(self, fleet: str, number: int, attempt: int, name: str) -> None:
        """For those who watch; nothing depends on it."""

        async def tell() -> None:
            with suppress(RecordError):
                await self.writer.write(
                    lambda connection: store.phase(connection, fleet, number, attempt, name)
                )

        task = asyncio.ensure_future(tell())
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def _read(self, query: Callable[[sa.Connection], T]) -> T:
        found: T = await act_on(self.database, query)
        return found


class _Taken(Exception):
    """Another worker has this target now."""


def bug(error: BaseException) -> SerialfixError:
    """An exception that nobody foresaw: what it is and where; its words may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return SerialfixError(
        f"a bug in serialfix: {type(error).__name__}{where}",
        remedy="Please report it with what the log of the worker says.",
    )


def without_end(
    run: FleetRun, target: Target, past: Sequence[Record], error: SerialfixError
) -> dict[str, Any]:
    """The result of an attempt without an end of its own: touched is what its journal tells."""
    error.touched = touched = Touched(fold(past).touched)
    if isinstance(error, UsageError) and touched is not Touched.NO:
        error.exit_code = StepError.exit_code  # 2 promises that nothing was touched
    return run_json(
        RunResult(
            run_id=target.run_id or "",
            vm_id=target.vm_id,
            vm_name=target.name,
            playbook=run.playbook,
            playbook_version=run.playbook_version,
            playbook_sha256=run.playbook_sha256,
            outcome=outcomes.outcome(error, touched, restart=None, plan=None),
            exit_code=error.exit_code,
            touched=touched,
            error=error.facts(),
        )
    )


def _goes_on(ended: Mapping[str, Any]) -> bool:
    """Whether such an end is none: a process ended with it, and the run goes on."""
    slug = ended["error"] and ended["error"]["slug"]
    return ended["exit_code"] in INTERRUPTED or slug in _NOT_OVER


def _file_name(name: str) -> str:
    """Names of scale-set instances have a slash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


class _Watcher(Silence):
    """Says yes, and tells the phases."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told

    def phase(self, name: str, detail: str = "") -> None:
        """Another phase."""
        self._told(name)
