"""A playbook as an Ansible playbook, with the modules of ansible.windows.

What no module does safely is a short PowerShell script that changes only what differs: win_user and
win_firewall_rule would make an account or a rule that is not there. Texts with braces are marked
`!unsafe`, so that Ansible does not fill anything in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.export_ps1 import quoted
from serialfix.playbook.exporting import LeftOut, Written, heading, steps
from serialfix.playbook.schema import Fact, Playbook, Step
from serialfix.playbook.steps.account import AccountStep
from serialfix.playbook.steps.bcd import BcdStep
from serialfix.playbook.steps.command import CommandStep, LookStep
from serialfix.playbook.steps.firewall import FirewallProfileStep, FirewallRuleStep
from serialfix.playbook.steps.network import AUTO, NetworkStep
from serialfix.playbook.steps.registry import RegistryRemovalStep, RegistryStep
from serialfix.playbook.steps.service import ServiceStep
from serialfix.windows import services
from serialfix.windows.batch import quoted as in_cmd


Task = dict[str, Any]

_TYPES = {
    RegistryType.SZ: "string",
    RegistryType.EXPAND_SZ: "expandstring",
    RegistryType.MULTI_SZ: "multistring",
    RegistryType.DWORD: "dword",
    RegistryType.QWORD: "qword",
    RegistryType.BINARY: "binary",
    RegistryType.NONE: "none",
}
_MODES = {"auto": "auto", "demand": "manual", "disabled": "disabled", "delayed-auto": "delayed"}
_PROCESSES = {"own": "win32_own_process", "share": "win32_share_process"}
_START = {word: number for number, word in services.START.items()}
_MODULES = "ansible.windows."


class _Unsafe(str):
    """A text that Ansible must take as it is."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `_Unsafe` with its tag, and never aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style="'")
)


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def write(playbook: Playbook) -> Written:
    """The text of the file, and what is not in it."""
    writer = _Writer(playbook)
    tasks = [task for step in steps(playbook) for task in writer.step(step)]
    if playbook.restart != "never":
        restart: Task = {"name": "Restart Windows", f"{_MODULES}win_reboot": None}
        if playbook.restart == "if_changed":
            restart["when"] = writer.changed(writer.registered)
        tasks.append(restart)
    play = {
        "name": _plain(playbook.title),
        "hosts": "{{ serialfix_hosts | default('windows') }}",
        "gather_facts": False,
        "tasks": tasks,
    }
    notes = [*heading(playbook), *(f"NOT IN THIS FILE: {left}" for left in writer.left_out)]
    text = yaml.dump(
        [play], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000, indent=2
    )
    return "".join((*(f"# {' '.join(note.split())}\n" for note in notes), "---\n", text)), (
        writer.left_out
    )


class _Writer:
    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.facts: dict[str, Fact] = {fact.id: fact for fact in playbook.facts}
        self.left_out: list[LeftOut] = []
        self.registered: dict[str, list[str]] = {}

    def step(self, step: Step) -> list[Task]:
        """The tasks of one step; none where it is left out."""
        try:
            tasks = list(self.wish(step))
        except UnsafeStep as error:
            self.left_out.append(LeftOut(step.id, step.title, str(error)))
            return []
        name = _variable(step.id)
        for number, task in enumerate(tasks):
            if "register" not in task:
                task["register"] = f"{name}_{number}" if number else name
            if f"{_MODULES}win_reg_stat" not in task and task.get("changed_when") is not False:
                self.registered.setdefault(step.id, []).append(task["register"])
        if step.when is None or step.when.fact is None:
            return tasks
        asked = self.facts[step.when.fact].registry
        fact = f"{name}_fact"
        condition = self.condition(step, fact)
        for task in tasks:
            task["when"] = [condition, *_listed(task.get("when"))]
        return [_stat(f"Read {step.when.fact}", asked.key, asked.value, fact), *tasks]

    def condition(self, step: Step, fact: str) -> str:
        """The condition of a step, as Jinja."""
        assert step.when is not None  # noqa: S101 - the caller looked
        tests = []
        for value in step.when.among or step.when.not_among or ():
            if value == "absent":
                tests.append(f"not {fact}.exists")
            elif isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_. :-]*", value):
                raise UnsafeStep(f"{value!r} cannot be compared in a condition of Ansible")
            else:
                literal = repr(value) if isinstance(value, str) else str(int(value))
                tests.append(f"({fact}.exists and {fact}.value == {literal})")
        test = f"({' or '.join(tests)})"
        return test if step.when.among else f"not {test}"

    def changed(self, ids: Iterable[str]) -> str:
        """That one of these steps changed something, as Jinja."""
        names = [name for each in ids for name in self.registered.get(each, ())]
        return " or ".join(f"{name} is changed" for name in names) or "false"

    def wish(self, step: Step) -> Iterator[Task]:
        """What brings a step about."""
        name = f"{step.id}: {step.why}"
        match step.wish:
            case RegistryStep() as wish:
                yield from self.value(step, name, wish)
            case RegistryRemovalStep() as wish:
                yield from self.removal(step, name, wish)
            case ServiceStep() as wish:
                yield from self.service(step, name, wish)
            case FirewallRuleStep() as wish:
                yield _script(name, _RULE, rule=quoted(wish.rule), word=f"'{wish.enabled}'")
            case FirewallProfileStep() as wish:
                yield from self.profiles(name, wish)
            case BcdStep() as wish:
                if wish.wanted is None:
                    row, right = f"{wish.element} ", "== 0"
                    change = f"bcdedit /deletevalue {wish.entry} {wish.element}"
                else:
                    row, right = f"{wish.element}  *{re.escape(wish.wanted)}", "!= 0"
                    change = f"bcdedit /set {wish.entry} {wish.element} {in_cmd(wish.wanted)}"
                check = f'bcdedit /enum {wish.entry} | findstr /i /r /c:"^{row}"'
                yield from self.checked(step, check, change, wrong=f"rc {right}")
            case NetworkStep() as wish:
                yield self.network(name, wish)
            case AccountStep() as wish if wish.member_of is not None:
                state = "present" if wish.member else "absent"
                members = {"name": wish.member_of, "members": [wish.name], "state": state}
                yield _task(name, "win_group_membership", members)
            case AccountStep() as wish:
                verb = "Enable" if wish.enabled else "Disable"
                yield _script(
                    *(name, _ACCOUNT), user=quoted(wish.name), wanted=f"${wish.enabled}", verb=verb
                )
            case CommandStep() as wish:
                wrong = "rc != 0" if wish.right_when == "zero" else "rc == 0"
                codes = wish.succeeds_with
                yield from self.checked(step, wish.check, wish.run, wrong=wrong, codes=codes)
            case LookStep() as wish:
                yield {**_line(name, wish.command), "changed_when": False, "failed_when": False}
            case _:
                raise UnsafeStep(f"{step.kind} takes back a run, which a file knows nothing of")

    def value(self, step: Step, name: str, wish: RegistryStep) -> Iterator[Task]:
        wanted: Task = {"path": _path(wish.key), "name": wish.value}
        if wish.wanted is None:
            yield _task(name, "win_regedit", {**wanted, "state": "absent"})
            return
        wanted |= {"data": _data(wish.wanted), "type": _TYPES[wish.wanted.type]}
        task = _task(name, "win_regedit", wanted)
        if wish.only_if_present:
            there = f"{_variable(step.id)}_there"
            yield _stat(f"{step.id}: is the value there?", wish.key, wish.value, there)
            task["when"] = f"{there}.exists"
        yield task

    def removal(self, step: Step, name: str, wish: RegistryRemovalStep) -> Iterator[Task]:
        """An export first, made once; undo is `reg import` of it."""
        there = f"{_variable(step.id)}_there"
        yield _stat(f"{step.id}: is the key there?", wish.key, None, there)
        file = rf"%SystemRoot%\Temp\serialfix-{self.playbook.name}-{step.id}.reg"
        export = _line(f"{step.id}: keep the key", f'reg export "{wish.key}" "{file}" /y')
        yield {
            **export,
            "args": {**export["args"], "creates": file},
            "changed_when": False,
            "when": f"{there}.exists",
        }
        for value in wish.values:
            removed = {"path": _path(wish.key), "name": value, "state": "absent"}
            yield _task(name, "win_regedit", removed)

    def service(self, step: Step, name: str, wish: ServiceStep) -> Iterator[Task]:
        wanted: Task = {"name": wish.name}
        if wish.account is not None:
            wanted["username"] = wish.account
        if wish.type is not None:
            wanted["service_type"] = _PROCESSES[wish.type]
        if wish.start is not None and wish.start_accepts:
            key, start = services.config_key(wish.name), f"{_variable(step.id)}_start"
            yield _stat(f"{step.id}: how does it start?", key, "Start", start)
            accepted = {wish.start, *wish.start_accepts}
            numbers = sorted({_START["auto" if "auto" in word else word] for word in accepted})
            mode = _task(name, "win_service", {"name": wish.name, "start_mode": _MODES[wish.start]})
            yield {**mode, "when": f"{start}.value | default(-1) not in {numbers}"}
        elif wish.start is not None:
            wanted["start_mode"] = _MODES[wish.start]
        if wish.state is not None:
            wanted["state"] = {"running": "started", "stopped": "stopped"}[wish.state]
            if wish.restart:
                wanted["state"] = "restarted"
            wanted["force_dependent_services"] = True
        yield _task(name, "win_service", wanted)
        if wish.restart_if_changed and not wish.restart:
            again = {"name": wish.name, "state": "restarted", "force_dependent_services": True}
            changed = self.changed(wish.restart_if_changed)
            yield {**_task(f"{step.id}: start it anew", "win_service", again), "when": changed}
        if wish.start_failures:
            self.left_out.append(
                LeftOut(step.id, "start_failures", "win_service does not tell the error code")
            )

    def profiles(self, name: str, wish: FirewallProfileStep) -> Iterator[Task]:
        wanted = []
        if wish.enabled is not None:
            wanted.append(f"Enabled = '{wish.enabled}'")
        if wish.inbound is not None:
            action = "Allow" if wish.inbound == "allow" else "Block"
            wanted.append(f"DefaultInboundAction = '{action}'")
            wanted.append(f"AllowInboundRules = '{wish.inbound != 'block_always'}'")
        names = ", ".join(quoted(profile.capitalize()) for profile in wish.profiles)
        yield _script(name, _PROFILES, names=names, wanted="; ".join(wanted))

    def network(self, name: str, wish: NetworkStep) -> Task:
        if wish.interface == AUTO:
            raise UnsafeStep("name the network adapter: --set gives its name")
        adapter = quoted(wish.interface)
        if wish.enabled is not None:
            verb, status = ("Enable", "Up") if wish.enabled else ("Disable", "Down")
            return _script(name, _ADAPTER, adapter=adapter, status=quoted(status), verb=verb)
        if not wish.dhcp:
            raise UnsafeStep("a fixed address is what an undo puts back, not a fix")
        servers = ", ".join(map(quoted, wish.dns))
        how = f"-ServerAddresses {servers}" if servers else "-ResetServerAddresses"
        return _script(name, _DHCP, adapter=adapter, how=how)

    def checked(
        self, step: Step, check: str, change: str, *, wrong: str, codes: tuple[int, ...] = (0,)
    ) -> Iterator[Task]:
        """A command that runs when another one's exit code says that it has to."""
        asked = f"{_variable(step.id)}_asked"
        yield {
            **_line(f"{step.id}: is it right already?", check),
            "register": asked,
            "changed_when": False,
            "failed_when": False,
            "check_mode": False,
        }
        done = _variable(step.id)
        yield {
            **_line(f"{step.id}: {step.why}", change),
            "when": f"{asked}.{wrong}",
            "register": done,
            "failed_when": f"{done}.rc not in {list(codes)}",
        }


_RULE = """\
$rule = Get-NetFirewallRule -Name {rule} -ErrorAction Stop
$Ansible.Changed = [string]$rule.Enabled -ne {word}
if ($Ansible.Changed -and -not $Ansible.CheckMode) {{
    Set-NetFirewallRule -Name {rule} -Enabled {word} -ErrorAction Stop
}}
"""
_PROFILES = """\
$wanted = @{{ {wanted} }}
$Ansible.Changed = $false
foreach ($name in @({names})) {{
    $found = Get-NetFirewallProfile -Name $name -PolicyStore PersistentStore -ErrorAction Stop
    foreach ($each in $wanted.Keys) {{
        if ([string]$found.$each -eq $wanted[$each]) {{ continue }}
        $Ansible.Changed = $true
        $one = @{{ $each = $wanted[$each] }}
        if (-not $Ansible.CheckMode) {{ Set-NetFirewallProfile -Name $name @one -ErrorAction Stop }}
    }}
}}
"""
_ACCOUNT = """\
$user = Get-LocalUser -Name {user} -ErrorAction Stop
$Ansible.Changed = $user.Enabled -ne {wanted}
if ($Ansible.Changed -and -not $Ansible.CheckMode) {{
    {verb}-LocalUser -Name {user} -ErrorAction Stop
}}
"""
_ADAPTER = """\
$found = Get-NetAdapter -Name {adapter} -ErrorAction Stop
$Ansible.Changed = [string]$found.AdminStatus -ne {status}
if ($Ansible.Changed -and -not $Ansible.CheckMode) {{
    {verb}-NetAdapter -Name {adapter} -Confirm:$false -ErrorAction Stop
}}
"""
_DHCP = """\
$found = Get-NetIPInterface -InterfaceAlias {adapter} -AddressFamily IPv4 -ErrorAction Stop
$Ansible.Changed = [string]$found.Dhcp -ne 'Enabled'
if ($Ansible.Changed -and -not $Ansible.CheckMode) {{
    Set-NetIPInterface -InterfaceAlias {adapter} -Dhcp Enabled -ErrorAction Stop
    Set-DnsClientServerAddress -InterfaceAlias {adapter} {how} -ErrorAction Stop
}}
"""


def _task(name: str, module: str, arguments: Task) -> Task:
    safe = {key: _literal(value) for key, value in arguments.items()}
    return {"name": _plain(name), f"{_MODULES}{module}": safe}


def _stat(name: str, key: str, value: str | None, register: str) -> Task:
    asked = {"path": _path(key), **({} if value is None else {"name": value})}
    return {**_task(name, "win_reg_stat", asked), "register": register}


def _script(name: str, script: str, **parts: str) -> Task:
    return _task(name, "win_powershell", {"script": script.format(**parts)})


def _line(name: str, line: str) -> Task:
    """A line of cmd.exe."""
    return {
        "name": _plain(name),
        f"{_MODULES}win_shell": _literal(line),
        "args": {"executable": "cmd"},
    }


def _literal(value: Any) -> Any:
    """A value in which Ansible fills nothing in."""
    if isinstance(value, str) and re.search(r"\{[{%#]", value):
        return _Unsafe(value)
    return [_literal(item) for item in value] if isinstance(value, list) else value


def _plain(name: str) -> str:
    """The name of a task, which Ansible takes for a template, on one line."""
    return re.sub(r"\{([{%#])", r"{ \1", " ".join(name.split()))


def _listed(when: Any) -> list[str]:
    return [] if when is None else [when]


def _variable(step: str) -> str:
    """What the result of a step is registered as."""
    return "step_" + re.sub(r"[^A-Za-z0-9_]", "_", step)


def _path(key: str) -> str:
    root, _, path = key.partition("\\")
    return f"{root}:\\{path}"


def _data(value: RegistryValue) -> Any:
    match value.data:
        case bytes(raw):
            return f"hex:{raw.hex(',')}"
        case tuple(items):
            return list(items)
        case data:
            return data
