"""Words that several reports share."""

from __future__ import annotations

from collections.abc import Iterator

from serialfix.model import PlanFacts


RESTART_TAKES = "2 to 5 minutes"
"""What a restart of a Windows VM usually takes until its console answers again: of experience."""


def seconds(elapsed: float) -> str:
    """`4.2 s` or `3 min 07 s`."""
    if elapsed < 60:
        return f"{elapsed:.1f} s"
    minutes, rest = divmod(round(elapsed), 60)
    return f"{minutes} min {rest:02d} s"


def plan_words(plan: PlanFacts) -> Iterator[str]:
    """What a plan comes to, in sentences; without what it lowers in security."""
    yield f"{plan.changes} of {plan.steps} steps would change something."
    if plan.changes:
        yield f"Typing takes about {seconds(plan.seconds)}."
    if plan.restart:
        yield "The VM will restart."
        yield f"That throws out everybody who works on it, and usually takes {RESTART_TAKES}."
    else:
        yield "No restart."
