"""Lint rules about how a command line is run: the shell that it is for, the questions that it asks,
the output that it gives (catalogue.md §3.2, §3.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from serialfix.playbook.commandline import CommandLine, comment_of, plain, written_for
from serialfix.playbook.rules import Hit, Rule, Severity
from serialfix.windows import shell


def _powershell_in_cmd(line: CommandLine) -> Iterator[Hit]:
    if line.shell == "cmd" and not line.comment and written_for(line.text) == "powershell":
        yield Hit(0, len(line.text), "PowerShell, which cmd.exe does not understand")


def _sc_alias(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        word = part.words[0]
        if line.shell == "powershell" and word.low == "sc" and not word.quote:
            yield Hit(
                word.start,
                word.end,
                "sc is an alias of Set-Content in Windows PowerShell: it writes a file, silently",
                "sc.exe",
            )


_ALIASES = [
    "where",
    "set",
    "sort",
    "fc",
    "curl",
    "wget",
    "diff",
    "dir",
    "del",
    "copy",
    "move",
    "ren",
    "rd",
    "type",
    "cd",
    "md",
    "start",
    "kill",
]
_CMD_ONLY = re.compile(
    r"(?i)^\s*(?:ver\s*$|if\s+(?:not\s+)?(?:exist|errorlevel)\b|for\s+/|set\s+\w+=|assoc\b|ftype\b)"
    r"|\|\s*find\s|\s(?:&&|\|\|)\s|%(?!\w*\s*\{)\w+%"
)


def _alias(line: CommandLine) -> Iterator[Hit]:
    if line.shell != "powershell" or not line.parts or written_for(line.text) == "powershell":
        return
    part = line.first
    if part.program in _ALIASES and any(re.match(r"/\w", word.text) for word in part.words[1:]):
        word = part.words[0]
        yield Hit(
            word.start, word.end, f"{word.text} is an alias in PowerShell and takes no /switches"
        )
    elif found := _CMD_ONLY.search(plain(line.text)):
        yield Hit(
            *found.span(), f"{found[0].strip()} is for cmd.exe; PowerShell reads it otherwise"
        )


def _comment(line: CommandLine) -> Iterator[Hit]:
    other = comment_of(line.text)
    if other is None or other == line.shell:
        return
    found = re.match(r"\s*(@?rem\b|::|#+)\s?", line.text, re.IGNORECASE)
    assert found is not None  # noqa: S101 - it is a comment
    mark = "# " if line.shell == "powershell" else "REM "
    yield Hit(found.start(1), found.end(), f"{found[1]} begins no comment in this shell", mark)


def _braces(line: CommandLine) -> Iterator[Hit]:
    if line.shell != "powershell":
        return
    for part in line.parts:
        for word in part.words if part.program == "bcdedit" else ():
            if (
                word.text.startswith("{")
                and not word.quote
                and word.end - word.start == len(word.text)
            ):
                yield Hit(
                    word.start,
                    word.end,
                    f"{word.text} is a script block to PowerShell",
                    f"'{word.text}'",
                )


def _sac_command(line: CommandLine) -> Iterator[Hit]:
    text = plain(line.text).strip().lower()
    if text in ("restart", "crashdump") or re.match(r"ch\s+-", text):
        yield Hit(0, len(line.text), f"{text} is a command of SAC; cmd.exe does not know it")


# The switches that answer a question beforehand, by the command.
_ANSWERS = (
    (r"reg(\.exe)?\s+(add|copy|delete)\b", " /f"),
    (r"reg(\.exe)?\s+(export|save)\b", " /y"),
    (r"net1?(\.exe)?\s+stop\b", " /y"),
    (r"takeown\b", " /d y"),
    (r"chkdsk\s+[d-z]:", " /x"),
)


def _asks(line: CommandLine) -> Iterator[Hit]:
    if line.comment:
        return
    for part in line.parts:
        text = plain(line.text)[part.start : part.end].lstrip("@(")
        if part.program == "more" and part.operator == "|" and len(part.words) == 1:
            before = max(each.end for each in line.parts if each.end < part.start)
            yield Hit(before, part.end, "more: it waits for a key at every page", "")
            continue
        why = shell.question(text)
        if why is None or why == shell.UNSEEN_WINDOW:
            continue
        fix = next((s for form, s in _ANSWERS if re.match(form, text, re.IGNORECASE)), None)
        if fix is None and re.match(r"(?i)dism\b", text):
            low = shell.bare(text).lower()
            fix = "".join(
                f" {each}" for each in ("/NoRestart", "/Quiet") if each.lower() not in low
            )
        if fix is None and re.match(r"(?i)xcopy\b", text):
            low = shell.bare(text).lower()
            fix = "".join(f" {each}" for each in ("/i", "/y") if not re.search(rf"{each}\b", low))
        at = part.end
        yield Hit(at if fix else part.start, at, f"{part.words[0].text}: {why}", fix)


_POWERSHELL_ASKS = re.compile(
    r"(?i)\b(?:(?P<ask>read-host|get-credential|out-gridview|enter-pssession|exit-pssession)"
    r"|(?P<force>enable-psremoting|set-executionpolicy)(?!.*\s-force\b)"
    r"|(?P<stop>stop-service|restart-service)(?!.*\s-force\b))"
)


def _asks_powershell(line: CommandLine) -> Iterator[Hit]:
    for found in _POWERSHELL_ASKS.finditer(plain(line.text)):
        if found["ask"]:
            yield Hit(*found.span(), f"{found[0]} waits for a person")
        elif found["force"]:
            yield Hit(len(line.text.rstrip()), len(line.text), f"{found[0]} asks", " -Force")


def _window(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        text = plain(line.text)[part.start : part.end]
        if shell.question(text) != shell.UNSEEN_WINDOW:
            continue
        fix = None
        word = part.words[0]
        if part.program in ("slmgr", "slmgr.vbs"):
            fix = r"cscript //nologo %windir%\system32\slmgr.vbs"
        yield Hit(word.start, word.end, f"{word.text}: {shell.UNSEEN_WINDOW}", fix)


_DEPENDED_ON = ("termservice", "dhcp", "nsi", "winmgmt", "bfe", "rpcss", "mpssvc", "lanmanserver")


def _sc_stop(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        if part.program == "sc" and part.verb == "stop" and len(part.words) > 2:
            name = part.words[2]
            if name.low in _DEPENDED_ON:
                yield Hit(
                    part.start,
                    part.end,
                    f"sc stop {name.text} fails with 1051 while other services depend on it;"
                    f" net stop {name.text} /y stops those too",
                )


# What prints more than a screen has rows (catalogue.md §3.3).
_LONG = re.compile(
    r"""(?ix) ^\s*(?: bcdedit(?:\.exe)?(?:\s+/store\s+\S+)?(?:\s+/enum(?:\s+/v|\s+all)?)?\s*$
    | netsh\s+advfirewall\s+show\s+allprofiles(?!\s+state) | netsh\s.*name=\"?all\b
    | netsh\s+int\w*\s+ip\s+show\s+config\s*$
    | netstat\s | reg\s+query\s(?=.*\s/s\b)(?!.*\s/f\b) | systeminfo\b | route\s+print
    | ipconfig\s+/all | wevtutil\s+qe\b(?!.*/c:\d)
    | icacls\s(?=.*\s/t\b)(?!.*/save\b) | takeown\s(?=.*\s/r\b) | cscript\s.*/dl[iv]\b | driverquery
    | tasklist\b(?!.*\s/fi\b) | get-winevent\b | get-eventlog\b(?!.*-newest)
    | sc\s+query\s*$ | net\s+start\s*$ | dism\s.*/get-(?:packages|features) | gpresult\s )"""
)


def _long(line: CommandLine) -> Iterator[Hit]:
    text = plain(line.text)
    if line.parts and not re.search(r"[|>]", shell.bare(text)) and _LONG.search(text):
        yield Hit(line.first.start, line.parts[-1].end, "prints more rows than the screen has")


_SLOW = re.compile(
    r"(?i)^\s*(?:sfc\s+/scannow|dism\b.*/(?:online|image:\S+)|wmic\s+product|defrag\b|chkdsk\b"
    r"|.*win32_product|winmgmt\s+/(?:salvage|reset)repository|gpupdate\b.*/force)"
)


def _slow(line: CommandLine) -> Iterator[Hit]:
    if line.parts and (found := _SLOW.search(plain(line.text))):
        yield Hit(*found.span(), "takes minutes; allow for it")


def _oldest(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        asked = part.program == "wevtutil" and part.verb in ("qe", "query-events")
        counted = any(word.low.startswith("/c:") for word in part.words)
        if asked and counted and not part.has("/rd:true"):
            yield Hit(part.end, part.end, "without /rd:true it gives the oldest", " /rd:true")


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_KEY = r"HKLM\SOFTWARE\Acme"
RULES = (
    Rule(
        "SF030", "powershell-in-cmd", _E, "PowerShell where cmd.exe reads",
        "The console's shell is cmd.exe, whatever the label of the block says.",
        "Get-Service TermService", check=_powershell_in_cmd,
    ),
    Rule(
        "SF031", "sc-alias", _E, "sc within PowerShell",
        "In Windows PowerShell 5.1 sc is Set-Content: `sc query NSI` writes a file named query and"
        " says nothing.",
        "sc query NSI", "sc.exe query NSI", True, "powershell", _sc_alias,
    ),
    Rule(
        "SF032", "cmd-in-powershell", _W, "cmd.exe's own ways within PowerShell",
        "Names such as where, set, dir, curl are aliases of other things in PowerShell; %X%, &&,"
        " if exist and find \"x\" mean something else there.",
        'netstat -ano | find ":3389 "', reader="powershell", check=_alias,
    ),
    Rule(
        "SF033", "comment", _W, "A comment of the other shell",
        "REM is an error in PowerShell, # is one in cmd.exe.",
        "REM enable the dump", "# enable the dump", True, "powershell", _comment,
    ),
    Rule(
        "SF034", "braces", _E, "bcdedit's braces within PowerShell",
        "PowerShell reads {current} as a script block. It needs quotes there, and none in cmd.exe.",
        "bcdedit /deletevalue {current} safeboot", "bcdedit /deletevalue '{current}' safeboot",
        True, "powershell", _braces,
    ),
    Rule(
        "SF035", "sac-command", _W, "A command of SAC among those for cmd.exe",
        "restart and ch belong to the prompt SAC>. cmd.exe does not know them, and at SAC> restart"
        " restarts the VM at once.",
        "restart", check=_sac_command,
    ),
    Rule(
        "SF040", "asks", _E, "A command that waits for an answer",
        "Nobody answers: the console hangs, and letters that are typed next are taken for it.",
        rf"reg add {_KEY} /v Level /t REG_DWORD /d 1",
        rf"reg add {_KEY} /v Level /t REG_DWORD /d 1 /f", True, check=_asks,
    ),
    Rule(
        "SF041", "asks-powershell", _E, "A cmdlet that waits for an answer",
        "Nobody answers.", "Set-ExecutionPolicy RemoteSigned",
        "Set-ExecutionPolicy RemoteSigned -Force", True, "powershell", _asks_powershell,
    ),
    Rule(
        "SF042", "window", _E, "A command that opens a window",
        "It appears where nobody is, and the command waits for it or says nothing. slmgr.vbs prints"
        " its answers when cscript runs it.",
        "slmgr.vbs /ato", r"cscript //nologo %windir%\system32\slmgr.vbs /ato", True,
        check=_window,
    ),
    Rule(
        "SF043", "dependents", _W, "sc stop of a service that others need",
        "sc stop fails with error 1051 while services that depend on it run.",
        "sc stop TermService", check=_sc_stop,
    ),
    Rule(
        "SF044", "long-output", _N, "More output than the screen has rows",
        "The console has 24 rows and no way back. serialfix reads longer output page by page; by"
        " hand filter it, or send it to a file.",
        "bcdedit /enum", check=_long,
    ),
    Rule(
        "SF045", "slow", _N, "A command that takes minutes",
        "A person, or a tool, that waits a few seconds takes it for hung.", "sfc /scannow",
        check=_slow,
    ),
    Rule(
        "SF046", "oldest-event", _W, "The oldest event instead of the newest",
        "wevtutil reads a log from its beginning: /c:1 gives the oldest match.",
        "wevtutil qe system /c:5 /f:text", "wevtutil qe system /c:5 /f:text /rd:true", True,
        check=_oldest,
    ),
)  # fmt: skip
