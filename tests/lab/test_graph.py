from __future__ import annotations

from typing import Any

from serialfix.lab.server import Lab
from serialfix.lab.vm import LINUX, LabVm
from tests.lab.arm_client import Client
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
