"""Steps in the making: what several commands of an article say about one thing, put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serialfix.playbook import known
from serialfix.playbook.commandline import CommandLine
from serialfix.playbook.wanted import Wanted, kebab


_EVERYWHERE = ("start", "type", "enabled", "object-name", "error-control", "no-start")
"""Values that many keys have: their steps are named after the key, too."""
_SETTINGS = ("start", "account", "type")
_FAILURES: Mapping[str, list[int]] = {
    "start": [1058, 1077],  # disabled; never started
    "account": [1069],  # its logon failed
    "type": [1053, 1067, 1070],  # it hangs, or ends while it starts
}
"""The Windows errors that a setting cures (catalogue.md §4.6, the correct branches)."""


@dataclass(slots=True, eq=False)
class Draft:
    """A step in the making, and what the article's commands wanted of it, section by section."""

    wanted: Wanted
    why: str
    lines: list[int] = field(default_factory=list)
    wishes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    id: str = ""

    @property
    def body(self) -> dict[str, Any]:
        return self.wanted.body

    def takes(self, wanted: Wanted) -> bool:
        """Whether another command wants nothing else. A service takes one state after the other."""
        if wanted.kind == "service":
            return True
        return all(self.body.get(name, value) == value for name, value in wanted.body.items())

    def add(self, wanted: Wanted, *, line: int, section: int) -> None:
        """Another command about the same thing."""
        self.body.update(wanted.body)
        self.lines.append(line)
        self.wishes.append((section, wanted.body))

    def example(self, wanted: Wanted) -> str | None:
        """The parameter that `wanted` has a value for, when it is the same in all else."""
        there = wanted.body
        if self.wanted.kind != wanted.kind or self.body.keys() != there.keys():
            return None
        names = [name for name in self.body if self.body[name] != there[name]]
        if len(names) != 1:
            return None
        found = re.fullmatch(r"\$\{(\w+)\}", str(self.body[names[0]]))
        return found[1] if found else None


def name_all(drafts: Sequence[Draft]) -> None:
    """Give each step an id of its own."""
    wished = [draft.wanted.id for draft in drafts]
    taken: set[str] = set()
    for draft in drafts:
        given = draft.wanted.id
        alike = wished.count(given) > 1 or given in _EVERYWHERE
        if draft.wanted.kind == "registry" and alike:
            parts = draft.body["key"].split("\\")
            above = [part for part in parts if part not in ("Server", "Parameters")][-1]
            given = f"{kebab(above)}-{given}"
        number, bare = 2, given
        while given in taken:
            given, number = f"{bare}-{number}", number + 1
        taken.add(given)
        draft.id = given


def finished(draft: Draft, drafts: Sequence[Draft]) -> dict[str, Any]:
    """What stands under the step's kind. Names must have been given."""
    states = [body["state"] for _, body in draft.wishes if "state" in body]
    if draft.wanted.kind != "service" or not states:
        return dict(draft.body)
    body = {**draft.body, "state": states[-1]}
    restarts = body.pop("restart", False) or "stopped" in states
    if states[-1] == "stopped":
        return body
    if failures := _branches(draft):
        for name in failures:
            body.pop(name)
        body["start_failures"] = [
            {"codes": _FAILURES[name], "set": {name: value}} for name, value in failures.items()
        ]
    elif restarts and (depends := _terminal_values(body["name"], drafts)):
        body["restart_if_changed"] = depends
    elif restarts and not set(_SETTINGS) & set(body):
        body["restart"] = True
    return body


def _branches(draft: Draft) -> dict[str, Any]:
    """Settings that stand in sections of their own, each with a start of its own, behind one that
    only starts the service: they are for when that fails."""
    starts = [section for section, body in draft.wishes if body.get("state") == "running"]
    if len(set(starts)) < 2:
        return {}
    found: dict[str, Any] = {}
    for section, body in draft.wishes:
        for name in _SETTINGS:
            if name in body and section == starts[0]:
                return {}
            if name in body and section in starts:
                found[name] = body[name]
    return found


def _terminal_values(service: str, drafts: Iterable[Draft]) -> list[str]:
    """The steps that Remote Desktop Services must be restarted for."""
    if service.lower() != "termservice":
        return []
    return [
        other.id
        for other in drafts
        if other.wanted.kind == "registry"
        and known.online(other.body["key"]).startswith((known.TS, known.POL))
    ]


def overtaken(drafts: Mapping[tuple[str, ...], Draft]) -> Iterator[tuple[Draft, Draft]]:
    """Start types in the registry that a service step changes again, and that step."""
    for draft in drafts.values():
        found = re.fullmatch(r"(?i).*\\Services\\([^\\]+)", draft.body.get("key", ""))
        if found and draft.body.get("value", "").lower() == "start":
            service = drafts.get(("service", found[1].lower()))
            if service is not None and service.body.get("start"):
                yield draft, service


def reads_already(drafts: Iterable[Draft], look: Draft) -> bool:
    """Whether a step reads what a look would show."""
    asked = asked_for(look.body["command"])
    return any(
        re.match(pattern, asked) is not None for draft in drafts for pattern in _read_by(draft)
    )


def _read_by(draft: Draft) -> Iterator[str]:
    """The looks, as `asked_for` gives them, that a step makes needless."""
    body = {name: re.escape(str(value).lower()) for name, value in draft.body.items()}
    match draft.wanted.kind:
        case "registry":
            yield rf"reg query {body['key']} /v {body['value']}$"
        case "service":
            yield rf"sc (?:query|qc|queryex) {body['name']}$"
        case "firewall_rule" if "name" in body:
            yield rf"netsh .*show rule name={body['name']}$"
        case "firewall_profile":
            yield r"netsh advfirewall show"
        case "account":
            yield rf"net user {body['name']}(?: \||$)"
            yield rf"net localgroup {body.get('member_of', '-')}$"
        case "bcd":
            yield r"bcdedit(?: /enum| /v|$| \|)"
        case "network":
            yield r"netsh int\w* .*show"


def asked_for(command: str) -> str:
    """A look in the one form in which looks are compared."""
    line = CommandLine(command)
    words = [line.first.program, *(word.text for word in line.first.words[1:])]
    if line.first.program == "reg" and len(words) > 2:
        words[2] = known.spelled(words[2])
    tail = [f"| {' '.join(word.text for word in part.words)}" for part in line.parts[1:]]
    return " ".join([*words, *tail]).lower()


def waits_for_restart(drafts: Iterable[Draft]) -> bool:
    """Whether something takes effect only when the VM starts anew."""
    return any(
        (
            draft.wanted.kind == "registry"
            and known.needs_restart(draft.body["key"], draft.body["value"])
        )
        or draft.body.get("entry", "{bootmgr}") != "{bootmgr}"
        for draft in drafts
    )


def lowered(drafts: Iterable[Draft]) -> list[str]:
    """What the steps lower in security, as far as it is known."""
    found: list[str] = []
    for draft in drafts:
        body, why = draft.body, None
        if draft.wanted.kind == "registry":
            why = known.lowered(body["key"], body["value"], body.get("data"))
        elif draft.wanted.kind == "firewall_profile" and body.get("enabled") is False:
            why = "The guest's firewall is off until it is switched on again, also over a restart."
        if why:
            found.append(why)
    return list(dict.fromkeys(found))
