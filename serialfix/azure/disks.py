"""A snapshot of the OS disk, the article's own first step."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from serialfix.azure.identity import Azure
from serialfix.azure.refusals import mapped
from serialfix.azure.vm import VmFacts
from serialfix.errors import AzureRefused


_API_VERSION = "2024-03-02"
_DISK = re.compile(
    r"^/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute/disks/[^/]+$",
    re.IGNORECASE,
)


async def snapshot_os_disk(
    azure: Azure, facts: VmFacts, run_id: str, *, timeout: float = 600.0
) -> str:
    """Take an incremental snapshot beside the disk, tagged with the run; returns its id.

    Waits at most `timeout` seconds until Azure says Succeeded. The same run gets the same
    snapshot, not a second one.
    """
    disk = _DISK.match(facts.os_disk_id)
    if disk is None:
        raise AzureRefused(
            f"{facts.ref.label} has no managed OS disk to take a snapshot of",
            remedy="Back the VM up in another way and leave --snapshot out.",
        )
    subscription, group = disk.groups()
    client = azure.compute(subscription)
    doing = f"to take a snapshot of the OS disk of {facts.ref.label}"
    snapshot: Any = {
        "location": facts.location,
        "sku": {"name": "Standard_LRS"},
        "tags": {"serialfix-run": run_id, "serialfix-vm": facts.ref.label},
        "properties": {
            "creationData": {"createOption": "Copy", "sourceResourceId": facts.os_disk_id},
            "incremental": True,
        },
    }
    try:
        async with asyncio.timeout(timeout):
            with mapped(doing, action="Microsoft.Compute/snapshots/write"):
                poller = await client.snapshots.begin_create_or_update(
                    group, _name(facts.ref.label, run_id), snapshot, api_version=_API_VERSION
                )
                return str((await poller.result()).id)
    except TimeoutError:
        raise AzureRefused(
            f"the snapshot of {facts.ref.label} has not ended after {timeout:g} s",
            remedy="See `az snapshot list -o table`; it carries the tag serialfix-run.",
        ) from None


def _name(label: str, run_id: str) -> str:
    """At most 80 characters of those that a snapshot's name may have."""
    tail = f"-serialfix-{run_id}"
    return re.sub(r"[^\w.-]", "-", label[: 80 - len(tail)] + tail)
