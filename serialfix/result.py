"""The result of a run as data: `serialfix.run/1`, versioned, with a JSON Schema that is shipped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from serialfix.model import (
    Outcome,
    PlanFacts,
    ProofResult,
    RegistryValue,
    RestartResult,
    RunResult,
    StepResult,
)


RUN_SCHEMA = "serialfix.run/1"
_OF_ONE_RUN = re.compile(r"`serialfix (undo|resume)( [^`]*)?`")


def command(verb: str, run_id: str, outcome: Outcome) -> str:
    """The command that takes this run back, or goes on with it.

    A VM's run within a fleet run, `FLEET.NUMBER` and perhaps an attempt, is kept in the fleet's
    database: `serialfix undo` and `serialfix resume` would not find it.
    """
    fleet, within, number = run_id.partition(".")
    if not within:
        return f"serialfix {verb} {run_id}"
    ways = {
        "undo": f"serialfix fleet undo {fleet} --vm {number.partition('.')[0]}",
        "resume": f"serialfix fleet retry {fleet} --only {outcome}",
    }
    return ways[verb]


def in_its_words(text: str, run_id: str, outcome: Outcome) -> str:
    """Advice about a run of a fleet, with the commands that know it."""
    if "." not in run_id:
        return text
    return _OF_ONE_RUN.sub(lambda found: f"`{command(found[1], run_id, outcome)}`", text)


def plain(value: Any) -> Any:
    """The value with only what JSON knows in it."""
    match value:
        case RegistryValue():
            return value.to_json()
        case None | bool() | int() | float():
            return value
        case bytes():
            return value.hex()
        case str():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case Sequence():
            return [plain(item) for item in value]
        case _:
            return str(value)


def run_json(result: RunResult) -> dict[str, Any]:
    """The result as `serialfix.run/1`. `before`, `after`, `wanted` null means: no such value."""
    data = {
        "schema": RUN_SCHEMA,
        "run_id": result.run_id,
        "vm": {"id": result.vm_id, "name": result.vm_name},
        "playbook": {
            "name": result.playbook,
            "version": result.playbook_version,
            "sha256": result.playbook_sha256,
        },
        "outcome": result.outcome,
        "exit_code": result.exit_code,
        "started": result.started,
        "user": result.user,
        "version": result.version,
        "plan": result.plan
        and {
            "steps": result.plan.steps,
            "changes": result.plan.changes,
            "seconds": round(result.plan.seconds, 1),
            "restart": result.plan.restart,
            "security": result.plan.security,
        },
        "steps": [
            {
                "id": step.id,
                "kind": step.kind,
                "outcome": step.outcome,
                "before": step.before,
                "after": step.after,
                "wanted": step.wanted,
                "error": step.error,
                "note": step.note,
                "seconds": step.seconds if step.seconds is None else round(step.seconds, 3),
            }
            for step in result.steps
        ],
        "restart": result.restart
        and {
            "outcome": result.restart.outcome,
            "operation": result.restart.operation,
            "seconds": result.restart.seconds,
        },
        "proof": [
            {"id": proof.id, "outcome": proof.outcome, "text": proof.text} for proof in result.proof
        ],
        "touched": result.touched,
        "warnings": result.warnings,
        "error": result.error,
        "journal": result.journal,
        "recording": result.recordings[0] if result.recordings else None,
        "recordings": result.recordings,
        "evidence": result.evidence,
        "undo": result.undo,
        "phases": {name: round(elapsed, 3) for name, elapsed in result.phases.items()},
        "duration_s": round(result.duration_s, 3),
    }
    done: dict[str, Any] = plain(data)
    return done


def run_from_json(data: Mapping[str, Any]) -> RunResult:
    """The inverse of `run_json`, but for step titles; registry values stay in their JSON form."""
    restart, plan = data["restart"], data.get("plan")  # older results have no plan
    return RunResult(
        run_id=data["run_id"],
        vm_id=data["vm"]["id"],
        vm_name=data["vm"]["name"],
        playbook=data["playbook"]["name"],
        playbook_version=data["playbook"]["version"],
        playbook_sha256=data["playbook"]["sha256"],
        outcome=Outcome(data["outcome"]),
        exit_code=data["exit_code"],
        touched=data["touched"],
        steps=tuple(
            StepResult(**{**step, "title": step["id"], "outcome": Outcome(step["outcome"])})
            for step in data["steps"]
        ),
        restart=RestartResult(**{**restart, "outcome": Outcome(restart["outcome"])})
        if restart
        else None,
        proof=tuple(
            ProofResult(**{**proof, "outcome": Outcome(proof["outcome"])})
            for proof in data["proof"]
        ),
        warnings=tuple(data["warnings"]),
        error=data["error"],
        journal=data["journal"],
        recordings=tuple(data["recordings"]),
        evidence=data["evidence"],
        undo=data["undo"],
        duration_s=data["duration_s"],
        phases=dict(data["phases"]),
        plan=PlanFacts(**{**plan, "security": tuple(plan["security"])}) if plan else None,
        **{name: data.get(name) for name in ("started", "user", "version")},
    )
