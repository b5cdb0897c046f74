"""The folder for the ticket: what was wrong, what was changed, how it was proven; redacted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from serialfix.console.screen import ROWS, Screen
from serialfix.console.wire import Wire
from serialfix.errors import RecordError
from serialfix.printable import printable
from serialfix.record.cast import INPUT, MARKER, OUTPUT, Cast
from serialfix.secrets import Redactor


_TOKEN = re.compile(rb'("continuation_token": )"[^"]*"')


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
        mark, (cursor, _) = self._screen.mark(), self._screen.cursor
        if mark.epoch != self._epoch:
            self._epoch, self._written = mark.epoch, {}
        top = mark.line - cursor
        for y in range(ROWS):
            text = self._screen.row(y)
            if (y != cursor or all_of_them) and text != self._written.get(top + y, ""):
                self._written[top + y] = text
                if text:
                    self._lines.append(f"{'':11} | {printable(text)}")


def _repeated(run: re.Match[str]) -> str:
    """A row of backspaces as `\\x08 (80 times)`."""
    return f"{run[1]} ({len(run[0]) // len(run[1])} times)"


def write_evidence(
    folder: Path,
    *,
    redactor: Redactor,
    result: Mapping[str, Any] | None = None,
    journal: Path | None = None,
    transcript_text: str | None = None,
    recordings: Sequence[Path] = (),
    playbook_text: str | None = None,
    undo_text: str | None = None,
) -> Path:
    """Write the evidence of a run and return its folder, which replaces one of the same name.

    Every part may be missing; `MISSING.txt` tells of files that could not be read. `result` is
    the JSON result; `before-after.md` is made from its steps. `SHA256SUMS` is in the format of
    `sha256sum -c`. Raises RecordError when the folder cannot be written.
    """
    texts = {
        "transcript.txt": transcript_text,
        "playbook.yaml": playbook_text,
        "undo.yaml": undo_text,
    }
    parts = {name: redactor.redact(text) for name, text in texts.items() if text is not None}
    if result is not None:
        data = redactor.redact_data(result)
        parts["result.json"] = json.dumps(data, indent=2) + "\n"
        parts["before-after.md"] = _before_after(data)
    # Redacted when they were written; recordings are copied byte for byte.
    copies = {f"recordings/{path.name}": path for path in recordings}
    if journal is not None:
        copies["journal.jsonl"] = journal
    building = folder.with_name(folder.name + ".new")
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700, parents=True)
        missing = [line for name, path in copies.items() if (line := _copy(path, building / name))]
        if missing:
            parts["MISSING.txt"] = "".join(missing)
        for name, text in parts.items():
            _write(building / name, text.encode("utf-8", "replace"))
        files = sorted(path for path in building.rglob("*") if path.is_file())
        sums = "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  "
            f"{path.relative_to(building).as_posix()}\n"
            for path in files
        )
        _write(building / "SHA256SUMS", sums.encode())
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except OSError as error:
        raise RecordError(
            f"cannot write the evidence to {folder}: {error.strerror or error}",
            remedy="Free some space, or give another folder with --state-dir.",
        ) from None
    return folder


def _copy(source: Path, target: Path) -> str | None:
    """Copy a file, or say why it is missing."""
    try:
        content = source.read_bytes()
    except OSError as error:
        return f"{source.name}: {error.strerror}\n"
    target.parent.mkdir(mode=0o700, exist_ok=True)
    # The token of a restart holds a signed URL: it is for `resume`, not for a ticket.
    _write(target, _TOKEN.sub(rb'\1"<only in the journal itself>"', content))
    return None


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)


def _before_after(result: Mapping[str, Any]) -> str:
    vm, playbook = result.get("vm") or {}, result.get("playbook") or {}
    lines = [
        f"# {_cell(playbook.get('name', '?'))} on {_cell(vm.get('name', '?'))}",
        "",
        f"Run {_cell(result.get('run_id', '?'))}, outcome {_cell(result.get('outcome', '?'))}, "
        f"VM {_cell(vm.get('id', '?'))}",
        "",
        *_row("step", "outcome", "before", "after", "wanted"),
        *_row(*["---"] * 5),
    ]
    for step in result.get("steps") or ():
        lines += _row(
            step.get("id"),
            step.get("outcome"),
            *(_value(step.get(key)) for key in ("before", "after", "wanted")),
        )
    return "\n".join(lines) + "\n"


def _row(*cells: object) -> Iterable[str]:
    yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _value(value: object) -> str:
    """A value as people write it: `REG_DWORD 1 (0x1)`; a missing one as `absent`."""
    match value:
        case None:
            return "absent"
        case {"type": str() as kind, "data": int() as data}:
            return f"{kind} {data} ({data:#x})"
        case {"type": str() as kind, "data": data}:
            return f"{kind} {json.dumps(data, ensure_ascii=False)}"
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def _cell(value: object) -> str:
    """A value that cannot leave its cell of a Markdown table, nor become markup."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", printable(str(value)))
