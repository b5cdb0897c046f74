"""PowerShell's cmdlets as the wanted ends that they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from serialfix.playbook import known
from serialfix.playbook.commandline import Part
from serialfix.playbook.wanted import (
    Restart,
    Result,
    Unknown,
    absent,
    kebab,
    look,
    registry,
    rules,
    service,
)


@dataclass(slots=True)
class Words:
    """The arguments of a cmdlet: named, and by place."""

    named: dict[str, str] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)

    def get(self, name: str, place: int | None = None) -> str | None:
        """An argument by the start of its name, or by its place."""
        found = next((v for k, v in self.named.items() if name.startswith(k) and len(k) > 1), None)
        if found is None and place is not None and place < len(self.placed):
            return self.placed[place]
        return found


_TYPES = {
    "dword": "REG_DWORD",
    "qword": "REG_QWORD",
    "string": "REG_SZ",
    "expandstring": "REG_EXPAND_SZ",
    "multistring": "REG_MULTI_SZ",
    "binary": "REG_BINARY",
}
_START_TYPES = {"automatic": "auto", "manual": "demand", "disabled": "disabled"}


def _cmdlet_words(part: Part) -> Words:
    found, name = Words(), ""
    for word in part.words[1:]:
        if not word.quote and re.match(r"-[A-Za-z]", word.text):
            name = word.low.lstrip("-").rstrip(":")
            found.named[name] = ""
        elif name:
            found.named[name], name = word.text.rstrip(","), ""
        else:
            found.placed.append(word.text)
    return found


def _item_property(part: Part) -> Iterator[Result]:
    words = _cmdlet_words(part)
    key, name = words.get("path", 0), words.get("name", 1)
    if not key or not name or "," in name or not re.match(r"(?i)\s*(HK\w+:|registry::)", key):
        return
    verb = part.program.partition("-")[0]
    if verb == "remove":
        yield absent(key, name)
        return
    if verb == "get":
        yield look(f'reg query "{known.spelled(key)}" /v {name}', f"look-{kebab(name)}")
        return
    data = words.get("value", 2)
    kind = words.get("type") or words.get("propertytype")
    if data is None or not re.fullmatch(r"[^$({]*", data):
        yield Unknown("its value is not a plain one")
    elif kind is not None:
        yield registry(key, name, _TYPES.get(kind.lower(), kind), data)
    else:
        number = re.fullmatch(r"\d+|0[xX][0-9a-fA-F]+", data)
        yield registry(key, name, "REG_DWORD" if number else "REG_SZ", data)


def _service_cmdlet(part: Part) -> Iterator[Result]:
    words = _cmdlet_words(part)
    name = words.get("name", 0)
    if not name or "," in name:
        return
    match part.program:
        case "start-service":
            yield service(name, state="running")
        case "stop-service":
            yield service(name, state="stopped")
        case "restart-service":
            yield service(name, state="running", restart=True)
        case "get-service":
            yield look(f"sc query {name}", f"look-{kebab(name)}")
        case _:
            body: dict[str, Any] = {}
            start = (words.get("startuptype") or "").lower()
            status = (words.get("status") or "").lower()
            if start in _START_TYPES:
                body["start"] = _START_TYPES[start]
            if status in ("running", "stopped"):
                body["state"] = status
            if body:
                yield service(name, **body)


def _rule_cmdlet(part: Part) -> Iterator[Result]:
    words = _cmdlet_words(part)
    wanted = {"enable": "true", "disable": "false"}.get(
        part.program.partition("-")[0], (words.get("enabled") or "").lower()
    )
    others = {"name", "displayname", "displaygroup", "group", "enabled", "confirm"}
    if wanted not in ("true", "false") or set(words.named) - others:
        return
    group = words.named.get("displaygroup") or words.named.get("group")
    name = words.named.get("name") or words.named.get("displayname")
    yield from rules(name or next(iter(words.placed), None), group, wanted == "true")


def _restart(part: Part) -> Iterator[Result]:
    yield Restart()


CMDLETS: Mapping[str, Callable[[Part], Iterator[Result]]] = {
    "restart-computer": _restart,
    **dict.fromkeys(
        ("set-itemproperty", "new-itemproperty", "remove-itemproperty", "get-itemproperty"),
        _item_property,
    ),
    **dict.fromkeys(
        ("start-service", "stop-service", "restart-service", "set-service", "get-service"),
        _service_cmdlet,
    ),
    **dict.fromkeys(
        ("enable-netfirewallrule", "disable-netfirewallrule", "set-netfirewallrule"), _rule_cmdlet
    ),
}
