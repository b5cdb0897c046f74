from __future__ import annotations

import pytest

from serialfix.azure.limits import ARM_CALLS, LIMITS, Key, budgets_of, draws
from serialfix.lab import throttle
from serialfix.lab.arm import ROUTES


SUB = "/subscriptions/S"
VM = f"{SUB}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"
SET = f"{SUB}/resourcegroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/s"
CONSOLE = f"{SUB}/providers/Microsoft.SerialConsole/consoleServices/default"


@pytest.mark.parametrize(
    ("method", "path", "budgets"),
    [
        ("GET", VM, {"reads", "LowCostGet"}),
        ("GET", f"{VM}/instanceView", {"reads", "LowCostGet"}),
        ("POST", f"{VM}/restart", {"writes", "UpdateVM"}),
        ("POST", f"{VM}/providers/Microsoft.SerialConsole/serialPorts/0/connect", {"writes"}),
        ("GET", f"{SET}/virtualMachines/3", {"reads", "GetVMScaleSetVM"}),
        ("GET", f"{SET}/virtualMachines/3/instanceView", {"reads", "GetVMScaleSetVM"}),
        ("POST", f"{SET}/virtualMachines/3/restart", {"writes", "UpdateVM"}),
        ("GET", f"{SUB}/providers/Microsoft.Compute/virtualMachines", {"reads", "HighCostGet"}),
        ("GET", f"{SET}/virtualMachines", {"reads", "HighCostGet"}),
        ("GET", CONSOLE, {"reads"}),
        ("GET", f"{SUB}/resourceGroups/g", {"reads"}),
        ("PUT", f"{SUB}/resourceGroups/g/providers/Microsoft.Compute/snapshots/s", {"writes"}),
        ("DELETE", VM, {"deletes"}),
        ("GET", "/subscriptions", set()),
        ("POST", "/providers/Microsoft.ResourceGraph/resources", set()),  # has a quota of its own
        ("POST", "/n/connector/c/sessions/s/adminCommand/reset", set()),  # another host
    ],
)
def test_what_a_call_draws_on(method: str, path: str, budgets: set[str]) -> None:
    url = f"https://management.azure.com{path}?api-version=2024-07-01"
    keys = draws(method, url, "West Europe")
    assert {key.budget for key in keys} == budgets
    assert {key.subscription for key in keys} <= {"s"}
    assert {key.region for key in keys} <= {"westeurope", ""}


def test_a_call_about_no_region_is_paid_for_by_both_that_may_do_it() -> None:
    assert draws("GET", CONSOLE, "eastus") == (Key("s", "eastus", "reads"), Key("s", "", "reads"))
    assert draws("GET", CONSOLE, "") == (Key("s", "", "reads"),)
    assert {key.region for key in draws("GET", VM, "eastus")} == {"eastus"}


def test_an_operation_names_its_region_itself() -> None:
    path = f"{SUB}/providers/Microsoft.Compute/locations/WestEurope/operations/77-88?p=1&t=2"
    assert draws("GET", path, "eastus") == (
        Key("s", "westeurope", "reads"),
        Key("s", "westeurope", "GetOperation"),
    )


def test_every_budget_that_is_drawn_on_has_a_limit() -> None:
    assert {budget for call in ARM_CALLS for budget in call.budgets} <= LIMITS.keys()
    assert budgets_of("Microsoft.Compute/virtualMachines/read") == ("reads", "LowCostGet")
    with pytest.raises(LookupError):
        budgets_of("nothing")


def test_the_lab_counts_by_the_same_numbers_and_buckets() -> None:
    """Two copies of the facts: the lab is built without the driver."""
    for name, rate in throttle.ARM.items():
        assert LIMITS[name] == rate
    for name, limit in throttle.LIMITS.items():
        assert LIMITS[name] == limit.subscription
    for call in ARM_CALLS:
        groups = {
            route.bucket
            for route in ROUTES
            if route.action == call.action
            and route.method == call.method
            and set(call.budgets) & {route.bucket}
        }
        assert groups == (set(call.budgets) & throttle.LIMITS.keys())
