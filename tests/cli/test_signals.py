from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from serialfix.cli.signals import Interruption
from serialfix.errors import Interrupted


async def wait_for_ever() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()


def test_work_that_ends_by_itself_is_left_alone() -> None:
    async def work() -> int:
        return 7

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    interruption = Interruption()
    assert interruption.run(work()) == 7
    assert interruption.exit_code == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_lets_the_work_end_in_order(
    number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    async def work() -> str:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "left clean"
        return "never"

    interruption = Interruption()
    assert interruption.run(work()) == "left clean"
    assert interruption.exit_code == code
    assert "Ctrl-C again" in capfd.readouterr().err


@pytest.mark.parametrize(("notice", "touched"), [("\nLeaving\n", "maybe"), ("", "no")])
def test_work_that_gives_no_result_is_interrupted(
    notice: str, touched: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Interrupted) as caught:
        Interruption(notice).run(wait_for_ever())
    assert (caught.value.exit_code, caught.value.touched) == (130, touched)
    assert capfd.readouterr().err == notice


def test_the_second_signal_ends_the_process_at_once() -> None:
    script = textwrap.dedent("""
        import asyncio, os, signal
        from serialfix.cli.signals import Interruption

        async def stubborn():
            while True:
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        Interruption().run(stubborn())
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 143, done.stderr
    assert "may not have been left" in done.stderr


def test_a_signal_in_the_middle_of_a_write_to_stderr() -> None:
    """A reader that answers to each line with a signal hits the writer within its write."""
    script = textwrap.dedent("""
        import asyncio, io, os, signal, sys
        from serialfix.cli.signals import Interruption

        class Pipe(io.RawIOBase):
            def writable(self):
                return True

            def fileno(self):
                return 2

            def write(self, data):
                os.write(2, data)
                os.kill(os.getpid(), signal.SIGINT)  # handled before this write is over
                return len(data)

        async def work():
            sys.stderr.write("a line\\\\n")
            sys.stderr.flush()
            await asyncio.Event().wait()

        sys.stderr = io.TextIOWrapper(io.BufferedWriter(Pipe()))
        interruption = Interruption()
        try:
            interruption.run(work())
        except BaseException as error:
            os._exit(getattr(error, "exit_code", 1))
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 130, done.stderr
    assert "Ctrl-C again" in done.stderr
