from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serialfix.azure.identity import Azure
from serialfix.azure.restart import begin_restart, resume_restart
from serialfix.errors import AccessError, RestartError, RestartFailed, RestartRefused
from serialfix.model import VmRef
from tests.azure.arm_double import QUICK, SUB, Answer, Arm, error


GUID = "77777777-8888-9999-aaaa-bbbbbbbbbbbb"
OPERATION = (
    f"/subscriptions/{SUB}/providers/Microsoft.Compute/locations/westeurope/operations/{GUID}"
)
REF = VmRef(SUB, "rg1", "myvm")
INSTANCE = VmRef(SUB, "rg1", "myss", "2")
GOING: Answer = (200, {"status": "InProgress", "name": GUID})
DONE: Answer = (200, {"status": "Succeeded", "name": GUID})


def accepts(arm: Arm, *statuses: Answer, ref: VmRef = REF) -> None:
    signed = f"{arm.base}{OPERATION}?p=1&c={'signature' * 300}"  # azure.md §7: 3.2 KB
    headers = {"Azure-AsyncOperation": signed, "Location": f"{signed}&monitor=true"}
    arm.on("POST", f"{ref.id}/restart", (202, "", headers))
    arm.on("GET", OPERATION, *statuses)


@pytest.mark.parametrize("ref", [REF, INSTANCE])
async def test_begin_and_wait(azure: Azure, arm: Arm, ref: VmRef) -> None:
    accepts(arm, GOING, GOING, DONE, ref=ref)
    operation = await begin_restart(azure, ref)
    assert operation.id == GUID
    assert arm.calls("GET") == []  # the caller writes its journal before anything else
    told: list[str] = []
    await operation.wait(timeout=5, on_poll=told.append)
    assert told == ["InProgress", "InProgress", "Succeeded"]
    assert len(arm.calls("POST")) == 1
    assert not any("monitor" in each.query for each in arm.seen)


async def test_ended_at_once(azure: Azure, arm: Arm) -> None:
    arm.on("POST", f"{REF.id}/restart", (200, ""))
    operation = await begin_restart(azure, REF)
    await operation.wait(timeout=5)
    assert operation.id == ""


@pytest.mark.parametrize("ref", [REF, INSTANCE])
async def test_another_process_resumes_the_same_restart(
    azure: Azure, environ: dict[str, str], arm: Arm, ref: VmRef
) -> None:
    accepts(arm, GOING, DONE, ref=ref)
    token = (await begin_restart(azure, ref)).continuation_token
    async with Azure(environ=environ, patience=QUICK) as another:
        operation = await resume_restart(another, ref, token)
        assert operation.id == GUID
        assert operation.continuation_token
        await operation.wait(timeout=5)
    assert len(arm.calls("POST")) == 1


async def test_the_bearer_token_is_not_in_the_continuation_token(azure: Azure, arm: Arm) -> None:
    import base64

    from tests.azure.arm_double import TOKEN

    accepts(arm, DONE)
    token = (await begin_restart(azure, REF)).continuation_token
    assert TOKEN not in token
    assert TOKEN.encode() not in base64.b64decode(token)
    assert GUID.encode() in base64.b64decode(token)


@pytest.mark.parametrize("token", ["", "nonsense", "bm9uc2Vuc2U=", "e30="])
async def test_a_journal_with_a_bad_token(azure: Azure, arm: Arm, token: str) -> None:
    with pytest.raises(RestartError, match="token of the restart of myvm cannot be used"):
        await resume_restart(azure, REF, token)
    assert arm.seen == []


async def test_a_token_of_another_endpoint_gets_no_credentials(azure: Azure, arm: Arm) -> None:
    accepts(arm, DONE)
    arm.base = arm.base.replace("127.0.0.1", "localhost")
    accepts(arm, DONE)
    operation = await begin_restart(azure, REF)
    with pytest.raises(RestartError, match="another endpoint"):
        await operation.wait(timeout=5)
    assert arm.calls("GET") == []


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
async def test_failed(azure: Azure, arm: Arm, status: str) -> None:
    body = {"status": status, "error": {"code": "InternalExecutionError", "message": "Broken."}}
    accepts(arm, GOING, (200, body))
    operation = await begin_restart(azure, REF)
    with pytest.raises(RestartFailed) as caught:
        await operation.wait(timeout=5)
    assert str(caught.value) == (
        f"the restart of myvm (operation {GUID}) {status.lower()}: InternalExecutionError: Broken."
    )
    assert caught.value.exit_code == 8
    assert "az vm restart" in caught.value.remedy


async def test_failed_without_saying_why(azure: Azure, arm: Arm) -> None:
    accepts(arm, (200, {"status": "Failed"}))
    operation = await begin_restart(azure, REF)
    with pytest.raises(RestartError, match=f"{GUID}.* failed: Azure does not say why"):
        await operation.wait(timeout=5)


async def test_hangs_and_can_be_waited_for_again(azure: Azure, arm: Arm) -> None:
    accepts(arm, GOING)
    operation = await begin_restart(azure, REF)
    with pytest.raises(RestartError, match=r"not ended after 0\.02 s.*InProgress") as caught:
        await operation.wait(timeout=0.02)
    assert "serialfix resume" in caught.value.remedy
    arm.on("GET", OPERATION, DONE)
    await operation.wait(timeout=5)
    assert len(arm.calls("POST")) == 1


async def test_an_operation_that_azure_forgot(azure: Azure, arm: Arm) -> None:
    accepts(arm, error(404, "NotFound", "No such operation."))
    operation = await begin_restart(azure, REF)
    with pytest.raises(RestartError, match="404 NotFound: No such operation"):
        await operation.wait(timeout=5)


async def test_polling_outlives_throttling(azure: Azure, arm: Arm) -> None:
    busy: Answer = (503, "", {"Retry-After": "0.001"})
    accepts(arm, *[busy] * (QUICK.retries + 1), busy, DONE)
    operation = await begin_restart(azure, REF)
    told: list[str] = []
    await operation.wait(timeout=5, on_poll=told.append)
    assert told == ["HTTP 503", "Succeeded"]


async def test_polling_outlives_the_network(azure: Azure, arm: Arm) -> None:
    accepts(arm, DONE)
    operation = await begin_restart(azure, REF)
    lost: list[str] = []
    real = azure._session._request

    async def broken(*args: Any, **options: Any) -> Any:
        import aiohttp

        if len(lost) < 1:
            raise aiohttp.ClientConnectionError("the line is down")
        return await real(*args, **options)

    azure._session._request = broken  # type: ignore[method-assign]
    await operation.wait(timeout=5, on_poll=lost.append)
    assert lost == ["no answer", "Succeeded"]


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (401, "ExpiredAuthenticationToken", "az login"),
        (403, "AuthorizationFailed", "Microsoft.Compute/virtualMachines/restart/action"),
        (404, "ResourceNotFound", "Check"),
        (409, "ScopeLocked", "az lock list"),
        (429, "TooManyRequests", "throttles"),
        (503, "Unavailable", "again"),
    ],
)
async def test_the_post_is_sent_once_and_its_refusal_is_a_failed_restart(
    azure: Azure, arm: Arm, status: int, code: str, remedy: str
) -> None:
    arm.on("POST", f"{REF.id}/restart", error(status, code, "Why.", Retry_After="0.001"))
    with pytest.raises(RestartError) as caught:
        await begin_restart(azure, REF)
    assert str(caught.value) == (
        f"Azure refused to restart myvm: {status} {code}: Why. (Retry-After: 0.001 s)"
    )
    assert caught.value.exit_code == 8
    assert remedy in caught.value.remedy
    # after a no it may be asked for again; 5xx leaves open whether it began
    assert isinstance(caught.value, RestartRefused) is (status < 500)
    assert len(arm.calls("POST")) == 1


@pytest.mark.parametrize(
    ("status", "headers", "again"),
    [
        (429, {"Retry_After": "7"}, 7),
        (429, {}, QUICK.retry_after_max),
        (429, {"Retry_After": "soon"}, QUICK.retry_after_max),
        (403, {"Retry_After": "7"}, None),
    ],
)
async def test_a_no_for_now_says_when_to_ask_again(
    azure: Azure, arm: Arm, status: int, headers: dict[str, str], again: float | None
) -> None:
    arm.on("POST", f"{REF.id}/restart", error(status, "Why", **headers))
    with pytest.raises(RestartRefused) as caught:
        await begin_restart(azure, REF)
    assert caught.value.again_after == again


async def test_a_question_that_fails_is_no_restart_that_failed(azure: Azure, arm: Arm) -> None:
    """The last answer said that it goes on; then the sign-in refuses."""
    accepts(arm, GOING)
    operation = await begin_restart(azure, REF)

    async def refused(*_: Any, **__: Any) -> Any:
        raise AccessError("sign-in to Azure failed")

    def going(_status: str) -> None:
        azure._session._request = refused  # type: ignore[method-assign]

    with pytest.raises(RestartError, match="sign-in to Azure failed") as caught:
        await operation.wait(timeout=5, on_poll=going)
    assert not isinstance(caught.value, RestartFailed)


async def test_an_answer_that_got_lost(azure: Azure, arm: Arm) -> None:
    sent = 0

    async def broken(*_args: Any, **_options: Any) -> Any:
        import aiohttp

        nonlocal sent
        sent += 1
        raise aiohttp.ServerDisconnectedError

    await azure.token()
    azure._session._request = broken  # type: ignore[method-assign]
    with pytest.raises(RestartError, match="no answer when asked to restart myvm") as caught:
        await begin_restart(azure, REF)
    assert not isinstance(caught.value, RestartRefused)
    assert sent == 1


async def test_a_wait_can_be_cancelled(azure: Azure, arm: Arm) -> None:
    accepts(arm, GOING)
    operation = await begin_restart(azure, REF)
    task = asyncio.create_task(operation.wait(timeout=60))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
