"""The calls of all runs of a worker, kept within Azure's budgets before Azure refuses them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from serialfix.azure.limits import LIMITS, Key, Limit, draws
from serialfix.errors import AzureRefused


HEADROOM = 0.2
"""What is left to other users of a subscription, and to what arrives late or bunched."""
_YIELD = 4
"""Tokens below zero, at most: who lets others go first still goes, at a fifth of the rate."""
_TOKEN = 1 - 1e-6  # a clock's rounding makes no difference


class Bucket:
    """A token bucket: our part of one of Azure's. It has no clock; times are in seconds.

    The level may be below zero: then somebody else is using our part up, and is let go first.
    """

    def __init__(self, limit: Limit, *, share: float, headroom: float, now: float) -> None:
        self._limit = limit
        self._headroom = headroom
        self._at = now
        self.level = limit.size
        self.closed = now
        """Nothing may be sent before then."""
        self.resize(share, now)

    def resize(self, share: float, now: float) -> None:
        """Have another share from now on; what there is beyond it is lost."""
        self._refill(now)
        self._share = share
        ours = share * (1 - self._headroom)
        self.size = max(1.0, self._limit.size * ours)
        self.rate = self._limit.per_minute / 60 * ours
        self.level = min(self.level, self.size)

    def ready(self, now: float) -> float:
        """When there is a token: `now`, or later."""
        self._refill(now)
        if self.level >= _TOKEN:
            return max(now, self.closed)
        return self._at + (1 - self.level) / self.rate

    def take(self) -> None:
        """One token, which there is."""
        self.level -= 1

    def give_back(self) -> None:
        """One that was taken and not used."""
        self.level = min(self.size, self.level + 1)

    def learn(self, left: int, now: float) -> None:
        """Azure says how many calls it has left for all of us."""
        self._refill(now)
        others = self._headroom * self._limit.size
        self.level = min(self.level, max((left + 1 - others) * self._share, -_YIELD))

    def close(self, until: float, now: float) -> None:
        """Azure refused a call until then; afterwards the bucket fills from nothing."""
        self._refill(now)
        self.level = min(self.level, 0.0)
        self.closed = max(self.closed, until)
        self._at = max(self._at, self.closed)

    def _refill(self, now: float) -> None:
        if now > self._at:
            self.level = min(self.size, self.level + (now - self._at) * self.rate)
            self._at = now


@dataclass(slots=True, eq=False)
class _Waiter:
    ticket: int
    served: asyncio.Future[None]


class ArmBudget:
    """All budgets of an identity, for one event loop.

    `share` is this worker's part when several work with the same identity, from above 0 to 1, and
    may be set at any time. `limits` are Azure's.
    """

    def __init__(
        self,
        *,
        share: float = 1.0,
        headroom: float = HEADROOM,
        limits: Mapping[str, Limit] = LIMITS,
    ) -> None:
        self._limits = limits
        self._headroom = headroom
        self._buckets: dict[Key, Bucket] = {}
        # calls that draw on the same buckets wait in one line; tickets order the lines' heads
        self._lines: dict[tuple[Key, ...], deque[_Waiter]] = {}
        self._tickets = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._share = _valid(share)

    @property
    def share(self) -> float:
        """This worker's part."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        self._share = _valid(share)
        if self._buckets:
            now = asyncio.get_running_loop().time()
            for bucket in self._buckets.values():
                bucket.resize(share, now)
            self._serve()

    async def acquire(self, keys: tuple[Key, ...]) -> None:
        """Wait until each of these buckets has a token, and take them.

        Who comes first is served first. Only those who wait for a bucket that Azure closed let
        others go by.
        """
        if not keys:
            return
        waiter = _Waiter(next(self._tickets), asyncio.get_running_loop().create_future())
        self._lines.setdefault(keys, deque()).append(waiter)
        self._serve()
        try:
            await waiter.served
        except asyncio.CancelledError:
            self._withdraw(keys, waiter)
            raise

    def answered(
        self,
        keys: tuple[Key, ...],
        status: int,
        headers: Mapping[str, str],
        *,
        retry_after: float | None = None,
    ) -> None:
        """Learn from an answer what is left, and until when there is nothing."""
        now = asyncio.get_running_loop().time()
        left, vm_is_empty = remaining(headers)
        for key in keys:
            if key.budget in left:
                self._bucket(key, now).learn(left[key.budget], now)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            empty = [key for key in keys if left.get(key.budget) == 0]
            # when Azure does not say which one it was, it may have been any
            for key in empty or (() if vm_is_empty else keys):
                self._bucket(key, now).close(now + (retry_after or 0.0), now)
        self._serve()

    def _bucket(self, key: Key, now: float) -> Bucket:
        if key not in self._buckets:
            self._buckets[key] = Bucket(
                self._limits[key.budget], share=self._share, headroom=self._headroom, now=now
            )
        return self._buckets[key]

    def _serve(self) -> None:
        """Serve everybody who can be, in order, and set the clock for the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        loop = asyncio.get_running_loop()
        now, wake = loop.time(), math.inf
        heads = [(line[0].ticket, keys) for keys, line in self._lines.items()]
        heapq.heapify(heads)
        taken: set[Key] = set()  # the next token there belongs to somebody who waits longer
        while heads:
            _, keys = heapq.heappop(heads)
            line = self._lines[keys]
            if not line[0].served.done():  # cancelled just now, else
                buckets = [self._bucket(key, now) for key in keys]
                ready = max(bucket.ready(now) for bucket in buckets)
                if ready > now:
                    wake = min(wake, ready)
                if ready > now or not taken.isdisjoint(keys):
                    if all(bucket.closed <= now for bucket in buckets):
                        taken.update(keys)
                    continue
                for bucket in buckets:
                    bucket.take()
                line[0].served.set_result(None)
            line.popleft()
            if line:
                heapq.heappush(heads, (line[0].ticket, keys))
            else:
                del self._lines[keys]
        if self._lines:
            # never at once: what could be served was
            self._timer = loop.call_at(max(wake, now + 0.001), self._serve)

    def _withdraw(self, keys: tuple[Key, ...], waiter: _Waiter) -> None:
        """Whoever waited is gone; tokens that it had got are there for others."""
        if not waiter.served.cancelled():
            for key in keys:
                self._buckets[key].give_back()
        elif waiter in (line := self._lines.get(keys, deque())):
            line.remove(waiter)
            if not line:
                del self._lines[keys]
        self._serve()


class Allowance:
    """What one run may ask of Azure: the worker's budget, the region of its VM.

    `longest` is how long it waits for its turn, in seconds: a queue takes less, a storm of refusals
    may take more.
    """

    def __init__(self, budget: ArmBudget, region: str, *, longest: float) -> None:
        self._budget = budget
        self._region = region
        self._longest = longest
        self._reserved: set[tuple[Key, ...]] = set()

    async def reserve(self, method: str, url: str) -> None:
        """Make room for a call that must not wait once it is begun. Raises AzureRefused."""
        keys = draws(method, url, self._region)
        if keys not in self._reserved:
            await self._wait(keys)
            self._reserved.add(keys)

    async def room(self, method: str, url: str) -> tuple[Key, ...]:
        """Wait for the turn of a call; what it draws on. Raises AzureRefused."""
        keys = draws(method, url, self._region)
        if keys in self._reserved:
            self._reserved.remove(keys)
        else:
            await self._wait(keys)
        return keys

    def answered(
        self,
        keys: tuple[Key, ...],
        status: int,
        headers: Mapping[str, str],
        *,
        retry_after: float | None,
    ) -> None:
        """What Azure said to it."""
        self._budget.answered(keys, status, headers, retry_after=retry_after)

    async def _wait(self, keys: tuple[Key, ...]) -> None:
        try:
            async with asyncio.timeout(self._longest):
                await self._budget.acquire(keys)
        except TimeoutError:
            refused = AzureRefused(
                f"Azure's budget of {' and '.join(sorted({key.budget for key in keys}))} had no "
                f"room within {self._longest:g} s",
                remedy="Others use up the subscription's calls, or Azure refuses them all: try "
                "again later, or with fewer VMs at once.",
            )
            refused.passing = True
            raise refused from None


def remaining(headers: Mapping[str, str]) -> tuple[dict[str, int], bool]:
    """What an answer says is left of each budget, and whether it is the VM's own that is empty.

    azure.md §7: `Microsoft.Compute/UpdateVMSubscriptionMaximum;1499,
    Microsoft.Compute/UpdateVMResource;11`.
    """
    left: dict[str, int] = {}
    for budget in ("reads", "writes", "deletes"):
        value = headers.get(f"x-ms-ratelimit-remaining-subscription-{budget}") or ""
        if value.isdecimal():
            left[budget] = int(value)
    resource = headers.get("x-ms-ratelimit-remaining-resource") or ""
    for name, value in re.findall(r"/(\w+)SubscriptionMaximum;(\d+)", resource):
        left[name] = int(value)
    return left, bool(re.search(r"Resource;0\b", resource))


def _valid(share: float) -> float:
    if not 0 < share <= 1:
        raise ValueError(f"a share is above 0 and at most 1, not {share:g}")
    return share
