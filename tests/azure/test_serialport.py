from __future__ import annotations

from typing import Any

import pytest

from serialfix.azure.identity import Azure
from serialfix.azure.serialport import connect, order
from serialfix.errors import (
    AccessError,
    AzureRefused,
    AzureUnreachable,
    GatewayClosed,
    GatewayRejected,
    SerialfixError,
    TargetError,
)
from serialfix.model import VmRef
from tests.azure.arm_double import SUB, TOKEN, Arm, error, vm_body


REF = VmRef(SUB, "rg1", "myvm")
INSTANCE = VmRef(SUB, "rg1", "myss", "2")
URL = "wss://westeurope.gateway.serialconsole.azure.com/n/connector/c/sessions/s/client"


def port(ref: VmRef) -> str:
    return f"{ref.id}/providers/Microsoft.SerialConsole/serialPorts/0/connect"


@pytest.mark.parametrize("ref", [REF, INSTANCE])
async def test_one_post_as_the_service_wants_it(azure: Azure, arm: Arm, ref: VmRef) -> None:
    arm.on("POST", port(ref), (200, {"connectionString": URL}))
    assert await connect(azure, ref) == URL
    (call,) = arm.seen
    # lower-case group, slashes of a scale set as they are (azure.md §1)
    assert call.raw_path == (
        port(ref).replace("resourceGroups", "resourcegroups") + "?api-version=2024-07-01"
    )
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["Content-Length"] == "0"
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("status", "code", "kind", "remedy"),
    [
        (400, "BadRequest", AzureRefused, ""),
        (401, "ExpiredAuthenticationToken", AccessError, "az login"),
        (403, "Forbidden", AccessError, "Microsoft.SerialConsole/serialPorts/connect/action"),
        (409, "ScopeLocked", AzureRefused, "az lock list"),
        (429, "TooManyRequests", AzureRefused, "throttles"),
    ],
)
async def test_refusals(
    *, azure: Azure, arm: Arm, status: int, code: str, kind: type[SerialfixError], remedy: str
) -> None:
    arm.on("POST", port(REF), error(status, code, "What it says."))
    with pytest.raises(kind) as caught:
        await connect(azure, REF)
    assert str(caught.value) == (
        f"Azure refused to connect to the console of myvm: {status} {code}: What it says."
    )
    assert remedy in caught.value.remedy


async def test_no_port_is_not_made_silently(azure: Azure, arm: Arm) -> None:
    arm.on("GET", REF.id, (200, vm_body()))
    with pytest.raises(AzureRefused, match="myvm has no serial port 0") as caught:
        await connect(azure, REF)
    assert "az rest --method put" in caught.value.remedy
    assert arm.calls("PUT") == []


async def test_no_vm(azure: Azure, arm: Arm) -> None:
    with pytest.raises(TargetError, match="to show myvm: 404 ResourceNotFound"):
        await connect(azure, REF)


@pytest.mark.parametrize("body", [{}, {"connectionString": ""}, {"connectionString": 1}])
async def test_an_answer_without_an_address(
    azure: Azure, arm: Arm, body: dict[str, object]
) -> None:
    arm.on("POST", port(REF), (200, body))
    with pytest.raises(AzureRefused, match="without naming"):
        await connect(azure, REF)


PLACE = "/n/connector/client/sessions/s"  # a name that holds what is replaced


def console(arm: Arm) -> str:
    return arm.base.replace("http://", "ws://") + f"{PLACE}/client"


@pytest.mark.parametrize("command", ["nmi", "reset"])
async def test_an_order_goes_to_the_gateway(azure: Azure, arm: Arm, command: str) -> None:
    arm.on("POST", f"{PLACE}/adminCommand/{command}", (200, ""))
    await order(azure, console(arm), command)
    (call,) = arm.seen
    assert call.path == f"{PLACE}/adminCommand/{command}"
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert call.headers["Content-Type"] == "application/json"
    body = arm.bodies[0]
    assert (body["command"], body["commandParameters"]) == (command, {})
    assert len(body["requestId"]) == 36


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, AzureRefused),
        (401, AccessError),
        (403, AccessError),
        (404, GatewayClosed),
        (429, AzureRefused),
        (500, AzureRefused),
        (503, AzureRefused),
    ],
)
async def test_an_order_is_never_given_twice(
    azure: Azure, arm: Arm, status: int, kind: type[SerialfixError]
) -> None:
    answer: Any = (status, {}, {"Location": "/elsewhere", "Retry-After": "0"})
    arm.on("POST", f"{PLACE}/adminCommand/reset", answer)
    with pytest.raises(kind):
        await order(azure, console(arm), "reset")
    assert len(arm.seen) == 1


async def test_an_order_without_an_answer(azure: Azure) -> None:
    with pytest.raises(AzureUnreachable, match="to send the reset"):
        await order(azure, "ws://127.0.0.1:1/s/client", "reset")


@pytest.mark.parametrize(
    "url", ["ws://example.org/s/client", "wss://example.org/s/other", "ftp://localhost/client", ""]
)
async def test_a_token_goes_to_no_other_place(azure: Azure, arm: Arm, url: str) -> None:
    with pytest.raises(GatewayRejected, match="takes no orders"):
        await order(azure, url, "reset")
    assert arm.seen == []
