"""The folder for the ticket: what was wrong, what was changed, how it was proven; redacted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from serialfix.errors import RecordError, UsageError
from serialfix.model import RunResult, correlation_id
from serialfix.record.journal import Record
from serialfix.report import junit, markdown
from serialfix.result import run_from_json, run_json
from serialfix.secrets import Redactor


SUMS = "SHA256SUMS"
WHAT = {
    "README.txt": "this list",
    "report.md": "the report, for a ticket",
    "before-after.md": "every value before and after, as a table",
    "before-after.json": "the same, for programs",
    "result.json": "the whole result, as `-o json` gives it (serialfix.run/1)",
    "junit.xml": "the result as JUnit XML, for pipelines",
    "operations.json": "ids for Azure's activity log; who ran it, when",
    "transcript.txt": "what was typed and what the console showed, readable",
    "recordings": "console sessions as asciicast files: asciinema plays them",
    "journal.jsonl": "every act, written before it was done",
    "playbook.yaml": "the playbook as it was run",
    "undo.yaml": "the playbook that puts the former values back",
    "MISSING.txt": "what should be here and could not be read",
    SUMS: "checksums of all other files: `sha256sum -c SHA256SUMS`",
}
"""What is what in the folder."""
_TOKEN = "continuation_token"  # noqa: S105 - the name of it
_REMEDY = "Free some space, or give another folder with --state-dir."


def write_evidence(
    folder: Path,
    *,
    redactor: Redactor,
    result: RunResult | None = None,
    journal: Sequence[Record] | None = None,
    transcript_text: str | None = None,
    recordings: Sequence[Path] = (),
    playbook_text: str | None = None,
    undo_text: str | None = None,
) -> Path:
    """Write the evidence of a run and return its folder, which replaces one of the same name.

    Every part may be missing; `MISSING.txt` tells of files that could not be read. `SHA256SUMS` is
    in the format of `sha256sum -c`. Raises RecordError when the folder cannot be written.
    """
    texts = {
        "transcript.txt": transcript_text,
        "playbook.yaml": playbook_text,
        "undo.yaml": undo_text,
    }
    parts = {name: redactor.redact(text) for name, text in texts.items() if text is not None}
    if result is not None:
        result = replace(result, evidence=str(folder))
        parts |= _reports(redactor.redact_data(run_json(result)))
    if journal is not None:
        facts = operations(journal, result.run_id if result else "")
        parts["operations.json"] = _json(redactor.redact_data(facts))
        parts["journal.jsonl"] = _lines(journal)
    building = folder.with_name(folder.name + ".new")
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700, parents=True)
        copies = {path: building / "recordings" / path.name for path in recordings}
        if missing := "".join(_copy(source, target) for source, target in copies.items()):
            parts["MISSING.txt"] = redactor.redact(missing)
        names = {*parts, *(path.name for path in building.iterdir())}
        if names:
            parts["README.txt"] = _readme(names, result)
        for name, text in parts.items():
            _write(building / name, text.encode("utf-8", "replace"))
        files = sorted(path for path in building.rglob("*") if path.is_file())
        sums = "".join(
            f"{_sha256(path)}  {path.relative_to(building).as_posix()}\n" for path in files
        )
        _write(building / SUMS, sums.encode())
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except OSError as error:
        raise RecordError(
            f"cannot write the evidence to {folder}: {error.strerror or error}", remedy=_REMEDY
        ) from None
    return folder


def _reports(data: Mapping[str, Any]) -> dict[str, str]:
    """A redacted result in all its forms."""
    result = run_from_json(data)
    return {
        "result.json": _json(data),
        "before-after.json": _json(data["steps"]),
        "before-after.md": markdown.before_after(result),
        "report.md": markdown.report(result),
        "junit.xml": junit.document([result]),
    }


def _json(data: Any) -> str:
    return json.dumps(data, indent=2) + "\n"


def operations(records: Sequence[Record], run_id: str) -> dict[str, Any]:
    """Who did it and when, and by which ids Azure knows it.

    The continuation token is not among them: it holds a signed URL.
    """
    facts: dict[str, Any] = {
        "run_id": run_id,
        "correlation_id": correlation_id(run_id) if run_id else None,
        "vm_id": None,
        "processes": [],
        "snapshot": None,
        "restart": None,
    }
    for record in records:
        at = record["at"]
        match record["kind"]:
            case "run_started" | "run_resumed":
                who = {name: record.get(name) for name in ("user", "version")}
                facts["processes"].append({"began": at, **who})
            case "target":
                facts["vm_id"] = record.get("vm_id")
            case "snapshot":
                facts["snapshot"] = {"id": record.get("id"), "done": at}
            case "restart_requested":
                facts["restart"] = {"operation": None, "requested": at}
            case "restart_refused" | "restart_accepted" | "restart_done" as kind:
                restart = facts["restart"] or {"operation": None}
                restart["operation"] = record.get("operation") or restart["operation"]
                facts["restart"] = {**restart, kind.removeprefix("restart_"): at}
    return facts


def _readme(names: set[str], result: RunResult | None) -> str:
    lines = [
        f"Evidence of run {result.run_id} of serialfix." if result else "Evidence of serialfix."
    ]
    lines += [
        "",
        "Passwords and tokens were taken out when this was written. Values of the VM's",
        "registry, and what its console showed, are in it: treat it as you treat those.",
        "",
    ]
    lines += [
        f"  {name + '/' * (name == 'recordings'):<18} {what}"
        for name, what in WHAT.items()
        if name in names or name in ("README.txt", SUMS)
    ]
    lines += ["", "Times are UTC. Whether a file was changed since: `sha256sum -c SHA256SUMS`."]
    return "\n".join(lines) + "\n"


def _lines(journal: Sequence[Record]) -> str:
    """The journal as JSON Lines. It was redacted when it was written; but the token of a restart
    holds a signed URL: it is for `resume`, not for a ticket."""
    records = (
        {**each, _TOKEN: "<only in the journal itself>"} if each.get(_TOKEN) is not None else each
        for each in journal
    )
    return "".join(json.dumps(each) + "\n" for each in records)


def _copy(source: Path, target: Path) -> str:
    """Copy a recording byte for byte, which was redacted when it was written; or say why not."""
    try:
        content = source.read_bytes()
    except OSError as error:
        return f"{source.name}: {error.strerror}\n"
    target.parent.mkdir(mode=0o700, exist_ok=True)
    _write(target, content)
    return ""


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- looking at a folder that was written ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file of the folder. `state` is `ok`, `changed` or `missing`."""

    name: str
    what: str
    bytes: int
    sha256: str
    state: str


def contents(folder: Path) -> list[EvidenceFile]:
    """The files that were written, and whether they still are what they were.

    Raises RecordError when the list of them is missing or damaged.
    """
    return [_file(folder, name, digest) for digest, name in _sums(folder / SUMS)]


def _file(folder: Path, name: str, digest: str) -> EvidenceFile:
    path = folder / name
    what = WHAT.get(PurePosixPath(name).parts[0], "")
    try:
        if path.is_symlink():  # none was written
            return EvidenceFile(name, what, 0, digest, "changed")
        size, state = path.stat().st_size, "ok" if _sha256(path) == digest else "changed"
    except OSError:
        size, state = 0, "missing"
    return EvidenceFile(name, what, size, digest, state)


def _sums(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    for number, line in enumerate(lines, start=1):
        found = re.fullmatch(r"([0-9a-f]{64})  ((?:[\w-][\w.-]*/)?[\w-][\w.-]*)", line, re.ASCII)
        if found is None:
            raise _damaged(path, f"line {number} is none of a checksum")
        yield found[1], found[2]


def _damaged(path: Path, why: str) -> RecordError:
    return RecordError(
        f"whether the evidence is as it was written cannot be told: {path}: {why}",
        remedy="The journal and the recordings beside that folder are the originals.",
    )


def pack(folder: Path, target: Path) -> list[EvidenceFile]:
    """The folder as one zip file, with what its list names and nothing else.

    Raises RecordError when something in it was changed or is missing, or when the file cannot be
    written, and UsageError when it exists.
    """
    files = contents(folder)
    require_whole(folder, files)
    if target.exists():
        raise UsageError(f"{target} exists; it is not overwritten", remedy="Name another file.")
    building = target.with_name(target.name + ".new")
    try:
        building.unlink(missing_ok=True)
        file = os.open(
            building, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
        )
        with (
            os.fdopen(file, "w+b") as stream,
            zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed,
        ):
            for name in (*(each.name for each in files), SUMS):
                packed.write(folder / name, f"{target.stem}/{name}")
        building.rename(target)
    except OSError as error:
        with suppress(OSError):
            building.unlink()
        raise RecordError(
            f"cannot write {target}: {error.strerror or error}", remedy="Name another place."
        ) from None
    return files


def require_whole(folder: Path, files: Sequence[EvidenceFile]) -> None:
    """Raises RecordError that names every file which is not as it was written."""
    if wrong := [f"{each.name} ({each.state})" for each in files if each.state != "ok"]:
        raise RecordError(
            f"the evidence in {folder} is not as it was written: {', '.join(wrong)}",
            remedy="The journal and the recordings beside that folder are the originals; "
            "a copy that was handed over before can be checked with `sha256sum -c SHA256SUMS`.",
        )
