"""Lint rules about what a command line does: keys, services, names, secrets, security
(catalogue.md §3.2, §3.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from serialfix.playbook import known
from serialfix.playbook.commandline import CommandLine, Part, Word, plain
from serialfix.playbook.rules import Hit, Rule, Severity
from serialfix.windows import shell


NETWORK = ("nsi", "tcpip", "bfe", "mpssvc", "netvsc", "afd", "netbt")
"""Services without which there is no network."""


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
    if found := _GONE.match(plain(line.text)):
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
