"""One target's turn on a worker: begun, or gone on with where another worker left it."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from serialfix.errors import RecordError, SerialfixError, Touched
from serialfix.fleet import store
from serialfix.fleet.credentials import GuestLogin
from serialfix.fleet.database import Database
from serialfix.fleet.decide import retry
from serialfix.fleet.standing import FleetRun, Kind, Target, TargetState
from serialfix.fleet.storage import DatabaseStorage, Fenced, kept, records, result_of
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
_RECORD = {each.slug: each for each in (RecordError, Fenced)}
AGAIN = 5.0
"""Seconds before a turn is gone on with whose database was away."""


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
        turn = asyncio.ensure_future(self._turn(fleet, number, attempt))
        self.under_way.add(turn)
        try:
            ended = await turn
        except asyncio.CancelledError:
            if not self.draining:
                raise
            ended = False
        finally:
            self.under_way.discard(turn)
        if ended:
            self.ended()
        else:
            await asyncio.Event().wait()  # the engine must not think that it has ended

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
        await self.writer.write(lambda c: store.started(c, fleet, number, self.worker))
        while True:
            try:
                return await self._attempt(fleet, number, attempt)
            except Fenced:
                return False
            except RecordError as error:  # nothing was done that is not in the journal
                _LOG.warning("%s/%s waits: %s", fleet, number, error)
                await asyncio.sleep(AGAIN)

    async def _attempt(self, fleet: str, number: int, attempt: int) -> bool:
        run, target = await self._read(
            lambda c: (store.load(c, fleet), store.one(c, fleet, number))
        )
        if target.state is not TargetState.RUNNING or target.attempt != attempt:
            return True  # it ended, and the worker did so before the engine knew
        ended = await self._read(lambda c: result_of(c, target.run_id or "", attempt))
        if ended is None or ended["exit_code"] in INTERRUPTED:
            ended = await self._remediate(run, target)
        if ended["exit_code"] in INTERRUPTED:
            return False  # drained: another worker goes on
        await self._finish(run, target, ended)
        return True

    async def _remediate(self, run: FleetRun, target: Target) -> dict[str, Any]:
        """Begin, or go on; the result as serialfix.run/1."""
        past = await self._read(lambda c: records(c, target.run_id or ""))
        try:
            login = GuestLogin.parse(
                username=run.settings.username,
                domain=run.settings.domain,
                credential=run.settings.credential,
            )
            guest = await login.resolve(target, environ=self.environ)
        except SerialfixError as error:
            return _not_begun(run, target, past, error)
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
        )
        if past and run.kind is Kind.CHECK:  # nothing to go on with: looked at from the start
            options = replace(options, former_attempts=past)
            target, past = await self._anew(target, run.id), []
        observer = _Watcher(lambda phase: self._phase(run.id, target.number, phase))
        storage = self._storage(run, target, past, Redactor([guest.password]))
        try:
            if past:
                result = await go_on(storage, options, observer)
            else:
                playbook, undo_of = await self._playbook(run, target)
                result = await begin(storage, playbook, options, observer, undo_of=undo_of)
        except RecordError:
            raise
        except SerialfixError as error:
            return _not_begun(run, target, past, error)
        if result.error and (kind := _RECORD.get(result.error["slug"])):
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

    async def _finish(self, run: FleetRun, target: Target, ended: Mapping[str, Any]) -> None:
        now = datetime.now(UTC)
        outcome, touched = Outcome(ended["outcome"]), ended["touched"]
        again = retry(
            run.policy, outcome, touched, attempt=target.attempt, now=now, jitter=_RANDOM.random()
        )
        await self.writer.write(
            lambda connection: store.finish(
                connection,
                run.id,
                target.number,
                target.attempt,
                now=now,
                outcome=outcome,
                exit_code=ended["exit_code"],
                touched=touched,
                error=ended["error"],
                result=ended,
                not_before=again,
            )
        )

    def _phase(self, fleet: str, number: int, name: str) -> None:
        """For those who watch; nothing depends on it."""
        task = asyncio.ensure_future(
            self.writer.write(lambda connection: store.phase(connection, fleet, number, name))
        )
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def _read(self, query: Callable[[sa.Connection], T]) -> T:
        found: T = await act_on(self.database, query)
        return found


def _not_begun(
    run: FleetRun, target: Target, past: Sequence[Record], error: SerialfixError
) -> dict[str, Any]:
    """The result of an attempt that could not even begin: touched is what one before it touched."""
    error.touched = touched = Touched(fold(past).touched)
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
