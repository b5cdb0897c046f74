from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import (
    GatewayClosed,
    GatewayRejected,
    ReplayMismatch,
    SessionTakenOver,
    TransportError,
)
from serialfix.record.cast import Cast, CastWriter, Event, read_cast
from serialfix.secrets import Redactor, Secret
from serialfix.transport.base import Transport
from serialfix.transport.replay import RecordingTransport, ReplayTransport
from serialfix.virtual_time import run_virtual


_T = TypeVar("_T")

LOGIN = (
    (0.0, "m", "connect"),
    (1.0, "o", "Username: "),
    (5.0, "i", "ab\r"),
    (5.5, "o", "ab\r\nPassword: "),
    (7.0, "i", "<redacted:guest_password:3>"),
    (7.1, "o", "***"),
    (8.0, "m", "step:1 login"),
    (8.5, "i", "\r"),
    (9.0, "o", "C:\\>"),
)


def transport(*events: tuple[float, str, str]) -> ReplayTransport:
    return ReplayTransport(
        Cast({}, tuple(Event(*event, line) for line, event in enumerate(events, start=2)))
    )


def play(*events: tuple[float, str, str], by: Callable[[ReplayTransport], Awaitable[_T]]) -> _T:
    async def main() -> _T:
        return await by(transport(*events))

    return run_virtual(main())


def now() -> float:
    return asyncio.get_running_loop().time()


async def log_in(console: ReplayTransport) -> None:
    await console.connect()
    await console.receive()
    await console.send(b"ab\r")
    await console.receive()
    await console.send(b"xyz", secret=True)
    await console.receive()


class TestReplay:
    def test_output_comes_in_its_order_without_waiting(self) -> None:
        async def by(console: ReplayTransport) -> list[float]:
            await asyncio.sleep(100)
            times = [now()]
            await console.connect()
            assert await console.receive() == b"Username: "
            times.append(now())
            await asyncio.sleep(2)
            await console.send(b"ab\r")
            assert await console.receive() == b"ab\r\nPassword: "
            times.append(now())
            await console.send(b"xyz", secret=True)
            assert await console.receive() == b"***"
            await console.send(b"\r")
            assert await console.receive() == b"C:\\>"
            await console.close()
            console.finish()
            return times

        assert play(*LOGIN, by=by) == [100, 100, 102]

    def test_keystroke_by_keystroke_however_they_are_sent(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await console.connect()
            for key in (b"a", b"b\r"):
                await console.send(key)
            for key in (b"x", b"yz"):
                await console.send(key, secret=True)
            await console.send(b"\r")
            console.finish()

        play(*LOGIN, by=by)

    def test_nothing_comes_before_its_keystroke(self) -> None:
        async def by(console: ReplayTransport) -> float:
            await console.connect()
            await console.receive()
            await console.send(b"ab")  # not yet the Enter
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1000):
                    await console.receive()
            await console.send(b"\r")
            await console.receive()
            return now()

        assert play(*LOGIN, by=by) == 1000

    def test_a_keystroke_wakes_the_receiver(self) -> None:
        async def by(console: ReplayTransport) -> float:
            await console.connect()
            await console.receive()
            asyncio.get_running_loop().call_later(
                3, lambda: tasks.append(asyncio.ensure_future(console.send(b"ab\r")))
            )
            tasks: list[asyncio.Future[None]] = []
            await console.receive()
            return now()

        assert play(*LOGIN, by=by) == 3

    def test_cancelled_receive_loses_nothing(self) -> None:
        async def by(console: ReplayTransport) -> bytes:
            await console.connect()
            await console.receive()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.999):
                    await console.receive()
            await console.send(b"ab\r")
            return await console.receive()

        assert play(*LOGIN, by=by) == b"ab\r\nPassword: "

    @pytest.mark.parametrize(
        ("keys", "secret", "recorded", "typed"),
        [
            (b"aX\r", False, r"recorded: ab\r", r"typed:    aX\r"),
            (b"ab\n", False, r"recorded: ab\r", r"typed:    ab\n"),
            (b"ab\rq", False, r"recorded: ab\r•••\r", r"typed:    ab\rq"),
            (b"ab\r", True, r"recorded: ab\r", "typed:    •••"),
        ],
    )
    def test_the_first_different_keystroke(
        self, keys: bytes, secret: bool, recorded: str, typed: str
    ) -> None:
        async def by(console: ReplayTransport) -> ReplayMismatch:
            await console.connect()
            await console.receive()
            with pytest.raises(ReplayMismatch) as caught:
                await console.send(keys, secret=secret)
            for again in (console.receive, console.connect, lambda: console.send(b"x")):
                with pytest.raises(ReplayMismatch) as later:
                    await again()
                assert later.value is caught.value
            with pytest.raises(ReplayMismatch):
                console.finish()
            return caught.value

        error = play(*LOGIN, by=by)
        assert error.exit_code == 7
        assert recorded in str(error)
        assert typed in str(error)
        assert "last marker: connect" in str(error)
        assert "'Username: " in str(error)

    def test_the_place_is_told(self) -> None:
        async def by(console: ReplayTransport) -> str:
            await log_in(console)
            with pytest.raises(ReplayMismatch) as caught:
                await console.send(b"\x1b")
            return str(caught.value)

        assert play(*LOGIN, by=by).splitlines() == [
            "a keystroke differs, at line 9, 8.500 s of the recording (last marker: step:1 login)",
            r"  recorded: ab\r•••\r",
            r"  typed:    ab\r•••\x1b",
            r"                   ^",
            r"  shown before: 'Username: ab\r\nPassword: ***'",
        ]

    @pytest.mark.parametrize("keys", [b"xy", b"wxyz"])
    def test_a_secret_has_its_length(self, keys: bytes) -> None:
        async def by(console: ReplayTransport) -> None:
            await console.connect()
            await console.send(b"ab\r")
            await console.send(keys, secret=True)
            await console.send(b"\r")

        with pytest.raises(ReplayMismatch) as caught:
            play(*LOGIN, by=by)
        assert "xy" not in str(caught.value)

    def test_a_secret_is_no_plain_text(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await console.connect()
            await console.send(b"ab\r")
            await console.send(b"<redacted:guest_password:3>")

        with pytest.raises(ReplayMismatch, match="keystroke differs"):
            play(*LOGIN, by=by)

    def test_more_than_was_recorded(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await log_in(console)
            await console.send(b"\rexit")

        with pytest.raises(ReplayMismatch, match=r"recorded: ab\\r•••\\r<nothing more>"):
            play(*LOGIN, by=by)

    def test_less_than_was_recorded(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await log_in(console)
            await console.close()
            console.finish()

        with pytest.raises(ReplayMismatch, match=r"input was not typed, at line 9[^^]*<nothing"):
            play(*LOGIN, by=by)

    def test_silence_where_the_recording_just_ends(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await console.connect()
            assert await console.receive() == b"x"
            async with asyncio.timeout(1e6):
                await console.receive()

        with pytest.raises(TimeoutError):
            play((0, "m", "connect"), (1, "o", "x"), by=by)

    @pytest.mark.parametrize(
        ("slug", "error"),
        [
            ("transport.session_taken_over", SessionTakenOver),
            ("transport.gateway_closed", GatewayClosed),
            ("anything", GatewayClosed),
        ],
    )
    def test_the_recorded_end(self, slug: str, error: type[TransportError]) -> None:
        async def by(console: ReplayTransport) -> float:
            await console.connect()
            await console.receive()
            for _ in range(2):
                with pytest.raises(error, match=slug):
                    await console.receive()
            await console.close()
            console.finish()
            return now()

        assert play((0, "m", "connect"), (1, "o", "x"), (3, "m", "end:" + slug), by=by) == 0

    def test_closed(self) -> None:
        async def by(console: ReplayTransport) -> None:
            with pytest.raises(GatewayClosed):
                await console.send(b"a")
            await console.connect()
            await console.receive()
            waiting = asyncio.create_task(console.receive())
            await asyncio.sleep(0.5)
            await console.close()
            with pytest.raises(GatewayClosed):
                await waiting
            with pytest.raises(GatewayClosed):
                await console.send(b"a")

        play(*LOGIN, by=by)

    TWICE = (
        (0, "m", "connect"),
        (1, "o", "a"),
        (2, "m", "end:transport.gateway_closed"),
        (3, "m", "connect"),
        (4, "m", "refused:transport.gateway_rejected"),
        (5, "m", "connect"),
        (6, "o", "b"),
        (7, "i", "k"),
    )

    def test_several_connects(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await console.connect()
            assert await console.receive() == b"a"
            await console.close()
            with pytest.raises(GatewayRejected):
                await console.connect()
            with pytest.raises(GatewayClosed):
                await console.receive()
            with pytest.raises(ReplayMismatch, match="connects once more"):
                console.finish()

        play(*self.TWICE, by=by)

    def test_connects_are_counted(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await console.connect()
            with pytest.raises(GatewayRejected):
                await console.connect()
            await console.connect()
            assert await console.receive() == b"b"
            await console.send(b"k")
            console.finish()
            with pytest.raises(ReplayMismatch, match="connected once more than recorded"):
                await console.connect()

        play(*self.TWICE, by=by)

    def test_input_before_a_reconnect_must_be_typed(self) -> None:
        async def by(console: ReplayTransport) -> None:
            await console.connect()
            await console.connect()

        with pytest.raises(ReplayMismatch, match="recorded input was not typed"):
            play((0, "i", "a"), (1, "m", "connect"), (2, "m", "connect"), by=by)

    def test_never_connected(self) -> None:
        with pytest.raises(ReplayMismatch, match="never connected"):
            transport(*LOGIN).finish()


class Echo:
    """A console that shows what is typed, a star for each key of a secret, and ends at `q`."""

    def __init__(self) -> None:
        self._out: deque[bytes] = deque()
        self._gone = False

    async def connect(self) -> None:
        self._out.append(b">")

    async def receive(self) -> bytes:
        await asyncio.sleep(0.1)
        if self._out:
            return self._out.popleft()
        if self._gone:
            raise SessionTakenOver("gone")
        return b"."

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        if self._gone:
            raise GatewayClosed("gone")
        self._out.append(b"*" * len(keys) if secret else keys)
        self._gone = b"q" in keys

    async def close(self) -> None:
        pass


Script = list[tuple[str, bytes]]
ACTIONS = st.sampled_from(["type", "secret", "look", "wait"])
STEPS = st.lists(st.tuples(ACTIONS, st.binary(min_size=1, max_size=3)), max_size=12)


async def drive(console: Transport, script: Script) -> list[tuple[float, object]]:
    """Play a script; returns all that was seen, and when."""
    seen: list[tuple[float, object]] = []
    await console.connect()
    began = now()
    for action, data in script:
        keys = data.hex().encode()
        try:
            if action == "wait":
                await asyncio.sleep(data[0] / 100)
            elif action == "look":
                seen.append((round(now() - began, 3), await console.receive()))
            else:
                await console.send(keys, secret=action == "secret")
        except TransportError as error:
            seen.append((round(now() - began, 3), type(error)))
    await console.close()
    return seen


def recorded(path: Path, script: Script, inner: Transport) -> list[tuple[float, object]]:
    async def main() -> list[tuple[float, object]]:
        clock = asyncio.get_running_loop().time
        redactor = Redactor([Secret("never typed", "guest_password")])
        with CastWriter(path, header={}, redactor=redactor, clock=clock) as cast:
            return await drive(RecordingTransport(inner, cast), script)

    return run_virtual(main())


class TestRecording:
    @settings(deadline=None)
    @given(script=STEPS)
    def test_what_was_recorded_replays(
        self, tmp_path_factory: pytest.TempPathFactory, script: Script
    ) -> None:
        path = tmp_path_factory.mktemp("replay") / "a.cast"
        live = recorded(path, script, Echo())
        console = ReplayTransport(read_cast(path))
        again = run_virtual(drive(console, script))
        assert [what for _, what in again] == [what for _, what in live]
        console.finish()

    def test_the_end_and_the_refusal_are_recorded(self, tmp_path: Path) -> None:
        class Refusing(Echo):
            async def connect(self) -> None:
                raise GatewayRejected("no")

        with pytest.raises(GatewayRejected):
            recorded(tmp_path / "refused.cast", [], Refusing())
        assert [event.data for event in read_cast(tmp_path / "refused.cast").events] == [
            "connect",
            "refused:transport.gateway_rejected",
        ]

        class Gone(Echo):
            async def send(self, keys: bytes, *, secret: bool = False) -> None:
                raise GatewayClosed("no")

        recorded(tmp_path / "gone.cast", [("type", b"a")], Gone())
        assert [event.data for event in read_cast(tmp_path / "gone.cast").events] == [
            "connect",
            "61",
            "end:transport.gateway_closed",
        ]

    def test_a_secret_is_not_recorded(self, tmp_path: Path) -> None:
        recorded(tmp_path / "a.cast", [("secret", b"pw"), ("look", b" "), ("look", b" ")], Echo())
        events = read_cast(tmp_path / "a.cast").events
        assert [event.data for event in events] == [
            "connect",
            "<redacted:guest_password:4>",
            ">",
            "****",
        ]
