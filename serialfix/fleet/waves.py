"""Waves: which targets are started together, the next only after the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from serialfix.errors import UsageError
from serialfix.fleet.share import Share


T = TypeVar("T")
DEFAULT = "1,10%,rest"
"""One VM shows whether the playbook does what it should, a tenth whether it does so elsewhere."""
REST = "rest"
_OPTION = "--waves"


@dataclass(frozen=True, slots=True)
class Waves:
    """What was asked for: numbers and percentages of all targets; `rest` is what is left."""

    shares: tuple[Share, ...]
    rest: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1,10,25%,rest`. Raises UsageError."""
        words = [word.strip().lower() for word in text.split(",")]
        if REST in words[:-1]:
            raise UsageError(f"{_OPTION}: {REST} is the last wave, nothing comes after it")
        rest = words[-1] == REST
        shares = [
            Share.parse(word, option=_OPTION, least=1) for word in words[: -1 if rest else None]
        ]
        return cls(tuple(shares), rest)

    def sizes(self, total: int) -> tuple[int, ...]:
        """How many targets each wave has; percentages are of all, and are rounded up.

        A wave has at least one; waves for which nothing is left are none. Raises UsageError when
        targets are left over.
        """
        sizes = []
        left = total
        for share in self.shares:
            size = min(share.up(total), left)
            if size:
                sizes.append(size)
            left -= size
        if left and not self.rest:
            raise UsageError(
                f"{_OPTION} {self} has room for {total - left} of {total} targets",
                remedy=f"End it with {REST}: {self},{REST}",
            )
        return (*sizes, left) if left else tuple(sizes)

    def split(self, targets: Sequence[T]) -> tuple[tuple[T, ...], ...]:
        """The targets in their order, each in exactly one wave."""
        waves, start = [], 0
        for size in self.sizes(len(targets)):
            waves.append(tuple(targets[start : start + size]))
            start += size
        return tuple(waves)

    def __str__(self) -> str:
        return ",".join([*map(str, self.shares), *([REST] if self.rest else [])])
