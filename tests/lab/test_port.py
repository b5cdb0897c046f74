from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from serialfix.lab.faults import Delays, Faults
from serialfix.lab.port import Port
from serialfix.lab.timers import Timers
from serialfix.virtual_time import run_virtual
from tests.lab.terminal import Terminal, virtual


def port(faults: Faults | None = None, delays: Delays | None = None) -> Port:
    return Port(faults=lambda: faults or Faults(), delays=delays or Delays(), rng=Random(1))


@given(st.lists(st.text(max_size=20), max_size=10))
def test_cuts_fall_anywhere_and_lose_nothing(texts: list[str]) -> None:
    async def scenario() -> None:
        com1, pieces = port(Faults(split_writes=True)), list[bytes]()
        com1.listen(pieces.append)
        for text in texts:
            com1.emit(text)
        await asyncio.sleep(1)
        assert b"".join(pieces) == "".join(texts).encode() == com1.history(10_000)

    run_virtual(scenario())


@virtual
async def test_to_say_nothing_stops_nothing() -> None:
    com1, pieces = port(Faults(split_writes=True)), list[bytes]()
    com1.listen(pieces.append)
    com1.emit("")
    await asyncio.sleep(0)
    com1.emit("heard")
    await asyncio.sleep(1)
    assert b"".join(pieces) == b"heard"


@virtual
async def test_cuts_fall_inside_of_characters_escapes_and_line_ends() -> None:
    com1, pieces = port(Faults(split_writes=True)), list[bytes]()
    com1.listen(pieces.append)
    com1.emit("\x1b[2J東京\r\n" * 300)
    await asyncio.sleep(1)
    ends = {piece[-1:] for piece in pieces}
    assert {b"\x1b", b"\xe6", b"\r"} <= ends


@virtual
async def test_nul_bytes_everywhere() -> None:
    com1, pieces = port(Faults(nul_everywhere=True)), list[bytes]()
    com1.listen(pieces.append)
    com1.emit("C:\\Windows\\system32>" * 50)
    await asyncio.sleep(0)
    said = b"".join(pieces)
    assert said.count(b"\0") > 10
    assert said.replace(b"\0", b"") == b"C:\\Windows\\system32>" * 50


@virtual
async def test_a_slow_link() -> None:
    com1, times = port(delays=Delays(link_speed=960)), list[float]()
    com1.listen(lambda data: times.append(asyncio.get_running_loop().time()))
    com1.emit("x" * 2100)  # a repaint at 9600 baud (sac.md §6.1)
    await asyncio.sleep(5)
    assert 2.0 < times[-1] < 2.4


@virtual
async def test_the_history_is_what_went_out_to_whomever() -> None:
    com1 = port()
    com1.emit("nobody listens")
    await asyncio.sleep(0)
    assert com1.history(7) == b"listens"
    assert com1.history(0) == b""


async def receive(com1: Port, *chunks: bytes) -> bytes:
    got = bytearray()
    timers = Timers()
    for chunk in chunks:
        com1.receive(chunk, timers, got.extend)
    await asyncio.sleep(60)
    return bytes(got)


@virtual
async def test_more_than_the_ring_overwrites_itself() -> None:
    data = bytes(33 + n % 90 for n in range(1500))
    assert await receive(port(), data[:1023]) == data[:1023]
    assert await receive(port(), data[:1024]) == b""
    assert await receive(port(), data[:800], data[800:]) == data[-476:]


@virtual
async def test_a_nul_ends_a_poll() -> None:
    assert await receive(port(), b"ab\0cd") == b"abcd"


@virtual
async def test_keys_get_lost() -> None:
    got = await receive(port(Faults(lose_keys=0.2)), b"x" * 500)
    assert 300 < len(got) < 480


@virtual
async def test_keys_come_twice() -> None:
    got = await receive(port(Faults(double_keys=0.2)), bytes(range(32, 96)) * 5)
    assert 340 < len(got) < 440
    assert bytes(dict.fromkeys(got)) == bytes(range(32, 96))


@virtual
async def test_output_stands_still_and_nothing_of_it_is_lost() -> None:
    com1, got = port(Faults(stalls=3.0)), list[tuple[float, bytes]]()
    com1.listen(lambda data: got.append((asyncio.get_running_loop().time(), data)))
    for number in range(300):
        com1.emit(f"{number};")
        await asyncio.sleep(0.1)
    await asyncio.sleep(10)
    assert b"".join(data for _, data in got) == b"".join(b"%d;" % n for n in range(300))
    pauses = [later - now for (now, _), (later, _) in pairwise(got)]
    assert 1 < sum(pause > 2.8 for pause in pauses) < 12


@virtual
async def test_late_keys_keep_their_order() -> None:
    start = asyncio.get_running_loop().time()
    got = list[tuple[bytes, float]]()
    com1, timers = port(Faults(late_keys=2.0)), Timers()

    def deliver(data: bytes) -> None:
        got.append((data, asyncio.get_running_loop().time() - start))

    com1.receive(b"abcdefgh", timers, deliver)
    await asyncio.sleep(60)
    assert b"".join(data for data, _ in got) == b"abcdefgh"
    assert 0.5 < got[-1][1] < 2.1


@virtual
async def test_a_guest_behind_a_bad_line_says_the_same() -> None:
    async def rows(faults: Faults) -> list[str]:
        at = Terminal("ws2019", faults=faults)
        await at.open()
        await at.type("reg query HKLM\\SYSTEM\\Select\r", wait=2)
        return at.rows

    assert await rows(Faults()) == await rows(Faults(split_writes=True, nul_everywhere=True))
