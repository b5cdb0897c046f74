"""A real cmd.exe in a CMD channel: Wine's, under a pty, mirrored into the channel's window.

The lab's renderers, and all that may happen to keys and bytes, work on it as on `Shell`.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import fcntl
import os
import re
import struct
import subprocess
import termios
import tty
from collections.abc import Callable

from serialfix.lab.cells import COLUMNS, ROWS, blank_rows
from serialfix.lab.console import Console, width
from serialfix.lab.wineprefix import Prefix


_FIRST_PROMPT = 30.0  # seconds
_SEQUENCE = re.compile(
    r"\x1b\[(?P<mark>\??)(?P<first>\d*)(?:;(?P<second>\d*))?(?P<kind>[A-Za-z])"
    r"|\x1b\](?P<title>[^\x07\x1b]*)\x07"
    r"|(?P<text>[^\x1b]+)"
)


class Mirror:
    """The picture of Wine's own console, kept by what it sends, and shown in a window.

    Its vocabulary is text, CR, LF, BS, `K H nA nC nD` and titles, with CR LF behind column 80.
    For Wine every character takes one cell, so a row with wide ones may be cut at the right.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._rows = blank_rows()
        self._row = 0
        self._column = 0
        self._changed: set[int] = set()

    @property
    def before_cursor(self) -> str:
        """The text left of the cursor."""
        return "".join(self._rows[self._row][: self._column])

    def feed(self, data: bytes) -> None:
        """What Wine wrote; sequences may be cut anywhere."""
        text = self._rest + self._decoder.decode(data)
        place = 0
        while match := _SEQUENCE.match(text, place):
            place = match.end()
            self._apply(match)
        self._rest = text[place:]
        self._show()

    def _show(self) -> None:
        column = sum(width(char) for char in self.before_cursor)
        rows = {number: self._rows[number] for number in self._changed}
        self._console.picture(rows, self._row, column)
        self._changed.clear()

    def _apply(self, match: re.Match[str]) -> None:
        number = int(match["first"] or 1)
        if match["text"] is not None:
            for char in match["text"]:
                self._write(char)
            return
        if match["title"] is not None:
            self._show()
            self._console.entitle(match["title"].partition(";")[2])
            return
        match match["kind"]:
            case "H":
                self._row, self._column = number - 1, int(match["second"] or 1) - 1
            case "A":
                self._row -= number
            case "C":
                self._column += number
            case "D":
                self._column = min(self._column, COLUMNS - 1) - number
            case "K":
                blanks = COLUMNS - self._column
                self._rows[self._row][self._column :] = [" "] * blanks
                self._changed.add(self._row)
            case "h" | "l" if match["mark"]:
                pass  # the cursor is shown or hidden
            case _:
                raise ValueError(f"Wine's console sends {match[0]!r}, which the lab does not know")

    def _write(self, char: str) -> None:
        match char:
            case "\r":
                self._column = 0
            case "\n" if self._row < ROWS - 1:
                self._row += 1
            case "\n":
                self._show()
                self._console.write("\n")  # it scrolls
                del self._rows[0]
                self._rows.append([" "] * COLUMNS)
            case "\b":
                self._column -= 1
            case _ if char >= " ":
                self._rows[self._row][self._column] = char
                self._column += 1
                self._changed.add(self._row)


class WineShell:
    """One cmd.exe of a guest. `run()` ends when somebody types `exit`."""

    def __init__(
        self,
        prefix: Prefix,
        console: Console,
        *,
        note: Callable[[str], None],
        hangs: Callable[[str], bool] = lambda line: False,
    ) -> None:
        self.console = console
        self._prefix = prefix
        self._note = note
        self._hangs = hangs
        self._mirror = Mirror(console)
        self._line = ""
        self._hung = False
        self._unsent = bytearray()
        self._pty = self._death = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = asyncio.Event()
        self._prompted = asyncio.Event()

    async def greet(self) -> None:
        """Start it, and wait for its banner and its first prompt."""
        self._pty, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        # Raw before it starts, else the first line is lost.
        tty.setraw(terminal)
        try:
            self._process = self._prefix.popen(
                "cmd.exe", stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
            )
        finally:
            os.close(terminal)
        os.set_blocking(self._pty, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pty, self._read)
        # Others may keep the terminal open, so its end would not show.
        self._death = os.pidfd_open(self._process.pid)
        loop.add_reader(self._death, self._on_exit)
        try:
            async with asyncio.timeout(_FIRST_PROMPT):
                await self._prompted.wait()
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        try:
            data = os.read(self._pty, 65536)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the terminal any more
            asyncio.get_running_loop().remove_reader(self._pty)
            return
        self._mirror.feed(data)
        if self._mirror.before_cursor.endswith(">"):
            self._prompted.set()

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._death)
        self._read()
        self._ended.set()
        self._prompted.set()

    def press(self, key: str) -> None:
        """A key from the channel.

        An LF would spoil the next line, Ctrl-C would end cmd.exe, ESC would begin a sequence: the
        LF is dropped, the others erase the line as they do on Windows.
        """
        if key in "\x03\x1b":
            self._hung = self._hung and key != "\x03"
            self._send("\x7f" * len(self._line))
            self._line = ""
        elif self._hung:
            return
        elif key == "\r":
            self._note(self._line)
            self._hung = self._hangs(self._line)
            if not self._hung:  # else the line stays, for Ctrl-C to erase
                self._line = ""
                self._send(key)
        elif key in "\b\x7f":
            self._line = self._line[:-1]
            self._send("\x7f")
        elif key >= " ":
            self._line += key
            self._send(key)

    def _send(self, keys: str) -> None:
        if self._pty >= 0 and not self._ended.is_set():
            self._unsent += keys.encode()
            self._flush()

    def _flush(self) -> None:
        """A terminal holds 4 KB of keys; the rest waits until Wine has read them."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(BlockingIOError):
            del self._unsent[: os.write(self._pty, self._unsent)]
        if self._unsent:
            loop.add_writer(self._pty, self._flush)
        else:
            loop.remove_writer(self._pty)

    async def run(self) -> None:
        """Until `exit`."""
        try:
            await self._ended.wait()
        finally:
            self.close()

    def close(self) -> None:
        """End it, whatever it does."""
        for handle in (self._pty, self._death):
            if handle >= 0:
                asyncio.get_running_loop().remove_reader(handle)
                asyncio.get_running_loop().remove_writer(handle)
                os.close(handle)
        self._pty = self._death = -1
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
