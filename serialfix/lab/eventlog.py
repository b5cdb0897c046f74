"""Event logs: what is recorded, which logs are on, and wevtutil (catalogue §3.2, §3.7).

Whether a log is on is a value of the registry; wevtutil's own words (`enabled: true`) are not
localised, its errors are.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from serialfix.lab.profiles import CHANNELS, dword


if TYPE_CHECKING:
    from serialfix.lab.shell import Call

_EPOCH = datetime(2026, 1, 5, 8, 0, 0, tzinfo=UTC)
_CLASSIC = ("System", "Application", "Security", "Setup")
_NO_CHANNEL = 15007
_BAD_QUERY = 15001
_SERVICES = "Service Control Manager"
_SERVICE_TEXTS = {
    7000: "The {0} service failed to start due to the following error: \r\n%%{1}",
    7001: "The {0} service depends on a service which failed to start because of the following "
    "error: \r\n%%{1}",
    7009: "A timeout was reached (30000 milliseconds) while waiting for the {0} service "
    "to connect.",
    7022: "The {0} service hung on starting.",
    7034: "The {0} service terminated unexpectedly.  It has done this 1 time(s).",
    7038: "The {0} service was unable to log on with the currently configured password due to the "
    "following error: \r\n%%{1}",
}


def now() -> datetime:
    """The guest's time: that of the loop, for it may be virtual."""
    try:
        seconds = asyncio.get_running_loop().time() % 86400
    except RuntimeError:
        seconds = 0.0
    return _EPOCH + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Event:
    """One record."""

    log: str
    source: str
    id: int
    level: int
    text: str
    time: datetime


@dataclass(slots=True)
class EventLog:
    """All records of a guest, oldest first."""

    records: list[Event] = field(default_factory=list)

    def add(self, log: str, source: str, number: int, text: str, *, level: int = 2) -> None:
        """Record something; level 2 is an error."""
        self.records.append(Event(log, source, number, level, text, now()))

    def service(self, number: int, name: str, code: int) -> None:
        """What the service control manager records when a service does not start."""
        self.add("System", _SERVICES, number, _SERVICE_TEXTS[number].format(name, code))


class _BadQuery(Exception):
    """Not a query that this wevtutil can read."""


def _matches(query: str, event: Event) -> bool:
    """`Event[System[...]]` with what the articles use: Provider, EventID, Level, timediff."""
    inner = re.fullmatch(r"\s*(?:Event|\*)\s*(?:\[\s*System\s*\[(.*)\]\s*\])?\s*", query, re.S)
    if inner is None or query.count("[") != query.count("]"):
        raise _BadQuery
    terms = re.split(r"\band\b", inner[1] or "")
    return all(_term(term.strip(" ()"), event) for term in terms if term.strip(" ()"))


def _term(term: str, event: Event) -> bool:
    if match := re.fullmatch(r"Provider\s*\[@Name\s*=\s*['\"](.*)['\"]\]", term):
        return match[1].lower() == event.source.lower()
    if match := re.search(r"timediff\(@SystemTime\)\s*<=\s*(\d+)", term):
        return now() - event.time <= timedelta(milliseconds=int(match[1]))
    found = re.findall(r"(EventID|Level)\s*=\s*(\d+)", term)
    if not found or re.sub(r"(EventID|Level)\s*=\s*\d+|\bor\b|[\s()]", "", term):
        raise _BadQuery
    actual = {"EventID": event.id, "Level": event.level}
    return any(actual[name] == int(number) for name, number in found)


def _options(words: list[str]) -> dict[str, str]:
    """`/c:5` and `-c:5` and `/Count:5`, by their first letters."""
    found = {}
    for word in words:
        name, _, value = word.lstrip("/-").partition(":")
        found[name.lower()] = value
    return found


def _known(call: Call, log: str) -> str | None:
    """The spelling of a log's name."""
    for name in _CLASSIC:
        if name.lower() == log.lower():
            return name
    key = call.machine.registry.key(f"{CHANNELS}\\{log}")
    return key.name if key is not None and log else None


def _get_log(call: Call, log: str) -> None:
    classic = log in _CLASSIC
    value = call.machine.registry.get(f"{CHANNELS}\\{log}", "Enabled")
    enabled = classic or value == dword(1)
    publisher = log.partition("/")[0]
    file = log.replace("/", "%4")
    for line in (
        f"name: {log}",
        f"enabled: {str(enabled).lower()}",
        f"type: {'Admin' if classic else 'Operational'}",
        f"owningPublisher: {'' if classic else publisher}",
        f"isolation: {'System' if log == 'System' else 'Application'}",
        "channelAccess: O:BAG:SYD:(A;;0xf0007;;;SY)(A;;0x7;;;BA)(A;;0x3;;;BO)(A;;0x5;;;SO)"
        "(A;;0x1;;;IU)(A;;0x3;;;SU)(A;;0x1;;;S-1-5-3)(A;;0x2;;;S-1-5-33)(A;;0x1;;;S-1-5-32-573)",
        "logging:",
        rf"  logFileName: %SystemRoot%\System32\Winevt\Logs\{file}.evtx",
        "  retention: false",
        "  autoBackup: false",
        f"  maxSize: {20971520 if classic else 1052672}",
        "publishing:",
        "  fileMax: 1",
    ):
        call.say(line)


def _text(call: Call, number: int, event: Event) -> Iterator[str]:
    yield f"Event[{number}]:"
    yield f"  Log Name: {event.log}"
    yield f"  Source: {event.source}"
    yield f"  Date: {event.time:%Y-%m-%dT%H:%M:%S}.{event.time.microsecond // 1000:03d}"
    yield f"  Event ID: {event.id}"
    yield "  Task: N/A"
    yield f"  Level: {call.text('event.error') if event.level == 2 else event.level}"
    yield "  Opcode: N/A"
    yield "  Keyword: N/A"
    yield "  User: N/A"
    yield "  User Name: N/A"
    yield f"  Computer: {call.machine.computer}"
    yield "  Description: "
    yield event.text
    yield ""


def _query(call: Call, log: str, options: dict[str, str]) -> int:
    """Without `/rd:true` the oldest come first; without `/f:text` it is XML. No match: nothing."""
    query = options.get("q", options.get("query", "*"))
    try:
        found = [
            event
            for event in call.machine.disk.events.records
            if _matches(query, event) and event.log == log
        ]
        if not found:  # the query is looked at all the same
            _matches(query, Event(log, "", 0, 0, "", now()))
    except _BadQuery:
        call.complain(call.text("event.query"))
        return _BAD_QUERY
    if options.get("rd", options.get("reversedirection", "")).lower() == "true":
        found.reverse()
    count = options.get("c", options.get("count", ""))
    for number, event in enumerate(found[: int(count)] if count.isdigit() else found):
        if options.get("f", options.get("format", "xml")).lower() == "text":
            for line in _text(call, number, event):
                call.say(line)
        else:
            call.say(
                "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
                f"<Provider Name='{event.source}'/><EventID Qualifiers='49152'>{event.id}</EventID>"
                f"<Level>{event.level}</Level><Channel>{event.log}</Channel>"
                f"<Computer>{call.machine.computer}</Computer></System></Event>"
            )
    return 0


async def wevtutil(call: Call) -> int:
    """`wevtutil gl|sl|qe|el`; 0 or a Windows error."""
    words = call.arguments
    command = words[0].lower() if words else ""
    if command in ("el", "enum-logs"):
        channels = call.machine.registry.key(CHANNELS)
        for name in (
            *_CLASSIC,
            *(key.name for key in (channels.keys.values() if channels else ())),
        ):
            call.say(name)
        return 0
    known = ("gl", "get-log", "sl", "set-log", "qe", "query-events")
    if command not in known or len(words) < 2:
        call.complain(call.text("win.87"))
        return 87
    log = _known(call, words[1])
    if log is None:
        call.complain(f"{words[1]}: {call.text('event.channel')}")
        return _NO_CHANNEL
    options = _options(words[2:])
    if command in ("gl", "get-log"):
        _get_log(call, log)
        return 0
    if command in ("qe", "query-events"):
        return _query(call, log, options)
    enabled = options.get("e", options.get("enabled", "")).lower()
    if enabled not in ("true", "false"):
        call.complain(call.text("win.87"))
        return 87
    if log in _CLASSIC:
        call.complain(call.text("win.5"))
        return 5
    call.machine.registry.set(f"{CHANNELS}\\{log}", "Enabled", dword(int(enabled == "true")))
    return 0
