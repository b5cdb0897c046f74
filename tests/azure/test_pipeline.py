"""The policies of the clients: what they do, and what they must not do."""

from __future__ import annotations

from typing import Any, cast

from azure.core.credentials_async import AsyncTokenCredential

from serialfix.azure import pipeline
from serialfix.azure.budget import Allowance, ArmBudget
from serialfix.azure.identity import AzurePatience


def names(*, plain_http: bool = False, allowance: Allowance | None = None) -> list[str]:
    """The class names of the policies, outermost first."""
    built: list[Any] = pipeline.build(
        cast(AsyncTokenCredential, object()),
        "https://management.azure.com/.default",
        patience=AzurePatience(),
        correlation="run-1",
        plain_http=plain_http,
        observer=lambda _text: None,
        allowance=allowance,
    )
    return [type(policy).__name__ for policy in built]


def test_no_resource_provider_is_registered() -> None:
    """The SDK would register one after a 409: a write that nobody asked for (azure.md §6.5)."""
    assert not any("Registration" in name for name in names())


def test_redirects_lose_the_token() -> None:
    """What is sensitive is taken out behind the redirects and before the log."""
    order = names()
    assert order.index("AsyncRedirectPolicy") < order.index("SensitiveHeaderCleanupPolicy")
    assert order[-1] == "ARMHttpLoggingPolicy"


def test_plain_http_has_a_policy_of_its_own() -> None:
    """Only where the endpoint is this machine; everywhere else the SDK's own refuses http."""
    assert "LoopbackAuthentication" in names(plain_http=True)
    assert "LoopbackAuthentication" not in names()


def test_every_attempt_waits_for_its_turn() -> None:
    """Below the retries; above the sign-in, whose token may not grow old in the queue."""
    order = names(allowance=Allowance(ArmBudget(), "westeurope", longest=1))
    turn = order.index("WithinBudget")
    assert order.index("BoundedRetry") < turn
    assert turn < order.index("AsyncARMChallengeAuthenticationPolicy")
    assert names() == [name for name in order if name != "WithinBudget"]
