"""One command line of an article as the wanted end that it stands for.

What has no kind of step is given back as not understood, with the reason: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from serialfix.playbook import known
from serialfix.playbook.commandline import PROGRAMS, CommandLine, Part, plain
from serialfix.windows import shell


@dataclass(frozen=True, slots=True)
class Wanted:
    """A step in the making: its kind, the keys of that kind, and a name for it."""

    kind: str
    body: dict[str, Any]
    id: str

    @property
    def end(self) -> tuple[str, ...]:
        """What it is about; two steps with one end are one step."""
        names = {
            "registry": ("key", "value"),
            "service": ("name",),
            "firewall_rule": ("rule",),
            "firewall_profile": ("profiles",),
            "bcd": ("entry", "element"),
            "network": ("interface",),
            "account": ("name", "member_of"),
            "look": ("command",),
        }[self.kind]
        facet = "enabled" if self.kind == "network" and "enabled" in self.body else ""
        return (self.kind + facet, *(str(self.body.get(name, "")).lower() for name in names))


@dataclass(frozen=True, slots=True)
class Restart:
    """The guest restarts here."""


@dataclass(frozen=True, slots=True)
class NoStep:
    """Nothing to do: serialfix does it anyway, or it only opens and leaves shells."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not understood."""

    why: str


@dataclass(slots=True)
class Words:
    """The arguments of a cmdlet: named, and by place."""

    named: dict[str, str] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)

    def get(self, name: str, place: int | None = None) -> str | None:
        """An argument by the start of its name, or by its place."""
        found = next((v for k, v in self.named.items() if name.startswith(k) and len(k) > 1), None)
        if found is None and place is not None and place < len(self.placed):
            return self.placed[place]
        return found


Result = Wanted | Restart | NoStep | Unknown
_NO_KIND = Unknown("no kind of step says this")
_NOT_A_KEY = Unknown("the key is not spelled in full")

# The ids of rules that articles name in English (catalogue.md §4.4).
RULE_IDS: Mapping[str, str] = {
    "remote desktop - user mode (tcp-in)": "RemoteDesktop-UserMode-In-TCP",
    "remote desktop - user mode (udp-in)": "RemoteDesktop-UserMode-In-UDP",
    "remote desktop - shadow (tcp-in)": "RemoteDesktop-Shadow-In-TCP",
    "windows remote management (http-in)": "WINRM-HTTP-In-TCP",
    "file and printer sharing (smb-in)": "FPS-SMB-In-TCP",
    "file and printer sharing (echo request - icmpv4-in)": "FPS-ICMP4-ERQ-In",
}
_RULE_NAMES = {
    "RemoteDesktop-UserMode-In-TCP": "Remote Desktop - User Mode (TCP-In)",
    "RemoteDesktop-UserMode-In-UDP": "Remote Desktop - User Mode (UDP-In)",
    "RemoteDesktop-Shadow-In-TCP": "Remote Desktop - Shadow (TCP-In)",
}
_GROUPS = {"remote desktop": tuple(_RULE_NAMES), "@firewallapi.dll,-28752": tuple(_RULE_NAMES)}
_ACCOUNTS = {
    "localsystem": "LocalSystem",
    r"nt authority\system": "LocalSystem",
    r"nt authority\localservice": r"NT AUTHORITY\LocalService",
    r"nt authority\networkservice": r"NT AUTHORITY\NetworkService",
}
_TYPES = {
    "dword": "REG_DWORD",
    "qword": "REG_QWORD",
    "string": "REG_SZ",
    "expandstring": "REG_EXPAND_SZ",
    "multistring": "REG_MULTI_SZ",
    "binary": "REG_BINARY",
}
_START_TYPES = {"automatic": "auto", "manual": "demand", "disabled": "disabled"}
_INBOUND = {
    "blockinbound": "block",
    "blockinboundalways": "block_always",
    "allowinbound": "allow",
}
_FILTERS = ("find", "findstr", "sort")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_PLACEHOLDER = re.compile(r"<[^<>]+>|\$\{\w+\}")


def kebab(name: str) -> str:
    """A name as an id: `fDenyTSConnections` is deny-ts-connections.

    >>> kebab("SSLCertificateSHA1Hash"), kebab("fInheritMaxIdleTime")
    ('ssl-certificate-sha1-hash', 'inherit-max-idle-time')
    """
    name = re.sub(r"^f(?=[A-Z])", "", name)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "step"


def translate(line: CommandLine) -> list[Result]:
    """What a command line stands for; several steps when it names several things."""
    if line.comment:
        return [NoStep("a comment")]
    if not line.parts:
        return [Unknown("there is no command")]
    text = plain(line.text)
    part = line.first
    bare = _PLACEHOLDER.sub("_", shell.bare(text))
    if re.search(r">\s*(?!nul\b|&)\S", bare) and line.shell == "cmd":
        return [Unknown("it writes a file")]
    if len(line.parts) == 1 and (how := _PROGRAMS.get(part.program)) is not None:
        return list(how(part)) or [_NO_KIND]
    if _READS.match(text) and all(each.program in _FILTERS for each in line.parts[1:]):
        return [_look(text)]
    return [_NO_KIND if part.program in PROGRAMS else Unknown("what it does is not known")]


def _look(command: str, name: str = "") -> Result:
    command = command.strip()
    if (why := shell.question(command)) is not None:
        return Unknown(why)
    return Wanted("look", {"command": command}, name or f"look-{kebab(command.split()[0])}")


def _registry(key: str, value: str, kind: str, data: str | None) -> Result:
    """A value that is to be there."""
    key = known.spelled(key)
    if not re.match(r"(?:HKLM|HKU|HKCR|HKCC)\\", key):
        whose = Unknown("HKCU is whoever logs in on the console")
        return whose if key.startswith("HKCU") else _NOT_A_KEY
    body: dict[str, Any] = {"key": key, "value": value.strip(), "type": kind.upper()}
    try:
        body["data"] = _typed(kind.upper(), data or "")
    except ValueError:
        return Unknown(f"{data} is no data of {kind}")
    if twin := known.policy_twin(key, value):
        body["policy_twin"] = twin
    if known.overrides_local(key, value):
        body["only_if_present"] = True
    return Wanted("registry", body, kebab(value))


def _typed(kind: str, data: str) -> Any:
    match kind:
        case "REG_DWORD" | "REG_QWORD":
            if _PLACEHOLDER.fullmatch(data):
                return data
            return int(data or "0", 16 if data[:2].lower() == "0x" else 10)
        case "REG_MULTI_SZ":
            return [item for item in data.split("\\0") if item]
        case "REG_EXPAND_SZ":
            return re.sub(r"\^%|%%", "%", data)
        case "REG_BINARY" | "REG_NONE":
            if _PLACEHOLDER.search(data):
                return data
            return bytes.fromhex(data).hex()
        case "REG_SZ":
            return data
        case _:
            raise ValueError(kind)


def _absent(key: str, value: str) -> Result:
    body = {"key": known.spelled(key), "value": value.strip(), "state": "absent"}
    return Wanted("registry", body, f"no-{kebab(value)}")


def _reg(part: Part) -> Iterator[Result]:
    key = part.words[2].text.rstrip("\\") if len(part.words) > 2 else ""
    name = part.value("/v")
    match part.verb:
        case "add" if name is not None:
            kind, data = part.value("/t"), part.value("/d")
            yield _registry(
                key, name.text, kind.text if kind else "REG_SZ", data.text if data else None
            )
        case "add":
            yield Unknown("it makes a key, or a value without a name")
        case "delete" if name is not None:
            yield _absent(key, name.text)
        case "delete":
            yield Unknown("it deletes a key with all that is in it")
        case "query" if not re.match(r"(?i)HK\w+(?:\\|$)", key):
            yield _NOT_A_KEY
        case "query":
            about = name.text if name else key.rpartition("\\")[2]
            yield _look(_typed_line(part), f"look-{kebab(about)}")
        case "export" | "save":
            yield NoStep("the former values are kept by every run")


def _typed_line(part: Part) -> str:
    return " ".join(
        f'"{word.text}"' if word.quote or " " in word.text else word.text for word in part.words
    )


def _service(name: str, **body: Any) -> Result:
    if not _SLUG.fullmatch(name) and not _PLACEHOLDER.fullmatch(name):
        return Unknown(f"{name!r} is the displayed name of a service, which is translated")
    return Wanted("service", {"name": name, **body}, kebab(name))


def _sc(part: Part) -> Iterator[Result]:
    name = part.words[2].text if len(part.words) > 2 else ""
    match part.verb:
        case "config":
            yield from _sc_config(part, name)
        case "start":
            yield _service(name, state="running")
        case "stop":
            yield _service(name, state="stopped")
        case "query" | "queryex" | "qc" | "enumdepend":
            yield _look(_typed_line(part), f"look-{kebab(name or 'services')}")


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
        yield _service(name, **body)


def _net(part: Part) -> Iterator[Result]:
    words = [word.text for word in part.words[2:]]
    names = [word for word in words if not word.startswith("/")]
    flags = [word.lower() for word in words if word.startswith("/")]
    match part.verb:
        case "start" if names:
            yield _service(names[0], state="running")
        case "stop" if names:
            yield _service(names[0], state="stopped")
        case "user" if len(names) == 1 and flags:
            found = re.fullmatch(r"/active:(yes|no)", flags[0])
            if found and len(flags) == 1:
                body = {"name": names[0], "enabled": found[1] == "yes"}
                yield Wanted("account", body, "account-enabled")
        case "localgroup" if len(names) == 2 and flags in (["/add"], ["/delete"]):
            body = {"name": names[1], "member_of": names[0], "member": flags == ["/add"]}
            yield Wanted("account", body, "group-member")
        case "user" | "localgroup" | "start" | "accounts" | "share" if not flags and len(names) < 2:
            yield _look(_typed_line(part), f"look-{kebab(part.verb)}")


def _netsh(part: Part) -> Iterator[Result]:
    low = [word.low for word in part.words[1:]]
    text = " ".join(low)
    named = dict(
        word.text.split("=", 1) for word in part.words if re.match(r"[A-Za-z]+=", word.text)
    )
    named = {name.lower(): value for name, value in named.items()}
    if "show" in low:
        yield _look(_line_of(part), "look-netsh")
    elif found := re.fullmatch(
        r"advfirewall set (all|domain|private|public)profiles? (state|firewallpolicy) (\S+)", text
    ):
        yield _profile(found[1], found[2], found[3])
    elif text.startswith("advfirewall firewall set rule") and "new" in low:
        enabled = named.get("enable", "").lower()
        if enabled in ("yes", "no"):
            yield from _rules(named.get("name"), named.get("group"), enabled == "yes")
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
        return _NO_KIND
    return Wanted("firewall_profile", body, "firewall-profiles")


def _rules(name: str | None, group: str | None, enabled: bool) -> Iterator[Result]:
    """Rules by their English name or group, or by their id."""
    if group is not None:
        ids = _GROUPS.get(group.lower(), ())
        if not ids:
            yield Unknown(f"the rules of the group {group} are not known")
        for rule in ids:
            yield _rule(rule, _RULE_NAMES[rule], enabled)
    elif name is not None and name.lower() in RULE_IDS:
        yield _rule(RULE_IDS[name.lower()], name, enabled)
    elif name is not None and re.fullmatch(r"[\w]+-[\w-]+", name):
        yield _rule(name, _RULE_NAMES.get(name), enabled)
    elif name is not None:
        yield Unknown(f"the id of the rule {name} is not known")


def _rule(rule: str, name: str | None, enabled: bool) -> Result:
    body: dict[str, Any] = {"rule": rule, **({"name": name} if name else {}), "enabled": enabled}
    return Wanted("firewall_rule", body, kebab(rule.replace("RemoteDesktop", "Remote-Desktop")))


def _bcdedit(part: Part) -> Iterator[Result]:
    words = [word.text for word in part.words[1:]]
    low = [word.lower() for word in words]
    entry = next((word for word in low if word.startswith("{")), "{current}")
    rest = [word for word in words[1:] if not word.startswith("{")]
    if not words or low[0] in ("/enum", "/v"):
        yield _look(_typed_line(part), "look-bcd")
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


def _cmdlet_words(part: Part) -> Words:
    found, name = Words(), ""
    for word in part.words[1:]:
        if not word.quote and re.match(r"-[A-Za-z]", word.text):
            name = word.low.lstrip("-").rstrip(":")
            found.named[name] = ""
        elif name:
            found.named[name], name = word.text.rstrip(","), ""
        else:
            found.placed.append(word.text)
    return found


def _item_property(part: Part) -> Iterator[Result]:
    words = _cmdlet_words(part)
    key, name = words.get("path", 0), words.get("name", 1)
    if not key or not name or "," in name or not re.match(r"(?i)\s*(HK\w+:|registry::)", key):
        return
    verb = part.program.partition("-")[0]
    if verb == "remove":
        yield _absent(key, name)
        return
    if verb == "get":
        yield _look(f'reg query "{known.spelled(key)}" /v {name}', f"look-{kebab(name)}")
        return
    data = words.get("value", 2)
    kind = words.get("type") or words.get("propertytype")
    if data is None or not re.fullmatch(r"[^$({]*", data):
        yield Unknown("its value is not a plain one")
    elif kind is not None:
        yield _registry(key, name, _TYPES.get(kind.lower(), kind), data)
    else:
        number = re.fullmatch(r"\d+|0[xX][0-9a-fA-F]+", data)
        yield _registry(key, name, "REG_DWORD" if number else "REG_SZ", data)


def _service_cmdlet(part: Part) -> Iterator[Result]:
    words = _cmdlet_words(part)
    name = words.get("name", 0)
    if not name or "," in name:
        return
    match part.program:
        case "start-service":
            yield _service(name, state="running")
        case "stop-service":
            yield _service(name, state="stopped")
        case "restart-service":
            yield _service(name, state="running", restart=True)
        case "get-service":
            yield _look(f"sc query {name}", f"look-{kebab(name)}")
        case _:
            body: dict[str, Any] = {}
            start = (words.get("startuptype") or "").lower()
            status = (words.get("status") or "").lower()
            if start in _START_TYPES:
                body["start"] = _START_TYPES[start]
            if status in ("running", "stopped"):
                body["state"] = status
            if body:
                yield _service(name, **body)


def _rule_cmdlet(part: Part) -> Iterator[Result]:
    words = _cmdlet_words(part)
    wanted = {"enable": "true", "disable": "false"}.get(
        part.program.partition("-")[0], (words.get("enabled") or "").lower()
    )
    others = {"name", "displayname", "displaygroup", "group", "enabled", "confirm"}
    if wanted not in ("true", "false") or set(words.named) - others:
        return
    group = words.named.get("displaygroup") or words.named.get("group")
    name = words.named.get("name") or words.named.get("displayname")
    yield from _rules(name or next(iter(words.placed), None), group, wanted == "true")


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
    "restart-computer": _restart,
    **dict.fromkeys(
        ("set-itemproperty", "new-itemproperty", "remove-itemproperty", "get-itemproperty"),
        _item_property,
    ),
    **dict.fromkeys(
        ("start-service", "stop-service", "restart-service", "set-service", "get-service"),
        _service_cmdlet,
    ),
    **dict.fromkeys(
        ("enable-netfirewallrule", "disable-netfirewallrule", "set-netfirewallrule"), _rule_cmdlet
    ),
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
