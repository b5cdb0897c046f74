"""Labs and their VMs in one call, with the guests of the lab inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from serialfix.errors import ConfigError
from serialfix.lab.accounts import Builtin
from serialfix.lab.broken import BROKEN
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import Guest
from serialfix.lab.profiles import (
    PROFILES,
    Language,
    Profile,
    Program,
    Renderer,
)
from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmDelays
from serialfix.lab.unmade import UnmadeGuest
from serialfix.lab.vm import LINUX, WINDOWS_CLIENT, Image, LabVm


def make_vm(
    name: str = "myvm",
    *,
    system: Literal["windows", "client", "linux"] = "windows",
    profile: str | Profile = "ws2022",
    program: Program = "builtin",
    renderer: Renderer | None = None,
    language: Language = "en",
    faults: Faults | None = None,
    delays: Delays | None = None,
    seed: int = 0,
    misconfigured: bool = True,
    broken: str | Sequence[str] = (),
    nics: Sequence[str] = (),
    builtin_administrator: Builtin = "renamed",
    at_once: bool = True,
    **settings: Any,
) -> LabVm:
    """A VM with a guest of the lab; `settings` are further fields of `LabVm`.

    `broken` names ways to break it (`serialfix.lab.broken`). Without one, `misconfigured` breaks
    the RDP listener as the article describes it. A client Windows and a Linux have no SAC: their
    port is silent. Not `at_once`: the guest is made when it is first needed. ConfigError for a way
    that there is not.
    """
    release = PROFILES[profile] if isinstance(profile, str) else profile
    if system != "windows":
        faults = Faults(sac_absent="silence")
    ways = [broken] if isinstance(broken, str) else broken
    for way in ways:
        if way not in BROKEN:
            raise ConfigError(
                f"the lab cannot break a guest in the way {way!r}",
                remedy=f"Known are: {', '.join(sorted(BROKEN))}.",
            )

    def make() -> Guest:
        guest = Guest(
            profile=release,
            program=program,
            renderer=renderer,
            faults=faults or Faults(),
            delays=delays or Delays(),
            seed=seed,
            language=language,
            nics=nics,
            builtin_administrator=builtin_administrator,
        )
        for way in ways or (["listener"] if misconfigured else []):
            BROKEN[way](guest)
        return guest

    images = {"client": WINDOWS_CLIENT, "linux": LINUX, "windows": _image(release)}
    guest = make() if at_once else UnmadeGuest(make)
    return LabVm(name=name, guest=guest, image=images[system], **settings)


AT_ONCE = 20
"""Guests of a lab that are made when it starts; a thousand would take seconds and 200 MB."""


def make_lab(
    count: int = 1,
    *,
    azure_delays: ArmDelays | None = None,
    serial_sockets: Path | None = None,
    **settings: Any,
) -> Lab:
    """A lab of `count` VMs, named myvm, myvm2, ...; `settings` are those of `make_vm`.

    The first guests are made at once: wrong settings are told here, and they run before anybody
    attaches. The others are made, and boot, when they are needed.
    """
    return Lab(
        [
            make_vm(f"myvm{n if n > 1 else ''}", **{"seed": n, "at_once": n <= AT_ONCE, **settings})
            for n in range(1, count + 1)
        ],
        delays=azure_delays,
        serial_sockets=serial_sockets,
    )


def _image(profile: Profile) -> Image:
    edition = "-azure-edition" if "Azure Edition" in profile.product else ""
    return Image(
        "MicrosoftWindowsServer",
        "WindowsServer",
        f"{profile.name.removeprefix('ws')}-datacenter{edition}",
        profile.product,
        profile.version,
    )
