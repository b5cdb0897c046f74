"""One VM as Azure sees it: its settings, its power, its guest, its switches."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from serialfix.lab.switches import ArmFaults, GatewayFaults
from serialfix.model import VmRef


SUBSCRIPTION = "3f1c7a52-8f0e-4d56-9a9b-6c2f0d1e7b44"
RESOURCE_GROUP = "lab-rg"

Power = Literal["running", "stopped", "deallocated", "starting", "stopping", "deallocating"]
POWER_TEXT: dict[Power, str] = {
    "running": "VM running",
    "stopped": "VM stopped",
    "deallocated": "VM deallocated",
    "starting": "VM starting",
    "stopping": "VM stopping",
    "deallocating": "VM deallocating",
}


class GuestPort(Protocol):
    """What Azure can do to a guest: its power button, its NMI line and its first serial port."""

    def power_on(self) -> None: ...
    def power_off(self) -> None: ...
    def restart(self) -> None: ...
    def reset(self) -> None: ...
    def nmi(self) -> None: ...
    def listen(self, sink: Callable[[bytes], None] | None) -> None: ...
    def write(self, data: bytes) -> None: ...
    def history(self, limit: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Image:
    """What an instance view and the image reference say about the system."""

    publisher: str
    offer: str
    sku: str
    os_name: str
    os_version: str

    @property
    def os_type(self) -> str:
        """As ARM spells it."""
        return "Windows" if "windows" in self.publisher.lower() else "Linux"


WINDOWS_SERVER = Image(
    "MicrosoftWindowsServer",
    "WindowsServer",
    "2022-datacenter-azure-edition",
    "Windows Server 2022 Datacenter Azure Edition",
    "10.0.20348.2762",
)
WINDOWS_CLIENT = Image(
    "MicrosoftWindowsDesktop", "windows-11", "win11-23h2-pro", "Windows 11 Pro", "10.0.22631.4460"
)
LINUX = Image("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "ubuntu", "22.04")


@dataclass(slots=True, kw_only=True, eq=False)
class LabVm:
    """A VM of the lab. Every field may be changed while the lab runs.

    Give `scale_set` and `instance_id` for an instance of a uniform scale set; `name` is then what
    the guest is called, and ARM finds the VM by scale set and instance id only.
    """

    guest: GuestPort
    name: str = "myvm"
    subscription: str = SUBSCRIPTION
    resource_group: str = RESOURCE_GROUP
    location: str = "westeurope"
    scale_set: str | None = None
    instance_id: str | None = None
    image: Image = WINDOWS_SERVER
    power: Power = "running"
    boot_diagnostics: Literal["managed", "none", "disabled", "custom"] = "managed"
    agent_ready: bool = True
    port_enabled: bool = True
    provisioning: str = "Succeeded"
    tags: dict[str, str] = field(default_factory=dict)
    arm: ArmFaults = field(default_factory=ArmFaults)
    gateway: GatewayFaults = field(default_factory=GatewayFaults)

    # truth, counted by the lab
    connects: int = 0  # connect POSTs answered with 200
    sessions: int = 0  # websockets whose token was accepted
    displaced: int = 0  # of these, how many were ended by the next one that attached
    refused: int = 0  # websockets closed with 1011
    counts: Counter[tuple[GatewayFaults, str]] = field(default_factory=Counter)
    lost_frames: int = 0  # frames sent before the greeting
    drops: int = 0
    active: bool = False
    commands: Counter[str] = field(default_factory=Counter)  # power actions accepted

    @property
    def ref(self) -> VmRef:
        """Its place in Azure."""
        return VmRef(
            self.subscription, self.resource_group, self.scale_set or self.name, self.instance_id
        )

    @property
    def id(self) -> str:
        """The ARM id."""
        return self.ref.id

    @property
    def os_disk(self) -> str:
        """The name of its OS disk."""
        return f"{self.name}_OsDisk_1_{self.vm_id.replace('-', '')}"

    @property
    def vm_id(self) -> str:
        """The `vmId` that ARM and the guest's firmware know."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.id.lower()))

    @property
    def power_state(self) -> Power:
        """What Azure reports: a guest that shut itself down has stopped."""
        if self.power == "running" and not getattr(self.guest, "running", True):
            return "stopped"
        return self.power

    def count(self, what: str, faults: GatewayFaults) -> int:
        """How often this happened under these switches, this time included."""
        self.counts[faults, what] += 1
        return self.counts[faults, what]

    def truth(self) -> dict[str, Any]:
        """Everything a test or a demo may want to know, as JSON."""
        registry = getattr(self.guest, "registry", None)
        snapshot = getattr(self.guest, "snapshot", None)
        return {
            "name": self.name,
            "id": self.id,
            "power": self.power_state,
            "connects": self.connects,
            "sessions": self.sessions,
            "displaced": self.displaced,
            "refused": self.refused,
            "lost_frames": self.lost_frames,
            "drops": self.drops,
            "active": self.active,
            "commands": dict(self.commands),
            "restarts": getattr(self.guest, "restarts", 0),
            "boots": getattr(self.guest, "boots", 0),
            "entered": list(getattr(self.guest, "entered", [])),
            "registry": registry.dump() if registry is not None else {},
            "snapshot": snapshot() if snapshot is not None else {},
        }
