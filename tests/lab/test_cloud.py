from __future__ import annotations

import asyncio

from serialfix.lab.cloud import Cloud, Operation
from serialfix.lab.vm import SUBSCRIPTION, LabVm
from tests.lab.doubles import FakeGuest


def vm(name: str, group: str = "lab-rg", scale_set: str | None = None) -> LabVm:
    return LabVm(guest=FakeGuest(), name=name, resource_group=group, scale_set=scale_set)


def test_vms_are_found_in_any_case_and_only_where_they_are() -> None:
    cloud = Cloud([vm("a"), vm("a", "other"), vm("i", scale_set="set")])
    assert cloud.find(SUBSCRIPTION.upper(), "OTHER", "A") is cloud.vms[1]
    assert cloud.find(SUBSCRIPTION, "lab-rg", "i") is None
    assert cloud.instances(SUBSCRIPTION, "lab-rg", "SET") == [cloud.vms[2]]
    assert cloud.resource_groups(SUBSCRIPTION) == {"lab-rg": "westeurope", "other": "westeurope"}


async def test_operations_end_in_time_and_not_after_the_end_of_the_lab() -> None:
    cloud, done = Cloud([]), []
    quick = cloud.run(Operation("s", "l"), 0, lambda: done.append("quick"))
    failed = cloud.run(Operation("s", "l", error=("c", "m")), 0, lambda: done.append("failed"))
    never = cloud.run(Operation("s", "l"), None)
    late = cloud.run(Operation("s", "l"), 0.005, lambda: done.append("late"))
    assert quick.status == "InProgress"
    await asyncio.sleep(0.001)
    cloud.close()
    await asyncio.sleep(0.01)
    assert done == ["quick"]
    assert [op.status for op in (quick, failed, never, late)] == [
        "Succeeded",
        "Failed",
        "InProgress",
        "InProgress",
    ]


def test_operation_addresses_are_as_long_as_real_ones() -> None:
    path = Operation("s", "westeurope").path("2026-04-01")
    assert path.startswith("/subscriptions/s/providers/Microsoft.Compute/locations/westeurope/")
    assert 3_000 < len(path) < 3_500
    assert "&api-version=2026-04-01&" in path


def test_the_index_follows_the_list_and_the_vms_in_it() -> None:
    cloud = Cloud([vm(f"v{n}") for n in range(3)] + [vm("i", scale_set="set")])
    assert cloud.has(SUBSCRIPTION.upper())
    assert not cloud.has("other")
    cloud.vms.append(vm("late"))
    assert cloud.find(SUBSCRIPTION, "lab-rg", "late") is cloud.vms[-1]
    gone, cloud.vms[-1] = cloud.vms[-1], vm("late")
    found = cloud.find(SUBSCRIPTION, "lab-rg", "late")
    assert found is cloud.vms[-1] is not gone
    cloud.vms[0].name = "renamed"
    assert cloud.find(SUBSCRIPTION, "lab-rg", "v0") is None
    assert cloud.find(SUBSCRIPTION, "lab-rg", "renamed") is cloud.vms[0]
    cloud.vms[3].instance_id = "7"
    assert cloud.find(SUBSCRIPTION, "lab-rg", "SET", instance="7") is cloud.vms[3]
    assert cloud.find(SUBSCRIPTION, "lab-rg", "set") is None  # no VM is named so
    del cloud.vms[3]
    assert cloud.instances(SUBSCRIPTION, "lab-rg", "set") == []
    cloud.vms[0].subscription = "other"
    assert cloud.has("other")


def test_a_thousand_vms_cost_a_look_hardly_more_than_one() -> None:
    """Counted, not timed: how many VMs are looked at."""
    looked = 0

    class Counted(LabVm):
        def __getattribute__(self, name: str) -> object:
            nonlocal looked
            looked += name == "name"
            return super().__getattribute__(name)

    cloud = Cloud([Counted(guest=FakeGuest(), name=f"v{n}") for n in range(1000)])
    assert cloud.find(SUBSCRIPTION, "lab-rg", "v7") is cloud.vms[7]
    looked = 0
    for number in range(1000):
        assert cloud.has(SUBSCRIPTION)
        assert cloud.find(SUBSCRIPTION, "lab-rg", f"v{number}") is cloud.vms[number]
    assert looked <= 2000
