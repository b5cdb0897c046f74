from __future__ import annotations

import pytest

from serialfix.azure.identity import Azure
from serialfix.azure.serialport import connect
from serialfix.errors import AccessError, AzureRefused, SerialfixError, TargetError
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
