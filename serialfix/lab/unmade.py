"""A guest that is made when it is first needed: a thousand VMs cost what is used of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serialfix.lab.vm import GuestPort


class UnmadeGuest:
    """Stands for a guest until something is wanted that only a made one can do.

    Its power button works before: a guest that was switched on boots when it is made. Everything
    else, attributes too, makes it; do that where the lab's loop runs.
    """

    __slots__ = ("_made", "_make", "_on")

    _made: GuestPort | None
    _make: Callable[[], GuestPort]
    _on: bool

    def __init__(self, make: Callable[[], GuestPort]) -> None:
        for name, value in (("_make", make), ("_made", None), ("_on", False)):
            object.__setattr__(self, name, value)

    @property
    def made(self) -> bool:
        """Whether it was needed."""
        return self._made is not None

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return self._on if self._made is None else bool(getattr(self._made, "running", True))

    def power_on(self) -> None:
        self._press(on=True)

    def power_off(self) -> None:
        self._press(on=False)

    def listen(self, sink: Callable[[bytes], None] | None) -> None:
        if sink is not None or self._made is not None:
            self._needed().listen(sink)

    def restart(self) -> None:
        self._needed().restart()

    def reset(self) -> None:
        self._needed().reset()

    def nmi(self) -> None:
        self._needed().nmi()

    def write(self, data: bytes) -> None:
        self._needed().write(data)

    def history(self, limit: int) -> bytes:
        return self._needed().history(limit)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of any object, e.g. to copy it
            raise AttributeError(name)
        return getattr(self._needed(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._needed(), name, value)

    def _press(self, *, on: bool) -> None:
        if self._made is None:
            object.__setattr__(self, "_on", on)
        elif on:
            self._made.power_on()
        else:
            self._made.power_off()

    def _needed(self) -> GuestPort:
        if self._made is None:
            object.__setattr__(self, "_made", self._make())
            assert self._made is not None  # noqa: S101 - just made
            if self._on:
                self._made.power_on()
        return self._made
