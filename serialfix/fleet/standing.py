"""What a fleet run is, and how it stands: the data that views, reports and decisions share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from serialfix.fleet.policy import Policy
from serialfix.model import Outcome


class State(StrEnum):
    """Of a fleet run. `stopping`: nothing new is started, what runs is let to its end."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    ENDED = "ended"


class TargetState(StrEnum):
    """Of a target. `running` from its admission on."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Kind(StrEnum):
    """What a fleet run does to its targets."""

    RUN = "run"
    CHECK = "check"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How each VM is worked on. Texts of the guest's account are templates; none is a secret."""

    username: str = ""
    domain: str = ""
    credential: str = "env"
    restart: bool = True
    snapshot: bool = False
    take_over: bool = False
    """Also where somebody else is at the console."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRun:
    """A fleet run itself, frozen at its start but for `state`, `approved`, `why`, `ended`."""

    id: str
    kind: Kind
    playbook: str
    playbook_version: str
    playbook_sha256: str
    parameters: Mapping[str, str]
    targets_sha256: str
    policy: Policy
    created: datetime
    user: str
    total: int
    at_once: int
    """`max_concurrency`, worked out."""
    errors_allowed: int
    """`max_errors`, worked out."""
    settings: Settings = field(default_factory=Settings)
    of: str | None = None
    """The run that this one undoes or tries again."""
    schedule: str | None = None
    skipped: tuple[Mapping[str, str], ...] = ()
    """VMs that were asked for and are no targets: id, reason, text."""
    state: State = State.RUNNING
    approved: int = 0
    """The last wave after which somebody approved."""
    why: str = ""
    """Why it is stopping or was stopped: the error budget's words, or who cancelled it."""
    over_budget: bool = False
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One VM of a fleet run, as far as it is."""

    number: int
    """From 1, in the order of the plan."""
    vm_id: str
    name: str
    resource_group: str
    subscription_id: str
    location: str
    wave: int
    state: TargetState = TargetState.WAITING
    outcome: Outcome | None = None
    exit_code: int | None = None
    touched: str = "no"
    attempt: int = 0
    """How often it was started."""
    run_id: str | None = None
    """Of its last attempt: its journal, documents and evidence."""
    worker: str | None = None
    phase: str = ""
    """What is being done: `apply`, `restart`, `prove`…"""
    started: datetime | None = None
    ended: datetime | None = None
    not_before: datetime | None = None
    """Tried again, but not before then."""
    undoes: str | None = None
    """The run whose way back it goes."""
    error: Mapping[str, str] | None = None
    """The facts of the error that ended it (SerialfixError.facts)."""


@dataclass(frozen=True, slots=True)
class WaveStanding:
    """A wave in numbers."""

    number: int
    total: int
    waiting: int
    running: int
    outcomes: Counter[Outcome] = field(default_factory=Counter)

    @property
    def ended(self) -> bool:
        """Whether nothing of it waits or runs."""
        return not self.waiting and not self.running


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a fleet run stands at one moment; what views show."""

    run: FleetRun
    waves: tuple[WaveStanding, ...]
    running: tuple[Target, ...] = ()
    """The targets being worked on, the slowest first; at most as many as were asked for."""
    errors: tuple[Target, ...] = ()
    """The last that went wrong, the newest first."""
    waiting_for: str = ""
    """What the next start waits for: `approval of wave 1`, `the window, open from …`, …"""
    workers: int = 0
    """Workers that are alive."""
    at: datetime

    @property
    def outcomes(self) -> Counter[Outcome]:
        """All outcomes so far."""
        return sum((wave.outcomes for wave in self.waves), Counter())
