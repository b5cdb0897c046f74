from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.throttle import Limiter


async def test_a_bucket_empties_and_grows_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    limiter = Limiter()
    answers = [limiter.take("UpdateVM", "sub", "vm") for _ in range(14)]
    assert answers[0][0] == (
        "Microsoft.Compute/UpdateVMSubscriptionMaximum;1499,Microsoft.Compute/UpdateVMResource;11"
    )
    assert [left for _, left in answers] == [True] * 12 + [False] * 2
    assert limiter.take("UpdateVM", "sub", "other")[1]
    now = 15.0  # 4 a minute
    assert [limiter.take("UpdateVM", "sub", "vm")[1] for _ in range(2)] == [True, False]


async def test_lists_have_no_bucket_of_a_resource() -> None:
    text, _ = Limiter().take("HighCostGet", "sub", None)
    assert text == "Microsoft.Compute/HighCostGetSubscriptionMaximum;899"
