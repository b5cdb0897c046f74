"""The policy of a fleet run: in which waves, how many at once, how many errors, when."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Self

from serialfix.errors import UsageError
from serialfix.fleet.budget import DEFAULT_CONCURRENCY, DEFAULT_ERRORS, ErrorBudget, concurrency
from serialfix.fleet.waves import DEFAULT as DEFAULT_WAVES
from serialfix.fleet.waves import Waves
from serialfix.fleet.window import Window


MOST_RETRIES = 10
DAY_S = 86_400.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """As it was given: texts that are read where they are used, so that it can be kept as JSON.

    `approve_after` is a wave's number: after it, and after no other one, somebody must approve.
    `max_per_region` bounds each subscription and region. `retries` is how often a VM that could
    not be reached, or whose console was lost, is tried again, the first time after `retry_delay_s`
    seconds, then after twice that, and so on.
    """

    waves: str = DEFAULT_WAVES
    max_errors: str = DEFAULT_ERRORS
    max_concurrency: str = DEFAULT_CONCURRENCY
    max_per_region: str | None = None
    approve_after: int | None = None
    window: str | None = None
    retries: int = 0
    retry_delay_s: float = 60.0

    def check(self) -> None:
        """Raises UsageError for what can be seen before any VM is looked for."""
        waves = Waves.parse(self.waves)
        ErrorBudget.of(self.max_errors, 0)
        concurrency(self.max_concurrency, 0)
        self.most_of_region(0)
        self.opening()
        last = len(waves.shares) + waves.rest
        if self.approve_after is not None and not 1 <= self.approve_after < last:
            raise UsageError(
                f"--approve-after {self.approve_after}: no wave of {waves} comes after that one",
                remedy="It takes the number of a wave, from 1, that is not the last."
                if last > 1
                else "Give more than one wave, for example --waves 1,rest.",
            )
        if not 0 <= self.retries <= MOST_RETRIES:
            raise UsageError(f"--retries {self.retries}: it is from 0 to {MOST_RETRIES}")
        if not 0 <= self.retry_delay_s <= DAY_S:
            raise UsageError("--retry-delay is from 0 seconds to a day")

    def most_of_region(self, total: int) -> int | None:
        """How many of a subscription and region are worked on at once; None: as many as in all.

        `total` are its targets. Raises UsageError.
        """
        if self.max_per_region is None:
            return None
        return concurrency(self.max_per_region, total, option="--max-per-region")

    def opening(self) -> Window | None:
        """The maintenance window, None when there is no bound. Raises UsageError."""
        return None if self.window is None else Window.parse(self.window)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


def seconds(text: str, *, option: str) -> float:
    """Read `30s`, `5m`, `1h`, or seconds alone. Raises UsageError, which names the option."""
    found = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)\s*([smh]?)", text.strip().lower())
    if found is None:
        raise UsageError(f"{option} takes a duration such as 30s, 5m or 1h, not {text!r}")
    return float(found[1]) * _UNITS[found[2]]
