"""powershell.exe: seconds to start, and the few cmdlets that playbooks need (catalogue §3.2).

`sc` is Set-Content in there. Programs of the guest can be called too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from serialfix.lab import cmdline, firewall
from serialfix.lab.firewall import Rule
from serialfix.lab.shell import Call
from serialfix.lab.texts import LANGUAGES


_TOKEN = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"|([^\s'\"]+)")


@dataclass(frozen=True, slots=True)
class _Line:
    """One command: `-Name value` by lower-case name, and the words without a name."""

    call: Call
    text: str
    name: str
    named: Mapping[str, str]
    plain: tuple[str, ...]

    def fail(self, message: str, kind: str = "ObjectNotFound", error: str = "") -> int:
        """Red text, as PowerShell 5.1 lays it out."""
        complain = self.call.complain
        complain(f"{self.name} : {message}")
        complain("At line:1 char:1")
        complain(f"+ {self.text}")
        complain("+ " + "~" * len(self.text))
        complain(f"    + CategoryInfo          : {kind}: ({self.name}:String) [], Exception")
        complain(f"    + FullyQualifiedErrorId : {error or kind}")
        complain(" ")
        return 1


def _parse(call: Call, text: str) -> _Line:
    tokens = [
        (match[3] is not None, next(part for part in match.groups() if part is not None))
        for match in _TOKEN.finditer(text)
    ]
    name, *rest = tokens or [(True, "")]
    named: dict[str, str] = {}
    plain: list[str] = []
    waiting = ""
    for bare, word in rest:
        if bare and re.match(r"-[A-Za-z]", word):
            waiting, _, value = word[1:].lower().partition(":")
            named[waiting] = value
            waiting = "" if value else waiting
        elif waiting:
            named[waiting], waiting = word, ""
        else:
            plain.append(word)
    return _Line(call, text, name[1], MappingProxyType(named), tuple(plain))


# The firewall: cmdlets know rules by their id (`-Name`), whatever the language.


def _rules(line: _Line) -> list[Rule] | None:
    """The rules meant, None when the command names none or there are none."""
    place = LANGUAGES.index(line.call.machine.texts.language)
    named = line.named
    found = []
    for rule in firewall.rules(line.call.machine.registry):
        if "displayname" in named:
            meant = rule.shown("Name", place).lower() == named["displayname"].lower()
        elif "displaygroup" in named:
            meant = rule.shown("EmbedCtxt", place).lower() == named["displaygroup"].lower()
        elif "group" in named:
            meant = rule.field("EmbedCtxt").lower() == named["group"].lower()
        else:
            wanted = named.get("name", line.plain[0] if line.plain else "").lower()
            meant = rule.id.lower() in [part.strip() for part in wanted.split(",")]
        if meant:
            found.append(rule)
    if not found:
        wanted = next((text for name, text in named.items() if name != "enabled"), "")
        line.fail(
            "No MSFT_NetFirewallRule objects found with property 'InstanceID' equal to "
            f"'{wanted}'.  Verify the value of the property and retry.",
            error=f"CmdletizationQuery_NotFound_InstanceID,{line.name}",
        )
        return None
    return found


async def _set_rule(line: _Line) -> int:
    fields: dict[str, str] = {}
    match line.name.lower(), line.named.get("enabled", "").lower():
        case ("enable-netfirewallrule", _) | (_, "true" | "1"):
            fields["Active"] = "TRUE"
        case ("disable-netfirewallrule", _) | (_, "false" | "2"):
            fields["Active"] = "FALSE"
        case (_, ""):
            pass
        case _:
            return line.fail("Cannot process argument transformation on parameter 'Enabled'.")
    if port := line.named.get("localport", ""):
        fields["LPort"] = port
    found = _rules(line)
    if found is None:
        return 1
    for rule in found:
        firewall.change(line.call.machine.registry, rule, **fields)
    return 0


async def _get_rule(line: _Line) -> int:
    found = _rules(line)
    if found is None:
        return 1
    place = LANGUAGES.index(line.call.machine.texts.language)
    for rule in found:
        line.call.say()
        for label, text in (
            ("Name", rule.id),
            ("DisplayName", rule.shown("Name", place)),
            ("DisplayGroup", rule.shown("EmbedCtxt", place)),
            ("Enabled", "True" if rule.active else "False"),
            ("Profile", "Any"),
            ("Direction", "Inbound" if rule.field("Dir") == "In" else "Outbound"),
            ("Action", rule.field("Action")),
        ):
            line.call.say(f"{label:<21} : {text}")
    line.call.say()
    return 0


# Others.


async def _get_local_user(line: _Line) -> int:
    accounts = line.call.machine.disk.accounts
    wanted = line.named.get("name", line.plain[0] if line.plain else "")
    sid = line.named.get("sid", "")
    found = [
        account
        for account in accounts.users
        if wanted.lower() in ("", account.name.lower()) and sid.endswith(("", f"-{account.rid}"))
    ]
    if not found:
        return line.fail(f"User {wanted} was not found.", error="UserNotFound")
    line.call.say("\r\nName               Enabled Description")
    line.call.say("----               ------- -----------")
    for account in found:
        line.call.say(f"{account.name:<18} {account.active!s:<7}")
    line.call.say("\r\n")
    return 0


async def _get_cim(line: _Line) -> int:
    wanted = line.named.get("classname", line.plain[0] if line.plain else "")
    if wanted.lower() != "softwarelicensingproduct":
        return line.fail("Invalid class", error="HRESULT 0x80041010,GetCimInstanceCommand")
    product = {
        "ApplicationID": "55c92734-d682-4d71-983e-d6ec3f16059f",
        "Description": "Windows(R) Operating System, VOLUME_KMSCLIENT channel",
        "LicenseStatus": "1" if line.call.machine.disk.activated else "5",
        "PartialProductKey": "MDVJX",
    }
    try:
        shown = _matches(product, line.named.get("filter", ""))
    except LookupError:
        return line.fail("Invalid query", error="HRESULT 0x80041017,GetCimInstanceCommand")
    if shown:
        line.call.say()
        for name, value in product.items():
            line.call.say(f"{name:<28}: {value}")
        line.call.say()
    return 0


_CONDITION = re.compile(r"(\w+)\s*(?:=\s*'*([\w-]+)'*|(is not null))", re.IGNORECASE)


def _matches(product: Mapping[str, str], query: str) -> bool:
    """Conditions of WQL that are joined by `and`. Raises LookupError for what it does not know."""
    known = {name.lower(): value for name, value in product.items()}
    for condition in filter(None, re.split(r"\s+and\s+", query.strip(), flags=re.IGNORECASE)):
        match = _CONDITION.fullmatch(condition)
        if match is None:
            raise LookupError(condition)
        value = known[match[1].lower()]
        if match[3] is None and value.lower() != match[2].lower():
            return False
    return True


async def _service(line: _Line) -> int:
    """Get-, Start-, Stop-, Restart-Service."""
    wanted = line.named.get("name", line.plain[0] if line.plain else "")
    scm, verb = line.call.machine.scm, line.name.lower().partition("-")[0]
    key = scm.key(wanted)
    if key is None:
        return line.fail(f"Cannot find any service with service name '{wanted}'.")
    if verb == "get":
        state = "Running" if key.name.lower() in scm.running else "Stopped"
        line.call.say("\r\nStatus   Name               DisplayName")
        line.call.say("------   ----               -----------")
        line.call.say(f"{state:<8} {key.name:<18} {key.get('DisplayName')}\r\n")
        return 0
    if verb in ("stop", "restart") and key.name.lower() in scm.running:
        others = scm.dependents(key.name, running=True)
        if others and "force" not in line.named:
            return line.fail(f"Cannot stop service '{wanted}' because it has dependent services.")
        for service in (*others, key):
            if scm.denied(service.name) or scm.stop_refusal(service):
                return line.fail(f"Service '{service.name}' cannot be stopped.")
            await asyncio.sleep(scm.begin_stop(service))
            scm.end(service.name)
    if verb in ("start", "restart") and (code := await scm.start(key)) not in (0, 1056):
        return line.fail(f"Service '{wanted}' cannot be started: {code}.", kind="OpenError")
    return 0


async def _set_content(line: _Line) -> int:
    """`sc query NSI` writes a file named `query`, and says nothing (catalogue §3.2)."""
    path = line.named.get("path", line.plain[0] if line.plain else "")
    text = line.named.get("value", " ".join(line.plain[1:]))
    if not path:
        return line.fail("Cannot process command because of one or more missing parameters: Path.")
    line.call.machine.files[line.call.shell.path(path)] = f"{text}\r\n"
    return 0


async def _write(line: _Line) -> int:
    line.call.say(" ".join(line.plain))
    return 0


CMDLETS: Mapping[str, Callable[[_Line], Awaitable[int]]] = MappingProxyType(
    {
        "set-netfirewallrule": _set_rule,
        "enable-netfirewallrule": _set_rule,
        "disable-netfirewallrule": _set_rule,
        "get-netfirewallrule": _get_rule,
        "get-localuser": _get_local_user,
        "get-ciminstance": _get_cim,
        "get-service": _service,
        "start-service": _service,
        "stop-service": _service,
        "restart-service": _service,
        "set-content": _set_content,
        "sc": _set_content,
        "write-output": _write,
        "echo": _write,
    }
)


async def _run(call: Call, text: str) -> int:
    """The statements of a line; the code is that of the last one."""
    code = 0
    for statement in re.split(r";(?=(?:[^'\"]|'[^']*'|\"[^\"]*\")*$)", text):
        piped = re.split(r"\|(?=(?:[^'\"]|'[^']*'|\"[^\"]*\")*$)", statement)
        quiet = any(part.strip().lower() == "out-null" for part in piped[1:])
        here = replace(call, streams=replace(call.streams, out=_nothing)) if quiet else call
        command = piped[0].strip()
        if match := re.fullmatch(r"exit\s*(-?\d*)", command, re.IGNORECASE):
            return int(match[1] or code)
        if command:
            code = await _statement(_parse(here, command))
    return code


def _nothing(text: str) -> None:
    """Out-Null."""


async def _statement(line: _Line) -> int:
    run = CMDLETS.get(line.name.lower())
    if run is not None:
        return await run(line)
    program = line.call.shell.external(line.name)
    if program is None:
        return line.fail(
            f"The term '{line.name}' is not recognized as the name of a cmdlet, function, script "
            "file, or operable program. Check the spelling of the name, or if a path was included, "
            "verify that the path is correct and try again.",
            error="CommandNotFoundException",
        )
    rest = line.text[len(line.name) :]
    code = await program(replace(line.call, name=line.name, rest=rest))
    return 1 if code else 0


async def powershell(call: Call) -> int:
    """`-Command TEXT`; without one it is a prompt of its own, until `exit`."""
    await asyncio.sleep(call.machine.delays.powershell)
    match = re.search(r"(?:^|\s)-c(?:ommand)?\s+(.*)$", call.rest, re.IGNORECASE | re.DOTALL)
    if match:
        # What stands there is put together again from the arguments, so quotes around it go.
        words = cmdline.split_arguments(match[1])
        return await _run(call, " ".join(words) if match[1].startswith('"') else match[1])
    switches = {"-noprofile", "-noninteractive", "-nologo", "-nop"}
    if words := [word for word in call.arguments if word.lower() not in switches]:
        return await _run(call, " ".join(words))
    if "-noninteractive" in (word.lower() for word in call.arguments):
        return 0
    call.say("Windows PowerShell\r\nCopyright (C) Microsoft Corporation. All rights reserved.\r\n")
    code = 0
    while (line := await call.ask(f"PS {call.shell.folder}> ")) is not None:
        if line.strip().lower() == "exit":
            break
        code = await _run(call, line)
    return code
