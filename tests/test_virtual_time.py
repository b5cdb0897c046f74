from __future__ import annotations

import asyncio
import signal
import socket
import time

import pytest

from serialfix.virtual_time import VirtualTimeLoop, run_virtual


def test_waits_cost_nothing() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1e6))
        return loop.time()

    began = time.perf_counter()
    assert run_virtual(main()) == pytest.approx(1e6)
    assert time.perf_counter() - began < 1


def test_timers_fire_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def note(name: str) -> None:
            seen.append((name, loop.time()))

        for name, delay in (("c", 3.0), ("a", 1.0), ("b", 2.5)):
            loop.call_later(delay, note, name)
        loop.call_later(2, note, "never").cancel()
        await asyncio.sleep(10)

    run_virtual(main())
    assert seen == [("a", 1.0), ("b", 2.5), ("c", 3.0)]


def test_timeout_and_cancel() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await loop.create_future()
        task = asyncio.create_task(asyncio.sleep(1000))
        loop.call_later(5, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        return loop.time()

    assert run_virtual(main()) == 25


def test_deadlock_names_the_waiting() -> None:
    async def main() -> None:
        await asyncio.create_task(asyncio.Event().wait(), name="the one who waits")

    with pytest.raises(RuntimeError, match=r"deadlock in virtual time.*the one who waits"):
        run_virtual(main())


def test_a_ready_socket_is_served_before_time_moves() -> None:
    async def main() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            loop.call_later(1, theirs.send, b"x")
            async with asyncio.timeout(100):
                return await loop.sock_recv(ours, 10), loop.time()

    assert run_virtual(main()) == (b"x", 1.0)


def test_threads_are_waited_for() -> None:
    async def main() -> float:
        async with asyncio.timeout(5):
            await asyncio.to_thread(time.sleep, 0.005)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0


def test_keyboard_interrupt() -> None:
    cleaned = []

    async def main() -> None:
        try:
            asyncio.get_running_loop().call_later(1, signal.raise_signal, signal.SIGINT)
            await asyncio.sleep(1e5)
        finally:
            cleaned.append(asyncio.get_running_loop().time())

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main())
    assert cleaned == [1]


def test_errors_pass() -> None:
    async def main() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_virtual(main())


def test_loops_have_clocks_of_their_own() -> None:
    one, two = VirtualTimeLoop(), VirtualTimeLoop()
    try:
        one.run_until_complete(asyncio.sleep(7))
        assert (one.time(), two.time()) == (7, 0)
    finally:
        one.close()
        two.close()
