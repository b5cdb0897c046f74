"""SAC's `restart` on a lab guest, in virtual time: typed at SAC's proven prompt, entered once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serialfix.console.machine import Patience
from serialfix.console.sac_restart import RESTART, RestartMachine
from serialfix.errors import GatewayClosed, RecordError, RestartRefused
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import Guest
from serialfix.lab.profiles import Renderer
from serialfix.session import Session
from serialfix.virtual_time import run_virtual
from tests.support.rig import RENDERERS, Outing, Rig, scene
from tests.support.wired import Wired


both = pytest.mark.parametrize("renderer", RENDERERS)


def restarted(renderer: Renderer, *, wire: type[Wired] = Wired, **rig: Any) -> tuple[Outing, Guest]:
    """One session for a restart; what it did, and the guest."""

    async def script(stage: Rig) -> tuple[Outing, Guest]:
        stage.wired = wire(stage.guest)
        return await stage.restart(), stage.guest

    return scene(renderer, script, **rig)


def asked(outing: Outing) -> int:
    """How often `restart` was entered; it was in the journal each time."""
    entered = sum(e.where == "SAC" and e.line == "restart" for e in outing.entered)
    assert outing.kinds() == ["restart_requested"] * entered
    return entered


@both
@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(half_line="shut"),
        Faults(event_while_typing=True, stale_backlog=True),
        Faults(lose_keys=0.04, late_keys=0.05),
        Faults(split_writes=True, nul_everywhere=True),
        Faults(orphans=2, orphan_in_view=True),
    ],
    ids=["plain", "half a line", "events", "lost keys", "cuts", "somebody's session in view"],
)
def test_it_is_entered_once_and_the_guest_restarts(renderer: Renderer, faults: Faults) -> None:
    outing, guest = restarted(renderer, faults=faults, delays=Delays(sac_restart_uptime=0))
    assert outing.slug == "ok", outing.error
    assert (asked(outing), guest.restarts, guest.boots) == (1, 1, 2)
    assert outing.lines == []


@both
def test_it_is_in_the_journal_when_it_stands_at_the_prompt_and_before_enter(
    renderer: Renderer,
) -> None:
    seen: list[tuple[str, int]] = []

    async def script(stage: Rig) -> Outing:
        guest: Any = stage.guest
        return await stage.restart(lambda: seen.append((guest._sac._line, guest.restarts)))

    scene(renderer, script)
    assert seen == [("restart", 0)]


def test_a_young_system_is_waited_for() -> None:
    outing, guest = restarted("conpty")
    assert (asked(outing), guest.restarts) == (1, 1)  # 60 s after its boot, we came after 10

    async def script(stage: Rig) -> float:
        begun = asyncio.get_running_loop().time()
        await stage.restart()
        return asyncio.get_running_loop().time() - begun

    assert 45 < scene("conpty", script) < 60


def test_sacs_no_is_a_refusal() -> None:
    outing, guest = restarted("scraper", faults=Faults(sac_restart_fails=True))
    assert isinstance(outing.error, RestartRefused)
    assert "Failed with status 0xC0000022." in str(outing.error)
    assert (asked(outing), guest.restarts, guest.boots) == (1, 0, 1)


@pytest.mark.parametrize("absent", ["silence", "health_report", "boot_manager", "bang_sac"])
def test_where_there_is_no_sac_nothing_is_typed(absent: Any) -> None:
    outing, guest = restarted("conpty", faults=Faults(sac_absent=absent))
    assert outing.slug == "console.sac_unavailable"
    assert (asked(outing), guest.boots) == (0, 1)
    assert not any("restart" in entry.line for entry in outing.entered)


class Impostor(Wired):
    """Somebody's program that answers Enter with SAC's prompt, and knows no ESC TAB."""

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        self.typed += keys
        if b"\r" in keys:
            self._queue.put_nowait(b"\r\nSAC>")


def test_a_prompt_without_sacs_xml_is_not_believed() -> None:
    typed: list[bytes] = []

    class Overheard(Impostor):
        async def close(self) -> None:
            typed.append(bytes(self.typed))
            await super().close()

    outing, _ = restarted("conpty", wire=Overheard)
    assert outing.slug == "console.sac_unavailable"
    assert set(typed[-1]) == set(b"\x1b\t0")  # ESC TAB 0, and never Enter
    assert outing.kinds() == []


def test_a_request_that_could_not_be_kept_leaves_no_word_behind() -> None:
    """Whoever presses Enter next would restart the system."""

    def fail() -> None:
        raise RecordError("the disk is full")

    async def script(stage: Rig) -> tuple[Outing, Guest]:
        return await stage.restart(fail), stage.guest

    outing, guest = scene("conpty", script)
    there: Any = guest
    assert (outing.slug, guest.restarts, there._sac._line) == ("record", 0, "")
    assert "restart" not in [entry.line for entry in outing.entered]


class DeafToEnter(Wired):
    """The Enter after `restart` gets lost."""

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        guest: Any = self.guest
        if keys == b"\r" and guest._sac._line == "restart":
            return
        await super().send(keys, secret=secret)


def test_an_enter_that_got_lost_leaves_no_word_behind() -> None:
    outing, guest = restarted("conpty", wire=DeafToEnter)
    there: Any = guest
    assert (outing.slug, outing.kinds()) == ("ok", ["restart_requested"])
    assert (there._sac._line, guest.restarts) == ("", 0)


class Cut(Wired):
    """Drops the connection at the Enter of `restart`: the key arrives, or not."""

    arrives = True

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        guest: Any = self.guest
        at_enter = keys == b"\r" and guest._sac._line == "restart"
        if not at_enter or self.arrives:
            await super().send(keys, secret=secret)
        if at_enter:
            self.cut()


@pytest.mark.parametrize("arrives", [True, False])
def test_a_drop_at_enter_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, arrives: bool) -> None:
    monkeypatch.setattr(Cut, "arrives", arrives)
    outing, guest = restarted("conpty", wire=Cut, delays=Delays(sac_restart_uptime=0))
    assert (outing.slug, outing.kinds()) == ("ok", ["restart_requested"])
    assert guest.restarts == arrives


@pytest.mark.parametrize("after", [3, 90, 165])
def test_a_drop_before_enter_is_attached_again(after: int) -> None:
    async def script(stage: Rig) -> tuple[Outing, Guest]:
        stage.wired.drop_after = after
        return await stage.restart(), stage.guest

    outing, guest = scene("conpty", script, delays=Delays(sac_restart_uptime=0))
    assert outing.slug == "ok", outing.error
    assert (asked(outing), guest.restarts) == (1, 1)


def test_two_drops_are_an_error_and_nothing_was_asked() -> None:
    class Dead(Wired):
        async def send(self, keys: bytes, *, secret: bool = False) -> None:
            raise GatewayClosed("dead")

    outing, guest = restarted("conpty", wire=Dead)
    assert (outing.slug, outing.kinds(), guest.boots) == ("transport.gateway_closed", [], 1)


def test_every_state_of_the_table_has_its_sights_and_deadlines() -> None:
    machine = RestartMachine(Patience())
    for state, row in RESTART.items():
        machine.state = state
        assert set(row.leads) <= set(machine.sights)
        assert all(lead in RESTART for lead in row.leads.values())
        assert machine.within >= 0
        assert "restart" not in machine.keys or row.again is False


def test_the_session_forgets_the_hook() -> None:
    async def main() -> list[str]:
        calls: list[str] = []

        async def requested() -> None:
            calls.append("restart")

        stage = Rig("conpty", delays=Delays(sac_restart_uptime=0))
        await stage.boot()
        session = Session(stage.wired, nonce="q7kzb")
        await session.connect()
        await session.restart(requested)
        await asyncio.sleep(10)
        await session.open_channel()
        await session.close()
        return calls

    assert run_virtual(main()) == ["restart"]
