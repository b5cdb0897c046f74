"""A lab guest and the console part of runs on it, in virtual time: where scenarios start."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from serialfix.console.machine import Patience
from serialfix.errors import SerialfixError
from serialfix.lab.broken import BROKEN
from serialfix.lab.cmdline import split_arguments
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import PASSWORD, USERNAME, Entered, Guest
from serialfix.lab.profiles import LST, POL, PROFILES, Renderer
from serialfix.model import Outcome, RegistryValue
from serialfix.playbook.load import dump_playbook, load_playbook, parse_playbook
from serialfix.playbook.plan import Plan
from serialfix.playbook.schema import Playbook
from serialfix.record.cast import CastWriter
from serialfix.record.journal import MemoryJournal
from serialfix.remediation.events import Silence
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.way_back import undo_playbook
from serialfix.remediation.work import Purpose, Work, WorkPatience
from serialfix.secrets import Redactor, Secret
from serialfix.session import Credentials, Session
from serialfix.transport.base import Transport
from serialfix.transport.replay import RecordingTransport
from serialfix.virtual_time import run_virtual
from tests.support.wired import Wired


T = TypeVar("T")

RENDERERS: Sequence[Renderer] = ("scraper", "conpty")
NONCE = "q7kzb"
RDP_RESET = Path(__file__).parents[2] / "playbooks" / "rdp-reset.yaml"
_PROFILE = {"scraper": "ws2019", "conpty": "ws2022"}
_HARMLESS_AT_SAC = re.compile(r"|cmd|ch|ch -[sc]n Cmd\d{4}", re.IGNORECASE)
"""All that may ever be entered at SAC, but for the one `restart` of a session with that purpose."""


def rdp_reset() -> Playbook:
    """The real playbook."""
    return load_playbook(RDP_RESET).playbook


def small(*steps: dict[str, Any], restart: str = "never", **more: Any) -> Playbook:
    """A playbook of a few registry values; the listener's key unless one is given."""
    text = {
        "schema": 1,
        "name": "small",
        "version": "1.0",
        "title": "A few values",
        "description": "For tests.",
        "restart": restart,
        "steps": [
            {
                "id": f"step-{number}",
                "why": "For tests.",
                "registry": {"key": LST, "type": "REG_DWORD", **step},
            }
            for number, step in enumerate(steps, start=1)
        ],
        **more,
    }
    import yaml

    return parse_playbook(yaml.safe_dump(text), file="small.yaml").playbook


class Watcher(Silence):
    """Remembers what it was told, and says yes."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.phases: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.phases.append(name)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Outing:
    """One session's worth of work, from the outside."""

    work: Work
    journal: MemoryJournal
    watcher: Watcher
    before: dict[str, object]
    """The whole registry at its beginning."""
    cast: CastWriter | None = None
    purpose: Purpose = Purpose.APPLY
    error: SerialfixError | None = None
    after: dict[str, object] = field(default_factory=dict)
    entered: list[Entered] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    """The CMD channels that are there at its end."""

    @property
    def slug(self) -> str:
        """`ok`, or the slug of the error."""
        return self.error.slug if self.error else "ok"

    @property
    def plan(self) -> Plan:
        assert self.work.plan is not None
        return self.work.plan

    @property
    def lines(self) -> list[str]:
        """What was entered in CMD channels."""
        return [entry.line for entry in self.entered if entry.where.startswith("Cmd")]

    @property
    def arguments(self) -> list[tuple[str, ...]]:
        """These lines as programs get them: in small letters, without quotes, variables filled
        in; what only frames or shortens other lines is left out."""
        lines = expanded("\n".join(self.lines)).lower().split("\n")
        return [
            tuple(split_arguments(line))
            for line in lines
            if not line.startswith(("set ", "echo ["))
        ]

    @property
    def writes(self) -> list[tuple[str, ...]]:
        """Those of them that change something."""
        return [words for words in self.arguments if words[:1] == ("reg",) and words[1] != "query"]

    @property
    def logins(self) -> int:
        """How often a password was entered."""
        return sum(e.where == "login" and set(e.line) == {"*"} for e in self.entered)

    def kinds(self) -> list[str]:
        """The journal's records by kind."""
        return [record["kind"] for record in self.journal.records]

    def outcomes(self) -> list[Outcome]:
        """The steps' outcomes, in order."""
        return [step.outcome for step in self.work.steps.values()]


class Rig:
    """A guest that is broken, by default with a misconfigured listener, and one wire to it."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        faults: Faults = Faults(),  # noqa: B008 - frozen
        delays: Delays = Delays(),  # noqa: B008 - frozen
        playbook: Playbook | None = None,
        seed: int = 0,
        profile: str = "",
        broken: str = "listener",
        **guest: Any,
    ) -> None:
        self.guest = Guest(
            profile=PROFILES[profile or _PROFILE[renderer]],
            renderer=renderer,
            faults=faults,
            delays=delays,
            seed=seed,
            **guest,
        )
        BROKEN[broken](self.guest)
        self.playbook = playbook or rdp_reset()
        self.wired = Wired(self.guest)
        self.nonce = NONCE

    async def boot(self, seconds: float = 10.0) -> None:
        """Power on, and wait until the guest had its time."""
        self.guest.power_on()
        await asyncio.sleep(seconds)

    @property
    def channels(self) -> list[str]:
        """The CMD channels of the guest now."""
        sac = self.guest._sac
        return [session.name for session in sac.sessions] if sac else []

    def work(
        self,
        *,
        playbook: Playbook | None = None,
        password: str = PASSWORD,
        username: str = USERNAME,
        domain: str = "",
        patience: Patience | None = None,
        guest_patience: GuestPatience | None = None,
        work_patience: WorkPatience | None = None,
        journal: MemoryJournal | None = None,
        transport: Transport | None = None,
        record: Path | None = None,
        purpose: Purpose = Purpose.APPLY,
        former_channel: str | None = None,
        **more: Any,
    ) -> Outing:
        """A work that has not begun."""
        playbook = playbook or self.playbook
        secret = Secret(password, "guest_password")
        wire: Transport = transport or self.wired
        cast: CastWriter | None = None
        if record is not None:
            cast = CastWriter(
                record,
                header={
                    "purpose": purpose,
                    "playbook": dump_playbook(playbook),
                    "nonce": self.nonce,
                    "username": username,
                    "domain": domain,
                    "reclaim": None,
                    "reclaim_prompt": "",
                    "former_channel": former_channel,
                    "earlier": [],
                    "restart_allowed": True,
                    "restart_reported": more.get("restart_reported", True),
                    "refuse_foreign": more.get("refuse_foreign", False),
                    "patience": asdict(patience or Patience()),
                    "work_patience": asdict(work_patience or WorkPatience()),
                    "guest_patience": asdict(guest_patience or GuestPatience()),
                },
                redactor=Redactor([secret]),
                clock=asyncio.get_running_loop().time,
            )
            wire = RecordingTransport(wire, cast)
        journal, watcher = journal or MemoryJournal(), Watcher()
        work = Work(
            playbook=playbook,
            session=Session(
                wire, nonce=self.nonce, patience=patience, marker=cast.marker if cast else None
            ),
            credentials=Credentials(username, secret, domain),
            journal=journal,
            observer=watcher,
            patience=work_patience,
            guest_patience=guest_patience,
            **more,
        )
        before = self.guest.registry.dump()
        return Outing(work, journal, watcher, before, cast, purpose)

    async def go(self, outing: Outing, work: Coroutine[Any, Any, None]) -> Outing:
        """Have the work done and look at what it did."""
        begun = len(self.guest.entered)
        try:
            await work
        except SerialfixError as error:
            outing.error = error
        finally:
            if outing.cast is not None:
                outing.cast.close()
        await asyncio.sleep(1.0)
        outing.after = self.guest.registry.dump()
        outing.entered = self.guest.entered[begun:]
        outing.channels = self.channels
        at_sac = [entry.line for entry in outing.entered if entry.where == "SAC"]
        if outing.purpose is Purpose.RESTART and "restart" in at_sac:
            at_sac.remove("restart")
        assert all(_HARMLESS_AT_SAC.fullmatch(line) for line in at_sac), at_sac
        return outing

    async def apply(
        self,
        *,
        decide: Callable[[Plan], Awaitable[bool]] | None = None,
        reclaim: bool = False,
        **more: Any,
    ) -> Outing:
        """Plan and change."""

        async def yes(_plan: Plan) -> bool:
            return True

        outing = self.work(**more)
        return await self.go(outing, outing.work.apply(decide or yes, reclaim=reclaim))

    async def check(self, **more: Any) -> Outing:
        """Only plan."""
        outing = self.work(purpose=Purpose.CHECK, **more)
        return await self.go(outing, outing.work.check())

    async def prove(self, former_channel: str | None = None, **more: Any) -> Outing:
        """Come back after a restart."""
        outing = self.work(purpose=Purpose.PROVE, former_channel=former_channel, **more)
        return await self.go(outing, outing.work.prove(former_channel=former_channel))

    async def restart(self, requested: Callable[[], object] = lambda: None, **more: Any) -> Outing:
        """Have SAC restart the system."""
        outing = self.work(purpose=Purpose.RESTART, **more)

        async def journalled() -> None:
            await outing.journal.append("restart_requested")
            requested()

        return await self.go(outing, outing.work.restart(journalled))

    def way_back(self, outing: Outing) -> Playbook:
        """The undo playbook of an outing, as it would be read from its file."""
        planned = next(r for r in outing.journal.records if r["kind"] == "planned")
        playbook = undo_playbook(
            outing.plan.playbook,
            outing.plan,
            run_id="20260101-000000-test",
            absent_keys=planned["absent_keys"],
        )
        assert playbook is not None
        return parse_playbook(dump_playbook(playbook), file="undo.yaml").playbook


def scene(renderer: Renderer, script: Callable[[Rig], Coroutine[Any, Any, T]], **rig: Any) -> T:
    """Boot a guest and play the script on it, in virtual time."""

    async def play() -> T:
        stage = Rig(renderer, **rig)
        await stage.boot()
        return await script(stage)

    return run_virtual(play())


def expanded(typed: str) -> str:
    """What was typed, with the long keys in place of the variables that hold them."""
    for name, key in re.findall(r'set "(\w+)=(.*?)"', typed):
        typed = typed.replace(f"%{name}%", key)
    return typed


def applied(renderer: Renderer, **rig: Any) -> Outing:
    """The plainest scene: the playbook is applied once."""

    async def script(stage: Rig) -> Outing:
        return await stage.apply()

    return scene(renderer, script, **rig)


def wanted(before: dict[str, object], playbook: Playbook) -> dict[str, object]:
    """The registry as it should be: exactly the playbook's values on top of what was there."""
    from serialfix.lab.registry import Registry

    registry = Registry()
    _fill(registry, "", before)
    for step in playbook.steps:
        assert step.registry is not None
        value = step.registry.wanted
        assert isinstance(value, RegistryValue)
        registry.set(step.registry.key, step.registry.value, value)
    return registry.dump()


def _fill(registry: Any, path: str, dump: dict[str, object]) -> None:
    for name, entry in dump.items():
        if isinstance(entry, dict):
            below = f"{path}\\{name[:-1]}" if path else name[:-1]
            if path:
                registry.key(below, create=True)
            _fill(registry, below, entry)
        elif isinstance(entry, RegistryValue):
            registry.set(path, name, entry)


__all__ = ["LST", "PASSWORD", "POL", "USERNAME", "Delays", "Faults"]
