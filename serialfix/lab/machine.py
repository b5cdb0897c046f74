"""Windows between one boot and the next, as its programs see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from serialfix.lab.disk import Disk
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.profiles import Profile
from serialfix.lab.registry import Registry
from serialfix.lab.scm import Scm
from serialfix.lab.texts import Texts


if TYPE_CHECKING:
    from serialfix.lab.wineprefix import Prefix

_SPLIT_SERVICES = 15063  # from this build on a svchost holds one service


@dataclass(slots=True)
class RemoteSession:
    """A session that somebody has."""

    number: int
    user: str
    state: str = "Active"
    """`Active` or `Disc`."""


@dataclass(slots=True)
class Machine:
    """What is shared by all CMD channels. What is not on the disk is RAM."""

    profile: Profile
    disk: Disk
    texts: Texts
    delays: Delays
    faults: Callable[[], Faults]
    rng: Random
    computer: str
    username: str
    note: Callable[[str, str], None]
    """Tells the truth to tests: where Enter reached a prompt, and on which line."""
    shutdown: Callable[[bool], None]
    """Ends the system; True starts it again."""
    prefix: Prefix | None = None
    """The Wine that the channels run, None for the lab's own cmd.exe."""
    pids: Random = field(default_factory=Random)
    sessions: list[RemoteSession] = field(default_factory=list)
    """Of Remote Desktop: all end with the boot."""
    scm: Scm = field(init=False)

    def __post_init__(self) -> None:
        safe = self.disk.bcd.get("{default}", "safeboot") or ""
        self.scm = Scm(
            self.disk.registry,
            self.disk.accounts,
            self.disk.events,
            faults=self.faults,
            delays=self.delays,
            pids=self.pids,
            shares=self.profile.build < _SPLIT_SERVICES,
            safe_mode=safe.lower(),
        )

    @property
    def registry(self) -> Registry:
        """On the disk."""
        return self.disk.registry

    @property
    def files(self) -> dict[str, str]:
        """On the disk: texts by lower-case path."""
        return self.disk.files

    @property
    def running(self) -> dict[str, int]:
        """Process ids of the running services by lower-case name."""
        return self.scm.running

    def start_service(self, name: str) -> None:
        """Make a service run, whatever stands against it."""
        self.scm.mark_running(name)

    def start_services(self) -> None:
        """What a boot starts."""
        self.scm.boot()
