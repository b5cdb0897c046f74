r"""The offline twin: the same playbook for the registry hives of a disk that is attached elsewhere.

Offline there is no CurrentControlSet: a wish for it is a wish for each set that `Select` names and
that exists; a set that does not exist is never made (catalogue.md §3.4). What only a running
Windows can do has no twin, and is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.schema import Fact, Playbook, Step, When, fact_word
from serialfix.playbook.steps.bcd import BcdStep
from serialfix.playbook.steps.firewall import FirewallProfileStep, FirewallRuleStep
from serialfix.playbook.steps.registry import RegistryRemovalStep, RegistryStep
from serialfix.playbook.steps.service import ServiceStep
from serialfix.windows import firewall, services


Hive = Literal["SYSTEM", "SOFTWARE"]
Absent = Literal["make", "leave", "refuse"]
SELECT = ("Current", "Default", "Failed", "LastKnownGood")
"""The values of `SYSTEM\\Select` that name a control set; 0 names none."""

_CURRENT = "HKLM\\SYSTEM\\CurrentControlSet\\"
_ROOTS: Mapping[str, tuple[Hive, str]] = MappingProxyType(
    {
        "HKLM\\SYSTEM\\": ("SYSTEM", ""),
        "HKLM\\SOFTWARE\\": ("SOFTWARE", ""),
        "HKCR\\": ("SOFTWARE", "Classes\\"),
    }
)
_START = {word: number for number, word in services.START.items()}
_TYPE = {word: number for number, word in services.TYPE.items()}
_RUNNING = "only a running Windows can do that"
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "registry_key": "whether a key may go is decided where it was made; `offline undo` puts"
        " the backup back",
        "registry_import": "the export lies in the guest; the backup of the hive has the values",
        "network": "adapters are set by a running Windows; the portal can reset the NIC",
        "account": "accounts are in the hive SAM, which is not edited",
        "command": _RUNNING,
        "look": _RUNNING,
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a hive; the path begins below the root of the hive."""

    hive: Hive
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Condition:
    """That the value at a place is, or is not, one of these; see `When`."""

    place: Place
    when: When

    def holds(self, found: RegistryValue | None) -> bool:
        """Whether the condition holds for what is there."""
        return self.when.holds(fact_word(found))


@dataclass(frozen=True, slots=True)
class Edit:
    """One value as it shall be. `absent` says what becomes of one that is not there."""

    step: str
    why: str
    place: Place
    wanted: RegistryValue | None
    accepts: tuple[RegistryValue | None, ...] = ()
    """What is right as well, and stays."""
    rule_enabled: bool | None = None
    """For the text of a firewall rule: only what stands behind `Active=` shall change."""
    absent: Absent = "make"
    condition: Condition | None = None

    def after(self, before: RegistryValue | None) -> RegistryValue | None:
        """What shall stand there, given what stands there now."""
        if before in self.accepts or (before is None and self.absent == "leave"):
            return before
        if self.rule_enabled is not None and before is not None:
            return firewall.with_rule_enabled(before, enabled=self.rule_enabled)
        return self.wanted


@dataclass(frozen=True, slots=True)
class BootEdit:
    """An element of the boot configuration; None: it must not be there."""

    step: str
    why: str
    entry: str
    element: str
    value: str | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A step, or a part of one, that has no offline form; `what` names it within the step."""

    step: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Override:
    """A policy that would override a step, unless its value is the harmless one."""

    step: str
    place: Place
    harmless: RegistryValue | None


@dataclass(frozen=True, slots=True)
class Twin:
    """A playbook for hives."""

    playbook: Playbook
    edits: tuple[Edit, ...]
    boot: tuple[BootEdit, ...]
    left_out: tuple[LeftOut, ...]
    overrides: tuple[Override, ...]

    @property
    def hives(self) -> tuple[Hive, ...]:
        """The hives that it edits or reads, for what it edits."""
        places = [edit.place for edit in self.edits]
        places += [edit.condition.place for edit in self.edits if edit.condition]
        return tuple(hive for hive in ("SYSTEM", "SOFTWARE") if hive in {p.hive for p in places})


def control_sets(select: Mapping[str, int], existing: Sequence[str]) -> list[str]:
    """`ControlSet001` and so on: those that Select names and that exist, in the order of Select.

    >>> control_sets({"Current": 1, "Failed": 0, "LastKnownGood": 2}, ["ControlSet001"])
    ['ControlSet001']
    """
    known = {name.lower(): name for name in existing}
    named = (f"controlset{select[value]:03}" for value in SELECT if select.get(value))
    return list(dict.fromkeys(known[name] for name in named if name in known))


def compile_twin(playbook: Playbook, sets: Sequence[str]) -> Twin:
    """The playbook for hives with these control sets."""
    maker = _Maker(playbook, sets)
    for step in playbook.steps:
        if not (step.when and step.when.parameter) or playbook.applies(step, {}):
            maker.step(step)
    return Twin(
        playbook,
        tuple(maker.edits),
        tuple(maker.boot),
        tuple(maker.left_out),
        tuple(maker.overrides),
    )


class _Maker:
    """Compiles step by step."""

    def __init__(self, playbook: Playbook, sets: Sequence[str]) -> None:
        self.sets = sets
        self.facts: Mapping[str, Fact] = {fact.id: fact for fact in playbook.facts}
        self.edits: list[Edit] = []
        self.boot: list[BootEdit] = []
        self.left_out: list[LeftOut] = []
        self.overrides: list[Override] = []

    def step(self, step: Step) -> None:
        """Everything that one step wants."""
        match step.wish:
            case RegistryStep() as wish:
                absent: Absent = "leave" if wish.only_if_present else "make"
                self.edit(step, wish.key, wish.value, wish.wanted, absent=absent)
            case RegistryRemovalStep() as wish:
                for name in wish.values:
                    self.edit(step, wish.key, name, None)
            case ServiceStep() as wish:
                self.service(step, wish)
            case FirewallRuleStep() as wish:
                on = wish.enabled
                self.edit(step, firewall.RULES, wish.rule, None, absent="refuse", rule_enabled=on)
            case FirewallProfileStep() as wish:
                for profile in wish.profiles:
                    self.profile(step, wish, firewall.profile_key(profile))
            case BcdStep() as wish:
                if step.when is not None and step.when.fact is not None:
                    self.leave_out(step, step.title, "its condition cannot be asked by bcdedit")
                else:
                    entry = "{default}" if wish.entry == "{current}" else wish.entry
                    self.boot.append(BootEdit(step.id, step.why, entry, wish.element, wish.wanted))
            case _:
                self.leave_out(step, step.title, _REASONS[step.kind])
        for policy in step.wish.policies:
            for place in self.places(policy.key, policy.name):
                self.overrides.append(Override(step.id, place, policy.harmless))

    def edit(
        self,
        step: Step,
        key: str,
        name: str,
        wanted: RegistryValue | None,
        *,
        accepts: tuple[RegistryValue | None, ...] = (),
        rule_enabled: bool | None = None,
        absent: Absent = "make",
    ) -> None:
        """A value, in each control set where it lies in one."""
        places = list(self.places(key, name))
        if not places:
            self.leave_out(step, f"{key}, {name}", "its key is in neither SYSTEM nor SOFTWARE")
        for place in places:
            self.edits.append(
                Edit(
                    *(step.id, step.why, place, wanted, accepts, rule_enabled, absent),
                    self.condition(step, place),
                )
            )

    def places(self, key: str, name: str) -> Iterator[Place]:
        """Where a value lies in the hives; nowhere for other hives."""
        folded = f"{key}\\".lower()
        if folded.startswith(_CURRENT.lower()):
            for each in self.sets:
                yield Place("SYSTEM", f"{each}\\{key[len(_CURRENT) :]}".rstrip("\\"), name)
            return
        for root, (hive, below) in _ROOTS.items():
            if folded.startswith(root.lower()):
                yield Place(hive, f"{below}{key[len(root) :]}", name)

    def condition(self, step: Step, place: Place) -> Condition | None:
        """The condition of a step for one place: a fact of the same control set as the place."""
        if step.when is None or step.when.fact is None:
            return None
        asked = self.facts[step.when.fact].registry
        places = list(self.places(asked.key, asked.value))
        own = place.path.partition("\\")[0]
        same = [each for each in places if each.path.partition("\\")[0] == own]
        return Condition((same or places)[0], step.when) if places else None

    def service(self, step: Step, wish: ServiceStep) -> None:
        """Start type, account and type of a service; branches that need no error code, too."""
        start, account = wish.start, wish.account
        accepts = [*wish.start_accepts, *(["delayed-auto"] if start == "auto" else [])]
        for failure in wish.start_failures:
            if (settings := failure.set) is None:
                continue
            if start is None and settings.start is not None:  # for one that is disabled
                start, accepts = settings.start, ["auto", "demand", "delayed-auto"]
            account = account or settings.account
            if settings.type is not None:
                self.leave_out(
                    *(step, f"type {settings.type}"),
                    "it is for a service that does not start, which a disk does not show",
                )
        key = services.config_key(wish.name)
        if start is not None:
            number = _start(start)
            others = tuple(_start(word) for word in accepts)
            self.edit(step, key, "Start", number, accepts=others, absent="refuse")
            if start == "delayed-auto":
                self.edit(step, key, "DelayedAutostart", _dword(1))
        if account is not None:
            value = RegistryValue(RegistryType.SZ, account)
            self.edit(step, key, "ObjectName", value, absent="refuse")
        if wish.type is not None:
            self.edit(step, key, "Type", _dword(_TYPE[wish.type]), absent="refuse")
        if wish.state is not None:
            self.leave_out(step, f"state {wish.state}", "services start when the VM starts")

    def profile(self, step: Step, wish: FirewallProfileStep, key: str) -> None:
        """The switches of one firewall profile."""
        if wish.enabled is not None:
            on = (None,) if wish.enabled else ()
            wanted = _dword(int(wish.enabled))
            self.edit(step, key, "EnableFirewall", wanted, accepts=on)
        if wish.inbound is None:
            return
        block = wish.inbound != "allow"
        action = (None,) if block else ()
        self.edit(step, key, "DefaultInboundAction", _dword(int(block)), accepts=action)
        if wish.inbound == "block_always":
            self.edit(step, key, "DoNotAllowExceptions", _dword(1))
        else:
            self.edit(step, key, "DoNotAllowExceptions", None, accepts=(_dword(0),))

    def leave_out(self, step: Step, what: str, reason: str) -> None:
        """Say that something has no offline form."""
        self.left_out.append(LeftOut(step.id, what, reason))


def _dword(number: int) -> RegistryValue:
    return RegistryValue(RegistryType.DWORD, number)


def _start(word: str) -> RegistryValue:
    return _dword(_START["auto" if word == "delayed-auto" else word])


def bcd_line(edit: BootEdit, store: str = "STORE") -> str:
    """The command for a boot edit; the store is `\\boot\\bcd`, or on the EFI partition
    `\\EFI\\Microsoft\\Boot\\BCD`."""
    if edit.value is None:
        return f"bcdedit /store {store} /deletevalue {edit.entry} {edit.element}"
    return f"bcdedit /store {store} /set {edit.entry} {edit.element} {edit.value}"
