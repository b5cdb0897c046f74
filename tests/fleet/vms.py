"""VMs as Resource Graph finds them, for tests."""

from __future__ import annotations

from typing import Any

from serialfix.azure.discovery import FoundVm
from serialfix.lab.vm import SUBSCRIPTION
from serialfix.model import VmRef


def found(name: str, *, group: str = "rg1", instance: str | None = None, **more: Any) -> FoundVm:
    """A running Windows Server."""
    subscription = more.pop("subscription_id", SUBSCRIPTION)
    return FoundVm(
        id=VmRef(subscription, group, name, instance).id,
        name=name if instance is None else f"{name}_{instance}",
        resource_group=group,
        subscription_id=subscription,
        **{"location": "westeurope", **more},
    )
