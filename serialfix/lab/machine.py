"""Windows between one boot and the next, as its programs see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from serialfix.lab.faults import Delays, Faults
from serialfix.lab.profiles import SERVICES, TRIGGERED, Profile
from serialfix.lab.registry import Registry
from serialfix.lab.texts import Texts


if TYPE_CHECKING:
    from serialfix.lab.wineprefix import Prefix

DISABLED = 4
_AUTOMATIC = 2


@dataclass(slots=True)
class Machine:
    """What is shared by all CMD channels. Registry and files are on disk, the rest is RAM."""

    profile: Profile
    registry: Registry
    files: dict[str, str]
    """Texts by lower-case path."""
    texts: Texts
    delays: Delays
    faults: Callable[[], Faults]
    rng: Random
    computer: str
    username: str
    password: str
    note: Callable[[str, str], None]
    """Tells the truth to tests: where Enter reached a prompt, and on which line."""
    shutdown: Callable[[bool], None]
    """Ends the system; True starts it again."""
    prefix: Prefix | None = None
    """The Wine that the channels run, None for the lab's own cmd.exe."""
    running: dict[str, int] = field(default_factory=dict)
    """Process ids of the running services by lower-case name."""

    def start_services(self) -> None:
        """What a boot starts: automatic services, and those that something triggers."""
        stopped = {"termservice", "umrdpservice"} if self.faults().stopped_service else set()
        key = self.registry.key(SERVICES)
        for name in key.keys if key else ():
            start = self.registry.get(f"{SERVICES}\\{name}", "Start")
            wanted = start is not None and (
                start.data == _AUTOMATIC or (name in TRIGGERED and start.data != DISABLED)
            )
            if wanted and name not in stopped:
                self.start_service(name)

    def start_service(self, name: str) -> None:
        """Mark a service as running."""
        self.running[name.lower()] = self.rng.randrange(400, 6000, 4)
