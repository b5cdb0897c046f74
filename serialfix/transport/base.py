"""The byte carrier that a session plays on."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """Carries serial bytes; knows nothing of consoles.

    All methods raise only `TransportError` and its kin (`ReplayMismatch` in replay).
    """

    async def connect(self) -> None:
        """Reach the console. May be called again after `close`: that is a fresh connect."""

    async def receive(self) -> bytes:
        """The next bytes that the console sent; never empty."""

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        """Send keystrokes as they are. `secret` marks the password, which nobody may keep."""

    async def close(self) -> None:
        """End the connection; does nothing when there is none."""
