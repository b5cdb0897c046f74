"""The error budget: how many targets may go wrong before no further one is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from serialfix.fleet.share import Share
from serialfix.model import Outcome


DEFAULT_ERRORS = "5%"
DEFAULT_CONCURRENCY = "50"
ERRORS = (Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNKNOWN)
"""What counts. `unknown` was entered and cannot be verified: no less than a failure."""
TRIED = (*ERRORS, Outcome.OK, Outcome.CHANGED, Outcome.WOULD_CHANGE)
"""What says something of the playbook: a target that was refused or not started does not."""


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """So many of all targets may go wrong; one more stops the run.

    The denominator of a percentage is the number of targets of the whole run, whatever the wave,
    and a fraction is left out: 5% of 30 allow one.
    """

    allowed: int
    total: int

    @classmethod
    def of(cls, text: str, total: int) -> Self:
        """Read `3` or `5%` of so many targets. Raises UsageError."""
        return cls(min(Share.parse(text, option="--max-errors").down(total), total), total)

    def spent(self, outcomes: Mapping[Outcome, int]) -> int:
        """How many errors these outcomes are."""
        return sum(outcomes.get(each, 0) for each in ERRORS)

    def stop(self, run: Mapping[Outcome, int], wave: Mapping[Outcome, int] | None = None) -> str:
        """Why no further target is started; empty when the run may go on.

        `run` counts all outcomes so far, `wave` those of a wave that has ended. A wave in which
        nothing went well stops the run within the budget too, so that a canary means something;
        only a budget of all targets turns that off.
        """
        spent = self.spent(run)
        if spent > self.allowed:
            return f"{spent} of {self.total} targets went wrong, {self.allowed} may"
        if wave is None or self.allowed >= self.total:
            return ""
        tried, bad = sum(wave.get(each, 0) for each in TRIED), self.spent(wave)
        if not bad or bad < tried:
            return ""
        return f"nothing that was tried in the wave went well ({bad} went wrong)"


def concurrency(text: str, total: int, *, option: str = "--max-concurrency") -> int:
    """How many of so many targets are worked on at once: at least one. Raises UsageError."""
    return max(1, min(Share.parse(text, option=option, least=1).down(total), total))
