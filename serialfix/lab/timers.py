"""Timers and tasks that end together: everything that runs in RAM dies with the power."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVarTuple


_Ts = TypeVarTuple("_Ts")


class Timers:
    """What one boot has under way."""

    def __init__(self) -> None:
        self._handles: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    def after(self, delay: float, what: Callable[[*_Ts], None], *args: *_Ts) -> None:
        """Call it in `delay` seconds, unless everything ended before."""

        def fire() -> None:
            self._handles.discard(handle)
            what(*args)

        if not self._over:
            handle = asyncio.get_running_loop().call_later(delay, fire)
            self._handles.add(handle)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run it until it ends, or everything does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()  # an error is the lab's own: the loop's handler shows it at once

    def end(self) -> None:
        """Stop all; nothing starts any more."""
        self._over = True
        for handle in self._handles:
            handle.cancel()
        for task in self._tasks:
            task.cancel()
        self._handles.clear()
