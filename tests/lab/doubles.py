"""A guest that only remembers, for tests of the lab's Azure side."""

from __future__ import annotations

from collections.abc import Callable


class FakeGuest:
    """Echoes what it gets; output that nobody listens to is in the history."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.written = b""
        self.log = b""
        self.sink: Callable[[bytes], None] | None = None
        self.restarts = 0
        self.boots = 0

    def power_on(self) -> None:
        self.calls.append("power_on")
        self.boots += 1

    def power_off(self) -> None:
        self.calls.append("power_off")

    def restart(self) -> None:
        self.calls.append("restart")
        self.restarts += 1

    def reset(self) -> None:
        self.calls.append("reset")

    def nmi(self) -> None:
        self.calls.append("nmi")

    def listen(self, sink: Callable[[bytes], None] | None) -> None:
        self.sink = sink

    def write(self, data: bytes) -> None:
        self.written += data
        self.emit(data)

    def history(self, limit: int) -> bytes:
        return self.log[-limit:]

    def emit(self, data: bytes) -> None:
        """Console output."""
        self.log += data
        if self.sink is not None:
            self.sink(data)
