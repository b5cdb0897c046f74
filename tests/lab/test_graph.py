from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serialfix.lab.identity import TENANT
from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmFaults
from serialfix.lab.vm import LINUX, LabVm
from tests.lab.arm_client import Client, error
from tests.lab.doubles import FakeGuest


async def test_resource_graph(arm: Client, lab: Lab) -> None:
    lab.vms.append(LabVm(guest=FakeGuest(), name="linux1", image=LINUX, power="deallocated"))
    lab.vms.append(LabVm(guest=FakeGuest(), name="avm", resource_group="Other"))
    query = (
        "resources | where type =~ 'microsoft.compute/virtualmachines' "
        "| where properties.storageProfile.osDisk.osType =~ 'windows' | project id, name, "
        "resourceGroup, power=tostring(properties.extended.instanceView.powerState.code), "
        "bootdiag=tobool(properties.diagnosticsProfile.bootDiagnostics.enabled) | order by id asc"
    )
    rows: list[Any] = []
    options: dict[str, Any] = {"$top": 1, "resultFormat": "objectArray"}
    while True:
        status, body, headers = await arm(
            "POST",
            "/providers/Microsoft.ResourceGraph/resources",
            body={"query": query, "options": options},
            version="2021-03-01",
        )
        assert status == 200
        assert "x-ms-user-quota-remaining" in headers
        rows += body["data"]
        if "$skipToken" not in body:
            break
        options["$skipToken"] = body["$skipToken"]
    assert [(row["name"], row["resourceGroup"]) for row in rows] == [
        ("avm", "other"),  # `order by` is by code point, and the id says "Other"
        ("myvm", "lab-rg"),
    ]
    assert set(rows[0]) == {"id", "name", "resourceGroup", "power", "bootdiag"}
    assert (rows[0]["power"], rows[0]["bootdiag"]) == ("PowerState/running", True)
    assert body["totalRecords"] == 2


async def query(arm: Client, text: str, **body: Any) -> tuple[int, Any, Any]:
    return await arm(
        "POST",
        "/providers/Microsoft.ResourceGraph/resources",
        body={"query": text, **body},
        version="2021-03-01",
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("resources | where name =~ 'O\\'KEEFE | x'", ["o'keefe | x"]),
        ("resources | where name in~ ('a\\\\b', \"no\")", None),
        ("resources | where name in~ ('A\\\\B', 'myvm')", ["a\\b", "myvm"]),
        ("resources | where name startswith 'O\\''", ["o'keefe | x"]),
        ("resources | where name == 'MYVM'", []),
        ("resources | where name =~ 'x' or 1 == 1", None),
        ("resources | where name =~ 'x", None),
        ("computeresources", []),
        ("machines", None),
    ],
)
async def test_texts_end_where_they_end(
    arm: Client, lab: Lab, text: str, names: list[str] | None
) -> None:
    lab.vms.extend(LabVm(guest=FakeGuest(), name=name) for name in ("o'keefe | x", "a\\b"))
    status, body, _ = await query(arm, f"{text} | project id, name | order by id asc")
    assert status == (400 if names is None else 200)
    if names is not None:
        assert [row["name"] for row in body["data"]] == names


async def test_an_answer_without_ids_cannot_be_continued(arm: Client, lab: Lab) -> None:
    lab.vms.append(LabVm(guest=FakeGuest(), name="avm"))
    _, body, _ = await query(arm, "resources | project name", options={"$top": 1})
    assert (body["resultTruncated"], "$skipToken" in body) == ("true", False)
    status, body, _ = await query(arm, "resources", options={"$skipToken": "x y"})
    assert (status, error(body)) == (400, "InvalidSkipToken")


async def test_scopes(arm: Client, lab: Lab) -> None:
    other = "00000000-0000-0000-0000-0000000000aa"
    lab.vms.append(LabVm(guest=FakeGuest(), name="avm", subscription=other))
    lab.cloud.management_groups["Corp"] = [other]
    for body, names in (
        ({}, ["avm", "myvm"]),
        ({"subscriptions": [other.upper()]}, ["avm"]),
        ({"managementGroups": ["corp"]}, ["avm"]),
    ):
        _, answer, _ = await query(arm, "resources | project id, name | order by id asc", **body)
        assert [row["name"] for row in answer["data"]] == names
    for body in ({"subscriptions": [TENANT]}, {"managementGroups": ["none"]}):
        status, answer, _ = await query(arm, "resources", **body)
        assert (status, error(answer)) == (403, "AccessDenied")


async def test_the_quota_is_counted_and_enforced_where_limits_are(arm: Client, lab: Lab) -> None:
    lab.cloud.delays = replace(lab.cloud.delays, graph_window=60)
    left = [(await query(arm, "resources"))[2]["x-ms-user-quota-remaining"] for _ in range(16)]
    assert left == [str(n) for n in (*range(14, -1, -1), 0)]
    lab.cloud.faults = ArmFaults(enforce_limits=True)
    status, body, headers = await query(arm, "resources")
    assert (status, error(body)) == (429, "RateLimiting")
    assert headers["x-ms-user-quota-resets-after"].startswith("00:00:5")
    lab.cloud.graph_quota.ends = 0  # the window has ended
    assert (await query(arm, "resources"))[0] == 200
    assert lab.cloud.calls["Microsoft.ResourceGraph/resources/read"] == 18
