"""netsh.exe: contexts by prefix, the firewall's commands, and the interactive prompt (§4.4, §4.8).

Everything goes to the standard output; it fails with 1.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from serialfix.lab import firewall, netshinterface
from serialfix.lab.firewall import Rule
from serialfix.lab.netshwords import Fields, split_fields, usage
from serialfix.lab.profiles import dword
from serialfix.lab.shell import Call
from serialfix.lab.texts import LANGUAGES
from serialfix.model import RegistryType, RegistryValue


_DASHES = "-" * 70
_PROTOCOLS = {"6": "TCP", "17": "UDP", "1": "ICMPv4"}
_NUMBERS = {name.lower(): number for number, name in _PROTOCOLS.items()}
_SCOPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "allprofiles": ("domain", "private", "public"),
        "currentprofile": ("public",),
        "domainprofile": ("domain",),
        "privateprofile": ("private",),
        "publicprofile": ("public",),
    }
)
# firewallpolicy -> DefaultInboundAction, DoNotAllowExceptions
_INBOUND = {"blockinbound": (1, 0), "blockinboundalways": (1, 1), "allowinbound": (0, 0)}
_OUTBOUND = {"allowoutbound": 0, "blockoutbound": 1}


def _place(call: Call) -> int:
    return LANGUAGES.index(call.machine.texts.language)


def _value_error(call: Call) -> int:
    call.say()
    call.say(call.text("netsh.value"))
    return usage(call)


def _no_rule(call: Call) -> int:
    call.say(f"\r\n{call.text('netsh.no_rule')}\r\n")
    return 1


def _ok(call: Call, text: str = "", count: int = 0) -> int:
    if text:
        call.say(f"\r\n{call.text(text, count)}")
    call.say(f"{call.text('ok')}\r\n")
    return 0


# Profiles.


def _set_profiles(call: Call, words: list[str]) -> int:
    scope, setting, *rest = [*words, "", ""]
    value, registry = rest[0].lower(), call.machine.registry
    if scope.lower() not in _SCOPES:
        return usage(call)
    changes: dict[str, int] = {}
    if setting.lower() == "state" and value in ("on", "off", "notconfigured"):
        changes["EnableFirewall"] = int(value != "off")
    elif setting.lower() == "firewallpolicy":
        inbound, _, outbound = value.partition(",")
        if inbound not in _INBOUND or outbound not in _OUTBOUND:
            return _value_error(call)
        action, always = _INBOUND[inbound]
        changes["DefaultInboundAction"] = action
        changes["DoNotAllowExceptions"] = always
        changes["DefaultOutboundAction"] = _OUTBOUND[outbound]
    else:
        return _value_error(call)
    for profile in _SCOPES[scope.lower()]:
        for name, number in changes.items():
            registry.set(f"{firewall.POLICY}\\{firewall.PROFILES[profile]}", name, dword(number))
    return _ok(call)


def _policy(call: Call, profile: str) -> str:
    registry = call.machine.registry
    if firewall.setting(registry, profile, "DoNotAllowExceptions"):
        inbound = "BlockInboundAlways"
    else:
        block = firewall.setting(registry, profile, "DefaultInboundAction")
        inbound = "BlockInbound" if block else "AllowInbound"
    outbound = firewall.setting(registry, profile, "DefaultOutboundAction")
    return f"{inbound},{'BlockOutbound' if outbound else 'AllowOutbound'}"


def _show_profiles(call: Call, words: list[str]) -> int:
    """`show allprofiles` is longer than a screen (catalogue §3.3)."""
    scope, part = [*words, "", ""][:2]
    if scope.lower() not in _SCOPES or part.lower() not in ("", "state", "firewallpolicy"):
        return usage(call)
    disable, enable = call.text("netsh.disable"), call.text("netsh.enable")
    for profile in _SCOPES[scope.lower()]:
        on = firewall.setting(call.machine.registry, profile, "EnableFirewall")
        state = (call.text("netsh.state"), call.text("netsh.on" if on else "netsh.off"))
        policy = (call.text("netsh.policy"), _policy(call, profile))
        rows = {"state": [state], "firewallpolicy": [policy]}.get(part.lower(), [state, policy])
        if not part:
            rows += [
                ("LocalFirewallRules", "N/A (GPO-store only)"),
                ("LocalConSecRules", "N/A (GPO-store only)"),
                ("InboundUserNotification", disable),
                ("RemoteManagement", disable),
                ("UnicastResponseToMulticast", enable),
                ("", ""),
                (call.text("netsh.logging"), ""),
                ("LogAllowedConnections", disable),
                ("LogDroppedConnections", disable),
                ("FileName", r"%systemroot%\system32\LogFiles\Firewall\pfirewall.log"),
                ("MaxFileSize", "4096"),
            ]
        call.say(f"\r\n{call.text(f'netsh.{profile}')}")
        call.say(_DASHES)
        for label, text in rows:
            call.say(f"{label:<38}{text}".rstrip())
        if not part:
            call.say()
    return _ok(call)


# Rules.


def _found(call: Call, fields: Fields) -> list[Rule]:
    """The rules meant: the name is the one that Windows shows, in its language."""
    place, wanted = _place(call), fields.get("dir", "").lower()
    found = []
    for rule in firewall.rules(call.machine.registry):
        if "group" in fields:
            meant = rule.grouped(fields["group"], place)
        else:
            meant = rule.named(fields.get("name", ""), place)
        if meant and wanted in ("", rule.field("Dir").lower()):
            found.append(rule)
    return found


def _show_rule(call: Call, words: list[str]) -> int:
    fields, rest = split_fields(words)
    if rest or "name" not in fields:
        return usage(call)
    found = _found(call, fields)
    if not found:
        return _no_rule(call)
    text, place = call.text, _place(call)
    for rule in found:
        call.say(f"\r\n{text('netsh.rule'):<38}{rule.shown('Name', place)}")
        call.say(_DASHES)
        protocol = rule.field("Protocol")
        ports = (
            (text("netsh.local_port"), rule.field("LPort") or text("netsh.any")),
            (text("netsh.remote_port"), rule.field("RPort") or text("netsh.any")),
        )
        for label, value in (
            (text("netsh.enabled"), text("yes") if rule.active else text("no")),
            (text("netsh.direction"), text(f"netsh.{rule.field('Dir').lower()}")),
            (text("netsh.profiles"), rule.field("Profile") or "Domain,Private,Public"),
            (text("netsh.grouping"), rule.shown("EmbedCtxt", place)),
            ("LocalIP:", text("netsh.any")),
            ("RemoteIP:", text("netsh.any")),
            (text("netsh.protocol"), _PROTOCOLS.get(protocol, protocol or text("netsh.any"))),
            *(ports if protocol in ("6", "17") else ()),
            (text("netsh.edge"), text("no")),
            (text("netsh.action"), text(f"netsh.{rule.field('Action').lower()}")),
        ):
            call.say(f"{label:<38}{value}")
    return _ok(call)


def _set_rule(call: Call, words: list[str]) -> int:
    before, _, after = _cut(words, "new")
    meant, rest = split_fields(before)
    new, wrong = split_fields(after)
    if rest or wrong or not new or not {"name", "group"} & meant.keys():
        return usage(call)
    fields: dict[str, str] = {}
    for name, value in new.items():
        if name == "enable" and value.lower() in ("yes", "no"):
            fields["Active"] = "TRUE" if value.lower() == "yes" else "FALSE"
        elif name == "localport" and value.isdigit():
            fields["LPort"] = value
        elif name == "action" and value.lower() in ("allow", "block"):
            fields["Action"] = value.title()
        else:
            return _value_error(call)
    found = _found(call, meant)
    if not found:
        return _no_rule(call)
    for rule in found:
        firewall.change(call.machine.registry, rule, **fields)
    return _ok(call, "netsh.updated", len(found))


def _cut(words: list[str], word: str) -> tuple[list[str], str, list[str]]:
    for place, each in enumerate(words):
        if each.lower() == word:
            return words[:place], word, words[place + 1 :]
    return words, "", []


def _add_rule(call: Call, words: list[str]) -> int:
    fields, rest = split_fields(words)
    direction, action = fields.get("dir", "").lower(), fields.get("action", "").lower()
    protocol = fields.get("protocol", "any").lower()
    if rest or direction not in ("in", "out") or action not in ("allow", "block"):
        return usage(call)
    if not fields.get("name") or protocol not in ("any", *_NUMBERS, *_PROTOCOLS):
        return _value_error(call)
    active = fields.get("enable", "yes").lower() == "yes"
    parts = [
        "v2.30",
        f"Action={action.title()}",
        f"Active={str(active).upper()}",
        f"Dir={direction.title()}",
    ]
    for key, text in (
        ("Protocol", _NUMBERS.get(protocol, "" if protocol == "any" else protocol)),
        ("LPort", fields.get("localport", "")),
        ("App", fields.get("program", "")),
        ("Svc", fields.get("service", "")),
        ("Name", fields["name"]),
    ):
        if text:
            parts.append(f"{key}={text}")
    name = f"{{{uuid.UUID(int=call.machine.rng.getrandbits(128))}}}".upper()
    value = RegistryValue(RegistryType.SZ, "|".join(parts) + "|")
    call.machine.registry.set(firewall.RULES, name, value)
    return _ok(call)


def _delete_rule(call: Call, words: list[str]) -> int:
    fields, rest = split_fields(words)
    if rest or "name" not in fields:
        return usage(call)
    found = _found(call, fields)
    if not found:
        return _no_rule(call)
    for rule in found:
        call.machine.registry.delete(firewall.RULES, rule.id)
    return _ok(call, "netsh.deleted", len(found))


# Contexts.

_FIREWALL: Mapping[str, Callable[[Call, list[str]], int]] = MappingProxyType(
    {"show": _show_rule, "set": _set_rule, "add": _add_rule, "delete": _delete_rule}
)


def _advfirewall(call: Call, words: list[str]) -> int:
    command, *rest = [*words, ""]
    rest = rest[:-1]
    if "mpssvc" not in call.machine.running:
        call.say(f"\r\n{call.text('netsh.no_service')}\r\n")
        return 1
    if command.lower() == "firewall" and len(rest) > 1 and rest[1].lower() == "rule":
        run = _FIREWALL.get(rest[0].lower())
        if run is not None:
            return run(call, rest[2:])
    match command.lower():
        case "set":
            return _set_profiles(call, rest)
        case "show":
            return _show_profiles(call, rest)
    return _unknown(call, ["advfirewall", *words])


def _unknown(call: Call, words: list[str]) -> int:
    call.say(call.text("netsh.unknown", " ".join(words)))
    return 1


_CONTEXTS: Mapping[str, Callable[[Call, list[str]], int]] = MappingProxyType(
    {"advfirewall": _advfirewall, "interface": netshinterface.run}
)


def _run(call: Call, words: list[str]) -> int:
    """A context may be cut short: `netsh int ip`."""
    for name, context in _CONTEXTS.items():
        if name.startswith(words[0].lower()):
            return context(call, words[1:])
    return _unknown(call, words)


async def netsh(call: Call) -> int:
    """`netsh CONTEXT ...`; without anything it asks until `bye`."""
    if call.arguments:
        return _run(call, call.arguments)
    return await _interactive(call, "netsh>", lambda line: _run(call, line.split()))


async def _interactive(call: Call, prompt: str, run: Callable[[str], object]) -> int:
    ask: Callable[[str], Awaitable[str | None]] = call.ask
    while (line := await ask(prompt)) is not None:
        if line.strip().lower() in ("bye", "exit", "quit"):
            break
        if line.strip():
            run(line)
    return 0
