"""sc.exe: the state of a service."""

from __future__ import annotations

import re
from collections.abc import Iterable

from serialfix.windows.shell import line, quoted


_STATE = re.compile(
    r":\s*[1-7]\s+(STOPPED|START_PENDING|STOP_PENDING|RUNNING|CONTINUE_PENDING|PAUSE_PENDING|PAUSED)\b"
)


def query(name: str) -> str:
    """Ask for a service's state."""
    return line(f"sc query {quoted(name)}")


def state(rows: Iterable[str]) -> str | None:
    """`RUNNING`, `STOPPED`, …: these words stand in every language; None when there is none."""
    matches = (_STATE.search(row) for row in rows)
    return next((match[1] for match in matches if match), None)
