"""Azure's token buckets, Resource Graph's quota, and the headers that tell what is left."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field


Rate = tuple[float, float]
"""Refill per minute and size of a bucket."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a group of Compute's calls: per subscription and region, and per resource, if any."""

    subscription: Rate
    resource: Rate | None = None


LIMITS: Mapping[str, Limit] = {  # azure.md §7, §10
    "UpdateVM": Limit((500, 1500), (4, 12)),
    "DeleteVM": Limit((500, 1500), (4, 12)),
    "LowCostGet": Limit((8000, 24000), (12, 36)),
    "GetVMScaleSetVM": Limit((2000, 6000), (12, 36)),
    "HighCostGet": Limit((300, 900)),
    "GetOperation": Limit((5000, 15000), (15, 45)),
}
ARM: Mapping[str, Rate] = {"reads": (1500, 250), "writes": (600, 200), "deletes": (600, 200)}
"""Resource Manager's own, for each principal; all principals together have `ALL` times as much."""
ALL = 15


@dataclass(slots=True)
class Limiter:
    """Counts calls; fractions of a token grow back with time.

    The methods return headers, and the seconds until a call may be repeated: 0 when it is granted.
    A bucket that refused a call refuses all of them until then (azure.md §10: an early retry is not
    processed and gets a new value). `step` is what a Retry-After is a multiple of.
    """

    limits: Mapping[str, Limit] = field(default_factory=lambda: LIMITS)
    arm: Mapping[str, Rate] = field(default_factory=lambda: ARM)
    step: float = 1.0
    refused: int = 0
    early: int = 0
    """Of the refused ones those that came before their time."""
    _buckets: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)
    _closed: dict[tuple[str, ...], float] = field(default_factory=dict)

    def manager(
        self, kind: str, scope: tuple[str, str], principal: str, *, enforce: bool
    ) -> tuple[dict[str, str], float]:
        """Resource Manager's buckets for a subscription (empty: the tenant) and a region."""
        refill, size = self.arm[kind]
        own, wait = self._take((kind, *scope, principal), self.arm[kind], enforce)
        everybody, longer = self._take((kind, *scope), (refill * ALL, size * ALL), enforce)
        name = "x-ms-ratelimit-remaining-" + ("subscription" if scope[0] else "tenant")
        return {
            f"{name}-{kind}": f"{own:.0f}",
            f"{name}-global-{kind}": f"{everybody:.0f}",
        }, max(wait, longer)

    def compute(
        self, group: str, scope: tuple[str, str], resource: str | None, *, enforce: bool
    ) -> tuple[dict[str, str], float]:
        """Compute's buckets for a subscription and a region, and for one VM of it."""
        limit = self.limits[group]
        left, wait = self._take((group, *scope), limit.subscription, enforce)
        parts = [f"Microsoft.Compute/{group}SubscriptionMaximum;{left:.0f}"]
        if limit.resource is not None and resource is not None:
            left, longer = self._take((group, resource), limit.resource, enforce)
            parts.append(f"Microsoft.Compute/{group}Resource;{left:.0f}")
            wait = max(wait, longer)
        return {"x-ms-ratelimit-remaining-resource": ",".join(parts)}, wait

    def _take(self, key: tuple[str, ...], rate: Rate, enforce: bool) -> tuple[float, float]:
        """Whole tokens left, and the wait; a refused call takes nothing."""
        refill, size = rate
        now = asyncio.get_running_loop().time()
        left, then = self._buckets.get(key, (size, now))
        left = min(size, left + (now - then) * refill / 60)
        wait = 0.0
        if enforce and now < self._closed.get(key, now):
            self.early += 1
            wait = self._whole(self._closed[key] - now)
        elif left < 1:
            wait = self._whole((1 - left) * 60 / refill) if enforce else 0.0
            self._closed[key] = now + wait
        else:
            left -= 1
        self._buckets[key] = (left, now)
        self.refused += bool(wait)
        return (0 if wait else math.floor(left)), wait

    def _whole(self, seconds: float) -> float:
        return max(1, math.ceil(seconds / self.step)) * self.step


@dataclass(slots=True)
class Quota:
    """Resource Graph's: so many queries of a user in every window (azure.md §6.6)."""

    queries: int = 15
    used: int = 0
    ends: float = 0.0

    def take(self, window: float) -> tuple[int, float]:
        """Count a query: how many are left (-1: one too many), and the seconds to the reset."""
        now = asyncio.get_running_loop().time()
        if now >= self.ends:
            self.used, self.ends = 0, now + window
        self.used = min(self.used + 1, self.queries + 1)
        return self.queries - self.used, self.ends - now
