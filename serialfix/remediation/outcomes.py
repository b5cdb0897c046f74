"""What a run amounts to: outcome, touched, and a result for every step, reached or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serialfix.errors import (
    AzureRefused,
    ConsoleError,
    GuestPasswordMissing,
    Interrupted,
    PreflightError,
    RestartError,
    SerialfixError,
    Touched,
    TransportError,
    UsageError,
)
from serialfix.model import Outcome, RestartResult, StepResult
from serialfix.playbook.plan import Plan
from serialfix.playbook.schema import Playbook
from serialfix.record.journal import Record
from serialfix.remediation.history import Standing
from serialfix.remediation.work import Work


def touched(now: Standing, error: SerialfixError | None, before: Standing | None = None) -> Touched:
    """`yes` with a verified step; else what the error knows.

    It knows of its own process only: what one before it entered (`before`), and nobody has looked
    at since, may have changed the guest. An interruption knows nothing: what was to be entered may
    have been.
    """
    if now.verified:
        return Touched.YES
    if error is None:
        return Touched.NO
    earlier = before.former if before is not None else {}
    unseen = bool(now.former if isinstance(error, Interrupted) else earlier.keys() & now.former)
    return Touched.MAYBE if unseen and error.touched is Touched.NO else error.touched


def outcome(
    error: SerialfixError | None,
    touched: Touched,
    *,
    restart: RestartResult | None,
    plan: Plan | None,
) -> Outcome:
    """The outcome of the whole run; `plan` is that of a check."""
    match error:
        case None if plan is not None:
            return Outcome.WOULD_CHANGE if plan.changes else Outcome.OK
        case None:
            return Outcome.CHANGED if touched is Touched.YES else Outcome.OK
        case AzureRefused(passing=True):  # it says nothing of the VM
            return {Touched.NO: Outcome.UNREACHABLE, Touched.MAYBE: Outcome.UNKNOWN}.get(
                touched, Outcome.FAILED
            )
        case PreflightError() | GuestPasswordMissing() if touched is Touched.NO:
            return Outcome.REFUSED
        case UsageError() | Interrupted() if touched is Touched.NO:
            return Outcome.NOT_STARTED
        case TransportError() | ConsoleError() if touched is Touched.NO:
            return Outcome.UNREACHABLE
        case _ if touched is Touched.MAYBE:
            return Outcome.UNKNOWN
        case RestartError() if restart is not None and restart.outcome is Outcome.UNKNOWN:
            return Outcome.UNKNOWN
        case _:
            return Outcome.FAILED


def origin(records: Iterable[Record]) -> dict[str, Any]:
    """When a run began, who began it, and with which version of serialfix it was last worked on."""
    told: dict[str, Any] = {"started": None, "user": None, "version": None}
    for record in records:
        if record["kind"] == "run_started":
            told |= {"started": record["at"], "user": record.get("user")}
        if record["kind"] in ("run_started", "run_resumed"):
            told["version"] = record.get("version")
    return told


def steps(
    playbook: Playbook, work: Work | None, earlier: Mapping[str, Any], *, check: bool
) -> tuple[StepResult, ...]:
    """Every step of the playbook. `earlier`: former values that an earlier process changed."""
    plan = work.plan if work else None
    planned = {step.id: step for step in plan.steps} if plan else {}
    results = []
    for step in playbook.steps:
        if work is not None and step.id in work.steps:
            results.append(work.steps[step.id])
            continue
        wanted = step.wish.wanted
        before = planned[step.id].before if step.id in planned else None
        ended, after = Outcome.NOT_STARTED, None
        if step.id in planned and (check or planned[step.id].note):
            ended, wanted = planned[step.id].outcome, planned[step.id].wanted
        elif work is None and step.id in earlier:
            ended, before, after = Outcome.CHANGED, earlier[step.id], wanted
        results.append(
            StepResult(
                id=step.id,
                kind=step.kind,
                title=step.title,
                outcome=ended,
                before=before,
                after=after,
                wanted=wanted,
                note=planned[step.id].note if step.id in planned else None,
            )
        )
    return tuple(results)
