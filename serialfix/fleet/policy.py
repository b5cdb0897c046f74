"""The policy of a fleet run: in which waves, how many at once, how many errors, when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from serialfix.fleet.budget import DEFAULT_CONCURRENCY, DEFAULT_ERRORS
from serialfix.fleet.waves import DEFAULT as DEFAULT_WAVES


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """As it was given: texts that are read where they are used, so that it can be kept as JSON.

    `approve_after` is a wave's number: after it somebody must approve, and after every later one
    too when `approve_each`. `max_per_region` bounds each subscription and region. `retries` is how
    often a VM that could not be reached, and was not touched, is tried again, the first time after
    `retry_delay_s` seconds, then after twice that, and so on.
    """

    waves: str = DEFAULT_WAVES
    max_errors: str = DEFAULT_ERRORS
    max_concurrency: str = DEFAULT_CONCURRENCY
    max_per_region: str | None = None
    approve_after: int | None = None
    window: str | None = None
    retries: int = 0
    retry_delay_s: float = 60.0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)
