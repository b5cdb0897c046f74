"""What a run is asked for, and how patient it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from serialfix.console.machine import Patience
from serialfix.record.journal import Record
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.work import WorkPatience
from serialfix.session import Credentials
from serialfix.transport.gateway import GatewayPatience
from serialfix.transport.process import ProcessPatience


if TYPE_CHECKING:
    from serialfix.azure.budget import ArmBudget
    from serialfix.azure.identity import AzurePatience


@dataclass(frozen=True, slots=True)
class RunPatience:
    """All deadlines of a run, in seconds; one place to shrink them for tests."""

    console: Patience = field(default_factory=Patience)
    gateway: GatewayPatience = field(default_factory=GatewayPatience)
    process: ProcessPatience = field(default_factory=ProcessPatience)
    azure: AzurePatience | None = None
    guest: GuestPatience = field(default_factory=GuestPatience)
    work: WorkPatience = field(default_factory=WorkPatience)
    restart: float = 1800.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run needs besides its playbook.

    The VM is one in Azure, whose `vm_id`, a full ARM id, wins over names; or whatever the command
    `console` opens the serial console of, restarted by `restart_command` or, with `restart_by`
    `sac`, by SAC. With `refuse_foreign` a VM in the middle of somebody else's session is refused;
    it is no option that a resumed run keeps, because who resumes by hand asks for the console.
    `former_attempts` are the journals of runs before this one at the same VM, one after the other:
    a channel that they had to leave behind is ours.
    One of many runs on a worker keeps within its `arm_budget`, as one in `region`.
    """

    guest: Credentials
    environ: Mapping[str, str]
    vm: str | None = None
    resource_group: str | None = None
    subscription: str | None = None
    vm_id: str | None = None
    instance_id: str | None = None
    console: str | None = None
    restart_command: str | None = None
    restart_by: str | None = None
    check: bool = False
    snapshot: bool = False
    restart: bool = True
    refuse_foreign: bool = False
    former_attempts: Sequence[Record] = ()
    state_dir: Path | None = None
    patience: RunPatience = field(default_factory=RunPatience)
    arm_budget: ArmBudget | None = None
    region: str = ""


CONSOLE = ("console", "restart_command", "restart_by")
"""Options that an undo has from its run's journal, where the VM has no id that says it all."""
ASKED = (
    *("vm", "resource_group", "subscription", "vm_id", "instance_id"),
    *CONSOLE,
    *("snapshot", "restart"),
)
"""Options that a resumed run has from its journal: it must not do more than it was asked for."""
