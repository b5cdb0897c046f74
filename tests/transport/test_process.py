"""Real programs on a real pty."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from serialfix.errors import CommandEnded, CommandNotStarted, GatewayClosed
from serialfix.transport.process import ProcessPatience, ProcessTransport


EVERY_BYTE = bytes(range(256))
ECHO = "import os\nwhile data := os.read(0, 4096):\n    os.write(1, data)\n"
SAYS_READY = "import os, signal, time\n{}\nos.write(1, b'ready')\n"

Make = Callable[..., ProcessTransport]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[ProcessTransport] = []

    def start(*command: str, **patience: float) -> ProcessTransport:
        made.append(
            ProcessTransport(command, environ=os.environ, patience=ProcessPatience(**patience))
        )
        return made[-1]

    yield start
    for console in made:
        await console.close()


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-S", "-c", code


async def heard(console: ProcessTransport, wanted: Callable[[bytearray], bool]) -> bytes:
    """All bytes up to those that are wanted."""
    got = bytearray()
    async with asyncio.timeout(20):
        while not wanted(got):
            got += await console.receive()
    return bytes(got)


async def to_the_end(console: ProcessTransport) -> tuple[bytes, CommandEnded]:
    got = bytearray()
    async with asyncio.timeout(20):
        while True:
            try:
                got += await console.receive()
            except CommandEnded as error:
                return bytes(got), error


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


async def test_every_byte_passes_as_it_is_and_nothing_is_echoed_by_the_terminal(make: Make) -> None:
    console = make(*python(ECHO))
    await console.connect()
    await console.send(EVERY_BYTE)
    assert await heard(console, lambda got: len(got) >= 256) == EVERY_BYTE
    await console.send(b"\x03\x1a\x04\x11\x13\r\n")  # none of them means anything to the terminal
    assert await heard(console, lambda got: got.endswith(b"\n")) == b"\x03\x1a\x04\x11\x13\r\n"


async def test_the_terminal_is_80_by_24_and_the_guests_password_stays_here(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERIALFIX_GUEST_PASSWORD", "s3cret!")
    monkeypatch.setenv("HOME", "/there")
    console = make("sh", "-c", "stty size; echo $HOME; env")
    await console.connect()
    got, _ = await to_the_end(console)
    assert got.startswith(b"24 80\n/there\n")
    assert b"s3cret" not in got


async def test_input_that_nobody_reads_yet_waits_for_room(make: Make) -> None:
    big = EVERY_BYTE * 4096  # 1 MiB; a terminal holds 4 KiB
    console = make(*python(ECHO))
    await console.connect()
    async with asyncio.timeout(60):
        await console.send(big)  # and its echo comes meanwhile, received by nobody
    assert await heard(console, lambda got: len(got) >= len(big)) == big


async def test_a_command_that_takes_no_key(make: Make) -> None:
    console = make(*python(SAYS_READY.format("") + "signal.pause()"), stuck=0.2)
    await console.connect()
    await heard(console, lambda got: got == b"ready")
    with pytest.raises(CommandEnded, match=r"took no key for 0\.2 s"):
        await console.send(b"x" * 1_000_000)
    with pytest.raises(CommandEnded, match="took no key"):
        await console.send(b"y")


async def test_a_flood_is_held_back_and_complete(make: Make) -> None:
    size = 8 << 20
    flood = f"import os\nos.write(1, b'0')\nfor n in range({size >> 16}): os.write(1, bytes(65536))"
    console = make(*python(flood))
    await console.connect()
    await until(lambda: len(console._heard) >= 4 << 20)
    assert len(console._heard) < 5 << 20  # the command waits, the memory stays
    got, error = await to_the_end(console)
    assert got == b"0" + bytes(size)
    assert "ended with exit code 0" in str(error)


async def test_a_receive_that_was_given_up_loses_nothing(make: Make) -> None:
    console = make(*python(ECHO))
    await console.connect()
    waiting = asyncio.ensure_future(console.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await console.send(b"abc")
    assert await heard(console, lambda got: len(got) >= 3) == b"abc"


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("print('one\\n\\x1b[31mssh: connect to host: refused\\x1b[m'); raise SystemExit(255)",
         r"exit code 255: ssh: connect to host: refused$"),
        ("import os; os.kill(os.getpid(), 9)", "ended with signal 9$"),
    ],
)  # fmt: skip
async def test_the_end_of_the_command_is_told_after_its_last_words(
    make: Make, code: str, how: str
) -> None:
    console = make(*python(code))
    await console.connect()
    got, error = await to_the_end(console)
    assert (b"refused" in got) == ("refused" in how)
    for call in (console.receive, lambda: console.send(b"x")):
        with pytest.raises(CommandEnded, match=how):
            await call()
    assert isinstance(error, GatewayClosed)  # what a session does about a drop it does here
    assert (error.exit_code, error.slug) == (6, "transport.command_ended")
    assert "by hand" in error.remedy


async def test_what_came_before_the_end_is_received_though_a_send_found_the_end_first(
    make: Make,
) -> None:
    console = make("echo", "last words")
    await console.connect()
    await until(lambda: console._over)
    with pytest.raises(CommandEnded, match="last words"):
        await console.send(b"x")
    assert await console.receive() == b"last words\n"
    with pytest.raises(CommandEnded, match="last words"):
        await console.receive()


async def test_an_end_in_the_middle_of_a_send(make: Make) -> None:
    console = make(*python("import os; os.read(0, 100)"))
    await console.connect()
    with pytest.raises(CommandEnded, match="exit code 0"):
        await console.send(b"x" * 1_000_000)


async def test_close_ends_the_command_and_what_it_started(make: Make) -> None:
    console = make("sh", "-c", "sleep 1000 & echo $! $$; wait")
    await console.connect()
    pids = list(map(int, (await heard(console, lambda got: b"\n" in got)).split()))
    assert all(map(alive, pids))
    await console.close()
    await until(lambda: not any(map(alive, pids)))
    await console.close()
    with pytest.raises(GatewayClosed):
        await console.receive()


async def test_what_does_not_care_for_sighup_is_killed(make: Make) -> None:
    deaf = SAYS_READY.format("signal.signal(signal.SIGHUP, signal.SIG_IGN); child = os.fork()")
    code = deaf.replace("b'ready'", "b'%d\\n' % os.getpid()") + "while True: signal.pause()"
    console = make(*python(code), hangup=0.1)
    await console.connect()
    pids = list(map(int, (await heard(console, lambda got: got.count(b"\n") == 2)).split()))
    await console.close()
    await until(lambda: not any(map(alive, pids)))


async def test_a_polite_end_is_waited_for(make: Make, tmp_path: Path) -> None:
    left = tmp_path / "left"
    code = SAYS_READY.format("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])")
    # its goodbye is more than a terminal holds: it must not be stuck in it
    goodbye = (
        "signal.sigwait([signal.SIGHUP])\ntry: os.write(1, bytes(200_000))\nexcept OSError: pass\n"
        f"open({str(left)!r}, 'w')"
    )
    console = make(*python(code + goodbye), hangup=20)
    await console.connect()
    await heard(console, lambda got: got == b"ready")
    await console.close()
    assert left.exists()


async def test_what_ignores_the_signal_but_reads_its_terminal_ends_with_it(make: Make) -> None:
    deaf = SAYS_READY.format("signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    console = make(*python(deaf + "try: os.read(0, 1)\nexcept OSError: pass"), hangup=60)
    await console.connect()
    await heard(console, lambda got: got == b"ready")
    async with asyncio.timeout(20):
        await console.close()


async def test_a_second_connect_is_a_new_command(make: Make) -> None:
    console = make(*python("import os; print(os.getpid(), flush=True)\n" + ECHO))
    pids = []
    for _ in range(2):
        await console.connect()
        pids.append(int(await heard(console, lambda got: b"\n" in got)))
        await console.send(b"z")
        assert await heard(console, lambda got: b"z" in got) == b"z"
    assert not alive(pids[0])
    assert alive(pids[1])


@pytest.mark.parametrize("name", ["does-not-exist", "/does/not exist", "."])
async def test_a_command_that_cannot_be_run(make: Make, name: str) -> None:
    console = make(name)
    with pytest.raises(CommandNotStarted, match="cannot be run") as caught:
        await console.connect()
    assert name in str(caught.value)
    assert (caught.value.exit_code, bool(caught.value.remedy)) == (6, True)
    with pytest.raises(GatewayClosed):
        await console.send(b"x")


async def test_a_program_with_a_blank_in_its_name(make: Make, tmp_path: Path) -> None:
    program = tmp_path / "my program"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o700)
    console = make(str(program))
    await console.connect()
    assert (await to_the_end(console))[0] == b"here\n"


async def test_what_is_no_program_is_told(make: Make, tmp_path: Path) -> None:
    program = tmp_path / "text"
    program.write_bytes(b"\x7fELF no program")
    program.chmod(0o700)
    with pytest.raises(CommandNotStarted, match="cannot be run"):
        await make(str(program)).connect()


@pytest.mark.parametrize(
    "question",
    [
        "me@host's password: ",
        "Enter passphrase for key '/home/me/.ssh/id': ",
        "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
    ],
)
async def test_a_question_to_a_person_gets_no_key(make: Make, question: str) -> None:
    console = make("sh", "-c", f"printf %s {shlex.quote(question)}; cat")
    await console.connect()
    await heard(console, lambda got: got.endswith(b" "))
    with pytest.raises(CommandNotStarted, match="asks a person") as caught:
        await console.send(b"\x1b\t0")
    assert question.strip() in str(caught.value)
    assert "BatchMode" in caught.value.remedy


async def test_a_cancelled_close_still_kills(make: Make) -> None:
    deaf = SAYS_READY.format("signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    code = deaf.replace("b'ready'", "b'%d\\n' % os.getpid()") + "while True: signal.pause()"
    console = make(*python(code), hangup=60)
    await console.connect()
    pid = int(await heard(console, lambda got: b"\n" in got))
    closing = asyncio.ensure_future(console.close())
    await asyncio.sleep(0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    await until(lambda: not alive(pid))


async def test_our_own_death_hangs_the_command_up(tmp_path: Path) -> None:
    code = (
        "import asyncio, os\n"
        "from serialfix.transport.process import ProcessTransport\n"
        "async def main():\n"
        "    console = ProcessTransport(['sh', '-c', 'echo $$; exec cat'], environ=os.environ)\n"
        "    await console.connect()\n"
        "    print((await console.receive()).decode(), flush=True)\n"
        "    await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    assert alive(pid)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    await until(lambda: not alive(pid))
