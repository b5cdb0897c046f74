"""The Ansible playbook: its syntax by ansible-core, its options by what the modules document.

The collections are no part of ansible-core; where they are not installed their modules are stood in
for by names, and the options are held to the table below, which is that of ansible.windows 3.3.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from serialfix.playbook.export import export
from serialfix.playbook.load import find_playbook
from serialfix.playbook.schema import Playbook
from tests.playbook.everything import KEY, VALUES, everything, values


OPTIONS = {
    "win_regedit": {"path", "name", "data", "type", "state"},
    "win_reg_stat": {"path", "name"},
    "win_service": {
        *("name", "start_mode", "state", "username", "service_type", "force_dependent_services"),
    },
    "win_powershell": {"script"},
    "win_group_membership": {"name", "members", "state"},
    "win_shell": {"executable", "creates"},
    "win_reboot": set(),
}
CHOICES = {
    ("win_regedit", "type"): {
        *("none", "binary", "dword", "expandstring", "multistring", "string", "qword"),
    },
    ("win_service", "start_mode"): {"auto", "delayed", "disabled", "manual"},
    ("win_service", "state"): {"absent", "paused", "started", "stopped", "restarted"},
    ("win_service", "service_type"): {"win32_own_process", "win32_share_process"},
}
TASK = {"name", "register", "when", "args", "changed_when", "failed_when", "check_mode"}


class _Loader(yaml.SafeLoader):
    """Knows Ansible's tag."""


_Loader.add_constructor("!unsafe", lambda loader, node: str(node.value))


def tasks(playbook: Playbook, *, partial: bool = False) -> list[dict[str, Any]]:
    text = export(playbook, "ansible", partial=partial).content.decode()
    ((play),) = yaml.load(text, _Loader)
    found: list[dict[str, Any]] = play["tasks"]
    return found


def module(task: dict[str, Any]) -> tuple[str, Any]:
    ((name, arguments),) = ((key, task[key]) for key in task if key.startswith("ansible.windows."))
    return name.removeprefix("ansible.windows."), arguments


def test_every_task_has_only_what_its_module_knows() -> None:
    found = [*tasks(everything(), partial=True), *tasks(values())]
    assert {module(task)[0] for task in found} == set(OPTIONS)
    for task in found:
        name, arguments = module(task)
        assert set(task) - {f"ansible.windows.{name}"} <= TASK
        given = arguments if isinstance(arguments, dict) else task.get("args", {})
        assert set(given) <= OPTIONS[name]
        for option, value in given.items():
            assert value in CHOICES.get(
                (name, option), {value} if isinstance(value, str) else [value]
            )


def test_what_a_condition_speaks_of_is_registered_before() -> None:
    known: set[str] = set()
    for task in tasks(everything(), partial=True):
        when = task.get("when", [])
        words = " ".join(when if isinstance(when, list) else [when])
        used = {word.strip("()").split(".")[0] for word in words.split() if "step_" in word}
        assert used <= known, task["name"]
        if "register" in task:
            assert task["register"] not in known
            known.add(task["register"])


def test_registry_values() -> None:
    found = {
        arguments["name"]: arguments
        for name, arguments in map(module, tasks(values()))
        if name == "win_regedit"
    }
    assert set(found) == set(VALUES)
    assert {each["path"] for each in found.values()} == {KEY.replace("HKLM", "HKLM:")}
    assert (found["Number"]["type"], found["Number"]["data"]) == ("dword", 0xFFFFFFFF)
    assert (found["List"]["type"], found["List"]["data"]) == (
        "multistring",
        ["one two", 'three "3"'],
    )
    assert found["None"]["data"] == "hex:78,00,00,00"
    assert found["Größe"]["data"] == VALUES["Größe"].data
    assert "!unsafe 'Größe 東京" in export(values(), "ansible").content.decode()


def test_windows_restarts_when_a_task_changed_something() -> None:
    *_, last = tasks(find_playbook("rdp-reset").playbook)
    assert module(last)[0] == "win_reboot"
    assert last["when"].count(" is changed") == 16
    again = [task for task in tasks(everything(), partial=True) if "anew" in task["name"]]
    assert [task["when"] for task in again] == ["step_present is changed"]


def test_ansible_takes_it(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        pytest.skip("ansible-core is not installed: not shown is that Ansible takes the playbook")
    modules = tmp_path / "collections/ansible_collections/ansible/windows/plugins/modules"
    modules.mkdir(parents=True)
    for name in OPTIONS:
        (modules / f"{name}.py").write_text(f'"""Stands in for {name}."""\n')
    files = []
    for playbook in (everything(), values(), find_playbook("rdp-reset").playbook):
        content = export(playbook, "ansible", partial=True).content
        files.append(tmp_path / f"{playbook.name}.yml")
        files[-1].write_bytes(content)
    done = subprocess.run(
        [program, "--syntax-check", "-i", "localhost,", *files],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
