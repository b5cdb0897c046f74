"""The serial port on a socket, by plain sockets and by the program under a real pty."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from serialfix.lab.build import make_lab
from serialfix.lab.serialsocket import SerialSocket
from tests.lab.doubles import FakeGuest


@pytest.fixture
def guest() -> FakeGuest:
    return FakeGuest()


@pytest.fixture
async def socket(guest: FakeGuest, tmp_path: Path) -> AsyncIterator[SerialSocket]:
    socket = SerialSocket(guest, tmp_path / "port")
    await socket.start()
    yield socket
    socket.close()


async def test_bytes_in_and_out_and_the_newest_client_has_the_port(
    guest: FakeGuest, socket: SerialSocket
) -> None:
    assert stat.S_IMODE(socket.path.stat().st_mode) == 0o600
    guest.emit(b"before")
    reader, writer = await asyncio.open_unix_connection(socket.path)
    writer.write(b"abc\x00\xff")
    assert await reader.readexactly(5) == b"abc\x00\xff"  # no history
    newer, also = await asyncio.open_unix_connection(socket.path)
    assert await reader.read() == b""
    also.write(b"z")
    assert await newer.readexactly(1) == b"z"
    assert (guest.written, socket.clients) == (b"abc\x00\xffz", 2)
    socket.drop()
    assert await newer.read() == b""
    for each in (writer, also):
        each.close()


async def test_a_client_that_leaves_is_not_listened_to(
    guest: FakeGuest, socket: SerialSocket
) -> None:
    _, writer = await asyncio.open_unix_connection(socket.path)
    writer.write(b"a")
    async with asyncio.timeout(10):
        while guest.sink is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        writer.close()
        while guest.sink is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_program_is_a_raw_terminal_and_ends_by_its_key_or_with_the_port(
    socket: SerialSocket,
) -> None:
    def at_a_terminal(last: str) -> tuple[str, int | None]:
        child: Any = pexpect.spawn(
            sys.executable,
            ["-m", "serialfix.lab.serialsocket", str(socket.path)],
            encoding="latin-1",
            timeout=20,
        )
        while not socket.clients:
            child.expect_exact([pexpect.TIMEOUT, pexpect.EOF], timeout=0.02)
        socket.clients = 0
        child.send("a\r\x03b")
        child.expect_exact("a\r\x03b")
        if last:
            child.send(last)
        else:
            loop.call_soon_threadsafe(socket.drop)
        child.expect_exact(pexpect.EOF)
        child.close()
        return child.before, child.exitstatus

    loop = asyncio.get_running_loop()
    assert await asyncio.to_thread(at_a_terminal, "\x1d") == ("", 0)
    said, code = await asyncio.to_thread(at_a_terminal, "")
    assert "the port was closed, or taken over" in said
    assert code == 1


def test_the_program_without_a_port(tmp_path: Path) -> None:
    for args in ([str(tmp_path / "nothing")], []):
        program = [sys.executable, "-m", "serialfix.lab.serialsocket", *args]
        ended = subprocess.run(program, capture_output=True, text=True, check=False)
        assert (ended.stderr[:14], ended.returncode) == ("serialsocket: ", 1)


async def test_a_lab_offers_the_ports_of_its_vms(tmp_path: Path) -> None:
    folder = tmp_path / "ports"
    for _ in range(2):  # what a killed lab leaves behind is in nobody's way
        async with make_lab(2, serial_sockets=folder) as lab:
            assert sorted(path.name for path in folder.iterdir()) == ["myvm", "myvm2"]
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert [each.path for each in lab.sockets] == [folder / "myvm", folder / "myvm2"]
    assert list(folder.iterdir()) == []
