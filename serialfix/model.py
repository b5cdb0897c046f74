"""The nouns that every floor shares; all frozen."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from serialfix.errors import TargetError


class Outcome(StrEnum):
    """How a step, a proof or a run ended."""

    OK = "ok"
    CHANGED = "changed"
    WOULD_CHANGE = "would_change"
    FAILED = "failed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NOT_STARTED = "not_started"
    UNKNOWN = "unknown"


class RegistryType(StrEnum):
    """The registry types, named as reg.exe prints them."""

    SZ = "REG_SZ"
    EXPAND_SZ = "REG_EXPAND_SZ"
    MULTI_SZ = "REG_MULTI_SZ"
    DWORD = "REG_DWORD"
    QWORD = "REG_QWORD"
    BINARY = "REG_BINARY"
    NONE = "REG_NONE"


@dataclass(frozen=True, slots=True)
class RegistryValue:
    """A registry value as data: equal when type and content are equal, however it was printed.

    `data` is an int for DWORD and QWORD, a str for SZ and EXPAND_SZ, a tuple of str for MULTI_SZ,
    bytes for BINARY and NONE.
    """

    type: RegistryType
    data: int | str | tuple[str, ...] | bytes

    def __str__(self) -> str:
        match self.data:
            case int():
                return f"{self.type} {self.data:#x} ({self.data})"
            case bytes():
                return f"{self.type} {self.data.hex()}"
            case tuple():
                return f"{self.type} {list(self.data)!r}"
            case _:
                return f"{self.type} {self.data!r}"

    def to_json(self) -> dict[str, Any]:
        """JSON form: `{"type": "REG_DWORD", "data": 1}`; bytes become hex, tuples lists."""
        data: Any = self.data
        if isinstance(data, bytes):
            data = data.hex()
        elif isinstance(data, tuple):
            data = list(data)
        return {"type": str(self.type), "data": data}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RegistryValue:
        """The inverse of `to_json`."""
        kind = RegistryType(value["type"])
        data = value["data"]
        if kind in (RegistryType.BINARY, RegistryType.NONE):
            data = bytes.fromhex(data)
        elif kind is RegistryType.MULTI_SZ:
            data = tuple(data)
        return cls(kind, data)


def correlation_id(run_id: str) -> str:
    """The guid that all requests of a run to Azure carry, for its activity log.

    Made from the run's id when that is no guid itself: ARM takes nothing else.
    """
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", run_id.lower()):
        return run_id.lower()
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"serialfix:{run_id}"))


_VM_ID = re.compile(
    r"^/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<rg>[^/]+)/providers/Microsoft\.Compute/"
    r"(?:virtualMachines/(?P<vm>[^/]+)"
    r"|virtualMachineScaleSets/(?P<ss>[^/]+)/virtualMachines/(?P<instance>[^/]+))/?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class VmRef:
    """One target: a VM, or an instance of a uniform scale set when `instance_id` is given."""

    subscription_id: str
    resource_group: str
    name: str
    instance_id: str | None = None

    @property
    def id(self) -> str:
        """The ARM id."""
        kind = (
            f"virtualMachines/{self.name}"
            if self.instance_id is None
            else f"virtualMachineScaleSets/{self.name}/virtualMachines/{self.instance_id}"
        )
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Compute/{kind}"
        )

    @property
    def label(self) -> str:
        """A short name for people."""
        return self.name if self.instance_id is None else f"{self.name}/{self.instance_id}"

    @classmethod
    def parse(cls, vm_id: str) -> VmRef:
        """Read an ARM id. Raises TargetError when it is not the id of a VM."""
        match = _VM_ID.match(vm_id.strip())
        if match is None:
            raise TargetError(
                f"not the id of a virtual machine: {vm_id!r}",
                remedy="Give the full id, as `az vm show --query id -o tsv` prints it.",
            )
        return cls(match["sub"], match["rg"], match["vm"] or match["ss"], match["instance"])


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of a run, as reported. `note` says why it does not apply."""

    id: str
    kind: str
    title: str
    outcome: Outcome
    before: Any = None
    after: Any = None
    wanted: Any = None
    error: str | None = None
    note: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RestartResult:
    """The restart of a run. `operation` is the id of the ARM operation, never its signed URL."""

    outcome: Outcome
    operation: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ProofResult:
    """One thing shown to hold at the end of a run."""

    id: str
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan comes to. `seconds` is the typing alone, by the measured pace of this guest."""

    steps: int
    changes: int
    seconds: float
    restart: bool
    security: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything a run has to say; `report/` turns it into text and JSON."""

    run_id: str
    vm_id: str
    vm_name: str
    playbook: str
    playbook_version: str
    playbook_sha256: str
    outcome: Outcome
    exit_code: int
    touched: str
    steps: tuple[StepResult, ...] = ()
    restart: RestartResult | None = None
    proof: tuple[ProofResult, ...] = ()
    warnings: tuple[str, ...] = ()
    error: dict[str, str] | None = None
    journal: str | None = None
    recordings: tuple[str, ...] = ()
    evidence: str | None = None
    undo: str | None = None
    duration_s: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    plan: PlanFacts | None = None
    started: str | None = None
    user: str | None = None
    version: str | None = None
    """Of serialfix."""
