"""Shipped playbooks with the installed command: other kinds of steps, there and back, replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.conftest import INSTANT, Machine, Site


def picture(machine: Machine) -> Any:
    return machine.do(lambda vm: vm.guest.snapshot())


def test_a_moved_port_there_and_back(site: Site) -> None:
    """Registry, two firewall rules and a service that restarts; nothing restarts the VM."""
    machine = site.machine(broken=["port-moved", "firewall-rule-off"], delays=INSTANT)
    before = picture(machine)
    args = ("--vm", machine.name, "--playbook", "rdp-port-reset")
    checked = site.command("check", *args, "--exit-code", "-o", "json")
    assert checked.code == 20, checked.err
    assert picture(machine) == before
    done = site.command("run", *args, "--yes", "-o", "json")
    assert done.code == 0, done.err
    kinds = {step["kind"]: step["outcome"] for step in done.result["steps"]}
    assert (kinds["registry"], kinds["service"]) == ("changed", "changed")
    assert any("listens on TCP port 3389" in proof["text"] for proof in done.result["proof"])
    again = site.command("run", *args, "--yes", "-o", "json")
    assert (again.code, again.result["outcome"]) == (0, "ok"), again.err
    back = site.command("undo", done.result["run_id"], "--yes", "-o", "json")
    assert (back.code, back.result["outcome"]) == (0, "changed"), back.err
    assert picture(machine) == before
    assert (machine.restarts, machine.channels) == (0, [])
    for result in (done.result, back.result):
        for recording in result["recordings"]:
            assert site.command("replay", recording).code == 0, Path(recording).name


def test_a_parameter_is_kept_for_resume_and_undo(site: Site) -> None:
    machine = site.machine(delays=INSTANT)
    before = picture(machine)
    args = ("--vm", machine.name, "--playbook", "rdp-port-reset", "--set", "port=3390")
    done = site.command("run", *args, "--yes", "-o", "json")
    assert done.code == 0, done.err
    assert site.journal()[0]["parameters"]["port"] == 3390
    assert "default: 3390" in (site.runs[-1] / "playbook.yaml").read_text()
    back = site.command("undo", done.result["run_id"], "--yes", "-o", "json")
    assert back.code == 0, back.err
    assert picture(machine) == before


def test_a_service_that_does_not_start_is_told_with_its_advice(site: Site) -> None:
    machine = site.machine(broken="termservice-denied", delays=INSTANT)
    before = picture(machine)
    ended = site.command("run", "--vm", machine.name, "-p", "termservice-repair", "--yes")
    assert ended.code == 7
    assert "error 5" in ended.err
    assert "Nothing in the VM was changed." in ended.err
    assert picture(machine) == before
    assert machine.channels == []
