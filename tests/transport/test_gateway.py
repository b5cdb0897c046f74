from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from serialfix.errors import (
    AccessError,
    GatewayClosed,
    GatewayRejected,
    GatewayUnreachable,
    MachineMisuse,
    SerialfixError,
    SessionTakenOver,
)
from serialfix.secrets import Secret
from serialfix.transport.gateway import GatewayPatience, GatewayTransport


TOKEN = "eyJ0eXAiOiJKV1Qi.a-long-token.c2ln"
BOX = "Connected to the serial port of the VM.\r\n"
TAKEN_OVER = (
    "\r\nThe serial console connection was closed. This can occur if there was an error or "
    "another user connected to the console of this virtual machine. Please retry.\r\n"
)
SORRY = (
    "\r\nSorry, the serial console was unable to connect to the VM because the service did not "
    'respond in a timely manner. Please retry your connection.\r\nTo reconnect, press "Enter".\r\n'
)
QUICK = GatewayPatience(
    delays=(0,), open_timeout=5, greeting_timeout=5, verdict=5, notice=5, close_timeout=0.2
)
Script = Callable[[ServerConnection, "Gateway"], Awaitable[None]]


@dataclass
class Gateway:
    """A gateway on loopback; each connection plays the next script, the last one for ever."""

    scripts: list[Script]
    url: str = ""
    posts: int = 0
    tokens: list[object] = field(default_factory=list)
    typed: list[object] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    http_status: int = 101

    async def play(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        self.headers.append({k.lower(): v for k, v in socket.request.headers.raw_items()})
        await self.scripts[min(len(self.paths), len(self.scripts)) - 1](socket, self)

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.http_status == 101:
            return None
        response = socket.respond(self.http_status, "no")
        response.headers["Location"] = "/elsewhere"
        return response

    async def connect_url(self) -> str:
        self.posts += 1
        return f"{self.url}/n/connector/c/sessions/{self.posts}/client"

    def transport(self, patience: GatewayPatience = QUICK) -> GatewayTransport:
        return GatewayTransport(
            connect_url=self.connect_url, token=token, environ={}, patience=patience
        )


async def token() -> Secret:
    return Secret(TOKEN, "token")


@contextlib.asynccontextmanager
async def gateway(*scripts: Script) -> AsyncIterator[Gateway]:
    double = Gateway(list(scripts))
    async with serve(double.play, "127.0.0.1", 0, process_request=double.answer) as server:
        double.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield double


async def admit(socket: ServerConnection, double: Gateway) -> None:
    await socket.send("Connecting...\r\n")
    double.tokens.append(await socket.recv())


async def listen(socket: ServerConnection, double: Gateway) -> None:
    async for frame in socket:
        double.typed.append(frame)


def says(*frames: str | bytes, close: int | None = None) -> Script:
    """Admits, sends the frames, then closes or listens."""

    async def script(socket: ServerConnection, double: Gateway) -> None:
        await admit(socket, double)
        for frame in frames:
            await socket.send(frame)
        if close is None:
            await listen(socket, double)
        elif close == 1006:
            socket.transport.abort()
        else:
            await socket.close(close, "bye")

    return script


async def distrusts(socket: ServerConnection, double: Gateway) -> None:
    await admit(socket, double)
    await socket.close(1011, "Connection not trusted")


async def read(transport: GatewayTransport, length: int) -> bytes:
    got = b""
    while len(got) < length:
        got += await transport.receive()
    return got


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


async def test_greeting_then_the_raw_token_once_as_text() -> None:
    async with gateway(says(BOX)) as double:
        transport = double.transport()
        await transport.connect()
        assert await transport.receive() == BOX.encode()  # the greeting is no serial data
        await transport.send(b"cmd\r")
        await transport.send("é\x1b\t".encode())
        await transport.close()
        assert double.tokens == [TOKEN]
        assert double.typed == ["cmd\r", "é\x1b\t"]
        assert double.posts == 1
        # the URL as returned; no header of ours beyond the hand-shake
        assert double.paths == ["/n/connector/c/sessions/1/client"]
        unwanted = {"authorization", "origin", "sec-websocket-protocol"}
        assert not unwanted & double.headers[0].keys()


@settings(max_examples=25, deadline=None)
@given(st.text(st.sampled_from("aé操\r\n\x1b\0"), min_size=1, max_size=30), st.data())
def test_text_and_binary_frames_cut_anywhere_give_the_same_bytes(
    text: str, data: st.DataObject
) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw)))) | {len(raw)})
    frames: list[str | bytes] = []
    for start, end in zip([0, *cuts], cuts, strict=False):
        piece = raw[start:end]
        try:
            frames.append(piece.decode() if data.draw(st.booleans()) else piece)
        except UnicodeDecodeError:  # a text frame holds whole characters
            frames.append(piece)

    async def play() -> bytes:
        async with gateway(says(*frames)) as double:
            transport = double.transport()
            await transport.connect()
            try:
                return await read(transport, len(raw))
            finally:
                await transport.close()

    assert asyncio.run(play()) == raw


async def test_empty_frames_are_not_handed_out() -> None:
    async with gateway(says("", b"", "x")) as double:
        transport = double.transport()
        await transport.connect()
        assert await transport.receive() == b"x"
        await transport.close()


async def test_the_server_speaks_first() -> None:
    async def slow(socket: ServerConnection, double: Gateway) -> None:
        with contextlib.suppress(TimeoutError):
            double.typed.append(await asyncio.wait_for(socket.recv(), 0.02))
        await says(BOX)(socket, double)

    async with gateway(slow) as double:
        transport = double.transport()
        await transport.connect()
        assert double.typed == []  # azure.md §2: a token on open may be lost
        await transport.close()


async def test_a_silent_console_is_kept() -> None:
    async with gateway(says()) as double:
        transport = double.transport(replace(QUICK, verdict=0.01))
        await transport.connect()
        await transport.send(b"\r")
        await transport.close()
        assert double.typed == ["\r"]


@pytest.mark.parametrize("refusals", [1, 5])
async def test_a_refused_token_gets_fresh_connect_calls(refusals: int) -> None:
    async with gateway(*[distrusts] * refusals, says(BOX)) as double:
        transport = double.transport()
        await transport.connect()
        assert await transport.receive() == BOX.encode()
        await transport.close()
        assert double.posts == refusals + 1
        assert len(set(double.paths)) == refusals + 1


async def test_a_token_refused_for_ever() -> None:
    async with gateway(distrusts) as double:
        with pytest.raises(GatewayRejected) as caught:
            await double.transport().connect()
        assert double.posts == 6
        assert "refused 6 connections" in str(caught.value)
        assert "1011 Connection not trusted" in str(caught.value)
        assert "az account show" in caught.value.remedy
        assert caught.value.exit_code == 6


async def test_a_refusal_before_the_token() -> None:
    async def full(socket: ServerConnection, double: Gateway) -> None:
        await socket.close(1008, "policy")

    async with gateway(full, says(BOX)) as double:
        transport = double.transport()
        await transport.connect()
        await transport.close()
        assert double.posts == 2


async def _late_refusal(socket: ServerConnection, double: Gateway) -> None:
    await admit(socket, double)
    await asyncio.sleep(0.05)
    await socket.close(1011, "Connection not trusted")


async def test_a_late_refusal_is_answered_inside_receive() -> None:
    async with gateway(_late_refusal, says(BOX)) as double:
        transport = double.transport(replace(QUICK, verdict=0.005))
        await transport.connect()
        # a caller who gives up often must not stop the fresh connect
        got = b""
        while not got:
            with contextlib.suppress(TimeoutError):
                got = await asyncio.wait_for(transport.receive(), 0.003)
        assert got == BOX.encode()
        await transport.close()
        assert double.posts == 2


async def test_late_refusals_share_the_patience_of_connect() -> None:
    async with gateway(distrusts, _late_refusal) as double:
        transport = double.transport(replace(QUICK, verdict=0.005, attempts=3))
        await transport.connect()
        with pytest.raises(GatewayRejected, match="refused 3 connections"):
            await transport.receive()
        with pytest.raises(GatewayRejected):  # and it stays so
            await transport.send(b"x")
        await transport.close()
        assert double.posts == 3


async def test_a_late_refusal_after_keys_is_not_hidden() -> None:
    async with gateway(_late_refusal) as double:
        transport = double.transport(replace(QUICK, verdict=0.005))
        await transport.connect()
        await transport.send(b"\r")
        with pytest.raises(GatewayRejected, match="after keys were sent: 1011 Connection not"):
            await transport.receive()
        await transport.close()
        assert double.posts == 1


async def test_close_ends_a_fresh_connect_under_way() -> None:
    async with gateway(_late_refusal) as double:
        transport = double.transport(replace(QUICK, verdict=0.005, delays=(60,)))
        await transport.connect()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transport.receive(), 0.1)
        await transport.close()
        with pytest.raises(GatewayClosed, match="not connected"):
            await transport.receive()


@pytest.mark.parametrize(
    ("code", "text"), [(1000, "1000 bye"), (1011, "1011 bye"), (1006, "the connection broke")]
)
async def test_the_end_in_mid_session(code: int, text: str) -> None:
    async with gateway(says(BOX, "C:\\>", close=code)) as double:
        transport = double.transport()
        await transport.connect()
        assert await read(transport, len(BOX) + 4) == BOX.encode() + b"C:\\>"
        for _ in range(2):
            with pytest.raises(GatewayClosed, match=text):
                await transport.receive()
        with pytest.raises(GatewayClosed, match=text):
            await transport.send(b"x")
        await transport.close()
        assert double.posts == 1


async def test_unread_frames_do_not_hold_up_the_end() -> None:
    patient = replace(QUICK, close_timeout=30)
    async with gateway(says(*[BOX] * 100)) as double:
        transport = double.transport(patient)
        await transport.connect()
        async with asyncio.timeout(5):
            await transport.close()


async def test_connect_again_after_the_end() -> None:
    async with gateway(says(BOX, close=1001), says("again")) as double:
        transport = double.transport()
        await transport.connect()
        await read(transport, len(BOX))
        with pytest.raises(GatewayClosed):
            await transport.receive()
        await transport.connect()
        assert await transport.receive() == b"again"
        await transport.close()


@pytest.mark.parametrize(
    ("notice", "error"), [(TAKEN_OVER, SessionTakenOver), (SORRY, GatewayUnreachable)]
)
@pytest.mark.parametrize("close", [1000, 1001, 1006, 1011])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_notice_split_over_frames_and_the_end(
    notice: str, error: type[SerialfixError], close: int, size: int
) -> None:
    raw = notice.encode()
    frames = [raw[at : at + size] for at in range(0, len(raw), size)]
    async with gateway(says(BOX, *frames, close=close)) as double:
        transport = double.transport()
        await transport.connect()
        shown = await read(transport, len(BOX) + len(raw))
        assert shown == BOX.encode() + raw  # the person sees it too
        with pytest.raises(error) as caught:
            await transport.receive()
        assert caught.value.remedy
        await transport.close()


async def test_a_take_over_that_shows_while_typing() -> None:
    async def script(socket: ServerConnection, double: Gateway) -> None:
        await admit(socket, double)
        await socket.send(BOX)
        await socket.recv()
        await socket.send(TAKEN_OVER)
        await socket.close()

    async with gateway(script) as double:
        transport = double.transport()
        await transport.connect()

        async def type_on() -> None:
            while True:
                await transport.send(b"x")
                await asyncio.sleep(0)

        with pytest.raises(SessionTakenOver):
            await asyncio.wait_for(type_on(), 5)
        await transport.close()


async def test_a_notice_followed_by_silence() -> None:
    async with gateway(says(SORRY)) as double:
        transport = double.transport(replace(QUICK, notice=0.01))
        await transport.connect()
        await read(transport, len(SORRY))
        with pytest.raises(GatewayUnreachable) as caught:
            await transport.receive()
        assert "az vm redeploy" in caught.value.remedy
        await transport.close()


async def test_a_guest_may_show_the_same_words() -> None:
    output = "line of output\r\n" * 50
    async with gateway(says(TAKEN_OVER, output, close=1001)) as double:
        transport = double.transport()
        await transport.connect()
        await read(transport, len(TAKEN_OVER) + len(output))
        with pytest.raises(GatewayClosed):
            await transport.receive()
        await transport.close()


async def test_no_greeting() -> None:
    async def mute(socket: ServerConnection, double: Gateway) -> None:
        await listen(socket, double)

    async with gateway(mute) as double:
        with pytest.raises(GatewayUnreachable, match="did not greet within"):
            await double.transport(replace(QUICK, greeting_timeout=0.01)).connect()
        assert double.posts == 3
        assert double.typed == []


async def test_nobody_listens() -> None:
    async with gateway(says()) as double:
        pass
    with pytest.raises(GatewayUnreachable, match=r"no connection to 127\.0\.0\.1") as caught:
        await double.transport().connect()
    assert double.posts == 3
    assert "serialconsole.azure.com" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "error", "posts"),
    [
        (503, GatewayUnreachable, 3),
        (404, GatewayRejected, 6),
        (302, GatewayRejected, 6),  # the token goes to no other place
    ],
)
async def test_the_hand_shake_is_refused(
    status: int, error: type[SerialfixError], posts: int
) -> None:
    async with gateway(says()) as double:
        double.http_status = status
        with pytest.raises(error, match=f"HTTP {status}"):
            await double.transport().connect()
        assert double.posts == posts
        assert double.paths == []


@pytest.mark.parametrize(
    "url",
    [
        "ws://gateway.example.com/client",
        "http://127.0.0.1/client",
        "wss:///client",
        "nonsense",
        "",
    ],
)
async def test_an_address_without_tls(url: str) -> None:
    posts = 0

    async def connect_url() -> str:
        nonlocal posts
        posts += 1
        return url

    transport = GatewayTransport(connect_url=connect_url, token=token, environ={}, patience=QUICK)
    with pytest.raises(GatewayRejected, match="not wss"):
        await transport.connect()
    assert posts == 1


async def test_what_the_connect_call_raises_passes_through() -> None:
    async def connect_url() -> str:
        raise AccessError("403")

    with pytest.raises(AccessError):
        await GatewayTransport(connect_url=connect_url, token=token, environ={}).connect()


async def test_keystrokes_are_utf8() -> None:
    async with gateway(says(BOX)) as double:
        transport = double.transport()
        await transport.connect()
        with pytest.raises(MachineMisuse) as caught:
            await transport.send(b"pass\xff", secret=True)
        assert "pass" not in repr(caught.value)
        assert caught.value.__cause__ is None
        await transport.close()


async def test_not_connected() -> None:
    transport = GatewayTransport(connect_url=token, token=token, environ={})  # type: ignore[arg-type]
    await transport.close()
    with pytest.raises(GatewayClosed):
        await transport.send(b"x")


async def test_the_token_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with gateway(distrusts) as double:
        with pytest.raises(GatewayRejected) as caught:
            await double.transport().connect()
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__
    ours = [each for each in caplog.records if each.name != "websockets.server"]
    assert TOKEN[:20] in caplog.text  # the double logs its frames: the capture works
    assert not [each for each in ours if TOKEN[:20] in each.getMessage()]


async def _proxy(seen: list[str], status: str = "200 OK") -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head.split()[1])
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if status.startswith("200"):
            host, port = head.split()[1].split(":")
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    async with await _proxy(seen) as proxy, gateway(says(BOX)) as double:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hidden@127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "localhost")
        transport = double.transport()
        await transport.connect()
        assert await transport.receive() == BOX.encode()
        await transport.close()
        assert seen == [double.url.removeprefix("ws://")]

        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await transport.connect()
        await transport.close()
        assert len(seen) == 1


async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    status = "407 Proxy Authentication Required"
    async with await _proxy(seen, status) as proxy, gateway(says(BOX)) as double:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(GatewayUnreachable, match="407"):
            await double.transport().connect()


async def test_a_proxy_address_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://user:hidden@proxy")
    monkeypatch.setenv("NO_PROXY", "")
    async with gateway(says(BOX)) as double:
        with pytest.raises(GatewayUnreachable, match="proxy") as caught:
            await double.transport().connect()
    assert "hidden" not in f"{caught.value} {caught.value.remedy} {caught.value.__cause__}"


def test_pauses() -> None:
    assert list(GatewayPatience().pauses()) == [0, 1, 2, 5, 5, 5]
    assert list(GatewayPatience(attempts=3, delays=(4,)).pauses()) == [0, 4, 4]
    assert list(GatewayPatience(attempts=2, delays=()).pauses()) == [0, 0]
