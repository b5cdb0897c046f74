"""sc.exe and net.exe: services asked and changed.

The state is read from words that stand in every language; start type, account and type are read
from the registry (`config_key`), because `sc qc` translates its labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from serialfix.model import RegistryType, RegistryValue
from serialfix.windows.shell import line, quoted


START = {0: "boot", 1: "system", 2: "auto", 3: "demand", 4: "disabled"}
TYPE = {0x10: "own", 0x20: "share"}
ALREADY_RUNNING = 1056
_BUFFER = 61_520
"""Bytes for a list of services: EnumDependentServices takes no more than 64,000."""

_STATE = re.compile(
    r"^\s[^:]*:\s*[1-7]\s+(STOPPED|START_PENDING|STOP_PENDING|RUNNING|CONTINUE_PENDING|PAUSE_PENDING|PAUSED)\b"
)
_NAME = re.compile(r"^\S[^:]*: *(\S.*?)\s*$")
_PID = re.compile(r"^\s*PID\s*:\s*(\d+)\s*$")
_ENDED = re.compile(r"^\s*WIN32_EXIT_CODE\s*:\s*(\d+)")


def config_key(name: str) -> str:
    """The key that holds what `sc config` changes."""
    return f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{name}"


def query(name: str) -> str:
    """Ask for a service's state."""
    return line(f"sc query {quoted(name)}")


def query_process(name: str) -> str:
    """Ask for a service's state and the process that it runs in."""
    return line(f"sc queryex {quoted(name)}")


def dependents(name: str) -> str:
    """Ask for the services that need this one, with their states.

    The 1 kB that it takes by itself holds a handful of them; it shows what fits, and ends with 234.
    """
    return line(f"sc enumdepend {quoted(name)} {_BUFFER}")


def configure(name: str, option: str, value: str) -> str:
    """Change one of `start`, `obj`, `type`; the blank behind `=` must be there (catalogue §3.2)."""
    return line(f"sc config {quoted(name)} {option}= {quoted(value)}")


def start(name: str) -> str:
    """Start a service; the exit code is the Windows error, unlike that of `net start`."""
    return line(f"sc start {quoted(name)}")


def stop(name: str) -> str:
    """Stop a service and what needs it, and wait for it; `sc stop` fails with 1051 (§3.2)."""
    return line(f"net stop {quoted(name)} /y")


def state(rows: Iterable[str]) -> str | None:
    """`RUNNING`, `STOPPED`, …: these words stand in every language; None when there is none."""
    matches = (_STATE.search(row) for row in rows)
    return next((match[1] for match in matches if match), None)


def process(rows: Iterable[str]) -> int | None:
    """The process id in the answer to `query_process`; None when it is not shown."""
    matches = (_PID.match(row) for row in rows)
    return next((int(match[1]) for match in matches if match), None)


def ended(rows: Iterable[str]) -> int:
    """The Windows error that a stopped service ended with; 0 for none."""
    matches = (_ENDED.match(row) for row in rows)
    return next((int(match[1]) for match in matches if match), 0)


def states(rows: Iterable[str]) -> dict[str, str]:
    """The states in an answer to `dependents`, by service name.

    The name is the first row of a block whatever its label is: labels are translated.
    """
    found: dict[str, str] = {}
    name = ""
    for row in rows:
        if not row.strip():
            name = ""
        elif not name and (match := _NAME.match(row)):
            name = match[1]
        elif name and (match := _STATE.search(row)):
            found.setdefault(name, match[1])
    return found


def start_word(start: RegistryValue | None, delayed: RegistryValue | None) -> str:
    """The start type as `sc config` names it; "" when the registry holds none that it knows."""
    if start is None or start.type is not RegistryType.DWORD or start.data not in START:
        return ""
    word = START[int(str(start.data))]
    later = delayed is not None and delayed.data == 1
    return "delayed-auto" if word == "auto" and later else word


def type_word(kind: RegistryValue | None) -> str:
    """`own` or `share`; "" for another kind of service, which `sc config` could not put back."""
    return TYPE.get(kind.data, "") if kind is not None and isinstance(kind.data, int) else ""
