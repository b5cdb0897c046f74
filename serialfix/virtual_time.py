"""An event loop whose waits cost no time: replays and tests of hours run in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple


_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_GRACE = 0.5  # real seconds that a thread or a socket gets before waiting is called a deadlock


class _JumpingSelector(selectors.DefaultSelector):
    """Asked to wait, it looks once and moves the clock on instead.

    The loop computes the time to wait from its next timer and asks its selector to pass it: this
    one seam is all that virtual time needs.
    """

    now = 0.0
    threads = 0
    deadlock: Callable[[], RuntimeError]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads:  # a thread works in real time; the clock stands still for it
            ready = super().select(None)
        elif timeout is not None:
            self.now += timeout
        else:
            ready = super().select(_GRACE)
            if not ready:
                raise self.deadlock()
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` starts at 0 and jumps to the next timer when nothing is ready.

    Ready file descriptors are served first, but nothing waits for the network: I/O with peers
    outside of the loop is not for it. Work in the loop's executor is waited for. When there is
    neither a timer nor anything ready the loop raises RuntimeError, which names the waiting tasks,
    where another loop would hang.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        self._jumping.deadlock = self._deadlock
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """As in asyncio; the clock stands still until the work is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As in asyncio; the clock stands still meanwhile."""
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.threads -= 1

    def _thread_done(self, _: object) -> None:
        self._jumping.threads -= 1

    def _deadlock(self) -> RuntimeError:
        waiting = sorted(task.get_name() for task in asyncio.all_tasks(self))
        return RuntimeError(
            "deadlock in virtual time: no timer, nothing ready; waiting: "
            + (", ".join(waiting) or "no task")
        )


def run_virtual(coro: Coroutine[Any, Any, _T]) -> _T:
    """`asyncio.run` on a `VirtualTimeLoop`."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coro)
