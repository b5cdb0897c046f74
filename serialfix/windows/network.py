"""netstat: who listens on a TCP port."""

from __future__ import annotations

import re
from collections.abc import Iterable

from serialfix.windows.shell import line


def listeners(port: int) -> str:
    """Ask for the connections of a port."""
    return line(f'netstat -an | find ":{port} "')


def listens(rows: Iterable[str], port: int) -> bool:
    """Whether a row is a listener: the foreign address 0.0.0.0:0 says so in any language."""
    row = re.compile(rf"^\s*TCP\s+\S+:{port}\s+(0\.0\.0\.0|\[::\]):0\s")
    return any(row.match(text + " ") for text in rows)
