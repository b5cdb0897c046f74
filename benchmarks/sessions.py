"""Five hundred sessions at once in one process: what each takes of the processor and of memory.

Sessions, works, journals and recordings are the driver's own, with their files. What the consoles
say comes from a recording, which all of them share, and their waits cost no time: what is measured
is the driver and nothing else. A gateway's websocket comes on top of it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from benchmarks._shared import report
from serialfix.console.machine import Patience
from serialfix.playbook.load import parse_playbook
from serialfix.playbook.plan import Plan
from serialfix.playbook.schema import Playbook
from serialfix.record.cast import INPUT, OUTPUT, Cast, CastWriter, read_cast
from serialfix.record.journal import Journal
from serialfix.remediation.events import Silence
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.work import Work, WorkPatience
from serialfix.secrets import Redactor, Secret
from serialfix.session import Credentials, Session
from serialfix.transport.replay import RecordingTransport
from serialfix.virtual_time import run_virtual


COUNT = 500
PASSWORD = "Lab-Passw0rd!!"


class Peak:
    """The most memory that there was; with `trace` also the lines that held it."""

    def __init__(self, *, trace: bool) -> None:
        self.megabytes = 0.0
        self.where: list[str] = []
        self._trace = trace
        self._calls = 0

    def look(self) -> None:
        """Called all the time: the clock is no measure where waits cost no time."""
        self._calls += 1
        if self._calls % 5_000 or (now := memory()) <= self.megabytes:
            return
        self.megabytes = now
        if self._trace:
            found = tracemalloc.take_snapshot().statistics("lineno")[:15]
            self.where = [str(each) for each in found]


class Told:
    """What a console says, and after how many keys it says it."""

    def __init__(self, cast: Cast) -> None:
        self.after: list[int] = []
        self.says: list[bytes] = []
        keys = 0
        for event in cast.events:
            if event.code == INPUT:
                hidden = event.secret_keys
                keys += len(event.data) if hidden is None else hidden
            elif event.code == OUTPUT:
                self.after.append(keys)
                self.says.append(event.data.encode())


class Console:
    """A transport whose console goes on whenever enough was typed."""

    def __init__(self, told: Told, peak: Peak) -> None:
        self._told = told
        self._peak = peak
        self._at = 0
        self._keys = 0
        self._typed = asyncio.Event()

    async def connect(self) -> None:
        """It is there."""

    async def receive(self) -> bytes:
        """What comes next, once enough was typed for it."""
        told = self._told
        self._peak.look()
        while self._at == len(told.says) or told.after[self._at] > self._keys:
            self._typed.clear()
            await self._typed.wait()
        self._at += 1
        return told.says[self._at - 1]

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        """Counted, not looked at."""
        self._keys += len(keys)
        self._typed.set()

    async def close(self) -> None:
        """Nothing is open."""


async def one(told: Told, cast: Cast, playbook: Playbook, place: Path, peak: Peak) -> None:
    """One session from attach to leave, as a run has it."""
    about, secret = cast.about, Secret(PASSWORD, "guest_password")
    redactor = Redactor([secret])
    loop = asyncio.get_running_loop()

    async def yes(_plan: Plan) -> bool:
        return True

    with CastWriter(
        place.with_suffix(".cast"), header={}, redactor=redactor, clock=loop.time
    ) as writer:
        journal = Journal(place.with_suffix(".jsonl"), redactor=redactor)
        session = Session(
            RecordingTransport(Console(told, peak), writer),
            nonce=about["nonce"],
            patience=Patience(**about["patience"]),
            marker=writer.marker,
        )
        work = Work(
            playbook=playbook,
            session=session,
            credentials=Credentials(about["username"], secret),
            journal=journal,
            observer=Silence(),
            patience=WorkPatience(**about["work_patience"]),
            guest_patience=GuestPatience(**about["guest_patience"]),
        )
        await work.apply(yes)
        journal.close()


def memory() -> float:
    """Megabytes that this process has in RAM now."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def many(path: Path, folder: Path, count: int, *, trace: bool) -> tuple[float, float, Peak]:
    """Megabytes and processor seconds of each of `count` sessions."""
    cast = read_cast(path)
    told, playbook = Told(cast), parse_playbook(cast.about["playbook"]).playbook
    await one(told, cast, playbook, folder / "first", Peak(trace=False))  # what is made but once
    gc.collect()
    if trace:
        tracemalloc.start()
    base, cpu, peak = memory(), time.process_time(), Peak(trace=trace)
    await asyncio.gather(
        *(one(told, cast, playbook, folder / str(number), peak) for number in range(count))
    )
    return (peak.megabytes - base) / count, (time.process_time() - cpu) / count, peak


def main(profile: str, *, trace: bool) -> None:
    """One renderer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * COUNT)), hard))
    path = Path(__file__).parent.parent / "recordings" / profile / "success.cast"
    with tempfile.TemporaryDirectory() as folder:
        each, cpu, peak = run_virtual(many(path, Path(folder), COUNT, trace=trace))
    report(f"session_memory_mb_{profile}", each, limit="<= 0.3", sessions=COUNT, cpu_s=cpu)
    for line in peak.where:
        print(line, file=sys.stderr)


if __name__ == "__main__":
    # `--trace` also shows the lines that hold the memory.
    profiles = [name for name in sys.argv[1:] if name != "--trace"]
    if profiles:
        main(profiles[0], trace="--trace" in sys.argv)
    else:
        for name in ("ws2019", "ws2022"):  # apart: what one frees the other would take for its own
            subprocess.run([sys.executable, "-m", "benchmarks.sessions", name], check=True)
