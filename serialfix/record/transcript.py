"""A recording as readable text: what was typed and what was shown, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from serialfix.console.screen import Screen
from serialfix.console.wire import Wire
from serialfix.errors import RecordError
from serialfix.printable import printable
from serialfix.record.cast import INPUT, MARKER, OUTPUT, Cast, read_cast
from serialfix.secrets import Redactor


def transcript(cast: Cast, *, redactor: Redactor | None = None) -> str:
    """What a recording typed and showed, as lines for people; no control codes.

    What was shown is read from the 80x24 picture, not from the stream: a scraping renderer sends
    only the cells that change (sac.md §6). A row appears when the cursor has left it.
    """
    paper = _Paper()
    for event in cast.events:
        if event.code == OUTPUT:
            paper.shown(event.data)
        elif event.code == INPUT:
            paper.typed(event.data, event.time)
        elif event.code == MARKER:
            paper.marker(event.data, event.time)
    text = paper.finish()
    return redactor.redact(text) if redactor else text


def transcripts(recordings: Iterable[Path], *, redactor: Redactor) -> str:
    """The transcripts of the sessions of a run, one after the other.

    One that is damaged is told in its place: what the others show is not lost by it.
    """
    return "\n".join(_of_file(path, redactor) for path in recordings)


def _of_file(path: Path, redactor: Redactor) -> str:
    head = f"===== {path.name} =====\n"
    try:
        return head + transcript(read_cast(path), redactor=redactor)
    except RecordError as error:
        return f"{head}(cannot be read: {printable(str(error))})\n"


class _Paper:
    """Collects the lines of a transcript."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._wire = Wire()
        self._screen = Screen()
        self._epoch = 0
        self._written: dict[int, str] = {}
        self._keys = ""
        self._keys_at = 0.0

    def shown(self, text: str) -> None:
        # Row by row and picture by picture, else what scrolls off within one piece is missed.
        for piece in self._wire.feed(text.encode("utf-8", "replace")):
            if isinstance(piece, str):
                for part in re.split(r"(?<=\n)|(?=\x1b\[2?J)", piece):
                    if part.startswith(("\x1b[2J", "\x1b[J")):
                        self._take_rows(all_of_them=True)
                    self._screen.feed(part)
                    self._take_rows(all_of_them=False)

    def typed(self, keys: str, time: float) -> None:
        if not self._keys:
            self._keys_at = time
        self._keys += keys
        if keys.endswith(("\r", "\n")):
            self._flush_keys()

    def marker(self, text: str, time: float) -> None:
        self._settle()
        self._lines.append(f"[{time:9.3f}] -- {printable(text)} --")

    def finish(self) -> str:
        self._settle()
        return "".join(line + "\n" for line in self._lines)

    def _settle(self) -> None:
        self._flush_keys()
        self._take_rows(all_of_them=True)

    def _flush_keys(self) -> None:
        if self._keys:
            keys = re.sub(r"(\\x..)\1{3,}", _repeated, printable(self._keys))
            self._lines.append(f"[{self._keys_at:9.3f}] typed: {keys}")
            self._keys = ""

    def _take_rows(self, *, all_of_them: bool) -> None:
        screen = self._screen
        mark, (cursor, _) = screen.mark(), screen.cursor
        if mark.epoch != self._epoch:
            self._epoch, self._written = mark.epoch, {}
        top = mark.line - cursor
        ready = sorted(screen.changed) if all_of_them else sorted(screen.changed - {cursor})
        screen.changed.difference_update(ready)
        for y in ready:
            text = screen.row(y)
            if text != self._written.get(top + y, ""):
                self._written[top + y] = text
                if text:
                    self._lines.append(f"{'':11} | {printable(text)}")


def _repeated(run: re.Match[str]) -> str:
    """A row of backspaces as `\\x08 (80 times)`."""
    return f"{run[1]} ({len(run[0]) // len(run[1])} times)"
