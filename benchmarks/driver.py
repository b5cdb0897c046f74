"""The driver against an oracle: a client that knows the lab's answers and types the same keys.

Both go through the same gateway to VMs that are alike, one after the other. The oracle plays a
recording of the driver: it sends each burst as soon as what the driver had seen by then is there,
looks at nothing and waits for nothing else. What the driver takes longer is the price of proving
the place, comparing every echo and reading every answer.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from benchmarks._shared import lab, report
from serialfix.azure.identity import Azure
from serialfix.azure.serialport import connect
from serialfix.azure.vm import find_vm
from serialfix.playbook.load import find_playbook
from serialfix.playbook.plan import Plan
from serialfix.playbook.schema import Playbook
from serialfix.record.cast import Cast, CastWriter, read_cast
from serialfix.record.journal import MemoryJournal
from serialfix.remediation.events import Silence
from serialfix.remediation.work import Work
from serialfix.secrets import Redactor, Secret
from serialfix.session import Credentials, Session
from serialfix.transport.base import Transport
from serialfix.transport.gateway import GatewayTransport
from serialfix.transport.replay import RecordingTransport


ROUNDS = 5
NONCE = "q7kzb"
SENTINEL = 24
"""Characters by which the oracle knows that an answer is complete."""


async def _yes(_plan: Plan) -> bool:
    return True


async def drive(transport: Transport, path: Path, password: str, playbook: Playbook) -> None:
    """The driver: attach, plan, apply, leave."""
    with CastWriter(
        path, header={}, redactor=Redactor(), clock=asyncio.get_running_loop().time
    ) as cast:
        session = Session(RecordingTransport(transport, cast), nonce=NONCE)
        work = Work(
            playbook=playbook,
            session=session,
            credentials=Credentials("azureadmin", Secret(password, "guest_password")),
            journal=MemoryJournal(),
            observer=Silence(),
        )
        await work.apply(_yes)


async def foretell(transport: Transport, recording: Cast, password: str) -> None:
    """The oracle: the same keys, each as soon as the answer before them is there."""
    bursts: list[tuple[str, str]] = []
    shown, keys = "", ""
    left = password
    for event in recording.events:
        if event.code == "o":
            if keys:
                bursts.append((shown, keys))
                shown, keys = "", ""
            shown += event.data
        elif event.code == "i":
            count = event.secret_keys
            if count is not None:
                keys, left = keys + left[:count], left[count:]
            else:
                keys += event.data
    bursts.append((shown, keys))
    await transport.connect()
    seen = ""
    for awaited, keys in bursts:
        sentinel = awaited[-SENTINEL:]
        while sentinel not in seen:
            seen += (await transport.receive()).decode("utf-8", "replace")
        seen = seen.partition(sentinel)[2]
        await transport.send(keys.encode())
    while "SAC>" not in seen:
        seen += (await transport.receive()).decode("utf-8", "replace")
    await transport.close()


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    start = time.perf_counter()
    await work()
    return time.perf_counter() - start


async def measure(env: dict[str, str], folder: Path) -> None:
    """Alternate the two, a fresh VM each time."""
    password = env["SERIALFIX_GUEST_PASSWORD"]
    playbook = find_playbook("rdp-reset").playbook
    driver, oracle = [], []
    async with Azure(environ=env) as azure:

        async def transport(number: int) -> GatewayTransport:
            name = "myvm" if number == 1 else f"myvm{number}"
            ref = await find_vm(azure, name=name)
            return GatewayTransport(
                connect_url=lambda: connect(azure, ref), token=azure.token, environ=env
            )

        for turn in range(ROUNDS):
            path = folder / f"{turn}.cast"
            one = await transport(2 * turn + 1)
            driver.append(await _timed(partial(drive, one, path, password, playbook)))
            other, known = await transport(2 * turn + 2), read_cast(path)
            oracle.append(await _timed(partial(foretell, other, known, password)))
    report(
        "driver_over_oracle_conpty",
        statistics.median(driver) / statistics.median(oracle),
        limit="<= 1.10",
        driver_s=round(statistics.median(driver), 3),
        oracle_s=round(statistics.median(oracle), 3),
    )


if __name__ == "__main__":
    with lab("--vms", str(2 * ROUNDS), "--profile", "ws2022") as found:
        os.environ.update(found)
        with tempfile.TemporaryDirectory() as made:
            time.sleep(2)
            asyncio.run(measure(found, Path(made)))
