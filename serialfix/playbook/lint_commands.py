"""Lint rules about what a command line does: the shell it is for, questions, output, keys,
services, names, secrets and security (catalogue.md §3.2, §3.3, §3.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from serialfix.playbook import known
from serialfix.playbook.commandline import CommandLine, Part, Word, comment_of, plain, written_for
from serialfix.playbook.rules import Hit, Rule, Severity
from serialfix.windows import shell


def _words(text: str) -> str:
    return plain(text).replace("\u200b", "")


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
NETWORK = ("nsi", "tcpip", "bfe", "mpssvc", "netvsc", "afd", "netbt")


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
    text = _words(line.text)
    if line.parts and not re.search(r"[|>]", shell.bare(text)) and _LONG.search(text):
        yield Hit(line.first.start, line.parts[-1].end, "prints more rows than the screen has")


_SLOW = re.compile(
    r"(?i)^\s*(?:sfc\s+/scannow|dism\b.*/(?:online|image:\S+)|wmic\s+product|defrag\b|chkdsk\b"
    r"|.*win32_product|winmgmt\s+/(?:salvage|reset)repository|gpupdate\b.*/force)"
)


def _slow(line: CommandLine) -> Iterator[Hit]:
    if line.parts and (found := _SLOW.search(_words(line.text))):
        yield Hit(*found.span(), "takes minutes; allow for it")


def _control_set(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        for word in part.words:
            found = known.CONTROL_SET.search(word.text)
            if found is None or not re.match(r"(?i)(?:HK\w+|HKLM:)\\", word.text.strip()):
                continue
            if known.loaded_hive(word.text) is None and found[0][-1].isdigit():
                at = line.text.lower().find(found[0].lower(), word.start)
                yield Hit(
                    at,
                    at + len(found[0]),
                    f"{found[0]} may not be the control set that runs",
                    "CurrentControlSet",
                )
            elif part.verb in ("add", "delete") and found[0][-1].isdigit():
                yield Hit(
                    word.start,
                    word.end,
                    f"{found[0]} is written without a look at Select: it may be the wrong set, and"
                    " one that does not exist is made",
                )


# Misprints that came to be seen in published articles, and what was meant.
_WRONG = tuple(
    (re.compile(pattern, re.IGNORECASE), meant, why)
    for pattern, meant, why in (
        (r"(?<=Windows NT\\)Terminal Service(?=[\\\"'\s]|$)", "Terminal Services", ""),
        (r"(?<=Microsoft\\)WindowsNT(?=\\)", "Windows NT", ""),
        (r"\b([D-Z]): (?=boot\\)", r"\1:\\", ""),
        (r"\b([D-Z]):(?=EFI\\)", r"\1:\\", ""),
        (r"^\s*bcddit\b", "bcdedit", ""),
        (r"\bintegrityservicesenable\b", "integrityservices enable", ""),
        (r"(?<=config\\)(SYSTEM|SOFTWARE)\.hiv\b", r"\1", ""),
        (r"(?<=[\s\"'])crypts(?=[\s\"']|$)", "cryptsvc", ""),
        (r"(?<=[\s\"'])Termservice\.exe\b", "TermService", ""),
        (r"(?<=Windows\\System\" /v )CleanupProfile(?=\s)", "CleanupProfiles", ""),
        (r"(?<=/source:wim: )", "", "a blank behind wim:"),
        (r"(?<=dism )(?=[a-z]:\\)", "/image:", ""),
        (r"(?<=Terminal Services\" /v )KeepAliveTimeout\b", "", "it is a value of the listener"),
        (r"DisplayName\.\*", "", "netsh prints no DisplayName"),
        (r"(?<=/packagepath:)\S+\.msu\b", "", "dism takes the .cab that is in it"),
    )
)


def misprints(line: CommandLine) -> Iterator[Hit]:
    text = plain(line.text)
    for pattern, meant, why in _WRONG:
        for found in pattern.finditer(text):
            fix = found.expand(meant) if meant else None
            said = found[0].strip() or "this"
            says = f"{said} is no such thing: {why}" if why else f"{said} is a misprint of {fix}"
            yield Hit(*found.span(), says, fix)


def _query_with_data(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        if part.program == "reg" and part.verb == "query" and part.has("/d"):
            verb = part.words[1]
            yield Hit(
                verb.start, verb.end, "reg query has no /d: this was meant to be reg add", "add"
            )


def _start_blank(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        for word in part.words if part.program == "sc" else ():
            found = re.match(r"(?i)(start|obj|type|error|depend|password)=(?=.)", word.text)
            if found and not word.quote:
                at = word.start + found.end()
                yield Hit(at, at, f"sc needs a blank behind {found[0]}", " ")


def _extra_word(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        low = [word.low for word in part.words]
        if part.program == "bcdedit" and "/deletevalue" in low:
            at = low.index("/deletevalue")
            rest = part.words[at + 1 :]
            expected = 2 if rest and rest[0].text.startswith("{") else 1
            if len(rest) > expected:
                yield Hit(
                    rest[expected - 1].end,
                    rest[-1].end,
                    "/deletevalue takes an element and no value",
                    "",
                )


def _oldest(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        asked = part.program == "wevtutil" and part.verb in ("qe", "query-events")
        counted = any(word.low.startswith("/c:") for word in part.words)
        if asked and counted and not part.has("/rd:true"):
            yield Hit(part.end, part.end, "without /rd:true it gives the oldest", " /rd:true")


def _translated(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        if part.program == "net" and part.verb == "localgroup" and len(part.words) > 2:
            word = part.words[2]
            if not word.text.startswith("/"):
                yield Hit(
                    word.start, word.end, f"the group {word.text} is called otherwise elsewhere"
                )
        elif part.program == "netsh" and part.verb == "advfirewall":
            for word in part.words[2:]:
                if re.match(r"(?i)(name|group)=(?!all\b|@|.*\$\{)", word.text) and not part.has(
                    "add"
                ):
                    said = word.text.partition("=")[2]
                    yield Hit(
                        word.start, word.end, f"the rule {said} is called otherwise elsewhere"
                    )
        elif part.program in ("icacls", "cacls") and part.has("/grant", "/deny", "/remove"):
            for word in part.words[2:]:
                if re.match(r"(?i)(NT AUTHORITY|BUILTIN)\\", word.text) or re.match(
                    r"(?i)(administrators|system|users):", word.text
                ):
                    yield Hit(
                        word.start,
                        word.end,
                        f"the account {word.text} is called otherwise elsewhere",
                    )


def _rule_id(line: CommandLine) -> Iterator[Hit]:
    text = plain(line.text)
    for found in re.finditer(r"(?i)-DisplayName(?=\s+[\"']?[\w]+-[\w-]+-In-\w+)", text):
        yield Hit(*found.span(), "this is the id of a rule, not what it is called", "-Name")


_GONE = re.compile(
    r"(?i)^\s*(?:wmic(?:\.exe)?\s|netsh\s+nap\b|telnet\s|netsh\s+firewall\b|.*get-wmiobject\b)"
)


def _gone(line: CommandLine) -> Iterator[Hit]:
    if found := _GONE.match(_words(line.text)):
        name = " ".join(found[0].split()[:2] if "netsh" in found[0].lower() else found[0].split())
        yield Hit(*found.span(), f"{name} is missing in newer guests, or not installed")


def _secret_words(part: Part) -> Iterator[int]:
    """The places of words that are secrets."""
    words = part.words
    if part.program in ("net", "net1") and part.verb == "user":
        plain_words = [at for at, word in enumerate(words) if at > 1 and word.text[0:1] != "/"]
        yield from (at for at in plain_words[1:2] if words[at].text != "*")
    if part.program in ("net", "net1") and part.verb == "use":
        places = [at for at, word in enumerate(words) if at > 1 and word.text[0:1] != "/"]
        shares = [at for at in places if not re.match(r"\\\\|[A-Za-z*]:?$", words[at].text)]
        yield from shares[:1]
    flags = {"psexec": ("-p",), "schtasks": ("/rp", "/p"), "sc": ("password=",)}
    flags["manage-bde"] = ("-recoverypassword", "-rp", "-password", "-pw")
    for at, word in enumerate(words):
        if at + 1 < len(words) and word.low in flags.get(part.program, ()):
            yield at + 1
        given = re.match(
            r"(?i)[/-](?:password[do]?|pass|pd|po|rp|smartcard)[:=](?!\*?$)", word.text
        )
        if given or re.match(r"(?i)password=.", word.text):
            yield at
        if word.low in ("convertto-securestring",) and part.has("-asplaintext"):
            yield at
    if part.program == "reg" and part.verb == "add":
        name = part.value("/v")
        if name is not None and re.search(r"(?i)password$", name.text) and part.value("/d"):
            yield words.index(part.value("/d") or words[0])


def _secret(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        for at in dict.fromkeys(_secret_words(part)):
            word = part.words[at]
            yield Hit(
                word.start,
                word.end,
                "a secret on the command line: it stays in the boot-diagnostics log of the VM",
            )


def _written(part: Part) -> tuple[Word, Word, Word | None] | None:
    """Key, name and data of the value that a command writes."""
    name = part.value("/v", "-name")
    if part.program == "reg" and part.verb == "add" and len(part.words) > 2:
        return (part.words[2], name, part.value("/d")) if name else None
    if part.program in ("set-itemproperty", "new-itemproperty"):
        key = part.value("-path")
        return (key, name, part.value("-value")) if key and name else None
    return None


def _lowers(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        low = " ".join(word.low for word in part.words)
        why = None
        if (value := _written(part)) is not None:
            key, name, data = value
            if data is not None and re.fullmatch(r"\d+|0x[0-9a-f]+", data.low):
                number = int(data.low, 16 if data.low.startswith("0x") else 10)
                why = known.lowered(key.text, name.text.strip(), number)
        elif re.search(r"advfirewall set \w+profiles? state off", low):
            why = "The firewall stays off until it is switched on again, also over a restart."
        elif part.program == "bcdedit" and re.search(
            r"nointegritychecks (?:on|yes)|testsigning (?:on|yes)", low
        ):
            why = "Drivers without a signature are loaded."
        if why:
            yield Hit(part.start, part.end, f"lowers security: {why}")


def _policy(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        value = _written(part)
        if value is not None and known.overrides_local(value[0].text, value[1].text.strip()):
            yield Hit(
                value[0].start,
                value[0].end,
                f"{value[1].text} is a policy: where there is none, one is planted that hides the"
                " local value",
            )


def _console(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        low = " ".join(word.low for word in part.words)
        why = None
        service = re.match(r"(?:sc|net1?) (?:stop|delete|pause) (\S+)", low) or re.match(
            r"sc config (\S+).* start= ?disabled", low
        )
        if service and service[1] in ("sacsvr", "sacdrv"):
            why = f"without {service[1]} there is no console any more"
        elif re.search(r"services\\sac(?:svr|drv) .*/v start .*/d (?:0x)?4\b", low):
            why = "without the service there is no console any more"
        elif re.search(r"^bcdedit.* /ems(?: \{\S+\})? off", low):
            why = "it switches the console off"
        elif re.search(r"^bcdedit.* /debug(?: \{\S+\})? on", low):
            why = "the kernel debugger takes the console: nothing can be typed at SAC> any more"
        if why:
            yield Hit(part.start, part.end, why)


def _network(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        low = " ".join(word.low for word in part.words)
        service = re.match(r"(?:sc|net1?) stop (\S+)", low) or re.match(
            r"sc config (\S+).* start= ?disabled", low
        )
        if service and service[1] in NETWORK:
            yield Hit(part.start, part.end, f"without {service[1]} the guest has no network")
        elif "admin=disabled" in low or "blockinboundalways" in low.replace(" ", ""):
            yield Hit(part.start, part.end, "it cuts the guest off from the network")


def _not_restorable(line: CommandLine) -> Iterator[Hit]:
    text = shell.bare(plain(line.text)).lower()
    if re.search(r"\bicacls\s(?=.*\s/t\b)(?!.*\s/(?:save|grant|restore|deny)\b).*>", text):
        yield Hit(
            line.first.start,
            line.first.end,
            "this list of permissions cannot be restored; /save FILE can",
        )


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
    Rule(
        "SF050", "control-set", _E, "A numbered control set of the running Windows",
        "Which number runs is written in HKLM\\SYSTEM\\Select; CurrentControlSet is always it.",
        r"reg delete HKLM\SYSTEM\ControlSet001\Services\Acme /v Start /f",
        r"reg delete HKLM\SYSTEM\CurrentControlSet\Services\Acme /v Start /f", True,
        check=lambda line: (hit for hit in _control_set(line) if hit.fix is not None),
    ),
    Rule(
        "SF051", "offline-set", _N, "A control set of a loaded hive, by its number",
        "A hive has the sets that its Select names: write those. reg add to one that does not exist"
        " invents a partial control set. `serialfix playbook show --offline` gets it right.",
        r"reg add HKLM\BROKENSYSTEM\ControlSet002\Services\Acme /v Start /t REG_DWORD /d 2 /f",
        check=lambda line: (hit for hit in _control_set(line) if hit.fix is None),
    ),
    Rule(
        "SF052", "misprint", _E, "A known misprint",
        "Keys, paths and names that articles print wrongly: reg add makes a new key of a misprint,"
        " with success.",
        r'reg query "HKLM\SOFTWARE\Microsoft\WindowsNT\CurrentVersion\ProfileList"',
        r'reg query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"', True,
        check=misprints,
    ),
    Rule(
        "SF053", "query-with-data", _E, "reg query with data",
        "reg query is refused with /t and /d together: Invalid syntax. It was meant to write.",
        rf"reg query {_KEY} /v Level /t REG_DWORD /d 0",
        rf"reg add {_KEY} /v Level /t REG_DWORD /d 0 /f", True, check=_query_with_data,
    ),
    Rule(
        "SF054", "policy-planted", _W, "A policy that is written where there may be none",
        "A value below Policies hides the local one and comes back at every refresh when a domain"
        " sets it. Change it only where it exists (only_if_present).",
        r'reg add "HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"'
        " /v fDenyTSConnections /t REG_DWORD /d 0 /f",
        check=_policy,
    ),
    Rule(
        "SF060", "sc-blank", _E, "sc config without the blank behind =",
        "`start=auto` is not understood; the option's name ends with =, its value is another word.",
        "sc config Acme start=auto", "sc config Acme start= auto", True, check=_start_blank,
    ),
    Rule(
        "SF061", "bcd-extra", _E, "bcdedit /deletevalue with a value",
        "It takes the name of an element only; with more it prints its usage.",
        "bcdedit /deletevalue {default} safeboot dsrepair",
        "bcdedit /deletevalue {default} safeboot",
        True, check=_extra_word,
    ),
    Rule(
        "SF062", "rule-id", _E, "A rule's id given as its displayed name",
        "-DisplayName compares what is shown, which is translated; -Name compares the id.",
        'Enable-NetFirewallRule -DisplayName "RemoteDesktop-UserMode-In-TCP"',
        'Enable-NetFirewallRule -Name "RemoteDesktop-UserMode-In-TCP"',
        True, "powershell", _rule_id,
    ),
    Rule(
        "SF063", "translated-name", _N, "A name that is translated",
        "Groups, accounts and firewall rules have other names in other languages. Use SIDs"
        " (*S-1-5-32-544), ids of rules, or a parameter.",
        'net localgroup "Remote Desktop Users"', check=_translated,
    ),
    Rule(
        "SF064", "gone", _N, "A program that newer guests lack",
        "wmic is absent on Server 2025, NAP since 2016, telnet is not installed by default.",
        "wmic product get name", check=_gone,
    ),
    Rule(
        "SF065", "no-backup", _W, "A list that is no backup",
        "icacls /t /c > FILE prints; only /save writes what /restore reads.",
        r"icacls C:\data /t /c > C:\temp\before.txt", check=_not_restorable,
    ),
    Rule(
        "SF070", "secret", _E, "A secret on the command line",
        "All text on the console also lands in the boot-diagnostics log, where everybody who may"
        " read the VM reads it.",
        "net user azureadmin Passw0rd!", check=_secret,
    ),
    Rule(
        "SF071", "lowers-security", _W, "Security is lowered",
        "Say so in the playbook's `security`, and how to go back.",
        'reg add "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server\\WinStations\\RDP-Tcp"'
        " /v UserAuthentication /t REG_DWORD /d 0 /f",
        check=_lowers,
    ),
    Rule(
        "SF072", "ends-console", _E, "It ends the console",
        "What is typed next goes nowhere, and there is no other way in.", "net stop sacsvr /y",
        check=_console,
    ),
    Rule(
        "SF073", "ends-network", _W, "It ends the guest's network",
        "Nothing in Azure reaches the guest any more, its agent too.", "net stop BFE /y",
        check=_network,
    ),
)  # fmt: skip
