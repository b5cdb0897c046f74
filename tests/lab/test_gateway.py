from __future__ import annotations

import asyncio
import codecs
import contextlib
import itertools
import random
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serialfix.lab.gateway import CLOSED_TEXT, UNABLE_TEXT, Framer
from serialfix.lab.server import Lab
from serialfix.lab.switches import GatewayFaults
from serialfix.lab.vm import LabVm
from tests.lab.doubles import FakeGuest


BOX = GatewayFaults().box


class Azure:
    """The real websocket client against the lab; the connect POST is done by hand."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.tls = ssl.create_default_context(cafile=lab.env["SSL_CERT_FILE"])
        self.token = lab.cloud.tokens.mint()
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls),
            headers={"Authorization": f"Bearer {self.token}"},
        )

    async def url(self) -> str:
        path = "/providers/Microsoft.SerialConsole/serialPorts/0/connect?api-version=2024-07-01"
        async with self.http.post(
            self.lab.cloud.base_url + self.lab.vms[0].id + path, json={}
        ) as answer:
            return str((await answer.json())["connectionString"])

    async def open(self, *, token: str | None = None) -> ClientConnection:
        """Connect, greeting, token."""
        socket = await connect(await self.url(), ssl=self.tls, proxy=None)
        assert await socket.recv() == "Connecting...\r\n"
        await socket.send(self.token if token is None else token)
        return socket


async def read(socket: ClientConnection, end: bytes) -> bytes:
    """Everything up to `end`."""
    got = b""
    async with asyncio.timeout(5):
        while not got.endswith(end):
            frame = await socket.recv()
            got += frame.encode() if isinstance(frame, str) else frame
    return got


async def closed(socket: ClientConnection) -> tuple[bytes, int | None, str]:
    """What came before the end, and the close code; None when there was no close frame."""
    got = b""
    async with asyncio.timeout(5):
        while True:
            try:
                frame = await socket.recv()
            except ConnectionClosed as error:
                return (
                    got,
                    error.rcvd.code if error.rcvd else None,
                    (error.rcvd.reason if error.rcvd else ""),
                )
            got += frame.encode() if isinstance(frame, str) else frame


@pytest.fixture
def guest() -> FakeGuest:
    return FakeGuest()


@pytest.fixture
def vm(guest: FakeGuest) -> LabVm:
    return LabVm(guest=guest)


@pytest.fixture
async def azure(vm: LabVm) -> AsyncIterator[Azure]:
    async with Lab([vm]) as lab:
        client = Azure(lab)
        yield client
        await client.http.close()


async def test_greeting_token_box_backlog_then_serial_data(
    azure: Azure, vm: LabVm, guest: FakeGuest
) -> None:
    guest.emit(b"x" * 5_000 + b"SAC>")
    socket = await azure.open()
    got = await read(socket, b"SAC>")
    assert got == BOX.encode() + b"x" * 2_044 + b"SAC>"
    assert vm.active
    await socket.send("cmd\r")
    assert await read(socket, b"cmd\r") == b"cmd\r"
    await socket.send(b"\x1b\t")  # binary input is taken too
    await read(socket, b"\x1b\t")
    assert guest.written == b"cmd\r\x1b\t"
    assert vm.sessions == 1
    await socket.close()


async def test_nothing_is_lost_between_sessions(azure: Azure, guest: FakeGuest) -> None:
    socket = await azure.open()
    await read(socket, BOX.encode())
    await socket.close()
    guest.emit(b"meanwhile")
    socket = await azure.open()
    assert await read(socket, b"meanwhile") == BOX.encode() + b"meanwhile"
    await socket.close()


@pytest.mark.parametrize("token", ["eyJ0.e30.wrong", b"binary"])
async def test_a_wrong_token_is_not_trusted(azure: Azure, vm: LabVm, token: Any) -> None:
    socket = await azure.open(token=token)
    assert await closed(socket) == (b"", 1011, "Connection not trusted")
    assert (vm.refused, vm.sessions) == (1, 0)


async def test_a_token_before_the_greeting_is_lost(azure: Azure, vm: LabVm) -> None:
    vm.gateway = GatewayFaults(token_timeout=0.02)
    socket = await connect(await azure.url(), ssl=azure.tls, proxy=None)
    await socket.send(azure.token)
    assert await socket.recv() == "Connecting...\r\n"
    assert await closed(socket) == (b"", 1011, "Connection not trusted")
    assert vm.lost_frames == 1


async def test_a_session_address_is_good_once(azure: Azure) -> None:
    url = await azure.url()
    for expected in (BOX.encode(), None):
        socket = await connect(url, ssl=azure.tls, proxy=None)
        await socket.recv()
        await socket.send(azure.token)
        if expected is not None:
            await read(socket, expected)
            await socket.close()
        else:
            assert (await closed(socket))[1] == 1011
    with pytest.raises(InvalidStatus, match="404"):
        await connect(url.replace("/sessions/", "/sessions/0"), ssl=azure.tls, proxy=None)


@pytest.mark.parametrize(
    ("refused", "trusted"),
    [(0, [1, 1]), (1, [0, 1, 1]), ("always", [0, 0, 0]), ("every_other", [0, 1, 0, 1])],
)
async def test_right_tokens_may_be_refused(
    azure: Azure, vm: LabVm, refused: Any, trusted: list[int]
) -> None:
    vm.gateway = GatewayFaults(token_refused=refused)
    seen = []
    for _ in trusted:
        socket = await azure.open()
        with contextlib.suppress(ConnectionClosed):
            await socket.recv()
            await socket.close()
        seen.append(0 if socket.close_code == 1011 else 1)
    assert seen == trusted


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
async def test_the_newest_session_wins(
    azure: Azure, vm: LabVm, guest: FakeGuest, code: int
) -> None:
    vm.gateway = GatewayFaults(takeover_code=code)
    older = await azure.open()
    await read(older, BOX.encode())
    newer = await azure.open()
    await read(newer, BOX.encode())
    got, seen, _ = await closed(older)
    assert got.decode() == CLOSED_TEXT
    assert seen == (None if code == 1006 else code)
    guest.emit(b"only the newer")
    assert await read(newer, b"newer") == b"only the newer"
    assert (vm.active, vm.sessions) == (True, 2)
    await newer.close()


async def test_take_over_from_outside(azure: Azure, vm: LabVm, guest: FakeGuest) -> None:
    socket = await azure.open()
    await read(socket, BOX.encode())
    azure.lab.gateway.take_over(vm)
    assert (await closed(socket))[0].decode() == CLOSED_TEXT
    assert guest.sink is None
    azure.lab.gateway.take_over(vm)  # nobody there: nothing happens


@pytest.mark.parametrize(
    ("action", "cuts"), [("restart", False), ("restart", True), ("stop", True)]
)
async def test_power_and_the_session(azure: Azure, vm: LabVm, action: str, cuts: bool) -> None:
    vm.gateway = GatewayFaults(restart_cuts=cuts)
    socket = await azure.open()
    await read(socket, BOX.encode())
    url = f"{azure.lab.cloud.base_url}{vm.id}/{action.replace('stop', 'powerOff')}"
    async with azure.http.post(url, params={"api-version": "2024-07-01"}) as answer:
        assert answer.status == 202
    if cuts:
        assert (await closed(socket))[1] is None
    else:
        await socket.send("still here")
        await read(socket, b"still here")
        await socket.close()


async def test_drop_after_client_bytes_is_in_the_middle_of_a_line(
    azure: Azure, vm: LabVm, guest: FakeGuest
) -> None:
    vm.gateway = GatewayFaults(drop_after_bytes=5, backlog=0)
    socket = await azure.open()
    await socket.send("reg")
    await socket.send(" add HKLM\r")
    assert (await closed(socket))[1] is None
    assert guest.written == b"reg a"
    socket = await azure.open()  # only one drop
    await socket.send("0123456789")
    await read(socket, b"0123456789")
    assert vm.drops == 1
    await socket.close()


async def test_drop_after_frames_or_seconds_with_a_code(
    azure: Azure, vm: LabVm, guest: FakeGuest
) -> None:
    vm.gateway = GatewayFaults(drop_after_frames=2, drop_code=1001)
    socket = await azure.open()
    await read(socket, BOX.encode())
    for text in (b"one", b"two", b"three"):
        guest.emit(text)
    got, code, _ = await closed(socket)
    assert (got[:6], code) == (b"onetwo", 1001)

    vm.gateway = GatewayFaults(drop_after_seconds=0.01)
    socket = await azure.open()
    assert (await closed(socket))[1] is None
    assert vm.drops == 2


async def test_idle_sessions_are_ended(azure: Azure, vm: LabVm) -> None:
    vm.gateway = GatewayFaults(idle_timeout=0.02)
    socket = await azure.open()
    got, code, _ = await closed(socket)
    assert got.decode() == BOX + CLOSED_TEXT
    assert code == 1000
    assert not vm.active


async def test_unable_to_connect_then_able(azure: Azure, vm: LabVm, guest: FakeGuest) -> None:
    vm.gateway = GatewayFaults(unable=1)
    socket = await azure.open()
    assert (await read(socket, b'press "Enter".\r\n')).decode() == UNABLE_TEXT
    await socket.send("\r")
    await socket.close()
    socket = await azure.open()
    await read(socket, BOX.encode())
    assert guest.written == b""
    await socket.close()


async def test_the_token_may_be_echoed(azure: Azure, vm: LabVm) -> None:
    vm.gateway = GatewayFaults(token_echo=True, split=True, frames="mixed")
    socket = await azure.open()
    assert azure.token.encode() in await read(socket, azure.token.encode() + b"\r\n")
    await socket.close()


async def test_admin_commands_keep_the_websocket(azure: Azure, vm: LabVm, guest: FakeGuest) -> None:
    url = (await azure.url()).replace("wss://", "https://").removesuffix("/client")
    body = {"command": "reset", "requestId": "r", "commandParameters": {}}
    async with azure.http.post(f"{url}/adminCommand/reset", json=body) as answer:
        assert answer.status == 404  # no live session yet
    ws_url = url.replace("https://", "wss://") + "/client"
    socket = await connect(ws_url, ssl=azure.tls, proxy=None)
    await socket.recv()
    await socket.send(azure.token)
    await read(socket, BOX.encode())
    for name, status in (("reset", 200), ("nmi", 200), ("sysrq", 400)):
        async with azure.http.post(
            f"{url}/adminCommand/{name}", json=body | {"command": name}
        ) as answer:
            assert answer.status == status
    async with azure.http.post(
        f"{url}/adminCommand/reset", json=body, headers={"Authorization": "Bearer x"}
    ) as answer:
        assert answer.status == 401
    assert guest.calls == ["power_on", "reset", "nmi"]
    guest.emit(b"still here")
    await read(socket, b"still here")
    await socket.close()


@given(
    text=st.text(alphabet="aé\u3042😀\x00\r\n\x1b", max_size=60),
    cuts=st.lists(st.integers(0, 240), max_size=6),
    kind=st.sampled_from(["text", "binary", "mixed"]),
    split=st.booleans(),
    seed=st.integers(0, 9),
)
def test_frames_carry_every_byte_in_order(
    text: str, cuts: list[int], kind: Any, split: bool, seed: int
) -> None:
    data = text.encode()
    framer = Framer(GatewayFaults(frames=kind, split=split), random.Random(seed))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    frames = [
        frame
        for start, end in itertools.pairwise(edges)
        for frame in framer.frames(data[start:end])
    ]
    kinds = {"text": (str,), "binary": (bytes,), "mixed": (str, bytes)}[kind]
    assert all(isinstance(frame, kinds) for frame in frames)
    assert all(frames)
    assert b"".join(f.encode() if isinstance(f, str) else f for f in frames) == data
    # what every client does: one decoder for all binary frames, text as it is
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    shown = "".join(f if isinstance(f, str) else decoder.decode(f) for f in frames)
    assert shown == text


def test_garbage_does_not_stop_text_frames() -> None:
    framer = Framer(GatewayFaults(split=True), random.Random(1))
    frames = list(framer.frames(b"\xff\xfe\x80ab\xe3\x81")) + list(framer.frames(b"x"))
    assert "".join(str(frame) for frame in frames) == "\ufffd\ufffd\ufffdab\ufffdx"


async def test_a_region_that_is_down_cuts_its_sessions_and_opens_none(
    azure: Azure, guest: FakeGuest
) -> None:
    socket, url = await azure.open(), await azure.url()
    await read(socket, BOX.encode())
    azure.lab.cloud.go_down("westeurope")
    assert (await closed(socket))[1:] == (None, "")
    with pytest.raises(InvalidStatus, match="503"):
        await connect(url, ssl=azure.tls, proxy=None)
    azure.lab.cloud.outages.clear()
    again = await azure.open()
    await read(again, BOX.encode())
    await again.close()
