"""A playbook as a batch file: for Run Command, a scheduled task, a software distribution.

It never asks, checks the exit code of every line, exports each key before it changes it, leaves
what is already right alone, and ends with 0, or with 1 at the first line that failed. Texts beyond
ASCII need `chcp 65001`, which is put back at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.exporting import LeftOut, Written, heading, restart_note, steps
from serialfix.playbook.schema import Fact, Playbook, Step
from serialfix.playbook.steps.account import AccountStep
from serialfix.playbook.steps.bcd import BcdStep
from serialfix.playbook.steps.command import CommandStep, LookStep
from serialfix.playbook.steps.firewall import FirewallProfileStep, FirewallRuleStep
from serialfix.playbook.steps.network import AUTO, NetworkStep
from serialfix.playbook.steps.registry import RegistryRemovalStep, RegistryStep
from serialfix.playbook.steps.service import ServiceStep
from serialfix.windows import batch, firewall, services
from serialfix.windows.batch import quoted


_START = {word: number for number, word in services.START.items()}
_TYPE = {word: number for number, word in services.TYPE.items()}
_FAIL = "if errorlevel 1 goto failed"


def write(playbook: Playbook) -> Written:
    """The text of the file, and what is not in it."""
    writer = _Writer(playbook)
    body = [line for step in steps(playbook) for line in writer.step(step)]
    notes = [*heading(playbook), *(f"NOT IN THIS FILE: {left}" for left in writer.left_out)]
    lines = [
        "@echo off",
        *map(batch.comment, notes),
        "setlocal EnableExtensions DisableDelayedExpansion",
        *writer.backups(),
        *body,
        "",
    ]
    if note := restart_note(playbook):
        lines.append(batch.says(note))
    lines += ["echo Done.", 'set "end=0"']
    beyond_ascii = not all(line.isascii() for line in lines)
    if beyond_ascii or any(line.endswith("goto failed") for line in lines):
        lines += ["goto end", ":failed", 'set "end=1"']
        lines += ["echo FAILED at the line above; the lines behind it were not run.", ":end"]
    if beyond_ascii:
        page = 'for /f "tokens=2 delims=:." %%p in (\'chcp\') do set "page=%%p"'
        lines[1:1] = [page, *batch.in_utf8()]
        lines.append("chcp %page% >nul")
    lines.append("exit /b %end%")
    return batch.joined(lines), writer.left_out


class _Writer:
    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.facts: dict[str, Fact] = {fact.id: fact for fact in playbook.facts}
        self.labels = batch.Labels()
        self.left_out: list[LeftOut] = []
        self.watched = {
            each
            for step in playbook.steps
            if step.service is not None
            for each in step.service.restart_if_changed
        }

    def backups(self) -> Iterator[str]:
        """An export of every key that is changed, made before anything is."""
        keys: dict[str, str] = {}
        for step in steps(self.playbook):
            match step.wish:
                case RegistryStep() | RegistryRemovalStep() as wish:
                    keys.setdefault(wish.key.casefold(), wish.key)
                case ServiceStep() as wish:
                    keys.setdefault(wish.name.casefold(), services.config_key(wish.name))
        if not keys:
            return
        yield 'set "number=0"'  # %RANDOM% is the same for all that start in one second
        yield from (":backup", "set /a number+=1 >nul")
        yield f'set "backup=%SystemRoot%\\Temp\\serialfix-{self.playbook.name}-%number%"'
        yield 'if exist "%backup%" goto backup'
        yield from ('mkdir "%backup%"', _FAIL)
        for number, key in enumerate(keys.values(), start=1):
            after = self.labels.new("kept")
            yield f"reg query {quoted(key)} >nul 2>nul"
            yield f"if errorlevel 1 goto {after}"
            yield f'reg export {quoted(key)} "%backup%\\{number}.reg" /y >nul'
            yield from (_FAIL, f":{after}")
        yield "echo The keys as they were are in %backup%"

    def step(self, step: Step) -> list[str]:
        """The lines of one step; none where it is left out."""
        done = self.labels.new("done")
        try:
            lines = [*self.condition(step, done), *self.wish(step, done)]
        except UnsafeStep as error:
            self.left_out.append(LeftOut(step.id, step.title, str(error)))
            return []
        if any(line.endswith(f"goto {done}") for line in lines):
            lines.append(f":{done}")
        return ["", batch.comment(f"{step.id}: {step.why}"), *map(batch.checked, lines)]

    def condition(self, step: Step, otherwise: str) -> Iterator[str]:
        """Go past the step unless its condition holds."""
        if step.when is None or step.when.fact is None:
            return
        asked = self.facts[step.when.fact].registry
        values = step.when.among or step.when.not_among or ()
        wanted = [None if each == "absent" else each for each in values]
        yield from batch.among(asked.key, asked.value, wanted, "holds")
        yield f"if {'not ' if step.when.among else ''}defined holds goto {otherwise}"

    def wish(self, step: Step, done: str) -> Iterator[str]:
        """What brings the step about."""
        match step.wish:
            case RegistryStep() as wish:
                yield from self.value(wish, done)
                yield from self.changed(step)
            case RegistryRemovalStep() as wish:
                for name in wish.values:
                    gone = self.labels.new("gone")
                    yield batch.there(wish.key, name)
                    yield f"if errorlevel 1 goto {gone}"
                    yield from (batch.delete(wish.key, name), _FAIL, f":{gone}")
                yield from self.changed(step)
            case ServiceStep() as wish:
                yield from self.service(wish)
                yield from self.changed(step)
            case FirewallRuleStep() as wish:
                yield from self.rule(wish)
            case FirewallProfileStep() as wish:
                yield from self.profiles(wish)
            case BcdStep() as wish:
                yield from self.bcd(wish, done)
            case NetworkStep() as wish:
                yield from self.network(wish)
            case AccountStep() as wish:
                yield from self.account(wish, done)
            case CommandStep() as wish:
                yield _typed(wish.check)
                right = "if not errorlevel 1" if wish.right_when == "zero" else "if errorlevel 1"
                yield f"{right} goto {done}"
                yield _typed(wish.run)
                yield from _fail_unless(wish.succeeds_with)
                yield from self.changed(step)
            case LookStep() as wish:
                yield _typed(wish.command)
            case _:
                raise UnsafeStep(f"{step.kind} takes back a run, which a file knows nothing of")

    def changed(self, step: Step) -> Iterator[str]:
        """Note that the step was reached for a service that restarts then."""
        if step.id in self.watched:
            yield f'set "changed_{step.id}=1"'

    def value(self, wish: RegistryStep, done: str) -> Iterator[str]:
        """A registry value; where it can be compared, it is left alone when it is right."""
        if wish.wanted is None or wish.only_if_present:
            yield batch.there(wish.key, wish.value)
            yield f"if errorlevel 1 goto {done}"
        if wish.wanted is None:
            yield from (batch.delete(wish.key, wish.value), _FAIL)
            return
        with suppress(UnsafeStep):  # what cannot be compared is written again
            yield from batch.among(wish.key, wish.value, [wish.wanted], "right")
            yield f"if defined right goto {done}"
        yield from (batch.add(wish.key, wish.value, wish.wanted), _FAIL)

    def service(self, wish: ServiceStep) -> Iterator[str]:
        """Settings where they differ, then the state."""
        name, key = quoted(wish.name), services.config_key(wish.name)
        yield from (f"sc query {name} >nul", _FAIL)
        options: list[tuple[str, str, str, list[RegistryValue]]] = []
        if wish.start is not None:
            words = (*wish.start_accepts, *(["delayed-auto"] if wish.start == "auto" else []))
            right = [_dword(_start(word)) for word in {wish.start, *words}]
            options.append(("start", wish.start, "Start", right))
        if wish.account is not None:
            value = RegistryValue(RegistryType.SZ, wish.account)
            options.append(("obj", wish.account, "ObjectName", [value]))
        if wish.type is not None:
            options.append(("type", wish.type, "Type", [_dword(_TYPE[wish.type])]))
        for option, word, stored, right in options:
            skip = self.labels.new("set")
            if word != "delayed-auto":
                yield from batch.among(key, stored, right, "right")
                yield f"if defined right goto {skip}"
            yield from (f"sc config {name} {option}= {quoted(word)} >nul", _FAIL, f":{skip}")
        if wish.state == "stopped":
            yield from self.stop(wish.name)
        elif wish.state == "running":
            yield from self.run(wish)

    def run(self, wish: ServiceStep) -> Iterator[str]:
        """Running; started anew where that is wanted."""
        name, running = quoted(wish.name), self.labels.new("running")
        if wish.restart:
            yield from self.stop(wish.name)
        for each in wish.restart_if_changed:
            same = self.labels.new("same")
            yield f"if not defined changed_{each} goto {same}"
            yield from self.stop(wish.name)
            yield f":{same}"
        yield f'sc query {name} | find "RUNNING" >nul'
        yield f"if not errorlevel 1 goto {running}"
        yield f"net start {name}"
        yield f"if not errorlevel 1 goto {running}"
        yield from self.failures(wish, running)
        yield from ("goto failed", f":{running}")

    def failures(self, wish: ServiceStep, running: str) -> Iterator[str]:
        """The branches for errors: `net start` has the code of none, `sc start` has."""
        if not wish.start_failures:
            return
        name, chosen = quoted(wish.name), self.labels.new("branch")
        yield from (f"sc start {name} >nul", 'set "code=%errorlevel%"')
        for number, failure in enumerate(wish.start_failures):
            for code in failure.codes:
                yield f'if "%code%"=="{code}" goto {chosen}_{number}'
        yield "goto failed"
        for number, failure in enumerate(wish.start_failures):
            yield f":{chosen}_{number}"
            if failure.set is None:
                yield from (batch.says(failure.advice or ""), "goto failed")
                continue
            for setting, word in failure.set.given.items():
                option = {"start": "start", "account": "obj", "type": "type"}[setting]
                yield from (f"sc config {name} {option}= {quoted(word)} >nul", _FAIL)
            yield from (f"net start {name}", f"if not errorlevel 1 goto {running}", "goto failed")

    def stop(self, service: str) -> Iterator[str]:
        """Stopped with what needs it; not an error where it was stopped already."""
        stopped = self.labels.new("stopped")
        yield f'sc query {quoted(service)} | find "STOPPED" >nul'
        yield f"if not errorlevel 1 goto {stopped}"
        yield from (f"net stop {quoted(service)} /y", _FAIL, f":{stopped}")

    def rule(self, wish: FirewallRuleStep) -> Iterator[str]:
        """By its English name, and by its id where the name is translated."""
        word, done = "yes" if wish.enabled else "no", self.labels.new("rule")
        if wish.name is not None:
            rule = f"netsh advfirewall firewall set rule name={quoted(wish.name)}"
            yield f"{rule} new enable={word} >nul"
            yield f"if not errorlevel 1 goto {done}"
        yield firewall.set_rule_by_id(wish.rule, enabled=wish.enabled)
        yield _FAIL
        if wish.name is not None:
            yield f":{done}"

    def profiles(self, wish: FirewallProfileStep) -> Iterator[str]:
        """The switches of each profile; what goes out is allowed, as it is by default."""
        for profile in wish.profiles:
            if wish.enabled is not None:
                yield f"{firewall.set_profile_state(profile, enabled=wish.enabled)} >nul"
                yield _FAIL
            if wish.inbound is not None:
                yield f"{firewall.set_profile_policy(profile, wish.inbound, 'allow')} >nul"
                yield _FAIL

    def bcd(self, wish: BcdStep, done: str) -> Iterator[str]:
        """An element of the boot configuration."""
        if wish.wanted is None:
            yield f'bcdedit /enum {wish.entry} | find /i "{wish.element} " >nul'
            yield f"if errorlevel 1 goto {done}"
            yield f"bcdedit /deletevalue {wish.entry} {wish.element} >nul"
        else:
            yield f"bcdedit /set {wish.entry} {wish.element} {quoted(wish.wanted)} >nul"
        yield _FAIL

    def network(self, wish: NetworkStep) -> Iterator[str]:
        """An adapter by its name."""
        if wish.interface == AUTO:
            raise UnsafeStep("name the network adapter: --set gives its name")
        name = quoted(wish.interface)
        if wish.enabled is not None:
            word = "enabled" if wish.enabled else "disabled"
            yield from (f"netsh interface set interface name={name} admin={word}", _FAIL)
            return
        ip = "netsh interface ip set"
        if wish.dhcp:  # "already enabled" is exit code 1, and no failure
            yield f"{ip} address name={name} source=dhcp"
        else:
            gateway = f" gateway={wish.gateway}" if wish.gateway else ""
            yield f"{ip} address name={name} static {wish.address} {wish.mask}{gateway}"
            yield _FAIL
        if not wish.dns:
            yield f"{ip} dnsservers name={name} source=dhcp"
        for number, server in enumerate(wish.dns, start=1):
            verb = f"{ip} dnsservers" if number == 1 else "netsh interface ip add dnsservers"
            how = "static " if number == 1 else ""
            index = "" if number == 1 else f" index={number}"
            yield f"{verb} name={name} {how}{server}{index} validate=no"
            yield _FAIL

    def account(self, wish: AccountStep, done: str) -> Iterator[str]:
        """Enabled, or in a group."""
        name = quoted(wish.name)
        if wish.member_of is None:
            yield from (f"net user {name} /active:{'yes' if wish.enabled else 'no'}", _FAIL)
            return
        group = quoted(wish.member_of)
        in_it = "if not errorlevel 1" if wish.member else "if errorlevel 1"
        yield f"net localgroup {group} | findstr /i /x /c:{name} >nul"
        yield f"{in_it} goto {done}"
        yield f"net localgroup {group} {name} /{'add' if wish.member else 'delete'}"
        yield _FAIL


_VARIABLE = re.compile(r"%[A-Za-z_][A-Za-z0-9_()]*(?::[^%]*)?%|%")


def _typed(line: str) -> str:
    """A line as it is typed at the prompt, for a batch file: there `%v` of a `for` is `%%v`."""
    return _VARIABLE.sub(lambda found: found[0] if len(found[0]) > 1 else "%%", line)


def _fail_unless(codes: Sequence[int]) -> Iterator[str]:
    """To the end unless the exit code, which may be negative, is one of these."""
    yield 'set "code=%errorlevel%"'
    tests = [f'if not "%code%"=="{code}"' for code in codes]
    yield f"{' '.join(tests)} goto failed"


def _start(word: str) -> int:
    return _START["auto" if word == "delayed-auto" else word]


def _dword(number: int) -> RegistryValue:
    return RegistryValue(RegistryType.DWORD, number)
