"""Ctrl-C and SIGTERM: the first asks the run to end in order, the second ends it at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

from serialfix.errors import Interrupted, Touched


NOTICE = "\nLeaving the console first; press Ctrl-C again to end at once.\n"
T = TypeVar("T")


class Interruption:
    """Runs one coroutine and remembers which signal asked it to end.

    `notice` is what the first signal prints; empty for work that has no console to leave.
    """

    def __init__(self, notice: str = NOTICE) -> None:
        self._notice = notice
        self.signal = 0
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM; 0 when there was no signal."""
        return 128 + self.signal if self.signal else 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end. Raises Interrupted when a signal ended it and it gave no result."""
        handled = (signal.SIGINT, signal.SIGTERM)
        # signal.signal, not loop.add_signal_handler: it also works on Windows and while we ask
        before = {number: signal.signal(number, self._on_signal) for number in handled}
        try:
            return asyncio.run(self._main(work))
        except asyncio.CancelledError:
            error = Interrupted(
                "ended by a signal", touched=Touched.MAYBE if self._notice else Touched.NO
            )
            error.exit_code = self.exit_code or Interrupted.exit_code
            raise error from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _main(self, work: Coroutine[Any, Any, T]) -> T:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        if self.signal:
            work.close()
            raise asyncio.CancelledError
        return await work

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            if self._notice:
                _say("\nEnded at once; the console may not have been left.\n")
            os._exit(128 + number)
        self.signal = number
        _say(self._notice)
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel, self.exit_code)


def _say(text: str) -> None:
    """To stderr past its buffer: the signal may have come in the middle of a write to it, and a
    second one from within that is a RuntimeError."""
    with suppress(OSError):
        os.write(2, text.encode())
