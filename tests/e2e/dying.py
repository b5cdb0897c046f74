"""`serialfix` that is killed (SIGKILL) at one exact moment: `dying.py MOMENT NTH ARGUMENTS...`.

MOMENT is `before:KIND` or `after:KIND` of a journal record, or `keys` / `entered` for the moments
just before and after the NTH Enter is sent to the console.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import Any

from serialfix.record.journal import Journal
from serialfix.transport.gateway import GatewayTransport


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(moment: str, nth: int) -> None:
    """Arm the moment, then be the command."""
    calls = count(1)
    append, send = Journal.append, GatewayTransport.send
    when, _, kind = moment.partition(":")

    def dying_append(self: Journal, name: str, /, **facts: Any) -> Any:
        due = name == kind and next(calls) == nth
        if due and when == "before":
            _die()
        record = append(self, name, **facts)
        if due:
            _die()
        return record

    async def dying_send(self: GatewayTransport, keys: bytes, *, secret: bool = False) -> None:
        due = keys == b"\r" and next(calls) == nth
        if due and when == "keys":
            _die()
        await send(self, keys, secret=secret)
        if due:
            _die()

    if kind:
        Journal.append = dying_append  # type: ignore[method-assign,assignment]
    else:
        GatewayTransport.send = dying_send  # type: ignore[method-assign]
    from serialfix.cli.main import main as command

    command()


if __name__ == "__main__":
    _, what, number, *sys.argv[1:] = sys.argv
    main(what, int(number))
