"""Where a VM is: what a run needs of Azure, or of anything else that has serial consoles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from serialfix.errors import RestartError
from serialfix.remediation.options import RunOptions
from serialfix.remediation.work import Purpose, Work
from serialfix.secrets import Secret
from serialfix.transport.base import Transport


@dataclass(frozen=True, slots=True)
class VmName:
    """How a VM is called: by a stable id, and for people."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What is known of a VM that can be worked on; `notes` are advice that stops no run."""

    vm: VmName
    os_name: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a place gets from the run that uses it."""

    run_id: str
    progress: Callable[[str], None]
    keep_secret: Callable[[Secret], None]
    """Takes what must never be shown."""


class Operation(Protocol):
    """A restart that was begun."""

    @property
    def id(self) -> str | None:
        """For people who look for it."""

    @property
    def continuation_token(self) -> str:
        """What `Restarter.resume` needs, in this process or another; for the journal only."""

    async def wait(self, *, timeout: float, on_poll: Callable[[str], None] | None = None) -> None:
        """Until it is done. Raises RestartFailed, and RestartError when that is not known."""


class Restarter(Protocol):
    """The way in which a VM is restarted."""

    @property
    def words(self) -> str:
        """In words: `through the compute API`."""

    @property
    def reports(self) -> bool:
        """Whether its word that the VM restarted is enough; else the guest must show it."""

    async def ready(self) -> None:
        """Until it may be asked for; nothing is begun. Raises RestartRefused."""

    async def begin(self, requested: Callable[[], Awaitable[object]]) -> Operation:
        """Begin the restart. `requested` is awaited before the first moment that may begin it.

        Raises RestartRefused when it surely did not begin, and RestartError when that is not known.
        """

    async def resume(self, token: str) -> Operation:
        """The restart that a former process began."""

    async def power_state(self) -> str | None:
        """How the VM is now; None when nobody but its console can tell."""

    def lost(self) -> RestartError:
        """What is to be said when a former process requested it, and its end is not known."""


class Place(Protocol):
    """Where the VM of a run is."""

    @property
    def wanted(self) -> VmName:
        """What was asked for."""

    @property
    def no_restart(self) -> str:
        """Why the VM cannot be restarted from here; empty when it can."""

    def opened(self, around: Surroundings) -> AbstractAsyncContextManager[None]:
        """As long as the run lasts; everything below only within."""

    async def find(self) -> VmName:
        """The one VM that is meant. Raises TargetError."""

    async def preflight(self) -> Condition:
        """Whether it can be worked on. Raises PreflightError, TransportError."""

    def transport(self) -> Transport:
        """A way to its console, not connected yet."""

    async def snapshot(self) -> str:
        """Take a snapshot of the OS disk; returns its id."""

    def restarter(self, work: Callable[[Purpose], Work]) -> Restarter:
        """How it is restarted; `work` makes a new session with it."""


def place_of(options: RunOptions) -> Place:
    """Where the VM is that these options name. Raises ConfigError."""
    if options.console is not None:
        from serialfix.remediation.console_vm import ConsoleVm

        return ConsoleVm(options)
    from serialfix.remediation.azure_vm import AzureVm

    return AzureVm(options)
