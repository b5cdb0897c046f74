"""A fleet run as data: `serialfix.fleet/1` in full, `serialfix.fleet-status/1` at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import serialfix
from serialfix.fleet import decide
from serialfix.fleet.budget import ERRORS
from serialfix.fleet.pace import Eta
from serialfix.fleet.standing import FleetRun, Standing, State, Target, WaveStanding
from serialfix.model import Outcome
from serialfix.result import plain


FLEET_SCHEMA = "serialfix.fleet/1"
STATUS_SCHEMA = "serialfix.fleet-status/1"
WELL = (Outcome.OK, Outcome.CHANGED, Outcome.WOULD_CHANGE)
"""The outcomes that leave nothing to do for a person."""
Results = Mapping[int, Mapping[str, Any]]
"""The `serialfix.run/1` of targets, by their number; not every target has one."""


def exit_code(run: FleetRun, outcomes: Mapping[Outcome, int]) -> int | None:
    """0 all is well, 9 something is not, 10 the error budget stopped it; None before the end."""
    return decide.exit_code(run, outcomes) if run.state is State.ENDED else None


def fleet_json(
    standing: Standing, targets: Iterable[Target], results: Results | None = None
) -> dict[str, Any]:
    """The whole of a fleet run, every target with it, as `serialfix.fleet/1`."""
    run, found = standing.run, results or {}
    done: dict[str, Any] = plain(
        {
            "schema": FLEET_SCHEMA,
            **_head(standing),
            "version": serialfix.__version__,
            "user": run.user,
            "of": run.of,
            "schedule": run.schedule,
            "parameters": run.parameters,
            "targets_sha256": run.targets_sha256,
            "policy": {
                **run.policy.to_json(),
                "at_once": run.at_once,
                "errors_allowed": run.errors_allowed,
            },
            "duration_s": seconds_between(run.created, run.ended),
            "waves": [_wave(wave) for wave in standing.waves],
            "targets": [_target(each, found.get(each.number)) for each in targets],
            "skipped": run.skipped,
        }
    )
    return done


def status_json(standing: Standing, left: Eta | None = None) -> dict[str, Any]:
    """How a fleet run stands at one moment, as `serialfix.fleet-status/1`.

    The time to an approval is not the time to the end, which nobody knows then.
    """
    run = standing.run
    done: dict[str, Any] = plain(
        {
            "schema": STATUS_SCHEMA,
            **_head(standing),
            "at": iso(standing.at),
            "approved": run.approved,
            "waiting_for": standing.waiting_for,
            "workers": standing.workers,
            "eta_s": None if left is None or left.wave is not None else round(left.seconds),
            "errors_allowed": run.errors_allowed,
            "errors_so_far": sum(standing.outcomes[each] for each in ERRORS),
            "waves": [_wave(wave) for wave in standing.waves],
            "running": [
                {
                    **_who(each),
                    "attempts": each.attempt,
                    "worker": each.worker,
                    "phase": each.phase,
                    "started": iso(each.started),
                }
                for each in standing.running
            ],
            "errors": [
                {
                    **_who(each),
                    **_end(each),
                    "ended": iso(each.ended),
                    "error": each.error,
                }
                for each in standing.errors
            ],
        }
    )
    return done


def list_json(standings: Iterable[Standing]) -> list[dict[str, Any]]:
    """Fleet runs one by one, in short."""
    return [
        {name: value for name, value in _head(each).items() if name != "why"}
        | {"schedule": each.run.schedule}
        for each in standings
    ]


def differing(result: Mapping[str, Any] | None) -> list[str] | None:
    """The steps that a check would change, by id; None where no step was looked at."""
    steps = result["steps"] if result is not None else []
    if all(step["outcome"] == Outcome.NOT_STARTED for step in steps):
        return None
    return [step["id"] for step in steps if step["outcome"] == Outcome.WOULD_CHANGE]


def iso(moment: datetime | None) -> str | None:
    """In UTC, as `2026-11-21T08:45:00Z`; a fraction of a second only where there is one."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Unless one of them is not known."""
    if start is None or end is None:
        return None
    return max(0.0, round((end - start).total_seconds(), 3))


def counts(waves: Sequence[WaveStanding]) -> dict[str, int]:
    """How many targets wait, run, and ended with which outcome; every outcome is there."""
    return {
        "waiting": sum(wave.waiting for wave in waves),
        "running": sum(wave.running for wave in waves),
        **{str(each): sum(wave.outcomes[each] for wave in waves) for each in Outcome},
    }


def _head(standing: Standing) -> dict[str, Any]:
    run = standing.run
    return {
        "run_id": run.id,
        "kind": str(run.kind),
        "playbook": {
            "name": run.playbook,
            "version": run.playbook_version,
            "sha256": run.playbook_sha256,
        },
        "state": str(run.state),
        "why": run.why,
        "exit_code": exit_code(run, standing.outcomes),
        "started": iso(run.created),
        "ended": iso(run.ended),
        "total": run.total,
        "counts": counts(standing.waves),
    }


def _wave(wave: WaveStanding) -> dict[str, Any]:
    return {"number": wave.number, "total": wave.total, "counts": counts([wave])}


def _who(target: Target) -> dict[str, Any]:
    return {
        "number": target.number,
        "id": target.vm_id,
        "name": target.name,
        "location": target.location,
        "wave": target.wave,
    }


def _end(target: Target) -> dict[str, Any]:
    return {
        "outcome": target.outcome and str(target.outcome),
        "exit_code": target.exit_code,
        "touched": target.touched,
        "attempts": target.attempt,
        "run_id": target.run_id,
        "worker": target.worker,
    }


def _target(target: Target, result: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "number": target.number,
        "id": target.vm_id,
        "name": target.name,
        "resource_group": target.resource_group,
        "subscription_id": target.subscription_id,
        "location": target.location,
        "wave": target.wave,
        "state": str(target.state),
        **_end(target),
        "started": iso(target.started),
        "ended": iso(target.ended),
        "duration_s": seconds_between(target.started, target.ended),
        "differs": differing(result),
        "error": target.error,
    }
