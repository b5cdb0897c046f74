"""Recordings of sessions: asciicast v2, which every player opens (users.md §5.5).

Besides output, input and markers there are two conventions of ours: a secret is recorded as
`<redacted:name:N>`, N being its keystrokes; and the marker `connect` begins each attachment,
`refused:<slug>` tells that it failed, `end:<slug>` how the gateway ended it. What we know of the
session stands in the header under `serialfix`. No text in a recording holds a secret, however the
wire cut it.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from serialfix.errors import RecordError
from serialfix.secrets import Piece, RedactedStream, Redactor, Secret


OUTPUT, INPUT, MARKER = "o", "i", "m"
CONNECT = "connect"
END = "end:"
REFUSED = "refused:"
_REMEDY = "Free some space, or give another folder with --state-dir."
_REDACTED = re.compile(r"<redacted:[^:<>]*:(\d{1,6})>")


class CastWriter:
    """Writes one recording while it happens, line by line, so that it survives `kill -9`.

    Args:
        path: a new file; it is made readable for its owner only.
        header: what to keep under `serialfix`, JSON-like.
        redactor: knows the secrets; more may be added to it meanwhile.
        clock: seconds, from any origin.

    Raises RecordError when the file cannot be begun. Later a full disk only ends the recording,
    and `error` says so: it must not keep anybody from leaving a console. What may be typed is the
    journal's matter.
    """

    def __init__(
        self,
        path: Path,
        *,
        header: Mapping[str, Any],
        redactor: Redactor,
        clock: Callable[[], float],
    ) -> None:
        self.path = path
        self.error = ""
        self._clock = clock
        self._start = clock()
        self._stream = RedactedStream(redactor)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise RecordError(_unwritable(path, error), remedy=_REMEDY) from None
        self._file = os.fdopen(descriptor, "w", encoding="ascii", newline="\n")
        about = redactor.redact_data(header)
        self._write([{"version": 2, "width": 80, "height": 24, "serialfix": about}])
        if self.error:
            raise RecordError(self.error, remedy=_REMEDY)

    def output(self, data: bytes) -> None:
        """What the console sent; NUL bytes are kept, other bytes that are no UTF-8 replaced."""
        if text := self._decoder.decode(data):
            self._event(OUTPUT, text)

    def input(self, keys: bytes, *, secret: Secret | bool = False) -> None:
        """What was typed. Of a secret only the number of keystrokes is kept."""
        if isinstance(secret, Secret) or secret:
            name = secret.name if isinstance(secret, Secret) else "guest_password"
            # As part of the kind the words pass by the redactor: the secret may be one of them.
            self._event(f"{INPUT}<redacted:{name}:{len(keys)}>", "")
        else:
            self._event(INPUT, keys.decode("utf-8", "replace"))

    def marker(self, text: str) -> None:
        """A place to jump to, such as `step:3 verify`."""
        self._event(MARKER, text)

    def close(self) -> None:
        """Write what was held back and close the file; a second call does nothing."""
        if self._file.closed:
            return
        if text := self._decoder.decode(b"", final=True):
            self._event(OUTPUT, text)
        self._write(map(_event_of, self._stream.flush()))
        self._close_file()

    def __enter__(self) -> CastWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _event(self, kind: str, text: str) -> None:
        at = round(self._clock() - self._start, 6)
        self._write(map(_event_of, self._stream.feed(kind, text, at)))

    def _write(self, lines: Iterable[object]) -> None:
        # ASCII only: control characters of the guest do not reach a terminal that shows the file.
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if not text or self._file.closed:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            self.error = _unwritable(self.path, error)
            self._close_file()

    def _close_file(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or _unwritable(self.path, error)


class Event(NamedTuple):
    """One event: `time` in seconds from the start, `line` its line in the file."""

    time: float
    code: str
    data: str
    line: int

    @property
    def secret_keys(self) -> int | None:
        """The number of keystrokes when this is the input of a secret."""
        match = _REDACTED.fullmatch(self.data) if self.code == INPUT else None
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Cast:
    """A recording as read. `torn`: the last line was cut off, as by `kill -9`, and left out."""

    header: Mapping[str, Any]
    events: tuple[Event, ...]
    torn: bool = False

    @property
    def about(self) -> Mapping[str, Any]:
        """What we kept of the session in the header; empty in a recording of somebody else."""
        about = self.header.get("serialfix")
        return about if isinstance(about, dict) else {}

    @property
    def secrets(self) -> tuple[int, ...]:
        """The lengths of the secrets typed, so that a replay can type others in their place."""
        lengths: list[int] = []
        going_on = False
        for event in self.events:
            if event.code == INPUT:
                keys = event.secret_keys
                if keys is not None and going_on:
                    lengths[-1] += keys
                elif keys is not None:
                    lengths.append(keys)
                going_on = keys is not None
        return tuple(lengths)


def recordings_in(folder: Path) -> list[Path]:
    """The recordings of a run's folder, in the order in which they were made."""

    def place(path: Path) -> tuple[int, str]:
        number = re.match(r"session-(\d{1,9})-", path.name)
        return (int(number[1]) if number else 0, path.name)

    return sorted(folder.glob("*.cast"), key=place)


def read_cast(path: Path) -> Cast:
    """Read asciicast v2 or v3. Raises RecordError that names file and line when it is damaged."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise _damaged(path, 1, f"not UTF-8 at byte {error.start}") from None
    lines = list(enumerate(text.split("\n"), start=1))
    last, _ = lines[-1]
    number, first = lines[0]
    header = _header(path, number, _parsed(path, number, first))
    relative = header["version"] == 3
    events: list[Event] = []
    torn = False
    now = 0.0
    for number, line in lines[1:]:
        if not line.strip() or (relative and line.startswith("#")):
            continue
        try:
            event = _event(path, number, _parsed(path, number, line))
        except RecordError:
            torn = number == last  # a whole line ends with a line feed, so it is never the last
            if torn:
                break
            raise
        if not relative and event.time < now:
            raise _damaged(path, number, f"time goes back from {now} to {event.time}")
        now = now + event.time if relative else event.time
        events.append(event._replace(time=now))
    return Cast(header, tuple(events), torn)


def _header(path: Path, line: int, header: object) -> dict[str, Any]:
    if not isinstance(header, dict) or header.get("version") not in (2, 3):
        raise _damaged(path, line, "not the header of an asciicast v2 or v3")
    return header


def _event(path: Path, line: int, event: object) -> Event:
    match event:
        case [int() | float() as time, str() as code, str() as data] if 0 <= time < 1e9:
            return Event(float(time), code, data, line)
    raise _damaged(path, line, "not an event [seconds, code, text]")


def _parsed(path: Path, line: int, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, line, f"not JSON: {error}") from None


def _event_of(piece: Piece) -> list[object]:
    return [piece.at, piece.kind[0], piece.kind[1:] + piece.text]


def _damaged(path: Path, line: int, what: str) -> RecordError:
    return RecordError(
        f"{path}:{line}: {what}",
        remedy="Give a recording as serialfix or asciinema wrote it (asciicast v2 or v3).",
    )


def _unwritable(path: Path, error: OSError) -> str:
    return f"cannot write the recording {path}: {error.strerror}"


def sections(events: Iterable[Event]) -> Iterator[list[Event]]:
    """The events of each attachment; what comes before the first belongs to it."""
    section: list[Event] = []
    connected = False
    for event in events:
        if event.code == MARKER and event.data == CONNECT:
            if connected:
                yield section
                section = []
            connected = True
        section.append(event)
    yield section
