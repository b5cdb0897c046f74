"""How much Azure lets one identity ask of it, as data: its budgets, and which call draws on which.

Limits of a single VM (a dozen looks at it a minute) are not here: whoever polls keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit


class Limit(NamedTuple):
    """A token bucket of Azure: refilled in a minute, and held at most."""

    per_minute: float
    size: float


LIMITS: Mapping[str, Limit] = {  # azure.md §10: per subscription and region
    "reads": Limit(1500, 250),
    "writes": Limit(600, 200),
    "deletes": Limit(600, 200),
    "UpdateVM": Limit(500, 1500),
    "DeleteVM": Limit(500, 1500),
    "LowCostGet": Limit(8000, 24000),
    "HighCostGet": Limit(300, 900),
    "GetVMScaleSetVM": Limit(2000, 6000),
    "GetOperation": Limit(5000, 15000),
}
"""The first three are Resource Manager's, for each identity; the others are Compute's."""


class ArmCall(NamedTuple):
    """A kind of call, its path (in lower case) below the subscription, and what it draws on."""

    action: str
    method: str
    path: str
    budgets: tuple[str, ...]


_COMPUTE = r"/providers/microsoft\.compute"
_GROUP = r"/resourcegroups/[^/]+"
_VM = rf"{_GROUP}{_COMPUTE}/virtualmachines/[^/]+"
_SET = rf"{_GROUP}{_COMPUTE}/virtualmachinescalesets/[^/]+"
_INSTANCE = rf"{_SET}/virtualmachines/[^/]+"
_CONSOLE = r"/providers/microsoft\.serialconsole"
_READ, _LIST = ("reads", "LowCostGet"), ("reads", "HighCostGet")
_VMS = "Microsoft.Compute/virtualMachines"
_SETS = "Microsoft.Compute/virtualMachineScaleSets"

ARM_CALLS = (
    ArmCall(f"{_VMS}/read", "GET", _VM, _READ),
    ArmCall(f"{_VMS}/instanceView/read", "GET", f"{_VM}/instanceview", _READ),
    ArmCall(f"{_VMS}/restart/action", "POST", f"{_VM}/restart", ("writes", "UpdateVM")),
    ArmCall(f"{_SETS}/read", "GET", _SET, _READ),
    ArmCall(
        f"{_SETS}/virtualMachines/read",
        "GET",
        f"{_INSTANCE}(/instanceview)?",
        ("reads", "GetVMScaleSetVM"),
    ),
    ArmCall(
        f"{_SETS}/virtualMachines/restart/action",
        "POST",
        f"{_INSTANCE}/restart",
        ("writes", "UpdateVM"),
    ),
    ArmCall(
        "Microsoft.Compute/locations/operations/read",
        "GET",
        rf"{_COMPUTE}/locations/[^/]+/\w*operations/[^/]+",
        ("reads", "GetOperation"),
    ),
    ArmCall(
        f"{_VMS}/read",
        "GET",
        rf"({_GROUP})?{_COMPUTE}/virtualmachine(s|scalesets)|{_SET}/virtualmachines",
        _LIST,
    ),
    ArmCall(
        "Microsoft.SerialConsole/consoleServices/read",
        "GET",
        rf"{_CONSOLE}/consoleservices/default",
        ("reads",),
    ),
    ArmCall(
        "Microsoft.SerialConsole/serialPorts/connect/action",
        "POST",
        rf"({_VM}|{_INSTANCE}){_CONSOLE}/serialports/\d+/connect",
        ("writes",),
    ),
)
"""What a run asks of Azure; anything else draws on Resource Manager's budget of its method."""

_BY_METHOD = {"GET": ("reads",), "HEAD": ("reads",), "DELETE": ("deletes",)}
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)(/.*)?")
_LOCATION = re.compile(r"/locations/([^/]+)/")


class Key(NamedTuple):
    """Names one token bucket. The region is empty for what Azure does in no region of its own."""

    subscription: str
    region: str
    budget: str


def budgets_of(action: str) -> tuple[str, ...]:
    """What the call draws on whose RBAC action this is. Raises LookupError."""
    for call in ARM_CALLS:
        if call.action == action:
            return call.budgets
    raise LookupError(action)


def draws(method: str, url: str, region: str) -> tuple[Key, ...]:
    """The buckets of a call for a VM in `region`; none for what is in no subscription.

    Which region pays for a call about the whole subscription is not documented: both do.
    """
    found = _SUBSCRIPTION.fullmatch(urlsplit(url).path.lower().rstrip("/"))
    if found is None:
        return ()
    subscription, path = found[1], found[2] or ""
    budgets = next(
        (
            call.budgets
            for call in ARM_CALLS
            if call.method == method and re.fullmatch(call.path, path)
        ),
        _BY_METHOD.get(method, ("writes",)),
    )
    regions = [region.lower().replace(" ", "")]
    if named := _LOCATION.search(path):
        regions = [named[1]]
    elif not path.startswith("/resourcegroups/") and regions != [""]:
        regions.append("")
    return tuple(Key(subscription, each, budget) for each in regions for budget in budgets)
