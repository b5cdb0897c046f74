"""One VM in one Azure, and whole runs on it in virtual time: with mishaps at exact places.

The run is the real one (`serialfix.remediation.run`), with its journal, recordings and evidence on
disk. ARM is the lab's; the gateway is a wire (`Wire`) that ends in the lab's guest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

from serialfix.azure.identity import AzurePatience
from serialfix.console.typist import Typist
from serialfix.errors import GatewayClosed, GatewayRejected, SessionTakenOver, TransportError
from serialfix.lab.build import make_vm
from serialfix.lab.cloud import Cloud
from serialfix.lab.guest import PASSWORD, USERNAME, Entered, Guest
from serialfix.lab.switches import ArmDelays
from serialfix.model import RunResult
from serialfix.playbook.load import LoadedPlaybook
from serialfix.record.journal import MemoryJournal, Record
from serialfix.record.storage import RunStorage
from serialfix.remediation import run as runs
from serialfix.remediation.events import Silence
from serialfix.remediation.work import WorkPatience
from serialfix.secrets import Secret
from serialfix.session import Credentials, new_nonce
from tests.support.nearby import NearbyAzure


Place = Literal["start", "key", "line", "byte", "before", "after"]
"""`before` and `after` the journal's n-th record is on disk."""


PATIENCE = runs.RunPatience(
    work=WorkPatience(boot=700.0, look=25.0), restart=200.0, azure=AzurePatience()
)
"""As ever, but for what would only be asked again and again."""


class Killed(BaseException):
    """The process is no more: nothing that it still does reaches the world."""


@dataclass(frozen=True)
class Mishap:
    """Something that happens at a place: before the run, or with the n-th key that is sent, line
    that is entered, byte that comes, or record of the journal."""

    name: str
    act: Callable[[World], None]
    place: Place = "start"
    nth: int = 0

    def __str__(self) -> str:
        return f"{self.name} at {self.place} {self.nth}".removesuffix(" at start 0")


@dataclass
class Line:
    """A line that was entered, and what was to stand there just then."""

    entered: Entered
    meant: str | None
    """None: nothing was being typed."""


class World:
    """A VM with a broken listener, running; and the folder that the runs keep their state in."""

    def __init__(
        self, state: Path, *, mishaps: tuple[Mishap, ...] = (), seed: int = 0, **vm: Any
    ) -> None:
        self.vm = make_vm(agent_ready=False, seed=seed, **vm)
        guest = self.vm.guest
        assert isinstance(guest, Guest)
        self.guest = guest
        self.state = state
        self.dice = Random(seed)
        self.cloud = Cloud([self.vm], delays=ArmDelays(retry_after=4.0))
        self.cloud.base_url = "https://management.azure.com"
        self.mishaps = self.all_mishaps = mishaps
        self.count: Counter[str] = Counter()
        self.lines: list[Line] = []
        self.meant: str | None = None
        self.transcripts = True
        """Whether runs write a transcript: it takes as long as all the rest of them."""
        self.dead = False
        """Whether the process was killed."""
        self.refusals = 0
        """How many sessions the gateway still refuses."""
        self.filters: list[Callable[[bytes], bytes]] = []
        """What happens to the next key; each once."""
        self.wire: Wire | None = None
        self.before: dict[str, object] = {}
        note = guest._note

        def noted(where: str, line: str) -> None:
            note(where, line)
            self.lines.append(Line(guest.entered[-1], self.meant))
            self.passed("line")

        guest._note = noted  # type: ignore[method-assign]

    def passed(self, place: Place, number: int = 1) -> None:
        """So many keys, lines or bytes more: what waits for one of them happens."""
        before, self.count[place] = self.count[place], self.count[place] + number
        for mishap in self.mishaps:
            if mishap.place == place and before < mishap.nth <= self.count[place]:
                mishap.act(self)

    async def boot(self, seconds: float = 10.0) -> None:
        """Power on, with what is wrong from the beginning."""
        for mishap in self.mishaps:
            if mishap.place == "start":
                mishap.act(self)
        self.before = self.guest.registry.dump()
        self.guest.power_on()
        await asyncio.sleep(seconds)

    # --- runs -----------------------------------------------------------------------------------

    @contextmanager
    def _around(self) -> Iterator[None]:
        """The run meets this world instead of the real one."""
        world = self

        class Here(NearbyAzure):
            cloud = world.cloud
            alive = staticmethod(world.alive)

        class Meant(Typist):
            def __init__(self, line: str, prompt: str, *args: Any, **options: Any) -> None:
                world.meant = "*" * len(line) if options.get("secret") else line
                super().__init__(line, prompt, *args, **options)

        append = MemoryJournal.append

        async def noted(journal: MemoryJournal, kind: str, /, **facts: Any) -> Record:
            world.alive()
            world.passed("before")
            world.alive()
            record = await append(journal, kind, **facts)
            world.passed("after")
            world.alive()
            return record

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryJournal, "append", noted)
            patch.setattr("serialfix.azure.identity.Azure", Here)
            patch.setattr("serialfix.session.Typist", Meant)
            patch.setattr("serialfix.remediation.run.new_nonce", lambda *_: new_nonce(self.dice))
            if not self.transcripts:
                patch.setattr("serialfix.remediation.run.transcripts", lambda *_, **__: "")
            patch.setattr(
                "serialfix.remediation.azure_vm.GatewayTransport", lambda **o: Wire(self, **o)
            )
            try:
                yield
            finally:
                world.dead = False

    def alive(self) -> None:
        """Raises Killed when the process is no more."""
        if self.dead:
            raise Killed

    def options(self, **more: Any) -> runs.RunOptions:
        return runs.RunOptions(
            guest=Credentials(USERNAME, Secret(PASSWORD, "guest_password")),
            environ={"AZURE_SUBSCRIPTION_ID": self.vm.subscription},
            vm=self.vm.name,
            state_dir=self.state,
            patience=PATIENCE,
            **more,
        )

    async def run(self, playbook: LoadedPlaybook, **more: Any) -> RunResult:
        """`serialfix run`."""
        with self._around():
            return await runs.run(playbook, self.options(**more), Silence())

    async def resume(self, **more: Any) -> RunResult:
        """`serialfix resume`, of the only run or the last."""
        with self._around():
            return await runs.resume(self.run_id, self.options(**more), Silence())

    async def undo(self, **more: Any) -> RunResult:
        """`serialfix undo`."""
        with self._around():
            return await runs.undo(self.run_id, self.options(**more), Silence())

    async def begin(
        self,
        storage: RunStorage,
        playbook: LoadedPlaybook,
        *,
        undo_of: str | None = None,
        **more: Any,
    ) -> RunResult:
        """A run that is kept elsewhere."""
        options = self.options(**more)
        with self._around():
            return await runs.begin(storage, playbook, options, Silence(), undo_of=undo_of)

    async def go_on(self, storage: RunStorage, **more: Any) -> RunResult:
        """The same run in another process."""
        with self._around():
            return await runs.go_on(storage, self.options(**more), Silence())

    @property
    def run_id(self) -> str:
        return min(path.name for path in (self.state / "runs").iterdir())

    @property
    def journal(self) -> Path:
        return self.state / "runs" / self.run_id / "journal.jsonl"

    @property
    def restarts(self) -> tuple[int, int]:
        """As ARM accepted them, and as the guest saw them."""
        return self.vm.commands["restart"], self.guest.restarts


class Wire:
    """The gateway's place: a fresh connect call each time, then the guest's serial port."""

    def __init__(self, world: World, *, connect_url: Any, token: Any, **_: Any) -> None:
        self._world = world
        self._connect_url = connect_url
        self._token = token
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._up = False
        self._error: TransportError = GatewayClosed("the connection was closed")

    async def connect(self) -> None:
        await self.close()
        world = self._world
        world.alive()
        await self._connect_url()
        await self._token()
        if world.refusals:
            world.refusals -= 1
            raise GatewayRejected("connection not trusted")
        self._queue = asyncio.Queue()
        self._up, world.wire = True, self
        if past := world.guest.history(world.vm.gateway.backlog):
            self._queue.put_nowait(past)
        world.guest.listen(self._heard)

    def _heard(self, data: bytes) -> None:
        self._queue.put_nowait(data)
        self._world.passed("byte", len(data))

    async def receive(self) -> bytes:
        if not self._up and self._queue.empty():
            raise self._error
        data = await self._queue.get()
        self._world.alive()
        if data is None:
            raise self._error
        return data

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        for byte in keys:
            self._world.alive()
            if not self._up:
                raise self._error
            self._world.passed("key")
            if not self._up:
                return  # dropped with this key: whoever sent it learns of it when they listen
            key = bytes((byte,))
            filters, self._world.filters = self._world.filters, []
            for change in filters:
                key = change(key)
            self._world.guest.write(key)

    def cut(self, error: TransportError | None = None) -> None:
        """The gateway ends the session."""
        if self._up:
            self._error = error or self._error
            self._up = False
            self._world.guest.listen(None)
            self._queue.put_nowait(None)

    async def close(self) -> None:
        if self._up:
            self._up = False
            self._world.guest.listen(None)


def take_over(world: World) -> None:
    """Somebody else attaches."""
    if world.wire is not None:
        world.wire.cut(SessionTakenOver("another user attached"))


def kill(world: World) -> None:
    """SIGKILL: the connection breaks, and nothing of the process acts any more."""
    world.dead = True
    if world.wire is not None:
        world.wire.cut()
