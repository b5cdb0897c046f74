"""`serialfix` that is killed (SIGKILL) at one exact moment: `dying.py MOMENT NTH ARGUMENTS...`.

MOMENT is `before:KIND` or `after:KIND` of a journal record, or `keys` / `entered` for the moments
just before and after the NTH Enter is sent to the console.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from serialfix.record.journal import Journal
from serialfix.transport.gateway import GatewayTransport
from serialfix.transport.process import ProcessTransport


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(moment: str, nth: int) -> None:
    """Arm the moment, then be the command."""
    calls = count(1)
    append = Journal.append
    when, _, kind = moment.partition(":")

    async def dying_append(self: Journal, name: str, /, **facts: Any) -> Any:
        due = name == kind and next(calls) == nth
        if due and when == "before":
            _die()
        record = await append(self, name, **facts)
        if due:
            _die()
        return record

    def dying_send(send: Callable[..., Awaitable[None]]) -> Any:
        async def at_enter(self: Any, keys: bytes, *, secret: bool = False) -> None:
            due = keys == b"\r" and next(calls) == nth
            if due and when == "keys":
                _die()
            await send(self, keys, secret=secret)
            if due:
                _die()

        return at_enter

    if kind:
        Journal.append = dying_append  # type: ignore[method-assign,assignment]
    else:
        for way in (GatewayTransport, ProcessTransport):
            way.send = dying_send(way.send)  # type: ignore[method-assign]
    from serialfix.cli.main import main as command

    command()


if __name__ == "__main__":
    _, what, number, *sys.argv[1:] = sys.argv
    main(what, int(number))
