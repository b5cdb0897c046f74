"""The offline twin as a batch file for a Windows recovery VM (catalogue.md §3.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from serialfix.errors import ConfigError, UnsafeStep
from serialfix.playbook.offline import SELECT, BootEdit, Condition, Edit, Place, Twin, compile_twin
from serialfix.playbook.schema import Playbook
from serialfix.windows import batch


ROOTS = {"SYSTEM": r"HKLM\BROKENSYSTEM", "SOFTWARE": r"HKLM\BROKENSOFTWARE"}
"""Where the articles load the hives of the attached disk."""
_ANY_SET = "ControlSet?"
"""Stands for the control set that the batch file is at; no path of a playbook holds a `?`."""


def listing(playbook: Playbook, *, drive: str = "F:", sets: Sequence[int] = ()) -> str:
    """All commands, from the backup to the unloading. Without `sets` they are read from Select.

    Raises UnsafeStep when nothing of the playbook has an offline form.
    """
    if not re.fullmatch(r"[A-Za-z]:\\?", drive):
        raise ConfigError(f"--drive takes the letter of the attached disk, such as F:, not {drive}")
    named = [f"ControlSet{number:03}" for number in sets]
    twin = compile_twin(playbook, named or [_ANY_SET])
    if not (twin.edits or twin.boot):
        reasons = (f"step {left.step}, {left.what}: {left.reason}" for left in twin.left_out)
        raise UnsafeStep(
            f"{playbook.name} has nothing that can be done to a disk:\n" + "\n".join(reasons),
            remedy="It needs a running Windows: `serialfix run`.",
        )
    lines = list(_Listing(twin, drive[:2].upper(), named).lines())
    if not all(line.isascii() for line in lines):
        lines[1:1] = batch.in_utf8()
    return batch.joined(lines)


class _Listing:
    def __init__(self, twin: Twin, drive: str, sets: Sequence[str]) -> None:
        self.twin = twin
        self.drive = drive
        self.sets = sets
        self.labels = batch.Labels()

    def lines(self) -> Iterator[str]:
        playbook = self.twin.playbook
        yield "@echo off"
        yield batch.comment(f"{playbook.name} {playbook.version}, offline: {playbook.title}")
        yield batch.comment(
            f"For a recovery VM, in a Command Prompt as administrator. The disk is {self.drive}"
        )
        for text in playbook.security:
            yield batch.comment(f"Lowers security: {text}")
        for left in self.twin.left_out:
            yield batch.comment(f"Not done here, step {left.step}: {left.what}: {left.reason}")
        yield "setlocal DisableDelayedExpansion"
        if self.twin.edits:
            yield from self.hives()
        if self.twin.boot:
            yield from self.boot()
        yield from ("echo Done. Detach the disk and start the VM with it.", "exit /b 0", "")
        yield ":failed"
        yield "echo FAILED. Nothing more was changed."
        yield from self.unload()
        yield "exit /b 1"
        if any(_ANY_SET in edit.place.path for edit in self.twin.edits):
            yield from self.each_set()

    def hives(self) -> Iterator[str]:
        config = f"{self.drive}\\Windows\\System32\\config"
        kept = f"{config}.BACK"
        yield from ("", batch.comment("a copy of all hives, made once"))
        yield f'if exist "{kept}\\SYSTEM" goto copied'
        yield f'robocopy "{config}" "{kept}" /MT /R:1 /W:1 /NP /NDL /NJH'
        yield from ("if errorlevel 8 goto failed", ":copied", "")
        for hive in self.twin.hives:
            yield f'reg load {ROOTS[hive]} "{config}\\{hive}"'
            yield "if errorlevel 1 goto failed"
        if self.sets and "SYSTEM" in self.twin.hives:
            yield from ("", "reg query HKLM\\BROKENSYSTEM\\Select")
            yield batch.comment("write only to sets that Select names and that exist")
            for each in self.sets:
                yield f'reg query "HKLM\\BROKENSYSTEM\\{each}" >nul'
                yield "if errorlevel 1 goto failed"
        yield from self.overrides()
        for edit in self.twin.edits:
            if _ANY_SET not in edit.place.path:
                yield from self.edit(edit)
        if any(_ANY_SET in edit.place.path for edit in self.twin.edits):
            yield from ("", batch.comment("each control set that Select names and that exists"))
            yield 'set "any="'
            for name in SELECT:
                yield f"call :select {name}"
                yield "if errorlevel 1 exit /b 1"
            yield "if not defined any goto failed"
        yield ""
        yield from self.unload()

    def overrides(self) -> Iterator[str]:
        """Policies are shown: a value there wins over the local one."""
        places = {
            (override.place.path, override.place.name): None
            for override in self.twin.overrides
            if override.place.hive in self.twin.hives and _ANY_SET not in override.place.path
        }
        if not places:
            return
        yield from ("", "echo Policies that would override what is set here, if any:")
        root = ROOTS["SOFTWARE"]
        for path, name in places:
            key = f"{root}\\{path}"
            yield f"reg query {batch.quoted(key)} /v {batch.quoted(name)} 2>nul"

    def unload(self) -> Iterator[str]:
        """A handle that regedit or PowerShell still holds makes it fail; a second try helps when
        it is about to be closed (catalogue.md §3.2)."""
        for hive in self.twin.hives if self.twin.edits else ():
            done = self.labels.new("unloaded")
            root = ROOTS[hive]
            yield f"reg query {root} >nul 2>nul"
            yield f"if errorlevel 1 goto {done}"
            yield f"reg unload {root}"
            yield f"if not errorlevel 1 goto {done}"
            yield "ping -n 4 127.0.0.1 >nul"
            yield f"reg unload {root}"
            yield f"if errorlevel 1 echo {root} is still loaded: close regedit and PowerShell first"
            yield f":{done}"

    def each_set(self) -> Iterator[str]:
        """What is called for each value of Select."""
        root = ROOTS["SYSTEM"]
        ask = f'reg query "{root}\\Select" /v %1 2^>nul ^| find "REG_DWORD"'
        yield from ("", ":select", 'set "number=0"')
        yield f"for /f \"tokens=3\" %%n in ('{ask}') do set /a number=%%n"
        yield 'set "cs=00%number%"'
        yield 'set "cs=%cs:~-3%"'
        yield "if %number%==0 exit /b 0"
        yield "if defined done_%cs% exit /b 0"
        yield f'reg query "{root}\\ControlSet%cs%" >nul 2>nul'
        yield "if errorlevel 1 exit /b 0"
        yield 'set "done_%cs%=1"'
        yield 'set "any=1"'
        yield "echo ControlSet%cs%"
        for edit in self.twin.edits:
            if _ANY_SET in edit.place.path:
                for line in self.edit(edit):
                    yield line.replace(_ANY_SET, "ControlSet%cs%")
        yield "exit /b 0"

    def edit(self, edit: Edit) -> Iterator[str]:
        """One value. The former one is shown before it is changed."""
        done = self.labels.new("done")
        lines = list(self._edit(edit, done))
        yield from lines
        if any(line.endswith(f" goto {done}") for line in lines):
            yield f":{done}"

    def _edit(self, edit: Edit, done: str) -> Iterator[str]:
        key, name = _key(edit.place), edit.place.name
        yield from ("", batch.comment(f"{edit.step}: {edit.why}"))
        if edit.condition is not None:
            yield from self.condition(edit.condition, done)
        if edit.accepts:
            yield from batch.among(key, name, edit.accepts, "right")
            yield f"if defined right goto {done}"
        if edit.absent != "make" or edit.wanted is None:
            yield batch.there(key, name)
            yield f"if errorlevel 1 goto {'failed' if edit.absent == 'refuse' else done}"
        if edit.rule_enabled is not None:
            yield _rule(key, name, enabled=edit.rule_enabled)
        elif edit.wanted is None:
            yield batch.delete(key, name)
        else:
            yield f"reg query {batch.quoted(key)} /v {batch.quoted(name)} 2>nul"
            yield batch.add(key, name, edit.wanted)
        yield "if errorlevel 1 goto failed"

    def condition(self, condition: Condition, otherwise: str) -> Iterator[str]:
        """Go past the step unless its condition holds."""
        when, place = condition.when, condition.place
        values = tuple(
            None if each == "absent" else each for each in when.among or when.not_among or ()
        )
        yield from batch.among(_key(place), place.name, values, "holds")
        yield f"if {'not ' if when.among else ''}defined holds goto {otherwise}"

    def boot(self) -> Iterator[str]:
        """The boot configuration: on the disk itself (Gen1), or on its EFI partition (Gen2)."""
        yield from ("", f'if not defined store set "store={self.drive}\\boot\\bcd"')
        yield 'if not exist "%store%" set "store=%esp%\\EFI\\Microsoft\\Boot\\BCD"'
        yield 'if exist "%store%" goto store'
        yield "echo No boot configuration is found. Give the EFI partition of the disk a letter"
        yield "echo (diskpart: list disk, select disk N, list partition, select partition N,"
        yield "echo assign)"
        yield "echo and say it before this is run again: set esp=S:"
        yield from ("goto failed", ":store", 'copy /y "%store%" "%store%.serialfix" >nul')
        yield "if errorlevel 1 goto failed"
        for edit in self.twin.boot:
            yield from self.boot_edit(edit)

    def boot_edit(self, edit: BootEdit) -> Iterator[str]:
        store, done = 'bcdedit /store "%store%"', self.labels.new("done")
        yield from ("", batch.comment(f"{edit.step}: {edit.why}"))
        if edit.value is None:
            yield f'{store} /enum {edit.entry} | find /i "{edit.element} " >nul'
            yield f"if errorlevel 1 goto {done}"
            yield f"{store} /deletevalue {edit.entry} {edit.element}"
        else:
            yield f"{store} /set {edit.entry} {edit.element} {batch.quoted(edit.value)}"
        yield "if errorlevel 1 goto failed"
        if edit.value is None:
            yield f":{done}"


def _key(place: Place) -> str:
    return f"{ROOTS[place.hive]}\\{place.path}"


def _rule(key: str, name: str, *, enabled: bool) -> str:
    """Only what stands behind `Active=` is changed: the rest differs from Windows to Windows
    (catalogue.md §4.4 F3). cmd.exe cannot replace a text that holds a `=`; PowerShell can."""
    path, word = key.replace("HKLM\\", "HKLM:\\", 1), str(enabled).upper()
    script = (
        f"$k = Get-Item -LiteralPath '{path}' -ErrorAction Stop; $v = $k.GetValue('{name}');"
        f" $n = $v -replace '\\|Active=(TRUE|FALSE)\\|', '|Active={word}|'; $k.Close();"
        f" if ($n -notlike '*|Active={word}|*') {{ exit 1 }};"
        f" Set-ItemProperty -LiteralPath '{path}' -Name '{name}' -Value $n -ErrorAction Stop;"
        " [gc]::Collect()"
    )
    return batch.checked(f'powershell -NoProfile -NonInteractive -Command "{script}"')
