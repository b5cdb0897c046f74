"""Against the double for what a well-behaved Azure never says, against the lab for the rest."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.azure.discovery import IDS_AT_ONCE, Scope, find_ids, find_vms, kql, literal
from serialfix.azure.identity import Azure, AzurePatience
from serialfix.azure.pipeline import quota_reset
from serialfix.errors import AccessError, AzureRefused, AzureUnreachable
from serialfix.lab.graph import _LITERAL
from serialfix.lab.server import Lab
from serialfix.lab.switches import FORBIDDEN, ArmDelays, ArmFaults
from serialfix.lab.vm import LINUX, SUBSCRIPTION, WINDOWS_CLIENT, LabVm
from tests.azure.arm_double import SUB, Arm, error, vm_id
from tests.lab.doubles import FakeGuest


URL = "/providers/Microsoft.ResourceGraph/resources"
READ = "Microsoft.ResourceGraph/resources/read"
OTHER = "00000000-0000-0000-0000-0000000000aa"
HERE = Scope((SUB,))


def page(*names: str, **more: Any) -> Any:
    rows = [{"id": vm_id(name), "name": name} for name in names]
    return {"data": rows, "totalRecords": 3, "resultTruncated": "false", **more}


EMPTY = (200, page(totalRecords=0))


# The query's text.


@given(st.text())
def test_a_text_stays_a_text_whatever_is_in_it(text: str) -> None:
    written = literal(text)
    assert re.fullmatch(_LITERAL, written)
    assert written.isprintable()
    code = r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))"
    undone = re.sub(code, lambda m: m[3] or chr(int(m[1] or m[2], 16)), written[1:-1])
    assert undone == text


def test_hostile_names_add_no_stage() -> None:
    hostile = "x' | project secret //\n\\"
    text = kql("resources", resource_group=hostile, location=hostile, name_prefix=hostile)
    assert text.count("\n| ") == 6
    assert hostile not in text


# What a well-behaved Azure never says.


async def test_pages_are_followed_by_their_token(azure: Azure, arm: Arm) -> None:
    arm.on("POST", URL, (200, page("a", **{"$skipToken": "t"})), (200, page("b", "c")), EMPTY)
    told: list[str] = []
    found = await find_vms(azure, HERE, progress=told.append)
    assert [vm.name for vm in found.vms] == ["a", "b", "c"]
    assert found.queries == 3
    assert [b["options"].get("$skipToken") for b in arm.bodies] == [None, "t", None]
    assert {b["options"]["$top"] for b in arm.bodies} == {1000}
    assert told == ["1 of 3 VMs", "3 of 3 VMs"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(200, page("a", resultTruncated="true"))], "cut its answer off after 1"),
        ([(200, page("a", **{"$skipToken": "t"}))], "same page twice"),
        (
            [(200, page("a"), {"x-ms-tenant-subscription-limit-hit": "true"})],
            "more than 10,000 subscriptions",
        ),
        (
            [
                (
                    200,
                    page("a", **{"$skipToken": "t"}),
                    {
                        "x-ms-user-quota-remaining": "0",
                        "x-ms-user-quota-resets-after": "00:10:00",
                    },
                )
            ],
            "used up for 600 s",
        ),
        ([error(429, "RateLimiting", Retry_After="600")], "429 RateLimiting"),
        ([(200, "[]")], "not a JSON object"),
    ],
)
async def test_a_list_that_is_not_whole_is_no_list(
    azure: Azure, arm: Arm, answers: list[Any], said: str
) -> None:
    arm.on("POST", URL, *answers)
    with pytest.raises(AzureRefused, match=said):
        await find_vms(azure, HERE)


async def test_it_asks_again_what_only_reads(azure: Azure, arm: Arm) -> None:
    arm.on(
        "POST",
        URL,
        error(502, "BadGateway"),
        error(429, "RateLimiting", x_ms_user_quota_resets_after="00:00:00.01"),
        (200, page("a")),
        EMPTY,
    )
    assert len((await find_vms(azure, HERE)).vms) == 1


async def test_a_table_of_instances_that_is_not_there_is_told(azure: Azure, arm: Arm) -> None:
    arm.on("POST", URL, (200, page("a")), error(400, "BadRequest", "no such table"))
    found = await find_vms(azure, HERE)
    assert len(found.vms) == 1
    assert "no such table" in found.notes[0]
    arm.on("POST", URL, error(400, "BadRequest", "no such table"))
    with pytest.raises(AzureRefused, match="no such table"):
        await find_vms(azure, HERE)


async def test_nobody_answers(environ: dict[str, str]) -> None:
    environ["SERIALFIX_ARM_ENDPOINT"] = "http://127.0.0.1:1"
    async with Azure(environ=environ, patience=AzurePatience(retries=0)) as azure:
        with pytest.raises(AzureUnreachable) as caught:
            await find_vms(azure, HERE)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:03", 3), ("01:02:03.5", 3723.5), ("", None), ("3", None), ("x", None)],
)
def test_the_quota_of_a_header(text: str, seconds: float | None) -> None:
    assert quota_reset({"x-ms-user-quota-resets-after": text}) == seconds


# The lab, over TLS.


def lab_vm(name: str, **settings: Any) -> LabVm:
    return LabVm(guest=FakeGuest(), name=name, **settings)


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    vms = [
        lab_vm("web1", tags={"Env": "prod"}, resource_group="O'Neil (x)"),
        lab_vm("web2", location="northeurope", power="deallocated", boot_diagnostics="none"),
        lab_vm("lin", image=LINUX, boot_diagnostics="disabled"),
        lab_vm("pc", image=WINDOWS_CLIENT, agent_ready=False),
        lab_vm("node", scale_set="webset", instance_id="7"),
        lab_vm("far", subscription=OTHER),
    ]
    async with Lab(vms, delays=ArmDelays.instant()) as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        yield lab


@pytest.fixture
async def signed_in(lab: Lab) -> AsyncIterator[Azure]:
    patience = AzurePatience(retries=2, backoff=0.001, retry_after_max=5)
    async with Azure(environ=lab.env, patience=patience) as azure:
        yield azure


async def test_what_is_known_of_a_vm(signed_in: Azure) -> None:
    found = await find_vms(signed_in, Scope((SUBSCRIPTION,)))
    known = {vm.name: vm for vm in found.vms}
    assert set(known) == {"web1", "web2", "lin", "pc", "webset_7"}
    assert known["web1"].tags == {"Env": "prod"}
    assert (known["web1"].power, known["web1"].boot_diagnostics) == ("running", True)
    assert (known["web2"].power, known["web2"].boot_diagnostics) == ("deallocated", None)
    assert (known["web2"].location, known["web2"].not_server) == ("northeurope", "")
    assert (known["lin"].not_server, known["lin"].boot_diagnostics) == ("ubuntu", False)
    assert "client Windows" in known["pc"].not_server
    assert known["webset_7"].is_instance
    assert not known["web1"].is_instance
    assert known["webset_7"].id.endswith("/virtualMachineScaleSets/webset/virtualMachines/7")


@pytest.mark.parametrize(
    ("narrowed", "names"),
    [
        ({"resource_group": "o'neil (X)"}, ["web1"]),
        ({"resource_group": "o' | order by id"}, []),
        ({"location": "northeurope"}, ["web2"]),
        ({"name_prefix": "WEB"}, ["web1", "web2", "webset_7"]),
        ({"name_prefix": "web", "location": "westeurope"}, ["web1", "webset_7"]),
    ],
    ids=str,
)
async def test_everything_given_narrows(
    signed_in: Azure, narrowed: dict[str, str], names: list[str]
) -> None:
    found = await find_vms(signed_in, Scope((SUBSCRIPTION,)), **narrowed)  # type: ignore[arg-type]
    assert sorted(vm.name for vm in found.vms) == names


async def test_scopes(signed_in: Azure, lab: Lab) -> None:
    lab.cloud.management_groups["corp"] = [SUBSCRIPTION, OTHER]
    assert len((await find_vms(signed_in, Scope((OTHER,)))).vms) == 1
    assert len((await find_vms(signed_in, Scope((SUBSCRIPTION, OTHER)))).vms) == 6
    assert len((await find_vms(signed_in, Scope((), ("corp",)))).vms) == 6
    with pytest.raises(AccessError, match="AccessDenied"):
        await find_vms(signed_in, Scope((), ("none",)))


async def test_by_ids_in_any_case_and_any_subscription(signed_in: Azure, lab: Lab) -> None:
    ids = [vm.id.upper() for vm in lab.vms if vm.name in ("web1", "node", "far")]
    gone = [f"{lab.vms[1].id}-{number}" for number in range(IDS_AT_ONCE)]
    found = await find_ids(signed_in, [*ids, *gone])
    assert sorted(vm.name for vm in found.vms) == ["far", "web1", "webset_7"]
    assert found.queries == 3  # plain VMs in two portions, and the instance


async def test_a_thousand_vms_in_pages_within_the_quota(signed_in: Azure, lab: Lab) -> None:
    lab.vms.extend(lab_vm(f"many{number:04}") for number in range(1000))
    lab.cloud.graph_rows = 250
    lab.cloud.graph_quota.queries = 2
    lab.cloud.delays = replace(lab.cloud.delays, graph_window=0.6)
    lab.cloud.faults = ArmFaults(enforce_limits=True)
    told: list[str] = []
    found = await find_vms(
        signed_in, Scope((SUBSCRIPTION,)), name_prefix="many", progress=told.append
    )
    assert [vm.name for vm in found.vms] == [f"many{number:04}" for number in range(1000)]
    assert found.queries == 5 == lab.cloud.calls[READ]  # none was refused and asked again
    assert any("quota" in text for text in told)


async def test_a_storm_of_429_is_outlived_and_a_refusal_is_told(signed_in: Azure, lab: Lab) -> None:
    lab.cloud.faults = ArmFaults(throttle={READ: 2}, throttle_seconds=0.01)
    assert len((await find_vms(signed_in, Scope((OTHER,)))).vms) == 1
    lab.cloud.faults = ArmFaults(deny={READ: FORBIDDEN})
    with pytest.raises(AccessError, match=READ):
        await find_vms(signed_in, Scope((OTHER,)))
