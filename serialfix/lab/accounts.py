"""Local accounts and groups: the part of the disk that no registry editor shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from serialfix.lab.profiles import Language


Builtin = Literal["renamed", "disabled"]
"""What became of the account that every Windows is born with (S-1-5-...-500): Azure gives it the
name of the VM's administrator; images made elsewhere have it disabled (catalogue §4.17)."""

# Japanese Windows keeps the English names.
_NAMES: Mapping[str, Mapping[Language, str]] = MappingProxyType(
    {
        "Administrator": {"fr": "Administrateur"},
        "Guest": {"fr": "Invité", "nl": "Gast", "de": "Gast"},
        "Administrators": {"fr": "Administrateurs", "de": "Administratoren"},
        "Remote Desktop Users": {
            "fr": "Utilisateurs du Bureau à distance",
            "nl": "Gebruikers van extern bureaublad",
            "de": "Remotedesktopbenutzer",
        },
        "Users": {"fr": "Utilisateurs", "nl": "Gebruikers", "de": "Benutzer"},
        "Guests": {"fr": "Invités", "nl": "Gasten", "de": "Gäste"},
        "Backup Operators": {
            "fr": "Opérateurs de sauvegarde",
            "nl": "Back-upoperators",
            "de": "Sicherungs-Operatoren",
        },
        "Event Log Readers": {
            "fr": "Lecteurs des journaux d’événements",
            "nl": "Lezers van gebeurtenislogboeken",
            "de": "Ereignisprotokollleser",
        },
        "Network Configuration Operators": {
            "fr": "Opérateurs de configuration réseau",
            "nl": "Netwerkconfiguratieoperators",
            "de": "Netzwerkkonfigurations-Operatoren",
        },
        "Performance Monitor Users": {
            "fr": "Utilisateurs de l’Analyseur de performances",
            "nl": "Prestatiemetergebruikers",
            "de": "Systemmonitorbenutzer",
        },
        "Power Users": {"fr": "Utilisateurs avec pouvoir", "de": "Hauptbenutzer"},
        "Remote Management Users": {
            "fr": "Utilisateurs de gestion à distance",
            "nl": "Externe beheergebruikers",
            "de": "Remoteverwaltungsbenutzer",
        },
    }
)
_COMMENTS: Mapping[str, str] = MappingProxyType(
    {
        "Administrators": "Administrators have complete and unrestricted access to the "
        "computer/domain",
        "Remote Desktop Users": "Members in this group are granted the right to logon remotely",
        "Users": "Users are prevented from making accidental or intentional system-wide changes",
    }
)
WELL_KNOWN = frozenset({"localsystem", "system", "localservice", "networkservice"})


def localised(name: str, language: Language) -> str:
    """A built-in name in a display language."""
    return _NAMES.get(name, {}).get(language, name)


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()[:16]


@dataclass(slots=True)
class Account:
    """One local user."""

    name: str
    rid: int
    active: bool = True
    digest: str = ""
    """Of its password: a snapshot shows that it changed, and not what it is."""


@dataclass(slots=True)
class Group:
    """One local group; `members` keep their spelling and order."""

    name: str
    comment: str = ""
    members: list[str] = field(default_factory=list)

    def find(self, name: str) -> str | None:
        """The member of that name."""
        return next((member for member in self.members if member.lower() == name.lower()), None)


class Accounts:
    """What is in the SAM of one guest. Names are found in any case."""

    def __init__(self, language: Language, username: str, password: str, builtin: Builtin) -> None:
        self._users: dict[str, Account] = {}
        self._groups: dict[str, Group] = {}
        self.administrators = localised("Administrators", language)
        for name in _NAMES:
            if name.endswith("s"):
                shown = localised(name, language)
                self._groups[shown.lower()] = Group(shown, _COMMENTS.get(name, ""))
        if builtin == "disabled":
            self.add(localised("Administrator", language), "", rid=500, active=False)
        self.add(username, password, rid=500 if builtin == "renamed" else 1000)
        self.add("DefaultAccount", "", rid=503, active=False)
        self.add(localised("Guest", language), "", rid=501, active=False)
        self.add("WDAGUtilityAccount", "", rid=504, active=False)
        for account in self._users.values():
            if account.rid in (500, 1000):
                self._groups[self.administrators.lower()].members.append(account.name)

    def add(self, name: str, password: str, *, rid: int = 0, active: bool = True) -> Account:
        """A new user."""
        number = rid or 1 + max([1000, *(account.rid for account in self._users.values())])
        account = Account(name, number, active, _digest(password) if password else "")
        self._users[name.lower()] = account
        return account

    def remove(self, name: str) -> None:
        """A user goes, out of all groups too."""
        account = self._users.pop(name.lower())
        for group in self._groups.values():
            if (member := group.find(account.name)) is not None:
                group.members.remove(member)

    def user(self, name: str) -> Account | None:
        """The user of that name."""
        return self._users.get(name.lower())

    def group(self, name: str) -> Group | None:
        """The group of that (localised) name."""
        return self._groups.get(name.lower())

    @property
    def users(self) -> list[Account]:
        """All users by name."""
        return sorted(self._users.values(), key=lambda account: account.name.lower())

    @property
    def groups(self) -> list[Group]:
        """All groups by name."""
        return sorted(self._groups.values(), key=lambda group: group.name.lower())

    def set_password(self, name: str, password: str) -> None:
        """A new password."""
        self._users[name.lower()].digest = _digest(password)

    def logs_on(self, name: str, password: str) -> bool:
        """Whether these credentials open a CMD channel: an active administrator with a password."""
        account = self.user(name)
        group = self._groups[self.administrators.lower()]
        return (
            account is not None
            and account.active
            and bool(password)
            and account.digest == _digest(password)
            and group.find(name) is not None
        )

    def runs_services(self, name: str) -> bool | None:
        """Whether a service starts with this account: None when there is no such account.

        A user's password is never given in the lab, so a service that runs as a user fails.
        """
        domain, _, short = name.rpartition("\\")
        system = domain.lower() in ("", "nt authority") and short.lower() in WELL_KNOWN
        return True if system else False if self.user(short) else None

    def snapshot(self) -> dict[str, object]:
        """Users and groups, as JSON."""
        return {
            "users": {
                account.name: {
                    "rid": account.rid,
                    "active": account.active,
                    "password": account.digest,
                }
                for account in self.users
            },
            "groups": {group.name: sorted(group.members) for group in self.groups},
        }
