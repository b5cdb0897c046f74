"""Lint rules about what commands of one document do together: hives, folders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from serialfix.playbook import known
from serialfix.playbook.article import Command
from serialfix.playbook.commandline import CommandLine, plain
from serialfix.playbook.rules import Finding, Rule, Severity


NOT_UNLOADED = Rule(
    "SF080", "hive-left", Severity.WARNING, "A hive that is never unloaded",
    "A hive that stays loaded is not written out, and the disk cannot be taken away.",
    "reg load HKLM\\BROKENSYSTEM F:\\Windows\\System32\\config\\SYSTEM\n"
    "reg add HKLM\\BROKENSYSTEM\\ControlSet001\\Services\\Acme /v Start /t REG_DWORD /d 2 /f",
)  # fmt: skip
AFTER_UNLOAD = Rule(
    "SF081", "hive-gone", Severity.ERROR, "A hive that is used when it is gone, or loaded twice",
    "The key is not there any more; reg add would make a new one that belongs to no disk. A second"
    " reg load of the same name is refused.",
    "reg unload HKLM\\BROKENSYSTEM\n"
    "reg query HKLM\\BROKENSYSTEM\\Select",
)  # fmt: skip
NO_FOLDER = Rule(
    "SF082", "no-folder", Severity.WARNING, "Output to a folder that may not exist",
    "A new guest has no C:\\temp: the redirection fails, and with it the command.",
    "icacls C:\\data > C:\\temp\\acl.txt",
)  # fmt: skip
LIST_RULES = (NOT_UNLOADED, AFTER_UNLOAD, NO_FOLDER)

_HIVE = re.compile(r"(?i)\b(HKLM|HKU|HKEY_LOCAL_MACHINE|HKEY_USERS)\\([A-Za-z_]\w*)")
_SAID = re.compile(r"(?i)\becho\s.*")
_MADE = re.compile(r"(?i)^\s*(?:md|mkdir|new-item)\s+(?:-\w+\s+)*\"?([A-Z]:\\[^\"\s]+)")
_TO = re.compile(r"(?i)>\s*\"?([A-Z]:\\[^\"\s]+)\\[^\\\"\s]+")


def list_findings(
    lines: Sequence[tuple[Command, CommandLine]], labels: Sequence[int] = ()
) -> Iterator[Finding]:
    """What is wrong with these commands as a whole.

    A batch file gets to the lines of its `labels` from elsewhere: behind one, nobody knows what
    was done before.
    """
    loaded: dict[str, tuple[Command, bool]] = {}
    gone: set[str] = set()
    unloaded: set[str] = set()
    made: set[str] = set()
    ahead = sorted(labels)
    for command, line in lines:
        while ahead and ahead[0] < command.line:
            del ahead[0]
            gone.clear()
            loaded = {hive: (where, False) for hive, (where, _) in loaded.items()}
        text = plain(line.text)
        verb = line.first.verb if line.first.program == "reg" else ""
        hives = {
            found[2].upper()
            for found in _HIVE.finditer(_SAID.sub("", text))
            if known.loaded_hive(found[0])
            or found[2].upper() in {*loaded, *gone}
            or verb in ("load", "unload")
        }
        for hive in sorted(hives):
            if verb == "load":
                if hive in loaded and loaded[hive][1]:
                    yield Finding(
                        AFTER_UNLOAD, command.line, command.column, f"{hive} is loaded already"
                    )
                loaded[hive] = (command, True)
                gone.discard(hive)
            elif verb == "unload":
                loaded.pop(hive, None)
                gone.add(hive)
                unloaded.add(hive)
            elif hive in gone:
                yield Finding(
                    AFTER_UNLOAD, command.line, command.column, f"{hive} was unloaded before"
                )
            else:
                loaded[hive] = (command, loaded.get(hive, (command, False))[1])
        if found := _MADE.match(text):
            made.add(found[1].lower().rstrip("\\"))
        for found in _TO.finditer(text):
            folder = found[1].lower()
            if folder not in made and not re.match(r"[a-z]:\\(?:windows|users)\b", folder):
                made.add(folder)
                column = command.column + found.start(1)
                yield Finding(
                    NO_FOLDER, command.line, column, f"nothing makes the folder {found[1]}"
                )
    for hive, (command, _) in loaded.items():
        if labels and hive in unloaded:
            continue
        yield Finding(
            NOT_UNLOADED, command.line, command.column, f"{hive} is not unloaded behind this"
        )
