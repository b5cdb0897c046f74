"""How long a fleet run will still take: from how long its VMs took so far, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from serialfix.fleet.standing import FleetRun, Standing, State, Target
from serialfix.model import Outcome


ENOUGH = 3
"""So many VMs have to have ended before anything is said."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What was seen of a run so far: how many VMs ended, and what they took.

    `vm_seconds` is what all sessions took together: time in which nothing was worked on, a pause or
    a closed window, counts for nothing in it.
    """

    ended: int = 0
    vm_seconds: float = 0.0
    width: int = 0
    """How many were worked on at once at most, while others waited: some bound was reached."""
    _at: datetime | None = None
    _ended: int = 0
    _running: int = 0

    @classmethod
    def of(cls, targets: Iterable[Target]) -> Self:
        """Of a run that nobody watched, from the times of its targets."""
        took = [
            (each.ended - each.started).total_seconds()
            for each in targets
            if each.ended and each.started and each.outcome is not None
        ]
        return cls(ended=len(took), vm_seconds=sum(took))

    def after(self, standing: Standing) -> Self:
        """With what this standing shows more."""
        running = sum(wave.running for wave in standing.waves)
        outcomes = standing.outcomes
        ended = outcomes.total() - outcomes[Outcome.NOT_STARTED]
        crowded = any(wave.running and wave.waiting for wave in standing.waves)
        seen = replace(
            self,
            width=max(self.width, running) if crowded else self.width,
            _at=standing.at,
            _ended=ended,
            _running=running,
        )
        if self._at is None or standing.at < self._at:
            return seen
        passed = (standing.at - self._at).total_seconds()
        return replace(
            seen,
            ended=self.ended + max(0, ended - self._ended),
            vm_seconds=self.vm_seconds + passed * (self._running + running) / 2,
        )


@dataclass(frozen=True, slots=True)
class Eta:
    """Seconds until the run ends, or until `wave` ends, after which somebody must approve."""

    seconds: float
    wave: int | None = None


def eta(standing: Standing, pace: Pace) -> Eta | None:
    """None before enough is known, and while it is for a person, a window or a worker to go on."""
    run = standing.run
    stopping = run.state is State.STOPPING
    running = sum(wave.running for wave in standing.waves)
    if (
        pace.ended < ENOUGH
        or not pace.vm_seconds
        or run.state in (State.PAUSED, State.ENDED)
        or not standing.workers
        or (standing.waiting_for and not running)
    ):
        return None
    per_vm = pace.vm_seconds / pace.ended
    stop = None if stopping else approval_ahead(run, len(standing.waves))
    seconds = 0.0
    for wave in standing.waves:
        waiting = 0 if stopping else wave.waiting
        if rest := waiting + wave.running:
            width = min(rest, run.at_once, pace.width or run.at_once)
            # those at work are half way, taken together; nobody is quicker than one VM
            work = per_vm * (waiting + wave.running / 2)
            seconds += max(work / max(1, width), per_vm if waiting else per_vm / 2)
        if wave.number == stop:
            break
    return Eta(seconds, stop) if seconds else None


def awaits_approval(standing: Standing) -> bool:
    """Whether all waves before the approval have ended, and it is for somebody to approve."""
    stop = approval_ahead(standing.run, len(standing.waves))
    before = [wave for wave in standing.waves if stop is not None and wave.number <= stop]
    return bool(before) and all(wave.ended for wave in before)


def approval_ahead(run: FleetRun, waves: int) -> int | None:
    """The wave after which somebody must approve before the run goes on."""
    after = run.policy.approve_after
    return after if after is not None and run.approved < after < waves else None
