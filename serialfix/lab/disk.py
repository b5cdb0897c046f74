"""What a guest keeps over restarts, and one comparable picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from serialfix.lab import adapters, firewall
from serialfix.lab.accounts import Accounts, Builtin
from serialfix.lab.bcd import Bcd
from serialfix.lab.eventlog import EventLog
from serialfix.lab.profiles import TS, Language, Profile, default_registry
from serialfix.lab.registry import Key, Registry
from serialfix.model import RegistryType, RegistryValue


RCM = rf"{TS}\RCM"
LICENCE_VALUES = {
    "Certificate": 1148,
    "X509 Certificate": 2420,
    "X509 Certificate ID": 2396,
    "X509 Certificate2": 3088,
}
"""The licence certificates of a session host and their lengths (catalogue §4.9)."""


@dataclass(slots=True)
class Disk:
    """Registry, files, boot configuration, accounts, event logs."""

    registry: Registry
    bcd: Bcd
    accounts: Accounts
    files: dict[str, str] = field(default_factory=dict)
    """Texts by lower-case path."""
    events: EventLog = field(default_factory=EventLog)
    activated: bool = True
    """Whether Windows is: nothing undoes an activation, so it is in no picture."""

    def write_certificates(self, rng: Random) -> None:
        """What Windows does at its start when licence certificates are missing."""
        for name, length in LICENCE_VALUES.items():
            if self.registry.get(RCM, name) is None:
                value = RegistryValue(RegistryType.BINARY, rng.randbytes(length))
                self.registry.set(RCM, name, value)

    def snapshot(self) -> dict[str, object]:
        """Everything that a playbook may change, as JSON: two pictures can be compared.

        Without files and events, which only grow. The firewall's profiles are told by what they
        do: netsh writes defaults out, and nothing but a registry editor takes them away again.
        """
        tree = self._tree(self.registry.key("HKLM\\"), "HKLM")
        tree |= self._tree(self.registry.key("HKCU\\"), "HKCU")
        return {
            "registry": tree,
            "firewall": firewall.snapshot(self.registry),
            "bcd": self.bcd.snapshot(),
            "accounts": self.accounts.snapshot(),
        }

    def _tree(self, key: Key | None, path: str) -> dict[str, object]:
        found: dict[str, object] = {}
        if key is None:
            return found
        told = path.rpartition("\\")[2] in firewall.PROFILES.values()
        found[path] = {
            name: [str(value.type), _plain(value.data)]
            for name, value in key.values.values()
            if not (told and name in firewall.DEFAULTS and "FirewallPolicy" in path)
        }
        for child in key.keys.values():
            found |= self._tree(child, f"{path}\\{child.name}")
        return found


def _plain(data: object) -> object:
    if isinstance(data, bytes):
        return data.hex()
    return list(data) if isinstance(data, tuple) else data


def new_disk(
    profile: Profile,
    *,
    computer: str,
    language: Language,
    username: str,
    password: str,
    builtin: Builtin = "renamed",
    nics: Sequence[str] = (),
) -> Disk:
    """A healthy server on Azure."""
    registry = default_registry(profile, computer)
    firewall.install(registry, profile)
    adapters.install(registry, language, nics)
    disk = Disk(registry, Bcd(profile), Accounts(language, username, password, builtin))
    disk.write_certificates(Random(profile.build))
    return disk
