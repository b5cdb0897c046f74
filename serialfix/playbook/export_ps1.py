"""A playbook as a PowerShell script, for 5.1 and 7: with -WhatIf, and with what it finds right
left alone.

Registry values go through .NET: the cmdlets expand texts when they compare, and know no REG_NONE.
Texts stand in single quotes, in which nothing is expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.exporting import LeftOut, Written, heading, restart_note, steps
from serialfix.playbook.schema import Fact, Playbook, Scalar, Step
from serialfix.playbook.steps.account import AccountStep
from serialfix.playbook.steps.bcd import BcdStep
from serialfix.playbook.steps.command import CommandStep, LookStep
from serialfix.playbook.steps.firewall import FirewallProfileStep, FirewallRuleStep
from serialfix.playbook.steps.network import AUTO, NetworkStep
from serialfix.playbook.steps.registry import RegistryRemovalStep, RegistryStep
from serialfix.playbook.steps.service import ServiceSettings, ServiceStep


_KINDS = {
    RegistryType.SZ: "String",
    RegistryType.EXPAND_SZ: "ExpandString",
    RegistryType.MULTI_SZ: "MultiString",
    RegistryType.DWORD: "DWord",
    RegistryType.QWORD: "QWord",
    RegistryType.BINARY: "Binary",
    RegistryType.NONE: "None",
}
_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
"""All of these end a text in single quotes."""
_LIBRARY = Path(__file__).with_name("export.ps1")


def write(playbook: Playbook) -> Written:
    """The text of the file, and what is not in it."""
    left_out: list[LeftOut] = []
    facts = {fact.id: fact for fact in playbook.facts}
    body: list[str] = []
    for step in steps(playbook):
        try:
            lines = list(_wish(step))
        except UnsafeStep as error:
            left_out.append(LeftOut(step.id, step.title, str(error)))
            continue
        body += ["", f"# {_one_line(step.why)}", f"$step = {quoted(step.id)}"]
        body += _conditional(step, facts, lines)
    notes = [*heading(playbook), *(f"NOT IN THIS FILE: {left}" for left in left_out)]
    text = [*(f"# {_one_line(note)}" for note in notes), _LIBRARY.read_text("utf-8"), *body, ""]
    if note := restart_note(playbook):
        condition = "$true" if playbook.restart == "always" else "$changed.Count"
        text.append(f"if ({condition}) {{ Write-Warning {quoted(note)} }}")
    lines = [line for part in text for line in part.rstrip("\n").split("\n")]
    return "".join(f"{line}\r\n" for line in lines), left_out


def quoted(text: str) -> str:
    """A text in single quotes; every kind of single quote in it is doubled.

    >>> print(quoted("it's $HOME"))
    'it''s $HOME'
    """
    return "'" + _QUOTES.sub(r"\1\1", text) + "'"


def data(value: RegistryValue) -> str:
    """The data of a value as an expression; numbers have a sign there, as .NET wants them."""
    match value.data:
        case int(number):
            bits, kind = (32, "int") if value.type is RegistryType.DWORD else (64, "long")
            return f"([{kind}]{number - (1 << bits) if number >> (bits - 1) else number})"
        case bytes(raw):
            return f"([byte[]]@({', '.join(f'0x{byte:02x}' for byte in raw)}))"
        case str(text):
            return quoted(text)
        case items:
            return f"([string[]]@({', '.join(map(quoted, items))}))"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _conditional(step: Step, facts: dict[str, Fact], lines: list[str]) -> list[str]:
    """The lines, within an `if` where the guest decides."""
    if step.when is None or step.when.fact is None:
        return lines
    asked = facts[step.when.fact].registry
    found = f"(Get-Fact {quoted(asked.key)} {quoted(asked.value)})"
    values = ", ".join(map(_scalar, step.when.among or step.when.not_among or ()))
    test = f"Test-Among {found} @({values})"
    opening = f"if ({test}) {{" if step.when.among else f"if (-not ({test})) {{"
    return [opening, *(f"    {line}" for line in lines), "}"]


def _scalar(value: Scalar) -> str:
    if isinstance(value, str):
        return quoted(value)
    return f"[decimal]{int(value)}"


def _wish(step: Step) -> Iterator[str]:
    """The calls that bring a step about."""
    match step.wish:
        case RegistryStep() as wish:
            place = f"{quoted(wish.key)} {quoted(wish.value)}"
            guard = f"if (Get-Value {place}) {{ " if wish.only_if_present else ""
            end = " }" if guard else ""
            if wish.wanted is None:
                yield f"Remove-Value {place}"
            else:
                kind = _KINDS[wish.wanted.type]
                yield f"{guard}Set-Value {place} {kind} {data(wish.wanted)}{end}"
        case RegistryRemovalStep() as wish:
            yield f"Export-Key {quoted(wish.key)} @({', '.join(map(quoted, wish.values))})"
            for name in wish.values:
                yield f"Remove-Value {quoted(wish.key)} {quoted(name)}"
        case ServiceStep() as wish:
            yield from _service(wish)
        case FirewallRuleStep() as wish:
            yield f"Set-Rule {quoted(wish.rule)} {_bool(wish.enabled)}"
        case FirewallProfileStep() as wish:
            for profile in wish.profiles:
                yield f"Set-Profile {profile.capitalize()} {_profile(wish)}"
        case BcdStep() as wish:
            value = "$null" if wish.wanted is None else quoted(wish.wanted)
            yield f"Set-Boot {quoted(wish.entry)} {wish.element} {value}"
        case NetworkStep() as wish:
            yield from _network(wish)
        case AccountStep() as wish:
            if wish.member_of is None:
                yield f"Set-Account {quoted(wish.name)} {_bool(wish.enabled)}"
            else:
                names = f"{quoted(wish.member_of)} {quoted(wish.name)}"
                yield f"Set-Member {names} {_bool(wish.member)}"
        case CommandStep() as wish:
            right = "-eq 0" if wish.right_when == "zero" else "-ne 0"
            codes = ", ".join(map(str, wish.succeeds_with))
            yield f"if (-not ((Invoke-Line {quoted(wish.check)}) {right})) {{"
            yield f"    Invoke-Change {quoted(wish.run)} @({codes})"
            yield "}"
        case LookStep() as wish:
            yield f"Invoke-Line {quoted(wish.command)} | Out-Null"
        case _:
            raise UnsafeStep(f"{step.kind} takes back a run, which a file knows nothing of")


def _service(wish: ServiceStep) -> Iterator[str]:
    name = quoted(wish.name)
    settings = ServiceSettings(start=wish.start, account=wish.account, type=wish.type)
    accepted = [*wish.start_accepts, *(["delayed-auto"] if wish.start == "auto" else [])]
    for setting, word in settings.given.items():
        also = ", ".join(map(quoted, accepted if setting == "start" else ()))
        yield f"Set-ServiceOption {name} {setting} {quoted(word)} @({also})"
    if wish.state == "stopped":
        yield f"Stop-It {name}"
    if wish.state != "running":
        return
    if wish.restart:
        yield f"Stop-It {name}"
    elif wish.restart_if_changed:
        ids = ", ".join(map(quoted, wish.restart_if_changed))
        yield f"if (@({ids}) | Where-Object {{ $changed.ContainsKey($_) }}) {{ Stop-It {name} }}"
    if not wish.start_failures:
        yield f"Start-It {name}"
        return
    yield f"switch (Get-StartError {name}) {{"
    yield "    0 { break }"
    for failure in wish.start_failures:
        for code in failure.codes:
            if failure.set is None:
                yield f"    {code} {{ throw {quoted(failure.advice or '')} }}"
                continue
            calls = [
                f"Set-ServiceOption {name} {setting} {quoted(word)} @()"
                for setting, word in failure.set.given.items()
            ]
            yield f"    {code} {{ {'; '.join((*calls, f'Start-It {name}'))}; break }}"
    yield f"    default {{ throw ({name} + ' does not start, Windows error ' + $_) }}"
    yield "}"


def _profile(wish: FirewallProfileStep) -> str:
    wanted = []
    if wish.enabled is not None:
        wanted.append(f"Enabled = '{wish.enabled}'")
    if wish.inbound is not None:
        action = "Allow" if wish.inbound == "allow" else "Block"
        wanted.append(f"DefaultInboundAction = '{action}'")
        rules = wish.inbound != "block_always"
        wanted.append(f"AllowInboundRules = '{rules}'")
    return f"@{{ {'; '.join(wanted)} }}"


def _network(wish: NetworkStep) -> Iterator[str]:
    name = "(Get-OnlyAdapter)" if wish.interface == AUTO else quoted(wish.interface)
    if wish.enabled is not None:
        yield f"Set-Adapter {name} {_bool(wish.enabled)}"
    elif wish.dhcp:
        servers = ", ".join(map(quoted, wish.dns))
        yield f"Set-Dhcp {name} @({servers})"
    else:
        raise UnsafeStep("a fixed address is what an undo puts back, not a fix")


def _bool(value: bool | None) -> str:
    return "$true" if value else "$false"
