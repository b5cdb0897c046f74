"""Compute's token buckets, Resource Graph's quota, and the headers that tell what is left."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limit:
    """Refill per minute and size of the bucket; per resource (if any) and per subscription."""

    subscription: tuple[float, float]
    resource: tuple[float, float] | None = None


LIMITS = {  # azure.md §7, §10
    "UpdateVM": Limit((500, 1500), (4, 12)),
    "DeleteVM": Limit((500, 1500), (4, 12)),
    "LowCostGet": Limit((8000, 24000), (12, 36)),
    "GetVMScaleSetVM": Limit((2000, 6000), (12, 36)),
    "HighCostGet": Limit((300, 900)),
    "GetOperation": Limit((5000, 15000), (15, 45)),
}


@dataclass(slots=True)
class Limiter:
    """Counts calls; fractions of a token grow back with time."""

    buckets: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def take(self, group: str, subscription: str, resource: str | None) -> tuple[str, bool]:
        """Take one token of each bucket: the header's text, and whether there was one."""
        limit = LIMITS[group]
        left = self._take(f"{group}SubscriptionMaximum", subscription, limit.subscription)
        parts = [f"Microsoft.Compute/{group}SubscriptionMaximum;{max(0, int(left))}"]
        if limit.resource is not None and resource is not None:
            own = self._take(f"{group}Resource", resource, limit.resource)
            parts.append(f"Microsoft.Compute/{group}Resource;{max(0, int(own))}")
            left = min(left, own)
        return ",".join(parts), left >= 0

    def _take(self, name: str, key: str, rate: tuple[float, float]) -> float:
        refill, size = rate
        now = asyncio.get_running_loop().time()
        left, then = self.buckets.get((name, key), (size, now))
        left = min(size, left + (now - then) * refill / 60) - 1
        # a refused call takes nothing
        self.buckets[name, key] = (left if left >= 0 else left + 1, now)
        return left


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
