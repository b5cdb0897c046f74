from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.throttle import Limiter
from serialfix.virtual_time import run_virtual


SCOPE = ("sub", "westeurope")
MANAGER = "x-ms-ratelimit-remaining-subscription-"


def update(limiter: Limiter, vm: str, *, enforce: bool = True) -> tuple[str, bool]:
    """One call: the header, and whether it is granted."""
    headers, wait = limiter.compute("UpdateVM", SCOPE, vm, enforce=enforce)
    return headers["x-ms-ratelimit-remaining-resource"], not wait


async def test_a_bucket_empties_and_grows_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    limiter = Limiter()
    answers = [update(limiter, "vm") for _ in range(14)]
    assert answers[0][0] == (
        "Microsoft.Compute/UpdateVMSubscriptionMaximum;1499,Microsoft.Compute/UpdateVMResource;11"
    )
    assert [left for _, left in answers] == [True] * 12 + [False] * 2
    assert update(limiter, "other")[1]
    now = 15.0  # 4 a minute
    assert [update(limiter, "vm")[1] for _ in range(2)] == [True, False]


async def test_lists_have_no_bucket_of_a_resource() -> None:
    headers, _ = Limiter().compute("HighCostGet", SCOPE, None, enforce=True)
    assert headers == {
        "x-ms-ratelimit-remaining-resource": "Microsoft.Compute/HighCostGetSubscriptionMaximum;899"
    }


def test_an_early_retry_is_not_processed_and_told_when_else() -> None:
    async def script() -> None:
        limiter = Limiter(arm={"reads": (60, 3)}, step=0.5)

        def read() -> float:
            return limiter.manager("reads", SCOPE, "me", enforce=True)[1]

        assert [read() for _ in range(4)] == [0, 0, 0, 1.0]
        await asyncio.sleep(0.25)
        assert read() == 1.0  # three quarters of a second, in steps of half a one
        await asyncio.sleep(0.75)
        assert [read(), read()] == [0, 1.0]
        assert (limiter.refused, limiter.early) == (3, 1)

    run_virtual(script())


async def test_everybody_has_buckets_of_their_own_in_every_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 0.0)
    limiter = Limiter()
    for _ in range(200):
        assert not limiter.manager("writes", SCOPE, "me", enforce=True)[1]
    refused, wait = limiter.manager("writes", SCOPE, "me", enforce=True)
    assert (refused[MANAGER + "writes"], wait) == ("0", 1.0)
    for scope, principal, left in (
        (SCOPE, "you", "199"),
        (("sub", "eastus"), "me", "199"),
        (("other", "westeurope"), "me", "199"),
    ):
        headers, wait = limiter.manager("writes", scope, principal, enforce=True)
        assert (headers[MANAGER + "writes"], wait) == (left, 0)
    # all principals of a region together have fifteen times as much
    together = limiter.manager("writes", SCOPE, "they", enforce=True)[0]
    assert together[MANAGER + "global-writes"] == str(15 * 200 - 203)
    tenant, _ = limiter.manager("reads", ("", ""), "me", enforce=True)
    assert tenant["x-ms-ratelimit-remaining-tenant-reads"] == "249"


async def test_where_limits_are_not_enforced_they_are_told_all_the_same() -> None:
    limiter = Limiter(arm={"reads": (60, 3)})
    answers = [limiter.manager("reads", SCOPE, "me", enforce=False) for _ in range(5)]
    assert [headers[MANAGER + "reads"] for headers, _ in answers] == ["2", "1", "0", "0", "0"]
    assert not any(wait for _, wait in answers)
