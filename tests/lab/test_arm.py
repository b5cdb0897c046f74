from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serialfix.lab.server import Lab
from serialfix.lab.switches import FORBIDDEN, NO_CONSOLE_PERMISSION, SCOPE_LOCKED, ArmFaults
from serialfix.lab.throttle import ARM, Limiter
from serialfix.lab.vm import SUBSCRIPTION, LabVm
from tests.lab.arm_client import (
    CONNECT,
    CONNECT_ACTION,
    GROUP,
    RESTART_ACTION,
    VERSION,
    VM,
    Client,
    error,
)
from tests.lab.doubles import FakeGuest


async def test_sign_in_is_required_and_checked(lab: Lab, arm: Client) -> None:
    status, body, headers = await arm("GET", VM, token="")
    assert (status, error(body)) == (401, "AuthenticationFailed")
    assert headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    assert error((await arm("GET", VM, token="eyJ.e30.x"))[1]) == "InvalidAuthenticationToken"
    other = lab.cloud.tokens.mint("https://graph.microsoft.com")
    assert error((await arm("GET", VM, token=other))[1]) == "InvalidAuthenticationTokenAudience"
    lab.cloud.tokens.expire()
    assert error((await arm("GET", VM))[1]) == "ExpiredAuthenticationToken"


async def test_missing_things_are_404_in_the_words_of_arm(arm: Client) -> None:
    status, body, headers = await arm("GET", VM.replace("myvm", "nosuch"))
    assert (status, error(body)) == (404, "ResourceNotFound")
    assert body["error"]["message"].startswith(
        "The Resource 'Microsoft.Compute/virtualMachines/nosuch' under resource group 'lab-rg' "
        "was not found."
    )
    assert headers["x-ms-failure-cause"] == "gateway"
    instance = VM.replace("virtualMachines/myvm", "virtualMachineScaleSets/ss/virtualMachines/0")
    assert error((await arm("GET", instance))[1]) == "ParentResourceNotFound"
    assert error((await arm("GET", instance[: instance.index("/virtualMachines/")]))[1]) == (
        "ResourceNotFound"
    )
    assert error((await arm("GET", VM.replace(SUBSCRIPTION, "other")))[1]) == "SubscriptionNotFound"
    assert (await arm("GET", "/subscriptions/x/nothing"))[0] == 404
    assert (await arm("DELETE", VM))[0] == 405
    assert error((await arm("GET", VM, version=None))[1]) == "MissingApiVersionParameter"
    assert (await arm("GET", VM, version="2016-03-30"))[0] == 400


async def test_paths_match_in_any_case(arm: Client) -> None:
    status, body, _ = await arm("GET", VM.replace("resourceGroups", "resourcegroups").upper())
    assert (status, body["name"]) == (200, "myvm")


async def test_headers_and_layout(arm: Client) -> None:
    mine = {
        "x-ms-correlation-request-id": "c-1",
        "x-ms-client-request-id": "r-1",
        "x-ms-return-client-request-id": "true",
    }
    _, _, first = await arm("GET", VM, headers=mine)
    assert first["x-ms-correlation-request-id"] == "c-1"
    assert first["x-ms-client-request-id"] == "r-1"
    assert first["ETag"] == '"2"'
    assert first["x-ms-ratelimit-remaining-resource"] == (
        "Microsoft.Compute/LowCostGetSubscriptionMaximum;23999,Microsoft.Compute/LowCostGetResource;35"
    )
    async with arm.session.get(
        arm.lab.cloud.base_url + VM,
        params=VERSION,
        headers={"Authorization": f"Bearer {arm.token}"},
    ) as answer:
        assert (await answer.text()).startswith('{\n  "name": "myvm",')  # Compute prints prettily


async def test_subscriptions_and_groups(arm: Client) -> None:
    _, body, _ = await arm("GET", "/subscriptions")
    assert [entry["subscriptionId"] for entry in body["value"]] == [SUBSCRIPTION]
    groups = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
    assert [entry["name"] for entry in (await arm("GET", groups))[1]["value"]] == ["lab-rg"]
    assert (await arm("GET", groups + "/LAB-RG"))[0] == 200
    assert error((await arm("GET", groups + "/x"))[1]) == "ResourceGroupNotFound"
    assert (await arm("GET", "/metadata/endpoints", token=""))[1]["resourceManager"] == (
        arm.lab.cloud.base_url
    )


@pytest.mark.parametrize(
    ("refusal", "status", "text"),
    [
        (FORBIDDEN, 403, f"perform action '{RESTART_ACTION}' over scope '{VM}'"),
        (SCOPE_LOCKED, 409, f"The scope '{VM}' cannot perform write operation"),
    ],
)
async def test_denied_actions(arm: Client, vm: LabVm, refusal: Any, status: int, text: str) -> None:
    vm.arm = ArmFaults(deny={RESTART_ACTION.upper(): refusal})
    got, body, _ = await arm("POST", VM + "/restart")
    assert (got, error(body)) == (status, refusal.code)
    assert text in body["error"]["message"]
    assert vm.commands == {}
    assert (await arm("GET", VM))[0] == 200


async def test_global_switches_hold_for_every_vm_and_may_be_flat(arm: Client, lab: Lab) -> None:
    lab.cloud.faults = ArmFaults(deny={"*": replace(NO_CONSOLE_PERMISSION, flat=True)})
    status, body, _ = await arm("POST", CONNECT)
    assert (status, body["code"]) == (403, "Forbidden")


async def test_throttling_ends_after_n_calls(arm: Client, vm: LabVm) -> None:
    vm.arm = ArmFaults(throttle={CONNECT_ACTION: 2})
    answers = [await arm("POST", CONNECT) for _ in range(3)]
    assert [status for status, *_ in answers] == [429, 429, 200]
    assert answers[0][2]["Retry-After"] == "1"
    assert error(answers[0][1]) == "SubscriptionRequestsThrottled"
    vm.arm = ArmFaults(throttle={"*": 1})
    assert [(await arm("GET", VM))[0] for _ in range(2)] == [429, 200]


async def test_the_limits_of_compute_can_be_enforced(arm: Client, vm: LabVm) -> None:
    vm.arm = ArmFaults(enforce_limits=True)
    statuses = [(await arm("POST", VM + "/restart"))[0] for _ in range(13)]
    assert statuses == [202] * 12 + [429]


async def test_the_limits_of_the_manager_can_be_enforced(arm: Client, lab: Lab) -> None:
    lab.cloud.limiter = Limiter(arm={**ARM, "reads": (60, 2)})
    lab.cloud.faults = ArmFaults(enforce_limits=True)
    answers = [await arm("GET", VM) for _ in range(4)]
    assert [status for status, *_ in answers] == [200, 200, 429, 429]
    name = "x-ms-ratelimit-remaining-subscription-reads"
    assert [headers[name] for *_, headers in answers] == ["1", "0", "0", "0"]
    assert [headers.get("Retry-After") for *_, headers in answers] == [None, None, "1", "1"]
    assert (lab.cloud.limiter.refused, lab.cloud.limiter.early) == (2, 1)
    # what the manager refused did not reach Compute, which has its own buckets
    left = [headers.get("x-ms-ratelimit-remaining-resource") for *_, headers in answers]
    assert left[1] == (
        "Microsoft.Compute/LowCostGetSubscriptionMaximum;23998,"
        "Microsoft.Compute/LowCostGetResource;34"
    )
    assert left[2] is None
    assert (await arm("POST", CONNECT))[0] == 200
    you = lab.cloud.tokens.mint(principal="somebody else")
    assert (await arm("GET", VM, token=you))[0] == 200
    lab.vms.append(LabVm(guest=FakeGuest(), name="there", location="eastus"))
    assert (await arm("GET", lab.vms[1].id))[0] == 200


async def test_a_region_that_is_down_answers_for_none_of_its_vms(arm: Client, lab: Lab) -> None:
    lab.vms.append(LabVm(guest=FakeGuest(), name="there", location="eastus"))
    operation = (await arm("POST", VM + "/restart"))[2]["Azure-AsyncOperation"]
    lab.cloud.go_down("WestEurope")
    for method, path in (("GET", VM), ("POST", CONNECT), ("GET", operation)):
        status, body, _ = await arm(method, path)
        assert (status, error(body)) == (503, "ServiceUnavailable")
    assert (await arm("GET", lab.vms[1].id))[0] == 200
    assert (await arm("GET", GROUP))[0] == 200
    del lab.cloud.outages["westeurope"]
    assert (await arm("GET", VM))[0] == 200
