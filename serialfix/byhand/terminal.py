"""The person's terminal: raw while the console is on it, and as it was whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Any, Protocol

from serialfix.byhand import painter
from serialfix.errors import UsageError


class Person(Protocol):
    """What a terminal tells. Every method is called in the loop's thread."""

    def typed(self, data: bytes) -> None:
        """Keys; none means that the terminal is gone."""

    def changed(self) -> None:
        """The size, or what is shown, is not what it was."""

    def ended(self, number: int) -> None:
        """A signal asks for the end."""


class Desk(Protocol):
    """A terminal, as the dialogue needs it."""

    def enter(self, person: Person) -> None:
        """Begin: keys come one by one, unechoed, and mean nothing to the system."""

    def leave(self) -> None:
        """End: everything as before `enter`; does nothing when it is so already."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows now."""

    def write(self, text: str) -> None:
        """Show this as soon as the terminal takes it; never waits."""

    @property
    def writing(self) -> bool:
        """Whether the terminal has not taken all of it yet."""

    def suspend(self) -> None:
        """Give the terminal back to the shell until it wakes us."""


_ENDING = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM")
_CHUNK = 1024


class Terminal(Desk):
    """The controlling terminal of a POSIX process. Raises UsageError when there is none.

    It is opened once more, so that it can be non-blocking for us alone: the shell shares the
    descriptors that we inherited. A terminal that takes no output (Ctrl-S, a stalled connection)
    must not keep anybody from ending us.
    """

    def __init__(self) -> None:
        if sys.platform == "win32" or not (sys.stdin.isatty() and sys.stdout.isatty()):
            where = " of Linux or macOS (on Windows: WSL)" if sys.platform == "win32" else ""
            raise UsageError(
                f"attach is a dialogue with a person, and needs a terminal{where}",
                remedy="Run it in a terminal; `serialfix run` works without one.",
            )
        self._file = _open_terminal()
        self._saved: list[Any] | None = None
        self._person: Person | None = None
        self._waiting = b""
        self._loop: asyncio.AbstractEventLoop

    def close(self) -> None:
        """Let the terminal go."""
        self.leave()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def enter(self, person: Person) -> None:
        """See Desk. Keys that were typed before are dropped: they were meant for something else."""
        self._loop, self._person = asyncio.get_running_loop(), person
        for name in _ENDING:
            self._loop.add_signal_handler(signal.Signals[name], person.ended, signal.Signals[name])
        self._loop.add_signal_handler(signal.SIGWINCH, person.changed)
        self._watch_the_shell()
        self._raw()
        self._loop.add_reader(self._file, self._read, person)

    def leave(self) -> None:
        """See Desk. Keys that were typed and not read are dropped: the shell is not the guest."""
        if self._person is None:
            return
        self._person = None
        self._loop.remove_reader(self._file)
        self._cooked()
        for name in (*_ENDING, "SIGWINCH", "SIGTSTP", "SIGCONT"):
            self._loop.remove_signal_handler(signal.Signals[name])

    @property
    def size(self) -> tuple[int, int]:
        """See Desk; 80x24 where the terminal does not know."""
        with suppress(OSError):
            size = os.get_terminal_size(self._file)
            if size.columns and size.lines:
                return size.columns, size.lines
        return 80, 24

    def write(self, text: str) -> None:
        """See Desk."""
        self._waiting += text.encode("utf-8", "replace")
        self._flush()

    @property
    def writing(self) -> bool:
        """See Desk."""
        return bool(self._waiting)

    def suspend(self) -> None:
        """See Desk."""
        self._cooked()
        # Without our handlers: to resume twice would drop what is typed after the first time.
        for number in (signal.SIGTSTP, signal.SIGCONT):
            self._loop.remove_signal_handler(number)
        os.kill(os.getpid(), signal.SIGTSTP)  # here we stand still until `fg`
        self._watch_the_shell()
        self._resume()

    def _watch_the_shell(self) -> None:
        self._loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self._loop.add_signal_handler(signal.SIGCONT, self._resume)

    def _resume(self) -> None:
        """Somebody woke us: the shell has used the terminal meanwhile."""
        if self._person is not None:
            self._raw()
            self._person.changed()

    def _raw(self) -> None:
        import termios
        import tty

        if self._saved is None:
            self._saved = termios.tcgetattr(self._file)
        with suppress(termios.error):
            tty.setraw(self._file, termios.TCSANOW)
            termios.tcflush(self._file, termios.TCIFLUSH)
        self.write(painter.START)

    def _cooked(self) -> None:
        import termios

        self._loop.remove_writer(self._file)
        # What waits belongs to a picture that ends here; CAN ends the escape code that it cut.
        cut, self._waiting = b"\x18" if self._waiting else b"", b""
        with suppress(OSError):
            os.write(self._file, cut + painter.END.encode())
        if self._saved is not None:
            with suppress(termios.error):  # a terminal that hung up has no settings
                termios.tcflush(self._file, termios.TCIFLUSH)
                termios.tcsetattr(self._file, termios.TCSANOW, self._saved)
            self._saved = None

    def _read(self, person: Person) -> None:
        try:
            data = os.read(self._file, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._file)
        person.typed(data)

    def _flush(self) -> None:
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._file, self._waiting[:_CHUNK]) :]
        except BlockingIOError:
            self._loop.add_writer(self._file, self._flush)
            return
        except OSError:
            self._waiting = b""  # it hung up; reading tells
        self._loop.remove_writer(self._file)


def _open_terminal() -> int:
    flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK
    with suppress(OSError):  # its own name first: macOS cannot wait for /dev/tty
        return os.open(os.ttyname(sys.stdin.fileno()), flags)
    try:
        return os.open("/dev/tty", flags)
    except OSError as error:
        raise UsageError(f"the terminal cannot be opened: {error.strerror}") from None
