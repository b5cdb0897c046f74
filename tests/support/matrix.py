"""The fault matrix: what may go wrong, alone and in pairs, at any key, line or byte of a run.

A seed is one scenario: its faults, their places, the renderer, the version and the language of the
guest, and all of the guest's dice. `play(seed)` gives what is wrong with how the run ended, judged
by what the lab knows to be true. The first seeds enumerate single faults, those after them pairs.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations_with_replacement, product
from pathlib import Path
from random import Random
from typing import Any

from serialfix.errors import GatewayUnreachable
from serialfix.lab import sactexts
from serialfix.lab.faults import Delays, Faults, ServiceFault
from serialfix.lab.profiles import LST, POL, PROFILES, Language, Renderer
from serialfix.lab.switches import FORBIDDEN, SCOPE_LOCKED, ArmFaults
from serialfix.model import RunResult
from serialfix.playbook.load import LoadedPlaybook, load_playbook, parse_playbook
from serialfix.virtual_time import run_virtual
from tests.support.judge import Judge
from tests.support.rig import RDP_RESET
from tests.support.world import Killed, Mishap, Place, World, kill, take_over


HOURS = 3 * 3600.0
"""Every run ends within so much virtual time."""
VARIANTS = 4
"""Places that a single fault is tried at, for each renderer."""
_CONNECT = "Microsoft.SerialConsole/serialPorts/connect/action"
_RESTART = "Microsoft.Compute/virtualMachines/restart/action"
_ANYWHERE: tuple[Place, ...] = ("key", "line", "byte")
_ALWAYS: tuple[Place, ...] = ("start", *_ANYWHERE)

TINY = f"""
schema: 1
name: tiny
version: "1.0"
title: Two values
description: One that is there, and one whose keys are not.
restart: if_changed
steps:
  - id: there
    why: For tests.
    registry: {{key: '{LST}', value: SecurityLayer, type: REG_DWORD, data: 0}}
  - id: absent
    why: For tests.
    registry: {{key: '{POL}', value: KeepAliveEnable, type: REG_DWORD, data: 1}}
proofs:
  - service: {{name: TermService, state: running}}
"""


@dataclass(frozen=True)
class Fault:
    """One thing that may go wrong: switches of the lab, or an act of somebody, and where."""

    name: str
    act: Callable[[World], None] | None = None
    places: tuple[Place, ...] = _ANYWHERE
    faults: Mapping[str, Any] = field(default_factory=dict)
    delays: Mapping[str, float] = field(default_factory=dict)
    arm: Mapping[str, Any] = field(default_factory=dict)

    def happen(self, world: World) -> None:
        """From now on."""
        world.guest.faults = replace(world.guest.faults, **self.faults)
        if self.arm:
            world.vm.arm = replace(world.vm.arm, **self.arm)
        if self.act is not None:
            self.act(world)


def _key(change: Callable[[bytes], bytes]) -> Callable[[World], None]:
    return lambda world: world.filters.append(change)


def _stray(key: bytes) -> bytes:
    """Somebody's key comes with one of ours; not before an Enter, where nobody could see it."""
    return key + b"x" if key.isascii() and key.decode().isprintable() else key


def _drop(world: World) -> None:
    if world.wire is not None:
        world.wire.cut()


def _drop_for_good(world: World) -> None:
    world.refusals = 1000
    _drop(world)


def _refuse_once(world: World) -> None:
    world.refusals = 2
    _drop(world)


def _unreachable(world: World) -> None:
    if world.wire is not None:
        world.wire.cut(GatewayUnreachable("the gateway could not reach the VM's serial port"))


def _event(world: World) -> None:
    if world.guest._sac is not None:
        world.guest._sac.event(sactexts.CMD_AVAILABLE)


def _faults(name: str, *, at: tuple[Place, ...] = _ALWAYS, **switches: Any) -> Fault:
    return Fault(name, places=at, faults=switches)


_BOOT: tuple[Place, ...] = ("start",)

FAULTS: tuple[Fault, ...] = (
    # one key
    Fault("a lost key", _key(lambda _: b""), ("key",)),
    Fault("a doubled key", _key(lambda key: 2 * key), ("key",)),
    Fault("a tripled key", _key(lambda key: 3 * key), ("key",)),
    Fault("somebody's key", _key(_stray), ("key",)),
    # keys from then on
    _faults("keys lost", lose_keys=0.02),
    _faults("keys doubled", double_keys=0.01),
    _faults("repeats dropped", drop_repeats=0.125),
    _faults("repeats dropped for long", drop_repeats=1.0),
    _faults("repeats multiplied", multiply_repeats=0.5),
    _faults("late keys", late_keys=0.3),
    _faults("very late keys", late_keys=2.5),
    _faults("first keys eaten", eat_first_keys=8.0),
    # bytes
    _faults("split writes", split_writes=True),
    _faults("NULs", nul_everywhere=True),
    _faults("stalls", stalls=3.0),
    _faults("no repaint", no_repaint=True),
    Fault("a stall", lambda world: world.guest.stall(8.0)),
    Fault("a slow link", places=_BOOT, delays={"link_speed": 960.0}),
    _faults("an old backlog", at=_BOOT, stale_backlog=True),
    _faults("a name that is not ASCII", at=_BOOT, utf8_everywhere=True),
    # others
    Fault("an agent's text", lambda world: world.guest.interject()),
    Fault("a program in the background", lambda world: world.guest.murmur()),
    Fault("an event", _event),
    _faults("events while typing", at=_BOOT, event_while_typing=True),
    _faults("a half-typed line", at=_BOOT, half_line="shutdow"),
    _faults("orphans", at=_BOOT, orphans=2),
    _faults("an orphan in view", at=_BOOT, orphans=3, orphan_in_view=True),
    _faults("no channel left", at=_BOOT, orphans=2, max_channels=2),
    Fault("a switch to SAC", lambda world: world.guest.switch_away()),
    Fault("a lock", lambda world: world.guest.lock()),
    # longer than a slow link needs for a screen (2.2 s): else nobody ever gets to a prompt
    Fault("an idle time-out", places=_BOOT, delays={"idle_timeout": 3.0}),
    # the way
    Fault("a drop", _drop),
    Fault("drops without end", _drop_for_good),
    Fault("a refused token", _refuse_once, _ALWAYS),
    Fault("an unreachable port", _unreachable),
    Fault("a take-over", take_over),
    Fault("a kill", kill),
    # SAC
    _faults("silence", sac_absent="silence"),
    _faults("a health report", sac_absent="health_report"),
    _faults("a boot menu", sac_absent="boot_manager"),
    _faults("!SAC", sac_absent="bang_sac"),
    _faults("a late registration", late_cmd=100.0),
    *(
        _faults(f"cmd refused: {refusal}", channel_refused=refusal)
        for refusal in ("not_registered", "timeout", "failed", "disabled", "maximum")
    ),
    _faults("a refused login", login_refused=True),
    # Windows
    Fault("a reboot", lambda world: world.guest._restart_itself()),
    Fault("a bugcheck", lambda world: world.guest.bugcheck()),
    Fault("a power cycle", lambda world: world.guest.reset()),
    Fault("power off", lambda world: world.guest.power_off()),
    _faults("a slow boot", slow_boot=400.0),
    _faults("a stopped service", stopped_service=True),
    _faults("a slow service", services={"TermService": ServiceFault(slow_start=60.0)}),
    _faults("a service that fails", services={"TermService": ServiceFault(start_code=1053)}),
    _faults("reg fails", reg_fails_for="KeepAliveEnable"),
    _faults("reg lies", reg_lies_for="SecurityLayer"),
    _faults("reg hangs", hang_on="reg "),
    # Azure
    Fault("connect throttled", places=_ALWAYS, arm={"throttle": {_CONNECT: 2}}),
    Fault("all throttled", places=_ALWAYS, arm={"throttle": {"*": 3}}),
    Fault("connect rejected", places=_ALWAYS, arm={"connect_rejects": 2}),
    Fault("a slow ARM", places=_ALWAYS, arm={"slow": 7.0}),
    Fault("a failed restart", places=_ALWAYS, arm={"restart_fails": True}),
    Fault("a restart without end", places=_ALWAYS, arm={"restart_hangs": True}),
    Fault("a lost operation", places=_ALWAYS, arm={"restart_op_lost": True}),
    Fault("a forbidden restart", places=_ALWAYS, arm={"deny": {_RESTART: FORBIDDEN}}),
    Fault("a locked scope", places=_ALWAYS, arm={"deny": {_RESTART: SCOPE_LOCKED}}),
)

_RENDERERS: Mapping[Renderer, tuple[str, ...]] = {
    "scraper": ("ws2016", "ws2019"),
    "conpty": ("ws2022", "ws2025"),
}
_LANGUAGES: tuple[Language, ...] = ("en", "fr", "nl", "de", "ja")
Wrong = tuple[tuple[Fault, ...], Renderer]
SINGLES: list[Wrong] = [
    ((fault,), renderer) for _, fault, renderer in product(range(VARIANTS), FAULTS, _RENDERERS)
]
PAIRS: list[Wrong] = [
    (pair, renderer)
    for pair, renderer in product(combinations_with_replacement(FAULTS, 2), _RENDERERS)
]
Random(0).shuffle(PAIRS)


@dataclass(frozen=True)
class Scenario:
    """What a seed stands for."""

    seed: int
    faults: tuple[tuple[Fault, Place, int], ...]
    renderer: Renderer
    profile: str
    language: Language
    whole: bool
    """The real playbook instead of two values."""

    def __str__(self) -> str:
        wrong = " + ".join(
            fault.name + (f" at {place} {nth}" if nth else "") for fault, place, nth in self.faults
        )
        playbook = "rdp-reset" if self.whole else "two values"
        return f"seed {self.seed}: {wrong}; {self.profile} ({self.renderer}), {self.language}, " + (
            playbook
        )


def scenario(seed: int) -> Scenario:
    """The scenario of a seed; every fiftieth has the real playbook."""
    rng = Random(seed)
    if seed < len(SINGLES):
        faults, renderer = SINGLES[seed]
    else:
        faults, renderer = PAIRS[(seed - len(SINGLES)) % len(PAIRS)]
    whole = seed % 50 == 7
    placed = []
    for fault in faults:
        place = rng.choice(fault.places)
        nth = 0 if place == "start" else rng.randint(1, lengths(renderer, whole=whole)[place])
        placed.append((fault, place, nth))
    return Scenario(
        seed,
        tuple(placed),
        renderer,
        rng.choice(_RENDERERS[renderer]),
        rng.choice(_LANGUAGES),
        whole,
    )


@cache
def playbook(*, whole: bool) -> LoadedPlaybook:
    """The real playbook, or two values."""
    return load_playbook(RDP_RESET) if whole else parse_playbook(TINY, file="tiny.yaml")


@cache
def lengths(renderer: Renderer, *, whole: bool) -> Mapping[str, int]:
    """How many keys, lines and bytes a run without faults has, up to the end of its proof."""
    calm = Scenario(0, (), renderer, _RENDERERS[renderer][0], "en", whole)
    with tempfile.TemporaryDirectory(prefix="serialfix-matrix-") as folder:
        _, world, _ = run_virtual(perform(calm, Path(folder)))
    return world.count


def play(seed: int, *, quick: bool = False) -> list[str]:
    """Play one seed; what is wrong, or nothing. Its state folder is in memory where it can be.

    `quick` leaves out transcripts, and two of three resumed runs.
    """
    what = scenario(seed)
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="serialfix-", dir=memory if memory.is_dir() else None)
    try:
        wrong, _, _ = run_virtual(perform(what, Path(folder), quick=quick))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the matrix looks for
        wrong = [f"{type(error).__name__}: {error}"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return wrong


def build(what: Scenario, state: Path) -> World:
    """The world of a scenario, before its boot."""
    start = [fault for fault, place, _ in what.faults if place == "start"]

    def merged(of: str) -> dict[str, Any]:
        return {name: value for fault in start for name, value in getattr(fault, of).items()}

    # what a guest looks at when it is made, and what cannot be exchanged later
    return World(
        state,
        mishaps=tuple(
            Mishap(fault.name, fault.happen, place, nth) for fault, place, nth in what.faults
        ),
        seed=what.seed,
        profile=PROFILES[what.profile],
        renderer=what.renderer,
        language=what.language,
        faults=Faults(**merged("faults")),
        delays=Delays(**merged("delays")),
    )


async def perform(
    what: Scenario, state: Path, *, quick: bool = False
) -> tuple[list[str], World, list[RunResult]]:
    """The run, and after a failure `resume` in a world that is well again."""
    world = build(what, state)
    world.transcripts = not quick
    await world.boot(20.0)
    judge = Judge(world, playbook(whole=what.whole).playbook)
    results: list[RunResult] = []
    async with asyncio.timeout(HOURS):
        with contextlib.suppress(Killed):
            results.append(await world.run(playbook(whole=what.whole)))
    await asyncio.sleep(5.0)
    judge.look(results[-1] if results else None)
    if not results or (results[-1].exit_code and not (quick and what.seed % 3)):
        await heal(world)
        async with asyncio.timeout(HOURS):
            results.append(await world.resume())
        await asyncio.sleep(5.0)
        judge.look(results[-1], healed=True)
    return judge.wrong, world, results


async def heal(world: World) -> None:
    """All that was wrong is over; what was stopped runs again."""
    world.mishaps, world.filters, world.refusals = (), [], 0
    guest = world.guest
    guest.faults, world.vm.arm = Faults(), ArmFaults()
    if guest._sac is not None:
        guest._sac._machine.start_services()
    await asyncio.sleep(30.0)
    if guest._phase != "windows":
        guest.power_off()
        guest.power_on()
    await asyncio.sleep(500.0 if guest._sac is None else 30.0)
