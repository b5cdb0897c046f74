"""playbook export, and playbook show --offline: the fix for places where no console is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from serialfix.cli import options as o
from serialfix.errors import ConfigError
from serialfix.printable import printable


if TYPE_CHECKING:
    from serialfix.playbook.load import LoadedPlaybook


Format = Literal["reg", "cmd", "ps1", "ansible"]


def export(
    name: Annotated[
        str,
        typer.Argument(metavar="PLAYBOOK", help="Name or file.", autocompletion=o.playbook_names),
    ],
    *,
    form: Annotated[Format, typer.Option("--format", help="What is written.")],
    file: Annotated[
        Path | None, typer.Option("-o", "--output-file", help="Where to; else to stdout.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out, and list, what the format cannot carry.")
    ] = False,
    set_: o.Set = None,
    yes: o.Yes = False,
) -> None:
    """Write a playbook as a .reg file, a batch file, a PowerShell script or Ansible tasks."""
    from serialfix.playbook.export import export as write
    from serialfix.playbook.load import bind, find_playbook

    if file is not None and file.is_file() and not yes:
        raise ConfigError(f"{file} exists; it is not overwritten", remedy="--yes replaces it.")
    loaded = bind(find_playbook(name), o.settings(set_))
    exported = write(loaded.playbook, form, partial=partial)
    for left in exported.left_out:
        print(f"left out: {printable(str(left))}", file=sys.stderr)
    if file is None:
        _to_stdout(exported.content)
        return
    try:
        file.write_bytes(exported.content)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror or error}") from error


def show_offline(
    loaded: LoadedPlaybook, *, drive: str, control_sets: str, given: list[str] | None
) -> None:
    """Print the batch file for a recovery VM."""
    from serialfix.playbook.listing import listing
    from serialfix.playbook.load import bind

    playbook = bind(loaded, o.settings(given)).playbook
    text = listing(playbook, drive=drive, sets=_numbers(control_sets))
    _to_stdout(text.encode())


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and 1 <= int(part) <= 999 for part in parts):
        raise ConfigError(f"--control-sets takes numbers such as 1,2, not {text!r}")
    return list(dict.fromkeys(map(int, parts)))


def _to_stdout(content: bytes) -> None:
    """As it is, into a file or pipe; on a terminal as text without line ends of Windows."""
    if sys.stdout.isatty():
        encoding = "utf-16" if content.startswith(b"\xff\xfe") else "utf-8"
        text = content.decode(encoding).replace("\r\n", "\n")
        print(printable(text, keep="\n\t"), end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
