"""A lab guest on a wire without gateway: for tests of the dialogue in virtual time."""

from __future__ import annotations

import asyncio

from serialfix.errors import GatewayClosed, TransportError
from serialfix.lab.guest import Guest


class Wired:
    """A `Transport` straight into a guest's serial port; `cut` drops the connection."""

    def __init__(self, guest: Guest, *, backlog: int = 4096) -> None:
        self.guest = guest
        self.backlog = backlog
        self.connects = 0
        self.typed = bytearray()
        self.drop_after: int | None = None
        """Keys after which the connection drops, once."""
        self.error: type[TransportError] = GatewayClosed
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._up = False

    async def connect(self) -> None:
        self.connects += 1
        self._up = True
        self._queue = asyncio.Queue()
        if past := self.guest.history(self.backlog):
            self._queue.put_nowait(past)
        self.guest.listen(self._queue.put_nowait)

    async def receive(self) -> bytes:
        if not self._up and self._queue.empty():
            raise self.error("the connection was closed")
        data = await self._queue.get()
        if data is None:
            raise self.error("the connection was closed")
        return data

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        if not self._up:
            raise self.error("the connection was closed")
        for at in range(len(keys)):
            if self.drop_after is not None and len(self.typed) >= self.drop_after:
                self.drop_after = None
                self.cut()
                return
            self.typed += keys[at : at + 1]
            self.guest.write(keys[at : at + 1])

    def cut(self) -> None:
        """The gateway closes the connection."""
        self._up = False
        self.guest.listen(None)
        self._queue.put_nowait(None)

    async def close(self) -> None:
        self._up = False
        self.guest.listen(None)
