"""One command line of an article as the wanted end that it stands for.

What has no kind of step is given back as not understood, with the reason: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from serialfix.playbook.cmdlets import CMDLETS
from serialfix.playbook.commandline import PROGRAMS, CommandLine, Part, plain
from serialfix.playbook.wanted import (
    NO_KIND,
    NOT_A_KEY,
    PLACEHOLDER,
    NoStep,
    Restart,
    Result,
    Unknown,
    Wanted,
    absent,
    kebab,
    look,
    registry,
    rules,
    service,
)
from serialfix.windows import shell


_ACCOUNTS = {
    "localsystem": "LocalSystem",
    r"nt authority\system": "LocalSystem",
    r"nt authority\localservice": r"NT AUTHORITY\LocalService",
    r"nt authority\networkservice": r"NT AUTHORITY\NetworkService",
}
_INBOUND = {
    "blockinbound": "block",
    "blockinboundalways": "block_always",
    "allowinbound": "allow",
}
_FILTERS = ("find", "findstr", "sort")


def translate(line: CommandLine) -> list[Result]:
    """What a command line stands for; several steps when it names several things."""
    if line.comment:
        return [NoStep("a comment")]
    if not line.parts:
        return [Unknown("there is no command")]
    text = plain(line.text)
    part = line.first
    bare = PLACEHOLDER.sub("_", shell.bare(text))
    if re.search(r">\s*(?!nul\b|&)\S", bare) and line.shell == "cmd":
        return [Unknown("it writes a file")]
    if len(line.parts) == 1 and (how := _PROGRAMS.get(part.program)) is not None:
        return list(how(part)) or [NO_KIND]
    if _READS.match(text) and all(each.program in _FILTERS for each in line.parts[1:]):
        return [look(text)]
    return [NO_KIND if part.program in PROGRAMS else Unknown("what it does is not known")]


def _reg(part: Part) -> Iterator[Result]:
    key = part.words[2].text.rstrip("\\") if len(part.words) > 2 else ""
    name = part.value("/v")
    match part.verb:
        case "add" | "delete" if part.has("/reg:32"):
            yield Unknown("/reg:32 means the key that programs of 32 bits see")
        case "add" if name is not None:
            kind, data = part.value("/t"), part.value("/d")
            yield registry(
                key, name.text, kind.text if kind else "REG_SZ", data.text if data else None
            )
        case "add":
            yield Unknown("it makes a key, or a value without a name")
        case "delete" if name is not None:
            yield absent(key, name.text)
        case "delete":
            yield Unknown("it deletes a key with all that is in it")
        case "query" if not re.match(r"(?i)HK\w+(?:\\|$)", key):
            yield NOT_A_KEY
        case "query":
            about = name.text if name else key.rpartition("\\")[2]
            yield look(_typed_line(part), f"look-{kebab(about)}")
        case "export" | "save":
            yield NoStep("the former values are kept by every run")


def _typed_line(part: Part) -> str:
    return " ".join(
        f'"{word.text}"' if word.quote or " " in word.text else word.text for word in part.words
    )


def _sc(part: Part) -> Iterator[Result]:
    name = part.words[2].text if len(part.words) > 2 else ""
    match part.verb:
        case "config":
            yield from _sc_config(part, name)
        case "start":
            yield service(name, state="running")
        case "stop":
            yield service(name, state="stopped")
        case "query" | "queryex" | "qc" | "enumdepend":
            yield look(_typed_line(part), f"look-{kebab(name or 'services')}")


def _sc_config(part: Part, name: str) -> Iterator[Result]:
    body: dict[str, Any] = {}
    for option, word in ((o, part.value(f"{o}=")) for o in ("start", "obj", "type")):
        if word is None:
            continue
        if option == "obj":
            if word.low not in _ACCOUNTS:
                yield Unknown(f"the account {word.text} needs a password")
                return
            body["account"] = _ACCOUNTS[word.low]
        elif option == "start" and word.low in ("auto", "demand", "disabled", "delayed-auto"):
            body["start"] = word.low
        elif option == "type" and word.low in ("own", "share"):
            body["type"] = word.low
    if body:
        yield service(name, **body)


def _net(part: Part) -> Iterator[Result]:
    words = [word.text for word in part.words[2:]]
    names = [word for word in words if not word.startswith("/")]
    flags = [word.lower() for word in words if word.startswith("/")]
    match part.verb:
        case "start" if names:
            yield service(names[0], state="running")
        case "stop" if names:
            yield service(names[0], state="stopped")
        case "user" if len(names) == 1 and flags:
            found = re.fullmatch(r"/active:(yes|no)", flags[0])
            if found and len(flags) == 1:
                body = {"name": names[0], "enabled": found[1] == "yes"}
                yield Wanted("account", body, "account-enabled")
        case "localgroup" if len(names) == 2 and flags in (["/add"], ["/delete"]):
            body = {"name": names[1], "member_of": names[0], "member": flags == ["/add"]}
            yield Wanted("account", body, "group-member")
        case "user" | "localgroup" | "start" | "accounts" | "share" if not flags and len(names) < 2:
            yield look(_typed_line(part), f"look-{kebab(part.verb)}")


def _netsh(part: Part) -> Iterator[Result]:
    low = [word.low for word in part.words[1:]]
    text = " ".join(low)
    named = dict(
        word.text.split("=", 1) for word in part.words if re.match(r"[A-Za-z]+=", word.text)
    )
    named = {name.lower(): value for name, value in named.items()}
    if "show" in low:
        yield look(_line_of(part), "look-netsh")
    elif found := re.fullmatch(
        r"advfirewall set (all|domain|private|public)profiles? (state|firewallpolicy) (\S+)", text
    ):
        yield _profile(found[1], found[2], found[3])
    elif text.startswith("advfirewall firewall set rule") and "new" in low:
        enabled = named.get("enable", "").lower()
        if enabled in ("yes", "no"):
            yield from rules(named.get("name"), named.get("group"), enabled == "yes")
    elif re.match(r"(?:interface|int) set interface", text):
        name = named.get("name") or (part.words[4].text if len(part.words) > 4 else "")
        state = named.get("admin", low[-1])
        if state in ("enabled", "enable", "disabled", "disable") and name:
            body = {"interface": name, "enabled": state.startswith("enable")}
            yield Wanted("network", body, "interface-enabled")
    elif re.match(r"(?:interface|int) (?:ip|ipv4) set (?:address|dns\w*)", text):
        name = named.get("name") or (part.words[5].text if len(part.words) > 5 else "")
        if name and (named.get("source", "").lower() == "dhcp" or low[-1] == "dhcp"):
            yield Wanted("network", {"interface": name, "dhcp": True}, "dhcp")


def _line_of(part: Part) -> str:
    """The words again, with the quotes that names need behind their `=`."""
    return " ".join(
        re.sub(r"^([A-Za-z]+=)(.*\s.*)$", r'\1"\2"', word.text)
        if not word.quote
        else f'"{word.text}"'
        for word in part.words
    )


def _profile(which: str, what: str, value: str) -> Result:
    body: dict[str, Any] = {}
    if which != "all":
        body["profiles"] = [which]
    if what == "state" and value in ("on", "off"):
        body["enabled"] = value == "on"
    elif what == "firewallpolicy" and value.partition(",")[0] in _INBOUND:
        if value.partition(",")[2] not in ("", "allowoutbound"):
            return Unknown("outbound connections are blocked by no kind of step")
        body["inbound"] = _INBOUND[value.partition(",")[0]]
    else:
        return NO_KIND
    return Wanted("firewall_profile", body, "firewall-profiles")


def _bcdedit(part: Part) -> Iterator[Result]:
    words = [word.text for word in part.words[1:]]
    low = [word.lower() for word in words]
    entry = next((word for word in low if word.startswith("{")), "{current}")
    rest = [word for word in words[1:] if not word.startswith("{")]
    if not words or low[0] in ("/enum", "/v"):
        yield look(_typed_line(part), "look-bcd")
    elif not re.fullmatch(r"\{[a-z]+\}", entry):
        yield Unknown(f"the boot entry {entry} must be named, such as {{current}}")
    elif low[0] == "/set" and len(rest) == 2:
        body = {"entry": entry, "element": rest[0].lower(), "value": rest[1]}
        yield Wanted("bcd", body, kebab(rest[0]))
    elif low[0] == "/deletevalue" and len(rest) == 1:
        body = {"entry": entry, "element": rest[0].lower(), "state": "absent"}
        yield Wanted("bcd", body, f"no-{kebab(rest[0])}")
    elif low[0] in ("/ems", "/debug") and rest and rest[0].lower() in ("on", "off"):
        value = "yes" if rest[0].lower() == "on" else "no"
        yield Wanted("bcd", {"entry": entry, "element": low[0][1:], "value": value}, low[0][1:])


def _shutdown(part: Part) -> Iterator[Result]:
    if part.has("/r", "-r", "/g"):
        yield Restart()


def _restart(part: Part) -> Iterator[Result]:
    yield Restart()


def _shells(part: Part) -> Iterator[Result]:
    if part.program == "exit-pssession" or len(part.words) == 1 or part.program in ("ch", "echo"):
        yield NoStep("it opens or leaves a shell")


_PROGRAMS: Mapping[str, Callable[[Part], Iterator[Result]]] = {
    "reg": _reg,
    "sc": _sc,
    "net": _net,
    "net1": _net,
    "netsh": _netsh,
    "bcdedit": _bcdedit,
    "shutdown": _shutdown,
    "restart": _restart,
    **CMDLETS,
    **dict.fromkeys(
        ("cmd", "ch", "exit", "powershell", "pwsh", "cls", "echo", "exit-pssession"), _shells
    ),
}
_READS = re.compile(
    r"""(?ix)\s*(?: reg(?:\.exe)?\s+query | sc(?:\.exe)?\s+(?:query|queryex|qc|enumdepend)
    | netstat | qwinsta | quser | query\s+(?:session|user) | tasklist
    | bcdedit(?:\s+/enum\b[^|]*)?\s*(?:\||$) | ipconfig(?:\s+/all)?\s*(?:\||$) | systeminfo
    | netsh\s+(?!.*\b(?:set|add|delete|reset)\b).*\bshow\b | dsregcmd\s+/status
    | wevtutil\s+(?:qe|gl|el|query-events|get-log)\b | ver\s*$ | set\s*\| | whoami | hostname\s*$
    | nslookup\s+\S | ping\s | route\s+print | gpresult | driverquery | getmac | nbtstat
    | cscript\s.*slmgr\.vbs\s+/dl[iv] | wmic\s.*\bget\b | dism\s.*/get-\w+ | net\s+user\s[^/]*\|
    | icacls\s+\S+\s*$ | dir\s | w32tm\s+/query | nltest\s+/(?:dsgetdc|sc_query)
    )"""
)
