"""A recording in place of a console, strictly: the first different keystroke ends it.

Also the other half: `RecordingTransport` writes what passes another transport into a recording.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never

from serialfix.errors import (
    CommandEnded,
    CommandNotStarted,
    GatewayClosed,
    GatewayRejected,
    GatewayUnreachable,
    ReplayMismatch,
    SessionTakenOver,
    TransportError,
)
from serialfix.record.cast import (
    CONNECT,
    END,
    INPUT,
    MARKER,
    OUTPUT,
    REFUSED,
    Cast,
    CastWriter,
    Event,
    sections,
)
from serialfix.transport.base import Transport


_ENDINGS = {
    error.slug: error
    for error in (
        GatewayUnreachable,
        GatewayRejected,
        SessionTakenOver,
        CommandEnded,
        CommandNotStarted,
    )
}


class RecordingTransport:
    """Carries what another transport carries, and records it."""

    def __init__(self, inner: Transport, cast: CastWriter) -> None:
        self._inner = inner
        self._cast = cast

    async def connect(self) -> None:
        """As the inner transport; an attachment that failed is recorded as refused."""
        try:
            await self._inner.connect()
        except TransportError as error:
            self._cast.marker(CONNECT)
            self._cast.marker(REFUSED + error.slug)
            raise
        self._cast.marker(CONNECT)

    async def receive(self) -> bytes:
        """As the inner transport; how the connection ended is recorded."""
        try:
            data = await self._inner.receive()
        except TransportError as error:
            self._cast.marker(END + error.slug)
            raise
        self._cast.output(data)
        return data

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        """As the inner transport; recorded first, so that the echo comes after the keystroke."""
        self._cast.input(keys, secret=secret)
        try:
            await self._inner.send(keys, secret=secret)
        except TransportError as error:
            self._cast.marker(END + error.slug)
            raise

    async def close(self) -> None:
        """As the inner transport; the recording stays open for the next attachment."""
        await self._inner.close()


@dataclass(frozen=True, slots=True)
class _Key:
    """A recorded keystroke; `char` is None for one of a secret. `index` is that of its event."""

    char: str | None
    index: int


class ReplayTransport:
    """Plays a recording: gives its output in its order, checks every keystroke.

    Output that was recorded after a keystroke comes only after that keystroke, and all output
    before the next one comes at once: what happened before what decides, not by how many
    milliseconds, so that a replay does not depend on the speed of either machine. A secret may be
    any secret with as many keystrokes. Where the recording ends with the gateway's end, `receive`
    raises what it raised then; where it simply ends there is silence. On a `VirtualTimeLoop` the
    waits of the driver cost no time.

    The first mismatch is raised again by everything that comes after it, `finish` included.
    """

    def __init__(self, cast: Cast) -> None:
        self._waiting = list(sections(cast.events))
        self._events: Sequence[Event] = ()
        self._next = 0  # the event to give next
        self._keys: Sequence[_Key] = ()
        self._typed = 0  # how many of the keys were typed
        self._connected = False
        self._news = asyncio.Event()
        self._mismatch: ReplayMismatch | None = None

    async def connect(self) -> None:
        """Move on to the next attachment of the recording. Raises what it raised then."""
        self._check()
        self._all_typed()
        if not self._waiting:
            self._fail("connected once more than recorded")
        self._events = self._waiting.pop(0)
        self._next = self._typed = 0
        self._keys = [key for at, event in enumerate(self._events) for key in _keys(event, at)]
        for event in self._events:
            if event.code == MARKER and event.data.startswith(REFUSED):
                raise _ending(event.data.removeprefix(REFUSED))
        self._connected = True

    async def receive(self) -> bytes:
        """The next recorded output. Raises the recorded end, or ReplayMismatch."""
        while True:
            self._check()
            if not self._connected:
                raise GatewayClosed("the connection is closed")
            if (event := self._upcoming()) is not None:
                break
            self._news.clear()
            await self._news.wait()
        if event.code == MARKER:
            raise _ending(event.data.removeprefix(END))
        self._next += 1
        return event.data.encode()

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        """Compare keystrokes with the recorded ones. Raises ReplayMismatch at the first other."""
        self._check()
        if not self._connected:
            raise GatewayClosed("the connection is closed")
        chars = [None] * len(keys) if secret else list(keys.decode("utf-8", "replace"))
        for number, char in enumerate(chars):
            if self._typed == len(self._keys) or self._keys[self._typed].char != char:
                self._fail("a keystroke differs", chars[number:])
            self._typed += 1
        if chars:
            self._news.set()

    async def close(self) -> None:
        """End the attachment. What was recorded and not typed is told by `finish`."""
        self._connected = False
        self._news.set()

    def finish(self) -> None:
        """The driver is done: raises ReplayMismatch when it did not type all that was recorded."""
        self._check()
        if self._waiting and not self._events:
            self._fail("never connected")
        self._all_typed()
        if self._waiting:
            self._fail("the recording connects once more")

    def _check(self) -> None:
        if self._mismatch is not None:
            raise self._mismatch

    def _all_typed(self) -> None:
        if self._typed < len(self._keys):
            self._fail("recorded input was not typed")

    def _gate(self) -> int:
        """The index of the event that waits for a keystroke: nothing from there on happens."""
        return self._keys[self._typed].index if self._typed < len(self._keys) else len(self._events)

    def _upcoming(self) -> Event | None:
        gate = self._gate()
        while self._next < gate:
            event = self._events[self._next]
            if event.code == OUTPUT or (event.code == MARKER and event.data.startswith(END)):
                return event
            self._next += 1
        return None

    def _fail(self, what: str, typed: Sequence[str | None] = ()) -> Never:
        gate = self._gate()
        event = self._events[min(gate, len(self._events) - 1)] if self._events else None
        marker = next(
            (each.data for each in reversed(self._events[:gate]) if each.code == MARKER), "none"
        )
        place = f"line {event.line}, {event.time:.3f} s" if event else "its beginning"
        before = _shown([key.char for key in self._keys[max(0, self._typed - 40) : self._typed]])
        wanted = _shown([key.char for key in self._keys[self._typed : self._typed + 40]])
        seen = "".join(each.data for each in self._events[:gate] if each.code == OUTPUT)
        self._mismatch = ReplayMismatch(
            f"{what}, at {place} of the recording (last marker: {marker})\n"
            f"  recorded: {before}{wanted or '<nothing more>'}\n"
            f"  typed:    {before}{_shown(typed[:40]) or '<nothing more>'}\n"
            f"            {' ' * len(before)}^\n"
            f"  shown before: {seen[-200:]!a}",
            expected=wanted,
            remedy="Record again if this change of the dialogue is meant.",
        )
        self._news.set()
        raise self._mismatch


def _keys(event: Event, index: int) -> list[_Key]:
    if event.code != INPUT:
        return []
    hidden = event.secret_keys
    return [_Key(char, index) for char in (event.data if hidden is None else [None] * hidden)]


def _shown(chars: Sequence[str | None]) -> str:
    """Keystrokes for people: control characters escaped, a secret's as bullets."""
    return "".join("•" if char is None else ascii(char)[1:-1] for char in chars)


def _ending(slug: str) -> TransportError:
    return _ENDINGS.get(slug, GatewayClosed)(f"the recording ends here: {slug}")
