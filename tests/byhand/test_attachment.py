"""The dialogue with a guest of the lab on a wire, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyte
import pytest

from serialfix.byhand.attachment import Attachment, Ended
from serialfix.byhand.terminal import Desk, Person
from serialfix.errors import (
    GatewayClosed,
    GatewayRejected,
    GatewayUnreachable,
    Interrupted,
    SerialfixError,
    SessionTakenOver,
)
from serialfix.lab.guest import PASSWORD, USERNAME, Guest
from serialfix.lab.profiles import PROFILES
from serialfix.record.cast import CastWriter, read_cast
from serialfix.secrets import Redactor
from serialfix.transport.replay import RecordingTransport
from serialfix.virtual_time import run_virtual
from tests.support.wired import Wired


MENU = "\x1d"


class Chair(Desk):
    """A terminal of 80x25 that obeys, and remembers whether it was given back."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(80, 25)
        self.stream = pyte.Stream(self.screen)
        self.person: Person | None = None
        self.left = False
        self.suspended = 0
        self.behind = False

    def enter(self, person: Person) -> None:
        self.person = person

    def leave(self) -> None:
        self.left = True

    @property
    def size(self) -> tuple[int, int]:
        return self.screen.columns, self.screen.lines

    def write(self, text: str) -> None:
        self.stream.feed(text)

    @property
    def writing(self) -> bool:
        return self.behind

    def suspend(self) -> None:
        self.suspended += 1


class Wire(Wired):
    """A wire that cannot be connected again while `error` is set."""

    refuses: SerialfixError | None = None

    async def connect(self) -> None:
        if self.connects and self.refuses is not None:
            self.connects += 1
            raise self.refuses
        await super().connect()


@dataclass
class Scene:
    """A person at a guest's console."""

    guest: Guest
    wire: Wire
    chair: Chair
    attachment: Attachment
    running: asyncio.Task[Ended]
    marks: list[str]
    orders: list[str] = field(default_factory=list)
    refusal: BaseException | None = None

    @property
    def shown(self) -> str:
        return "\n".join(row.rstrip() for row in self.chair.screen.display)

    async def type(self, keys: str, seconds: float = 1.0) -> str:
        """Type, and look a while later."""
        assert self.chair.person is not None
        if keys:
            self.chair.person.typed(keys.encode())
        await asyncio.sleep(seconds)
        return self.shown

    @property
    def lines(self) -> list[str]:
        return [entered.line for entered in self.guest.entered]

    async def end(self) -> Ended:
        await self.type(f"{MENU}q")
        return await self.running


def play(script: Any, *, cast: Path | None = None, orders: bool = True, **settings: Any) -> Scene:
    """Boot a guest, attach, play the script; the terminal is given back whatever happens."""

    async def work() -> Scene:
        guest = Guest(profile=PROFILES["ws2022"])
        guest.power_on()
        await asyncio.sleep(10)
        wire, chair = Wire(guest), Chair()
        redactor = Redactor()
        writer = cast and CastWriter(
            cast, header={}, redactor=redactor, clock=asyncio.get_running_loop().time
        )

        marks: list[str] = []

        async def order(command: str) -> None:
            scene.orders.append(command)
            if scene.refusal is not None:
                raise scene.refusal

        attachment = Attachment(
            RecordingTransport(wire, writer) if writer else wire,
            chair,
            name="myvm",
            order=order if orders else None,
            mark=marks.append,
            **settings,
        )
        running = asyncio.create_task(attachment.run())
        scene = Scene(guest, wire, chair, attachment, running, marks)
        await asyncio.sleep(1)
        try:
            await script(scene)
            if not running.done():
                await scene.end()
        finally:
            await asyncio.gather(running, return_exceptions=True)
            guest.power_off()
            if writer:
                writer.close()
        assert chair.left
        return scene

    return run_virtual(work())


def test_keys_there_and_the_picture_back() -> None:
    async def script(scene: Scene) -> None:
        assert "SAC>" in await scene.type("\r")
        assert "Computer Name: WIN-LAB01" in await scene.type("id\r")
        assert " myvm | SAC | Ctrl-]: menu" in await scene.type("", 10)
        assert (await scene.end()).channel == ""

    assert play(script).lines == ["", "id"]


async def log_in(scene: Scene) -> None:
    await scene.type("cmd\r", 3)
    await scene.type("ch -sn cmd0001\r")
    await scene.type(" ")
    await scene.type(f"{USERNAME}\r")
    await scene.type("\r")
    await scene.type(PASSWORD)
    assert "C:\\Windows" in await scene.type("\r", 3)


def test_the_password_is_kept_by_nobody(tmp_path: Path) -> None:
    kept: list[str] = []

    async def script(scene: Scene) -> None:
        await log_in(scene)
        assert "Cmd0001" in await scene.type("", 10)
        assert (await scene.end()).channel == "Cmd0001"

    play(script, cast=tmp_path / "x.cast", keep_secret=kept.append)
    assert kept == [PASSWORD]
    cast = read_cast(tmp_path / "x.cast")
    assert cast.secrets == (1, len(PASSWORD))  # the blank on the banner, where nothing is asked
    typed = "".join(event.data for event in cast.events if event.code == "i")
    assert PASSWORD[:4] not in typed


def test_a_corrected_password_is_known_as_it_was_entered() -> None:
    kept: list[str] = []

    async def script(scene: Scene) -> None:
        await scene.type("cmd\r", 3)
        await scene.type("ch -sn cmd0001\r")
        await scene.type(" ")
        for keys in (f"{USERNAME}\r", "\r", f"{PASSWORD[:-1]}xy\x7f\b{PASSWORD[-1]}"):
            await scene.type(keys)
        assert "C:\\Windows" in await scene.type("\r", 3)

    play(script, keep_secret=kept.append)
    assert kept == [PASSWORD]


def test_arrows_reach_a_cmd_channel_and_not_sac() -> None:
    async def script(scene: Scene) -> None:
        assert "no arrow" in await scene.type("\x1b[A")
        await log_in(scene)
        scene.wire.typed.clear()
        await scene.type("\x1b[A")
        await scene.type("\x03")
        await scene.type("\x1b", 0.2)
        assert bytes(scene.wire.typed) == b"\x1b[A\x03\x1b"

    play(script)


def test_a_line_that_acts_at_once_needs_the_name() -> None:
    async def script(scene: Scene) -> None:
        assert "type the VM's name, myvm" in await scene.type("shutdown\rmyvm\r")
        assert "not confirmed" in await scene.type("\x1b")
        assert "type the VM's name, myvm" in await scene.type("\r")
        assert "not confirmed" in await scene.type("\r")
        assert scene.guest.running
        await scene.type("\r")
        await scene.type("mx\x7fyvm")
        await scene.type("\r", 120)
        assert not scene.guest.running

    assert play(script).lines == ["shutdown"]


def test_without_the_guard_it_acts() -> None:
    async def script(scene: Scene) -> None:
        assert "guard off" in await scene.type("", 10)
        await scene.type("shutdown\r", 120)
        assert not scene.guest.running

    play(script, guard=False)


def test_the_guard_can_be_switched_off_and_on() -> None:
    async def script(scene: Scene) -> None:
        assert "is off" in await scene.type(f"{MENU}g")
        await scene.type("\x1b[A")
        assert "is on" in await scene.type(f"{MENU}g")
        assert "was erased" in await scene.type("\x03")

    assert "[A" in play(script).wire.typed.decode()


@pytest.mark.parametrize(("key", "command"), [("n", "nmi"), ("r", "reset")])
def test_orders(key: str, command: str) -> None:
    async def script(scene: Scene) -> None:
        assert "send an NMI" in await scene.type(MENU)
        assert "type the VM's name" in await scene.type(key)
        assert "not confirmed" in await scene.type("myv\r")
        assert scene.orders == []
        await scene.type(f"{MENU}{key}")
        assert "the" in await scene.type("MYVM\r")
        assert scene.orders == [command]
        scene.refusal = GatewayClosed("not today")
        await scene.type(f"{MENU}{key}")
        assert f"{command}: not today" in await scene.type("myvm\r")

    marks = play(script).marks
    assert marks == [
        *(f"order:{command}", f"order:{command} done"),
        *(f"order:{command}", f"order:{command} transport.gateway_closed"),
    ]


def test_no_orders_where_the_console_takes_none() -> None:
    async def script(scene: Scene) -> None:
        assert "NMI" not in await scene.type(MENU)
        await scene.type("n")
        assert scene.orders == []

    play(script, orders=False)


def test_the_menu_key_again_is_a_key() -> None:
    async def script(scene: Scene) -> None:
        await scene.type(MENU * 2)
        assert bytes(scene.wire.typed) == b"\x1d"
        assert "beware of" in await scene.type(f"{MENU}?")
        assert "beware of" not in await scene.type("x")
        await scene.type(f"{MENU}z")
        assert scene.chair.suspended == 1
        await scene.type(f"{MENU}p")
        assert bytes(scene.wire.typed) == b"\x1d"

    play(script)


def test_another_menu_key() -> None:
    async def script(scene: Scene) -> None:
        await scene.type(MENU)
        assert "Ctrl-T again sends it" in await scene.type("\x14")
        await scene.type("q")

    assert bytes(play(script, menu_key="\x14").wire.typed) == b"\x1d"


def test_a_drop_is_told_and_healed() -> None:
    async def script(scene: Scene) -> None:
        await scene.type("cmd", 20)
        scene.wire.cut()
        assert "connected again" in await scene.type("")
        await scene.type("\r", 3)
        assert "Channel: Cmd0001" in scene.shown

    assert play(script).wire.connects == 2


def test_keys_without_a_connection_go_nowhere() -> None:
    async def script(scene: Scene) -> None:
        scene.wire.refuses = GatewayUnreachable("no way")
        scene.wire.cut()
        assert "Press y to try again" in await scene.type("")
        await scene.type("n")

    async def later(scene: Scene) -> None:
        scene.wire.refuses = GatewayUnreachable("no way")
        scene.wire.cut()
        await scene.type("")
        scene.wire.refuses = None
        await scene.type("restart\ry", 3)  # no key but y answers
        assert "connected again" in scene.shown
        await scene.type("id\r")

    with pytest.raises(GatewayUnreachable, match="no way"):
        raised(play(script))
    assert play(later).lines == ["id"]


def raised(scene: Scene) -> None:
    """Raise what the attachment ended with."""
    error = scene.running.exception()
    if error is not None:
        raise error


def test_a_connection_that_will_not_stay_is_given_up_after_some_tries() -> None:
    async def script(scene: Scene) -> None:
        for _ in range(10):
            scene.wire.cut()
            await scene.type("", 2)
        assert "Press y" in scene.shown
        assert scene.wire.connects == 4
        await scene.type("y")
        assert scene.wire.connects == 5

    play(script)


def test_a_connection_that_stays_is_made_anew_for_ever() -> None:
    async def script(scene: Scene) -> None:
        for _ in range(20):
            await scene.type("", 60)
            scene.wire.cut()

    assert play(script).wire.connects == 21


def test_a_take_over_waits_for_the_person() -> None:
    async def script(scene: Scene) -> None:
        scene.wire.error = SessionTakenOver
        scene.wire.cut()
        assert "Somebody else attached" in await scene.type("", 3600)
        assert scene.wire.connects == 1
        await scene.type("x\r")
        await scene.type("q")

    async def after_keys(scene: Scene) -> None:
        await scene.type("id\r")
        await script(scene)

    for scenario, touched in ((script, "no"), (after_keys, "maybe")):
        with pytest.raises(SessionTakenOver) as caught:
            raised(play(scenario))
        assert "attach again" in caught.value.remedy
        assert caught.value.touched == touched


def test_a_first_connection_that_fails_is_no_session() -> None:
    async def work() -> None:
        chair = Chair()
        wire = Wire(Guest(profile=PROFILES["ws2022"]))
        wire.connects, wire.refuses = 1, GatewayRejected("no")
        with pytest.raises(GatewayRejected):
            await Attachment(wire, chair, name="x").run()
        assert chair.person is None

    run_virtual(work())


def ended_by(what: Callable[[Any], object]) -> BaseException | None:
    async def script(scene: Scene) -> None:
        what(scene)
        await asyncio.sleep(1)

    return play(script).running.exception()


def test_every_end_gives_the_terminal_back() -> None:
    """`play` looks that it is; here are the reasons."""
    signalled = ended_by(lambda scene: scene.chair.person.ended(15))
    assert isinstance(signalled, Interrupted)
    assert signalled.exit_code == 143
    gone = ended_by(lambda scene: scene.chair.person.typed(b""))
    assert isinstance(gone, Interrupted)


@pytest.mark.parametrize("where", ["decide", "paint", "feed"])
def test_a_bug_of_ours_gives_the_terminal_back(where: str) -> None:
    bug = ZeroDivisionError("a bug")

    def broken(*_: object, **__: object) -> None:
        raise bug

    def breaks(scene: Any) -> None:
        at: Any = scene.attachment
        part = {"decide": at._guard, "paint": at._painter, "feed": at._view}[where]
        setattr(part, where, broken)
        scene.chair.person.typed(b"x")

    assert ended_by(breaks) is bug


def test_a_full_disk_is_told() -> None:
    trouble: list[str] = []

    async def script(scene: Scene) -> None:
        trouble.append("no space left")
        assert "recording stopped: no space left" in await scene.type("\r", 10)

    play(script, recording_error=lambda: "".join(trouble))


def test_a_flood_is_not_a_flood_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(scene: Scene) -> None:
        pictures: list[str] = []
        monkeypatch.setattr(scene.chair, "write", pictures.append)
        for _ in range(5000):
            scene.guest._port.emit("line\r\n")
            await asyncio.sleep(0.0002)
        assert len(pictures) < 60
        scene.chair.behind = True  # a terminal that takes nothing more
        pictures.clear()
        await scene.type("\r", 2)
        assert pictures == []

    play(script)
