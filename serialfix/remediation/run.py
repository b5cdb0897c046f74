"""A run on one VM, wherever it is: find, preflight, work, restart, prove, report.

Order of safety: the journal exists before anybody attaches; the undo playbook is on disk before the
first change; the restart is in the journal before it is asked for, and its continuation token
before it is waited for; there is at most one restart in a run, over all its processes.
"""

from __future__ import annotations

import asyncio
import getpass
import random
from contextlib import closing, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import serialfix
from serialfix.console.others import Arrival
from serialfix.errors import (
    Interrupted,
    MachineMisuse,
    PlaybookError,
    PlaybookNotForGuest,
    RecordError,
    RestartError,
    SerialfixError,
    StepError,
    Touched,
    UnsafeStep,
    UsageError,
)
from serialfix.model import RunResult
from serialfix.playbook.load import LoadedPlaybook, dump_playbook, parse_playbook
from serialfix.playbook.plan import Plan
from serialfix.record.cast import CastWriter, recordings_in
from serialfix.record.evidence import write_evidence
from serialfix.record.journal import Journal, RunFolder, RunStore, default_state_dir, to_its_end
from serialfix.record.storage import PLAYBOOK, UNDO, RunStorage
from serialfix.record.transcript import transcripts
from serialfix.remediation import outcomes
from serialfix.remediation.events import Observer
from serialfix.remediation.history import RunSummary, Standing, fold, left_behind, runs
from serialfix.remediation.options import ASKED, CONSOLE, RunOptions, RunPatience
from serialfix.remediation.place import Restarter, Surroundings, place_of
from serialfix.remediation.restarting import Restart
from serialfix.remediation.telling import Teller, redacted
from serialfix.remediation.way_back import undo_playbook
from serialfix.remediation.work import Purpose, Work
from serialfix.result import in_its_words, plain
from serialfix.session import Credentials, Session, new_nonce
from serialfix.transport.replay import RecordingTransport


__all__ = [
    "Credentials",
    "RunOptions",
    "RunPatience",
    "RunSummary",
    "begin",
    "go_on",
    "resume",
    "run",
    "runs",
    "undo",
]


async def run(playbook: LoadedPlaybook, options: RunOptions, observer: Observer) -> RunResult:
    """Run a playbook on one VM.

    Errors and interruptions are in the result, with their exit code; only what cannot even be
    journalled is raised: RecordError, and ConfigError for a command that must not be kept.
    """
    return await begin(_new_folder(options), playbook, options, observer)


async def undo(run_id: str, options: RunOptions, observer: Observer) -> RunResult:
    """Put back what a run has changed. Raises TargetError, UsageError when there is no such run."""
    folder = _store(options).open(run_id)
    now = fold(Journal.read(folder.journal_path))
    text = await folder.kept(UNDO)
    if text is None:
        raise UsageError(
            f"run {folder.run_id} has changed nothing that could be put back, so there is nothing "
            "to undo"
        )
    playbook = parse_playbook(text, file=folder.undo)
    options = _at_the_same_vm(options, now, CONSOLE)
    return await begin(_new_folder(options), playbook, options, observer, undo_of=folder.run_id)


async def resume(run_id: str, options: RunOptions, observer: Observer) -> RunResult:
    """Go on with a run that was interrupted. Raises TargetError, and what `go_on` raises."""
    return await go_on(_store(options).open(run_id), options, observer)


async def begin(
    storage: RunStorage,
    playbook: LoadedPlaybook,
    options: RunOptions,
    observer: Observer,
    *,
    undo_of: str | None = None,
) -> RunResult:
    """Run a playbook on one VM, kept in a storage that is new; it is closed at the end.

    Raises as `run` does, and RecordError for a storage that holds a run already.
    """
    with closing(storage):
        if storage.journal.records:
            raise RecordError(
                f"run {storage.run_id} has begun already",
                remedy=f"`serialfix resume {storage.run_id}` goes on with it.",
            )
        return await _Run(storage, playbook, options, observer, undo_of=undo_of).execute()


async def go_on(storage: RunStorage, options: RunOptions, observer: Observer) -> RunResult:
    """Go on with the run that a storage holds; it is closed at the end.

    Raises UsageError when there is nothing to go on with, RecordError when it cannot be journalled.
    """
    with closing(storage):
        now = fold(storage.journal.records)
        if now.complete:
            raise UsageError(
                f"run {storage.run_id} is complete ({now.outcome}); there is nothing to resume"
            )
        if now.purpose == Purpose.CHECK:
            raise UsageError(f"run {storage.run_id} was a check; run it again instead")
        text = await storage.kept(PLAYBOOK)
        if text is None:
            raise UsageError(
                f"run {storage.run_id} was ended before it began; run the playbook again instead"
            )
        playbook = parse_playbook(text, file=f"the playbook of run {storage.run_id}")
        playbook = replace(playbook, sha256=now.sha256 or playbook.sha256)
        options = _at_the_same_vm(options, now, ASKED)
        undo_of, way_back = now.undo_of, await storage.kept(UNDO)
        here = _Run(
            storage, playbook, options, observer, undo_of=undo_of, before=now, way_back=way_back
        )
        return await here.execute()


def _new_folder(options: RunOptions) -> RunFolder:
    """The folder of a new run. Raises ConfigError, before there is one, and RecordError."""
    place_of(options)
    return _store(options).create(new_id(datetime.now(UTC)))


def _store(options: RunOptions) -> RunStore:
    return RunStore(options.state_dir or default_state_dir(options.environ))


def _at_the_same_vm(options: RunOptions, now: Standing, kept: tuple[str, ...]) -> RunOptions:
    """The options with those of `kept` as the journal has them; a VM that was found has an id."""
    options = replace(options, **{name: now.asked[name] for name in kept if name in now.asked})
    return replace(options, vm_id=now.vm_id) if now.vm_id else options


class _Run:
    """One process's part of a run."""

    def __init__(
        self,
        storage: RunStorage,
        playbook: LoadedPlaybook,
        options: RunOptions,
        observer: Observer,
        *,
        undo_of: str | None,
        before: Standing | None = None,
        way_back: str | None = None,
    ) -> None:
        self._place = place_of(options)
        self._loaded = playbook
        self._playbook = playbook.playbook
        self._options = options
        self._patience = options.patience
        self._undo_of = undo_of
        self._resumed = before is not None
        self._before = replace(
            before or Standing(),
            **left_behind([*options.former_attempts, *storage.journal.records]),
        )
        self._storage = storage
        self._redactor = storage.redactor
        self._redactor.add(options.guest.password)
        self._observer = Teller(observer, self._redactor)
        self._journal = storage.journal
        self._undo = way_back
        """As it is kept."""
        self._vm = self._place.wanted
        self._works: list[Work] = []
        self._work: Work | None = None
        self._casts: list[CastWriter] = []
        self._restart: Restart | None = None
        self._warnings: list[str] = []

    async def execute(self) -> RunResult:
        """Everything, up to the report."""
        error: SerialfixError | None = None
        try:
            await to_its_end(self._begin())
            await self._perform()
        except SerialfixError as caught:
            error = caught
        except OSError as caught:
            error = RecordError(
                f"cannot write to {self._storage.path}: {caught.strerror}",
                remedy="Free some space, or give another folder with --state-dir.",
            )
        except asyncio.CancelledError as caught:
            error = Interrupted(
                "interrupted",
                remedy=f"`serialfix resume {self._storage.run_id}` goes on from here.",
            )
            codes = (code for code in caught.args if isinstance(code, int))  # of the signal
            error.exit_code = next(codes, error.exit_code)
        finally:
            for cast in self._casts:
                cast.close()
                if cast.error:
                    self._warn(f"the recording is incomplete: {cast.error}")
        report = asyncio.ensure_future(self._report(error))
        with suppress(asyncio.CancelledError):  # too late: this is how it ended
            await to_its_end(report)
        return report.result()

    async def _begin(self) -> None:
        """What `resume` needs, together."""
        if self._resumed:
            await self._journal.append("run_resumed", version=serialfix.__version__)
            return
        await self._storage.keep(PLAYBOOK, self._loaded.text)
        await self._journal.append(
            "run_started",
            playbook=self._playbook.name,
            sha256=self._loaded.sha256,
            parameters={
                name: parameter.value for name, parameter in self._playbook.parameters.items()
            },
            purpose=Purpose.CHECK if self._options.check else Purpose.APPLY,
            undo_of=self._undo_of,
            asked={name: getattr(self._options, name) for name in ASKED},
            user=user(),
            version=serialfix.__version__,
        )

    async def _perform(self) -> None:
        self._observer.phase("find", self._vm.label or self._vm.id)
        around = Surroundings(
            run_id=self._storage.run_id,
            progress=self._observer.progress,
            keep_secret=self._redactor.add,
        )
        async with self._place.opened(around):
            self._vm = await self._place.find()
            with self._storage.lock_vm(self._vm.id):
                self._observer.phase("preflight", "" if self._options.console else self._vm.id)
                condition = await self._place.preflight()
                self._vm = condition.vm
                await self._journal.append("target", vm_id=self._vm.id, os=condition.os_name)
                if not self._playbook.is_for(condition.os_name):
                    raise PlaybookNotForGuest(
                        f"{self._playbook.name} is not for {condition.os_name}: it applies to "
                        f"{', '.join(self._playbook.applies_to)}",
                        remedy="Nothing was touched. `serialfix playbook list` shows the others.",
                    )
                for note in condition.notes:
                    self._warn(note)
                await self._on_console()
                await self._after_changes()

    # --- the console ----------------------------------------------------------------------------

    async def _on_console(self) -> None:
        """The first session: everything up to the last verified step."""
        if self._before.restart_requested:
            return  # all was verified before the restart was asked for
        purpose = Purpose.CHECK if self._options.check else Purpose.APPLY
        work = self._work = self._session(purpose)
        reclaim = self._left_open(purpose) is not None
        if self._options.check:
            await work.check(reclaim=reclaim)
        else:
            await work.apply(self._decide, reclaim=reclaim)

    async def _decide(self, plan: Plan) -> bool:
        """Everything that must be settled before the first change."""
        way_back = self._way_back(plan)
        confirmed = await asyncio.to_thread(self._observer.confirm, plan)
        await self._journal.append("confirmed" if confirmed else "declined")
        if not confirmed:
            return False
        kinds = {record["kind"] for record in self._journal.records}
        if self._options.snapshot and "snapshot" not in kinds:
            self._observer.phase("snapshot", "of the OS disk")
            snapshot = await self._place.snapshot()
            await self._journal.append("snapshot", id=snapshot)
            self._observer.progress(snapshot)
        if way_back is not None:
            await self._storage.keep(UNDO, way_back)
            self._undo = way_back
        return True

    def _way_back(self, plan: Plan) -> str | None:
        """The undo playbook's text. Raises UnsafeStep when a former state cannot be put back."""
        kept = None
        if self._undo is not None:  # a former process of this run saw the values before us
            kept = parse_playbook(self._undo).playbook
        planned = [record for record in self._journal.records if record["kind"] == "planned"]
        back = undo_playbook(
            self._playbook,
            plan,
            run_id=self._storage.run_id,
            absent_keys=planned[-1]["absent_keys"],
            kept=kept,
        )
        if back is None:
            return None
        text = dump_playbook(back)
        if self._redactor.redact(text) != text:
            raise UnsafeStep(
                "a former value holds the guest's password, so it cannot be kept for the way back",
                remedy="Nothing was changed. Keep that value by hand, then change the step.",
            )
        try:
            parse_playbook(text)
        except PlaybookError as error:
            raise UnsafeStep(
                f"the way back could not be read again: {error}",
                remedy="Nothing was changed. Do it in two playbooks with fewer steps.",
            ) from error
        return text

    def _session(self, purpose: Purpose) -> Work:
        """A new session with its recording."""
        guest = self._options.guest
        nonce = new_nonce()
        number = len(recordings_in(self._storage.path)) + 1
        looking = purpose in (Purpose.CHECK, Purpose.APPLY)
        refuse_foreign = self._options.refuse_foreign and looking
        arrival = Arrival(moved=self._before.looking, beside=self._before.beside)
        cast = CastWriter(
            self._storage.path / f"session-{number}-{purpose}.cast",
            header={
                "purpose": purpose,
                "run_id": self._storage.run_id,
                "vm": self._vm.label,
                "playbook": self._loaded.text,
                "nonce": nonce,
                "username": guest.username,
                "domain": guest.domain,
                "reclaim": self._left_open(purpose),
                "reclaim_prompt": self._before.prompt,
                "former_channel": self._last_channel(),
                "earlier": plain(self._before.former),
                "facts": plain(self._facts()),
                "restart_allowed": self._may_restart,
                "restart_reported": self._restarter.reports,
                "refuse_foreign": refuse_foreign,
                "arrival": asdict(arrival),
                "patience": asdict(self._patience.console),
                "work_patience": asdict(self._patience.work),
                "guest_patience": asdict(self._patience.guest),
                "version": serialfix.__version__,
            },
            redactor=self._redactor,
            clock=asyncio.get_running_loop().time,
        )
        self._casts.append(cast)

        session = Session(
            RecordingTransport(self._place.transport(), cast),
            nonce=nonce,
            patience=self._patience.console,
            marker=cast.marker,
        )
        session.arrival = arrival
        if (left := self._left_open(purpose)) is not None:
            session.channel, session.prompt = left, self._before.prompt
        work = Work(
            playbook=self._playbook,
            session=session,
            credentials=guest,
            journal=self._journal,
            observer=self._observer,
            restart_allowed=self._may_restart,
            restart_reported=self._restarter.reports,
            refuse_foreign=refuse_foreign,
            earlier=self._before.former,
            facts=self._facts(),
            patience=self._patience.work,
            guest_patience=self._patience.guest,
        )
        self._works.append(work)
        return work

    @property
    def _may_restart(self) -> bool:
        return self._options.restart and not self._place.no_restart

    @property
    def _restarter(self) -> Restarter:
        return self._place.restarter(self._session)

    def _left_open(self, purpose: Purpose) -> str | None:
        """The channel that a former process left open in this part of the run."""
        if purpose is Purpose.RESTART:
            return None
        proving = purpose is Purpose.PROVE
        return self._before.channel if proving == self._before.restart_requested else None

    def _facts(self) -> dict[str, Any] | None:
        """What decided at first which steps apply."""
        return fold(self._journal.records).facts

    def _last_channel(self) -> str | None:
        return fold(self._journal.records).last_channel

    # --- the restart ----------------------------------------------------------------------------

    async def _after_changes(self) -> None:
        """Restart, once, and prove; only after every step was verified."""
        now = fold(self._journal.records)
        if self._options.check:
            return
        plan = self._work.plan if self._work else None
        changed = bool(now.verified) or now.restart_requested
        wanted = plan.restart if plan else False
        if changed and self._playbook.restart != "never" and self._may_restart:
            wanted = True
        if not wanted:
            if changed and self._playbook.restart != "never":
                why = self._place.no_restart if self._options.restart else ""
                self._warn(
                    f"the VM was not restarted{why and ': '}{why}; "
                    "the changes take effect when it is"
                )
            return
        try:
            self._restart = Restart(
                self._restarter,
                journal=self._journal,
                observer=self._observer,
                timeout=self._patience.restart,
            )
            await self._restart.once(now)
            proof = self._session(Purpose.PROVE)
            try:
                await proof.prove(
                    former_channel=now.last_channel,
                    reclaim=self._left_open(Purpose.PROVE) is not None,
                )
            finally:
                self._restart.shown(proof.restart_shown)
        except SerialfixError as error:
            if isinstance(error, RestartError | MachineMisuse):
                raise
            raise RestartError(
                f"all changes are verified, but what follows them failed: {error}",
                state=error.state,
                expected=error.expected,
                screen=error.screen,
                remedy=f"{error.remedy} `serialfix resume {self._storage.run_id}` goes on.".strip(),
            ) from error

    # --- the report -----------------------------------------------------------------------------

    async def _report(self, error: SerialfixError | None) -> RunResult:
        """The result, its evidence and the journal's end. Never raises a SerialfixError."""
        self._observer.phase("report")
        result = redacted(self._result(error), self._redactor)
        try:
            # in a thread: other runs of this process have consoles to mind
            evidence = await asyncio.to_thread(self._evidence, result)
            result = replace(result, evidence=str(evidence))
            await self._storage.ended(result, evidence)
            await self._journal.append(
                "run_ended", outcome=result.outcome, exit_code=result.exit_code
            )
        except (SerialfixError, OSError) as failed:
            self._observer.warning(f"the evidence is incomplete: {failed}")
        return result

    def _evidence(self, result: RunResult) -> Path:
        path = self._storage.path
        paths = recordings_in(path)  # also those of a process before this one
        return write_evidence(
            path / "evidence",
            redactor=self._redactor,
            result=result,
            journal=self._journal.records,
            transcript_text=transcripts(paths, redactor=self._redactor),
            recordings=paths,
            playbook_text=self._loaded.text,
            undo_text=self._undo,
        )

    def _result(self, error: SerialfixError | None) -> RunResult:
        now = fold(self._journal.records)
        touched = outcomes.touched(now, error, self._before)
        if error is not None:
            error.touched = touched
            if isinstance(error, UsageError) and touched is not Touched.NO:
                error.exit_code = StepError.exit_code  # 2 promises that nothing was touched
        restart = self._restart.result if self._restart else None
        outcome = outcomes.outcome(
            error,
            touched,
            restart=restart,
            plan=self._work.plan if self._work and self._options.check else None,
        )
        if error is not None:
            error.remedy = in_its_words(error.remedy, self._storage.run_id, outcome)
        warnings = [*self._warnings, *(text for work in self._works for text in work.warnings)]
        return RunResult(
            run_id=self._storage.run_id,
            vm_id=self._vm.id,
            vm_name=self._vm.label,
            playbook=self._playbook.name,
            playbook_version=self._playbook.version,
            playbook_sha256=self._loaded.sha256,
            outcome=outcome,
            exit_code=error.exit_code if error else 0,
            touched=str(touched),
            steps=outcomes.steps(
                self._playbook, self._work, self._before.former, check=self._options.check
            ),
            restart=restart,
            proof=tuple(proof for work in self._works for proof in work.proof),
            warnings=tuple(dict.fromkeys(warnings)),
            error=error.facts() if error else None,
            journal=self._storage.where,
            recordings=tuple(map(str, recordings_in(self._storage.path))),
            undo=self._storage.undo if now.former and self._undo is not None else None,
            duration_s=self._observer.elapsed,
            phases=self._observer.phases,
            plan=self._work.plan.facts if self._work and self._work.plan else None,
            **outcomes.origin(self._journal.records),
        )

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._observer.warning(text)


def new_id(now: datetime) -> str:
    """A new id of a run: when, and something that no other has."""
    return f"{now:%Y%m%d-%H%M%S}-{new_nonce(random.SystemRandom())}"


def user() -> str:
    """Who is at this terminal."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
