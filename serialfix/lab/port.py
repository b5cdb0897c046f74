"""The serial port between the guest and whoever listens: pace, losses, cuts, and the history."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random

from serialfix.lab.faults import Delays, Faults
from serialfix.lab.timers import Timers


_HISTORY = 1 << 20
_RING = 1024
_SLICE = 0.01  # seconds of a slow link that go out together
_NUL_SHARE = 0.05
_STALL_SHARE = 0.02

Sink = Callable[[bytes], None]


class Port:
    """COM1. Output goes to the one listener and into the history, listener or not."""

    def __init__(self, *, faults: Callable[[], Faults], delays: Delays, rng: Random) -> None:
        self._faults = faults
        self._delays = delays
        self._rng = rng
        self._sink: Sink | None = None
        self._history = bytearray()
        self._out = bytearray()
        self._flushing = False
        self._still_until = float("-inf")
        self._received = bytearray()
        self._late: deque[int] = deque()
        self._last_arrival = 0.0

    # Out.

    def listen(self, sink: Sink | None) -> None:
        """Who gets the output from now on."""
        self._sink = sink

    def history(self, limit: int) -> bytes:
        """The last `limit` bytes that went out."""
        return bytes(self._history[-limit:]) if limit > 0 else b""

    def remember(self, data: bytes) -> None:
        """Put bytes into the history that nobody was sent."""
        self._history += data

    def stall(self, seconds: float) -> None:
        """Output stands still for so long; nothing of it is lost."""
        self._still_until = asyncio.get_running_loop().time() + seconds

    def emit(self, text: str) -> None:
        """Output; what is said in one turn of the loop goes out together."""
        data, faults = text.encode("utf-8", "replace"), self._faults()
        if not data:
            return
        if faults.stalls and self._rng.random() < _STALL_SHARE:
            self.stall(faults.stalls)
        if faults.nul_everywhere:
            data = b"".join(
                bytes((byte, 0)) if self._rng.random() < _NUL_SHARE else bytes((byte,))
                for byte in data
            )
        self._out += data
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._still_until:
            loop.call_at(self._still_until, self._flush)
            return
        speed = self._delays.link_speed
        count = max(1, int(speed * _SLICE)) if speed else len(self._out)
        if self._faults().split_writes:
            count = self._rng.randint(1, min(count, 40))
        piece = bytes(self._out[:count])
        del self._out[:count]
        self._history += piece
        del self._history[:-_HISTORY]
        if self._out:
            pause = len(piece) / speed if speed else 0.0
            loop.call_later(pause, self._flush)
        else:
            self._flushing = False
        if self._sink is not None:
            self._sink(piece)

    # In.

    def receive(self, data: bytes, timers: Timers, deliver: Sink) -> None:
        """Keys on their way to SAC, which looks every few milliseconds (§7)."""
        faults, now = self._faults(), asyncio.get_running_loop().time()
        kept = bytes(byte for byte in data if self._rng.random() >= faults.lose_keys)
        if faults.double_keys:
            kept = b"".join(
                bytes((byte, byte)) if self._rng.random() < faults.double_keys else bytes((byte,))
                for byte in kept
            )
        if not faults.late_keys:
            self._arrive(kept, timers, deliver)
            return
        for byte in kept:
            late = now + self._rng.uniform(0, faults.late_keys)
            self._last_arrival = max(self._last_arrival, late)
            self._late.append(byte)
            timers.after(self._last_arrival - now, self._arrive_late, timers, deliver)

    def _arrive_late(self, timers: Timers, deliver: Sink) -> None:
        self._arrive(bytes((self._late.popleft(),)), timers, deliver)

    def _arrive(self, data: bytes, timers: Timers, deliver: Sink) -> None:
        if not self._received and data:
            timers.after(self._delays.poll, self._poll, timers, deliver)
        self._received += data

    def _poll(self, timers: Timers, deliver: Sink) -> None:
        """A NUL ends the poll; the ring of 1,024 bytes has no overflow check."""
        data, _, rest = bytes(self._received).partition(b"\0")
        self._received.clear()
        self._arrive(rest, timers, deliver)
        if len(data) >= _RING:
            data = data[len(data) - len(data) % _RING :]
        deliver(data)

    def power_off(self) -> None:
        """Keys under way are lost."""
        self._late.clear()
        self._received.clear()
