"""The boot configuration store of one guest: entries and their elements (catalogue §4.14, §4.20).

What an element may hold is known for those that playbooks touch; any other that bcdedit shows is
a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from serialfix.lab.profiles import Profile


BOOTMGR = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
EMSSETTINGS = "{0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9}"
MEMDIAG = "{b2721d73-1db4-4c62-bf78-c548a880142d}"
LOADER = "{5b970157-8568-11eb-b45c-806e6f6e6963}"
_RESUME = "{5b970158-8568-11eb-b45c-806e6f6e6963}"
_RECOVERY = "{5b97015a-8568-11eb-b45c-806e6f6e6963}"
_ALIASES = {"{bootmgr}": BOOTMGR, "{emssettings}": EMSSETTINGS, "{memdiag}": MEMDIAG}

_MANAGER = frozenset({"bootmgr"})
_LOADER = frozenset({"loader"})
_BOTH = _MANAGER | _LOADER
_EMS = frozenset({"ems"}) | _BOTH
# element -> what it is, and the kinds of entry it applies to
ELEMENTS: Mapping[str, tuple[str, frozenset[str]]] = MappingProxyType(
    {
        "device": ("text", _BOTH),
        "path": ("text", _BOTH),
        "description": ("text", _BOTH),
        "locale": ("text", _BOTH),
        "inherit": ("text", _BOTH),
        "default": ("text", _MANAGER),
        "resumeobject": ("text", _BOTH),
        "displayorder": ("text", _MANAGER),
        "toolsdisplayorder": ("text", _MANAGER),
        "timeout": ("integer", _MANAGER),
        "displaybootmenu": ("boolean", _MANAGER),
        "bootems": ("boolean", _EMS),
        "emsport": ("integer", _EMS),
        "emsbaudrate": ("integer", _EMS),
        "recoverysequence": ("text", _LOADER),
        "recoveryenabled": ("boolean", _LOADER),
        "displaymessageoverride": ("text", _LOADER),
        "allowedinmemorysettings": ("text", _BOTH),
        "integrityservices": ("text", _BOTH),
        "osdevice": ("text", _LOADER),
        "systemroot": ("text", _LOADER),
        "nx": ("OptIn OptOut AlwaysOff AlwaysOn", _LOADER),
        "safeboot": ("Minimal Network DsRepair", _LOADER),
        "safebootalternateshell": ("boolean", _LOADER),
        "bootmenupolicy": ("Legacy Standard", _LOADER),
        "bootstatuspolicy": (
            "DisplayAllFailures IgnoreAllFailures IgnoreShutdownFailures IgnoreBootFailures",
            _LOADER,
        ),
        "bootlog": ("boolean", _LOADER),
        "testsigning": ("boolean", _LOADER),
        "nointegritychecks": ("boolean", _LOADER),
        "ems": ("boolean", _LOADER),
        "debug": ("boolean", _LOADER),
        "quietboot": ("boolean", _LOADER),
    }
)
_WORDS = {"yes": True, "on": True, "true": True, "1": True} | dict.fromkeys(
    ("no", "off", "false", "0"), False
)


class BadData(Exception):
    """An element cannot hold that."""


class Entry:
    """One entry; elements keep the order in which bcdedit shows them."""

    def __init__(self, kind: str, elements: Mapping[str, str]) -> None:
        self.kind = kind
        self.elements = dict(elements)

    def applies(self, element: str) -> bool:
        """Whether such an entry may have the element."""
        return element in ELEMENTS and self.kind in ELEMENTS[element][1]

    def set(self, element: str, words: list[str]) -> None:
        """Write an element. BadData when it cannot hold that."""
        what, data = ELEMENTS[element][0], " ".join(words)
        match what:
            case "boolean":
                if data.lower() not in _WORDS:
                    raise BadData
                data = "yes" if _WORDS[data.lower()] else "no"
            case "integer":
                if not data.isdigit():
                    raise BadData
                data = str(int(data))
            case "text":
                if not data:
                    raise BadData
            case choices:
                found = [choice for choice in choices.split() if choice.lower() == data.lower()]
                if not found:
                    raise BadData
                data = found[0]
        known = list(ELEMENTS)
        self.elements[element] = data
        self.elements = dict(sorted(self.elements.items(), key=lambda item: known.index(item[0])))


class Bcd:
    """The store: on disk, read by the boot manager."""

    def __init__(self, profile: Profile) -> None:
        name = profile.product.partition(" Datacenter")[0]
        self.entries: dict[str, Entry] = {
            BOOTMGR: Entry(
                "bootmgr",
                {
                    "device": r"partition=\Device\HarddiskVolume2",
                    "path": r"\EFI\Microsoft\Boot\bootmgfw.efi",
                    "description": "Windows Boot Manager",
                    "locale": "en-US",
                    "inherit": "{globalsettings}",
                    "default": LOADER,
                    "resumeobject": _RESUME,
                    "displayorder": LOADER,
                    "toolsdisplayorder": MEMDIAG,
                    "timeout": "30",
                },
            ),
            LOADER: Entry(
                "loader",
                {
                    "device": "partition=C:",
                    "path": r"\Windows\system32\winload.efi",
                    "description": name,
                    "locale": "en-US",
                    "inherit": "{bootloadersettings}",
                    "resumeobject": _RESUME,
                    "recoverysequence": _RECOVERY,
                    "recoveryenabled": "yes",
                    "displaymessageoverride": "Recovery",
                    "allowedinmemorysettings": "0x15000075",
                    "osdevice": "partition=C:",
                    "systemroot": r"\Windows",
                    "nx": "OptOut",
                    "bootmenupolicy": "Standard",
                    "ems": "yes",
                },
            ),
            EMSSETTINGS: Entry("ems", {"bootems": "yes", "emsport": "1", "emsbaudrate": "115200"}),
            MEMDIAG: Entry(
                "memdiag",
                {
                    "device": r"partition=\Device\HarddiskVolume2",
                    "path": r"\EFI\Microsoft\Boot\memtest.efi",
                    "description": "Windows Memory Diagnostic",
                    "locale": "en-US",
                    "inherit": "{globalsettings}",
                },
            ),
        }

    def resolve(self, name: str) -> str:
        """The GUID behind `{current}`, `{default}`, `{bootmgr}` ..., or the name itself."""
        lower = name.lower()
        if lower == "{current}":  # the lab has one Windows
            return LOADER
        if lower == "{default}":
            return self.entries[BOOTMGR].elements.get("default", "")
        return _ALIASES.get(lower, lower)

    def alias(self, guid: str, *, default: bool = False) -> str:
        """How bcdedit shows a GUID without `/v`."""
        if guid == LOADER:
            return "{default}" if default else "{current}"
        return {value: key for key, value in _ALIASES.items()}.get(guid, guid)

    def get(self, entry: str, element: str) -> str | None:
        """An element, None when it or its entry is absent."""
        found = self.entries.get(self.resolve(entry))
        return found.elements.get(element) if found else None

    def is_on(self, entry: str, element: str) -> bool:
        """Whether a boolean element is there and on."""
        return self.get(entry, element) == "yes"

    @property
    def menu_seconds(self) -> float:
        """How long the boot menu stands: it is shown only where that is asked for."""
        shown = self.is_on(BOOTMGR, "displaybootmenu")
        return float(self.get(BOOTMGR, "timeout") or 30) if shown else 0.0

    def snapshot(self) -> dict[str, dict[str, str]]:
        """All elements by entry."""
        return {guid: dict(entry.elements) for guid, entry in self.entries.items()}
