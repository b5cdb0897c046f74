"""Made-up fleet runs of any size, as the database would tell them, for tests of views."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from serialfix.fleet.budget import ErrorBudget, concurrency
from serialfix.fleet.policy import Policy
from serialfix.fleet.standing import (
    FleetRun,
    Kind,
    Standing,
    State,
    Target,
    TargetState,
    WaveStanding,
)
from serialfix.fleet.waves import Waves
from serialfix.lab.vm import SUBSCRIPTION
from serialfix.model import Outcome, VmRef


BEGUN = datetime(2026, 11, 21, 8, 45, tzinfo=UTC)
HOSTILE = "[bold]see[/] \x1b[31mred\x1b[2J\x07 \u202eevil\r\n::add-mask::x ##vso[task.x]y =1+1"
REGIONS = ("westeurope", "germanywestcentral", "eastus2")
ERRORS = {
    Outcome.FAILED: (
        7,
        "maybe",
        {
            "slug": "step.verify_mismatch",
            "message": "security-layer reads 1 after it was set to 0",
            "touched": "maybe",
            "remedy": "A policy may set it again: look at the policy's key.",
            "screen": "C:\\>reg query",
        },
    ),
    Outcome.UNREACHABLE: (
        6,
        "no",
        {
            "slug": "transport.azure_unreachable",
            "message": "Azure answered 429 Too Many Requests for 10 min",
            "touched": "no",
            "remedy": "Try again when less else works there.",
        },
    ),
    Outcome.REFUSED: (
        5,
        "no",
        {
            "slug": "preflight.vm_not_running",
            "message": "the VM is deallocated",
            "touched": "no",
            "remedy": "az vm start",
        },
    ),
    Outcome.UNKNOWN: (
        7,
        "maybe",
        {
            "slug": "step.outcome_unknown",
            "message": "entered, and the console was lost",
            "touched": "maybe",
            "remedy": "Look at it: serialfix attach",
        },
    ),
    Outcome.NOT_STARTED: (None, "no", None),
}


def fleet_run(total: int, **more: Any) -> FleetRun:
    policy = more.pop("policy", Policy())
    return FleetRun(
        **{
            "id": "20261121-084500-rdp-reset-1a2b",
            "kind": Kind.RUN,
            "playbook": "rdp-reset",
            "playbook_version": "1.0",
            "playbook_sha256": "0" * 64,
            "parameters": {},
            "targets_sha256": "1" * 64,
            "policy": policy,
            "created": BEGUN,
            "user": "ada",
            "total": total,
            "at_once": concurrency(policy.max_concurrency, total),
            "errors_allowed": ErrorBudget.of(policy.max_errors, total).allowed,
            **more,
        }
    )


def waiting(total: int, policy: Policy | None = None, *, name: str = "web-{:04}") -> list[Target]:
    """All of them before the start."""
    policy = policy or Policy()
    numbers = range(1, total + 1)
    waves = Waves.parse(policy.waves).split(list(numbers))
    place = {number: wave for wave, members in enumerate(waves, 1) for number in members}
    return [
        Target(
            number=number,
            vm_id=VmRef(SUBSCRIPTION, "rg1", name.format(number)).id,
            name=name.format(number),
            resource_group="rg1",
            subscription_id=SUBSCRIPTION,
            location=REGIONS[number % 3],
            wave=place[number],
        )
        for number in numbers
    ]


def ended(target: Target, outcome: Outcome, *, took: float = 60.0, **error: str) -> Target:
    code, touched, facts = ERRORS.get(
        outcome, (0, "yes" if outcome is Outcome.CHANGED else "no", None)
    )
    begun = BEGUN + timedelta(seconds=target.number)
    begins = outcome is not Outcome.NOT_STARTED
    return replace(
        target,
        state=TargetState.ENDED,
        outcome=outcome,
        exit_code=code,
        touched=touched,
        attempt=int(begins),
        run_id=f"20261121-084500-rdp-reset-1a2b.{target.number}" if begins else None,
        worker="host-1" if begins else None,
        started=begun if begins else None,
        ended=begun + timedelta(seconds=took),
        error={**facts, **error} if facts else error or None,
    )


def running(target: Target, phase: str = "apply", *, since: datetime = BEGUN) -> Target:
    return replace(
        target,
        state=TargetState.RUNNING,
        phase=phase,
        attempt=1,
        worker="host-1",
        started=since,
        run_id=f"20261121-084500-rdp-reset-1a2b.{target.number}",
    )


def standing_of(run: FleetRun, targets: Sequence[Target], **more: Any) -> Standing:
    """What the database would make of these targets."""
    at = more.pop("at", BEGUN + timedelta(minutes=12))
    waves = []
    for number in sorted({each.wave for each in targets}):
        here = [each for each in targets if each.wave == number]
        states = Counter(each.state for each in here)
        outcomes = Counter(each.outcome for each in here if each.outcome)
        waves.append(
            WaveStanding(
                number,
                len(here),
                states[TargetState.WAITING],
                states[TargetState.RUNNING],
                outcomes,
            )
        )
    bad = [each for each in targets if each.error]
    busy = [each for each in targets if each.state is TargetState.RUNNING]
    return Standing(
        **{
            "run": run,
            "waves": tuple(waves),
            "running": tuple(sorted(busy, key=lambda each: each.started or at)[:10]),
            "errors": tuple(reversed(bad[-10:])),
            "workers": 2,
            "at": at,
            **more,
        }
    )


@cache
def under_way(total: int, *, seed: int = 1, policy: Policy | None = None) -> tuple[Target, ...]:
    """Half of them ended in every way, some running, the others waiting."""
    dice = random.Random(seed)
    outcomes = [*[Outcome.CHANGED] * 6, *Outcome]
    targets = waiting(total, policy)
    half, busy = total // 2, min(50, -(-total // 4))
    return (
        *(
            ended(each, dice.choice(outcomes), took=dice.uniform(20, 200))
            for each in targets[:half]
        ),
        *(
            running(
                each,
                dice.choice(["attach", "apply", "restart", "prove"]),
                since=BEGUN + timedelta(seconds=dice.uniform(400, 715)),
            )
            for each in targets[half : half + busy]
        ),
        *targets[half + busy :],
    )


@cache
def at_its_end(total: int, *, seed: int = 1, name: str = "web-{:04}") -> tuple[Target, ...]:
    dice = random.Random(seed)
    outcomes = [*[Outcome.CHANGED] * 6, *Outcome]
    return tuple(ended(each, dice.choice(outcomes)) for each in waiting(total, name=name))


def over(run: FleetRun, **more: Any) -> FleetRun:
    return replace(run, **{"state": State.ENDED, "ended": BEGUN + timedelta(minutes=20), **more})
