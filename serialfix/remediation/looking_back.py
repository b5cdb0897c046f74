"""The report of a past run: as it was written, or, where there is none, what its journal tells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from serialfix.errors import Interrupted, RecordError, SerialfixError, Touched
from serialfix.model import Outcome, ProofResult, RestartResult, RunResult, StepResult
from serialfix.playbook.load import parse_playbook
from serialfix.playbook.schema import Playbook
from serialfix.record.cast import recordings_in
from serialfix.record.journal import Journal, Record, RunFolder
from serialfix.remediation import outcomes
from serialfix.remediation.history import Standing, fold, short_name
from serialfix.remediation.work import Purpose
from serialfix.result import plain, run_from_json


def last_result(folder: RunFolder) -> RunResult:
    """The result of a run.

    A report counts only when the journal ends with it: a run that was resumed and killed has the
    report of its first process still. Raises RecordError when what there is cannot be read.
    """
    stored = folder.path / "evidence" / "result.json"
    try:
        records = Journal.read(folder.journal_path)
    except RecordError as error:
        if not stored.exists():
            raise
        told = _stored(stored)
        return replace(told, warnings=(*told.warnings, f"the journal is damaged: {error}"))
    if not records or records[-1]["kind"] != "run_ended" or not stored.exists():
        return from_journal(folder, records)
    return _stored(stored)


def _stored(path: Path) -> RunResult:
    try:
        result = run_from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} cannot be read: {error}") from error
    return replace(result, evidence=str(path.parent))


def from_journal(folder: RunFolder, records: Sequence[Record]) -> RunResult:
    """What is known of a run that has no report: planned, entered, verified, touched."""
    now = fold(records)
    playbook, text_sha = _playbook(folder), _sha256(records)
    error = _ended(folder, now)
    error.touched = Touched(now.touched)
    undo, evidence = folder.path / "undo.yaml", folder.path / "evidence"
    restart = _restart(now)
    return RunResult(
        run_id=folder.run_id,
        vm_id=now.vm_id,
        vm_name=short_name(now.vm_id) or now.asked.get("vm") or "",
        playbook=now.playbook,
        playbook_version=playbook.version if playbook else "",
        playbook_sha256=text_sha,
        # nobody has looked since: not even what is verified has had its restart and its proof
        outcome=Outcome.UNKNOWN if now.former or now.verified else Outcome.NOT_STARTED,
        exit_code=error.exit_code,
        touched=now.touched,
        steps=tuple(_steps(records, now, playbook)),
        restart=restart,
        proof=tuple(_proof(records)),
        warnings=tuple(_warnings(now)),
        error=error.facts(),
        journal=str(folder.journal_path),
        recordings=tuple(map(str, recordings_in(folder.path))),
        evidence=str(evidence) if evidence.is_dir() else None,
        undo=str(undo) if now.former and undo.exists() else None,
        duration_s=_duration(records),
        **outcomes.origin(records),
    )


def _ended(folder: RunFolder, now: Standing) -> SerialfixError:
    known = "This is what its journal tells."
    if folder.busy:
        return Interrupted(
            f"run {folder.run_id} is being worked on by another process",
            remedy=f"{known} Wait until that process ends; then see it again.",
        )
    if now.complete:
        return RecordError(
            f"run {folder.run_id} ended with {now.outcome}, and its report is gone", remedy=known
        )
    begin = "run it again" if now.purpose == Purpose.CHECK else ""
    goes_on = begin or f"`serialfix resume {folder.run_id}` goes on with it"
    return Interrupted(
        f"run {folder.run_id} has no result: it was ended before its report",
        remedy=f"{known} {goes_on[0].upper()}{goes_on[1:]}.",
    )


def _playbook(folder: RunFolder) -> Playbook | None:
    try:
        text = (folder.path / "playbook.yaml").read_text("utf-8")
        return parse_playbook(text).playbook
    except (OSError, UnicodeDecodeError, SerialfixError):
        return None  # the journal names the steps, too


def _sha256(records: Sequence[Record]) -> str:
    return next((str(each.get("sha256") or "") for each in records), "")


def _steps(records: Sequence[Record], now: Standing, playbook: Playbook | None) -> list[StepResult]:
    """Every step of the playbook, with what the journal knows of it."""
    plans = [each["steps"] for each in records if each["kind"] == "planned"]
    planned = {each["step"]: each for each in (plans[0] if plans else ())}
    after = {each["step"]: each.get("after") for each in records if each["kind"] == "step_verified"}
    failed = {each["step"]: each.get("error") for each in records if each["kind"] == "step_failed"}
    known = {step.id: (step.kind, step.title) for step in playbook.steps} if playbook else {}
    check = now.purpose == Purpose.CHECK
    return [
        _step(
            step,
            *known.get(step, ("unknown", step)),
            plan=planned.get(step),
            now=now,
            after=after,
            failed=failed,
            check=check,
        )
        for step in dict.fromkeys([*known, *planned])
    ]


def _step(
    step: str,
    kind: str,
    title: str,
    *,
    plan: Mapping[str, Any] | None,
    now: Standing,
    after: Mapping[str, Any],
    failed: Mapping[str, Any],
    check: bool,
) -> StepResult:
    before = plan["before"] if plan else None
    wanted = plan["wanted"] if plan else None
    ended, found, error = Outcome.NOT_STARTED, None, None
    if step in now.verified:
        ended, before, found = Outcome.CHANGED, plain(now.former.get(step, before)), after.get(step)
    elif step in now.former:
        ended, before = Outcome.UNKNOWN, plain(now.former[step])
        error = "entered, and not proven"
    elif step in failed:
        ended, error = Outcome.FAILED, str(failed[step])
    elif plan and plan.get("outcome", "ok" if before == wanted else "") == "ok":
        ended, found = Outcome.OK, before
    elif plan and check:
        ended = Outcome.WOULD_CHANGE
    note = plan.get("note") if plan else None
    return StepResult(step, kind, title, ended, before, found, wanted, error, note)


def _restart(now: Standing) -> RestartResult | None:
    if not now.restart_requested:
        return None
    ended = Outcome.CHANGED if now.restart_done else Outcome.UNKNOWN
    return RestartResult(ended, now.restart_operation)


def _proof(records: Sequence[Record]) -> list[ProofResult]:
    """The last proof of each thing: a resumed run makes them again."""
    proofs = {each["id"]: each for each in records if each["kind"] == "proof"}
    return [
        ProofResult(name, Outcome(each["outcome"]), each["text"]) for name, each in proofs.items()
    ]


def _warnings(now: Standing) -> list[str]:
    if now.channel is None:
        return []
    return [f"the console was perhaps not left: channel {now.channel} may be open in the guest"]


def _duration(records: Sequence[Record]) -> float:
    if not records:
        return 0.0
    first, last = (datetime.fromisoformat(records[place]["at"]) for place in (0, -1))
    return max(0.0, (last - first).total_seconds())
