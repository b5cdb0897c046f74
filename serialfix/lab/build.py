"""Labs and their VMs in one call, with the guests of the lab inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import Guest
from serialfix.lab.profiles import (
    PROFILES,
    Language,
    Profile,
    Program,
    Renderer,
    misconfigured_listener,
)
from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmDelays
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
    **settings: Any,
) -> LabVm:
    """A VM with a guest of the lab; `settings` are further fields of `LabVm`.

    `misconfigured` breaks the RDP listener as the article describes it. A client Windows and a
    Linux have no SAC: their port is silent.
    """
    if isinstance(profile, str):
        profile = PROFILES[profile]
    if system != "windows":
        faults = Faults(sac_absent="silence")
    guest = Guest(
        profile=profile,
        program=program,
        renderer=renderer,
        faults=faults or Faults(),
        delays=delays or Delays(),
        seed=seed,
        language=language,
    )
    if misconfigured:
        misconfigured_listener(guest.registry)
    images = {"client": WINDOWS_CLIENT, "linux": LINUX, "windows": _image(profile)}
    return LabVm(name=name, guest=guest, image=images[system], **settings)


def make_lab(
    count: int = 1,
    *,
    azure_delays: ArmDelays | None = None,
    serial_sockets: Path | None = None,
    **settings: Any,
) -> Lab:
    """A lab of `count` VMs, named myvm, myvm2, ...; `settings` are those of `make_vm`."""
    return Lab(
        [
            make_vm(f"myvm{n if n > 1 else ''}", **{"seed": n, **settings})
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
