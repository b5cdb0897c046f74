"""The driver beside the two ways of pacing keys that are known from public work (sac.md §7).

All three do the same work on guests that are alike, scrapers that drop repeated keys below 125 ms:
log in, read 16 values, write them, ask for each exit code, read back. Virtual time, so the figures
do not depend on the machine; the guest's registry is compared at the end of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from benchmarks._shared import report
from serialfix.lab.faults import Faults
from serialfix.model import RegistryValue
from tests.support.rig import Rig, rdp_reset, scene, wanted


DROPPED_BELOW = 0.125
_FAULTS = Faults(drop_repeats=DROPPED_BELOW)
Pause = Callable[[str, str], float]
"""Seconds between two keys."""


def same(pause: float) -> Pause:
    """The same time between all keys."""
    return lambda _one, _other: pause


def between_equals(pause: float) -> Pause:
    """Time between equal neighbours only."""
    return lambda one, other: pause if one == other else 0.0


def lines() -> list[str]:
    """The article's commands, as a person types them."""
    typed = []
    for step in rdp_reset().steps:
        assert step.registry is not None
        wish, value = step.registry, step.registry.wanted
        assert isinstance(value, RegistryValue)
        query = f'reg query "{wish.key}" /v {wish.value}'
        add = f'reg add "{wish.key}" /v {wish.value} /t {value.type} /d {value.data} /f'
        typed += [query, add, "echo [%ERRORLEVEL%]", query]
    return typed


async def paced(stage: Rig, pause: Pause) -> None:
    """Type the lines at a fixed pace, each after the prompt of the one before."""
    work = stage.work().work
    session = work.session
    await session.connect()
    await session.open_channel()
    await session.login(work._credentials)
    screen = session.console.screen
    for line in lines():
        last = ""
        for key in line:
            await asyncio.sleep(pause(last, key))
            await session.transport.send(key.encode())
            last = key
        while await session._receive(0.1):
            pass
        assert screen.typed(session.prompt) == line, screen.text()
        await session.transport.send(b"\r")
        while await session._receive(0.1) or not screen.at_prompt(session.prompt):
            pass
    await session.leave()
    await session.close()


async def driven(stage: Rig) -> None:
    """The driver."""
    outing = await stage.apply()
    assert outing.error is None, outing.error


def seconds(work: Callable[..., Any], *more: Any) -> float:
    """How long it takes a guest to be repaired."""

    async def script(stage: Rig) -> float:
        before = stage.guest.registry.dump()
        loop = asyncio.get_running_loop()
        start = loop.time()
        await work(stage, *more)
        took = loop.time() - start
        assert stage.guest.registry.dump() == wanted(before, stage.playbook)
        return took

    return scene("scraper", script, faults=_FAULTS)


if __name__ == "__main__":
    driver = seconds(driven)
    for name, pause, limit in (
        ("driver_over_125ms_a_byte", same(DROPPED_BELOW + 0.001), 1 / 20),
        ("driver_over_1500ms_between_equals", between_equals(1.5), 1 / 5),
    ):
        other = seconds(paced, pause)
        report(
            name,
            driver / other,
            limit=f"<= {limit:g}",
            driver_s=round(driver, 1),
            paced_s=round(other, 1),
        )
