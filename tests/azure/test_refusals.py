from __future__ import annotations

import pytest

from serialfix.azure.identity import Azure
from serialfix.azure.refusals import reason
from serialfix.errors import AccessError, AzureRefused, SerialfixError, TargetError
from tests.azure.arm_double import QUICK, Answer, Arm, error


async def refused(azure: Azure, arm: Arm, *answers: Answer, method: str = "GET") -> SerialfixError:
    arm.on(method, "/thing", *answers)
    with pytest.raises(SerialfixError) as caught:
        await azure.request(method, "/thing", doing="to do it", action="The/action")
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "exit_code", "remedy"),
    [
        (400, AzureRefused, 5, "message asks"),
        (401, AccessError, 4, "az login"),
        (403, AccessError, 4, "The/action"),
        (404, TargetError, 3, "resource group"),
        (409, AzureRefused, 5, "message asks"),
        (412, AzureRefused, 5, "message asks"),
        (429, AzureRefused, 5, "throttles"),
        (500, AzureRefused, 5, "again"),
        (503, AzureRefused, 5, "again"),
    ],
)
async def test_by_status(
    *, azure: Azure, arm: Arm, status: int, kind: type, exit_code: int, remedy: str
) -> None:
    got = await refused(azure, arm, error(status, "TheCode", "What it says."))
    assert type(got) is kind
    assert str(got) == f"Azure refused to do it: {status} TheCode: What it says."
    assert got.exit_code == exit_code
    assert remedy in got.remedy


@pytest.mark.parametrize(
    ("status", "code", "message", "remedy"),
    [
        (400, "BadRequest", "Provisioning for this VM has not yet succeeded. Please", "Wait"),
        (
            403,
            "Forbidden",
            'A "Forbidden" response was encountered when accessing this VM\'s '
            "boot diagnostic storage account.",
            "az vm boot-diagnostics enable",
        ),
        (409, "ScopeLocked", "The scope is locked.", "az lock list"),
        (409, "Conflict", "not yet supported for hierarchical namespace accounts.", "managed"),
        (409, "MissingSubscriptionRegistration", "not registered", "az provider register"),
        (404, "SubscriptionNotFound", "not found", "az account list"),
    ],
)
async def test_by_text(
    *, azure: Azure, arm: Arm, status: int, code: str, message: str, remedy: str
) -> None:
    got = await refused(azure, arm, error(status, code, message))
    assert f"{status} {code}: {message}" in str(got)
    assert remedy in got.remedy


async def test_no_provider_is_registered_behind_our_back(azure: Azure, arm: Arm) -> None:
    arm.on("POST", "/thing", error(409, "MissingSubscriptionRegistration", "namespace 'A.B'"))
    with pytest.raises(AzureRefused):
        await azure.request("POST", "/thing", doing="to do it")
    assert len(arm.seen) == 1


async def test_a_flat_body(azure: Azure, arm: Arm) -> None:
    got = await refused(azure, arm, (404, {"code": "NotFound", "message": "Nothing here."}))
    assert str(got) == "Azure refused to do it: 404 NotFound: Nothing here."


@pytest.mark.parametrize("body", ["", "<html>gateway</html>", "[1]", '{"error": "text"}'])
async def test_a_body_that_is_no_error(azure: Azure, arm: Arm, body: str) -> None:
    got = await refused(azure, arm, (502, body))
    assert str(got) == "Azure refused to do it: 502 Bad Gateway"


async def test_throttled_for_a_moment(azure: Azure, arm: Arm) -> None:
    arm.on("POST", "/thing", error(429, "TooManyRequests", Retry_After="0.001"), (200, {"a": 1}))
    assert await azure.request("POST", "/thing", doing="to do it") == {"a": 1}
    assert len(arm.seen) == 2


async def test_throttled_for_good(azure: Azure, arm: Arm) -> None:
    got = await refused(azure, arm, error(429, "TooManyRequests", Retry_After="0.001"))
    assert "429 TooManyRequests: The message. (Retry-After: 0.001 s)" in str(got)
    assert len(arm.seen) == QUICK.retries + 1


async def test_throttled_for_longer_than_a_person_waits(azure: Azure, arm: Arm) -> None:
    got = await refused(azure, arm, error(429, "TooManyRequests", Retry_After="300"))
    assert "(Retry-After: 300 s)" in str(got)
    assert len(arm.seen) == 1


async def test_a_server_error_that_passes(azure: Azure, arm: Arm) -> None:
    arm.on("GET", "/thing", (503, ""), (200, {"a": 1}))
    assert await azure.request("GET", "/thing", doing="to do it") == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ('{"error": {"code": "C", "message": "M"}}', ("C", "M")),
        ('{"code": "C"}', ("C", "")),
        ({"status": "Failed", "error": {"code": "C", "message": "M"}}, ("C", "M")),
        (None, ("", "")),
        (b"\xff", ("", "")),
    ],
)
def test_reason(answer: object, wanted: tuple[str, str]) -> None:
    assert reason(answer) == wanted
