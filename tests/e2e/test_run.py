"""The plain ways: repair, check, again, undo, with the options that change them."""

from __future__ import annotations

import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from junitparser import JUnitXml

from serialfix.lab.switches import FORBIDDEN, ArmFaults
from serialfix.report.machine import run_schema
from tests.e2e.conftest import IN_THREE, INSTANT, Ended, Site, until


def test_one_command_repairs_a_vm(site: Site) -> None:
    machine = site.machine()
    ended = site.command("run", "--vm", machine.name, "--playbook", "rdp-reset", "--yes")
    assert ended.code == 0, ended.err
    machine.repaired()
    assert machine.logins == 2
    assert len(machine.writes) == 16
    for words in ("16 of 16 steps would change something", "attach", "restart took", "apply took"):
        assert words in ended.err
    assert f"{machine.name}: changed (rdp-reset)" in ended.out
    assert ended.out.count("changed  ") >= 16
    (run,) = site.runs
    for name in ("journal.jsonl", "playbook.yaml", "undo.yaml", "evidence/SHA256SUMS"):
        assert (run / name).exists()
    for shown in (f"{run}/evidence", f"{run}/undo.yaml", f"{run}/session-1-apply.cast"):
        assert shown in ended.out


def test_the_lab_without_any_account(site: Site) -> None:
    bare = {name: value for name, value in site.env.items() if name not in site.lab.env}
    ended = site.command(
        "run", "--lab", "--check", "--playbook", site.three, "-o", "json", env=bare
    )
    assert ended.code == 0, ended.err
    assert (ended.result["vm"]["name"], ended.result["outcome"]) == ("myvm", "would_change")


def test_the_scraping_renderer_and_every_cut(site: Site) -> None:
    machine = site.machine(profile="ws2019")
    machine.gateway(split=True, frames="mixed", backlog=100_000)
    machine.faults(split_writes=True, nul_everywhere=True, stale_backlog=True)
    ended = site.run(machine, playbook=site.three)
    assert ended.code == 0, ended.err
    machine.repaired(IN_THREE)


def test_the_streaming_renderer_and_every_cut(site: Site) -> None:
    machine = site.machine(profile="ws2025")
    machine.gateway(split=True, frames="mixed", backlog=100_000)
    machine.faults(split_writes=True, nul_everywhere=True, stale_backlog=True)
    ended = site.run(machine)
    assert ended.code == 0, ended.err
    machine.repaired()


def test_a_check_changes_nothing_and_a_second_run_finds_all_in_place(site: Site) -> None:
    machine = site.machine()
    name = ("--vm", machine.name, "--playbook", "rdp-reset", "-o", "json")
    for code, args in ((0, ("check",)), (20, ("run", "--check", "--exit-code"))):
        ended = site.inside(*args, *name)
        assert ended.code == ended.result["exit_code"] == code
        assert (ended.result["outcome"], ended.result["touched"]) == ("would_change", "no")
        assert {step["outcome"] for step in ended.result["steps"]} == {"would_change"}
        machine.untouched(attached=True)
        assert machine.channels == []

    first = site.run(machine)
    assert (first.code, first.result["outcome"], first.result["touched"]) == (0, "changed", "yes")
    machine.repaired()
    written = len(machine.writes)

    again = site.run(machine)
    assert (again.code, again.result["outcome"], again.result["touched"]) == (0, "ok", "no")
    assert {step["outcome"] for step in again.result["steps"]} == {"ok"}
    assert [proof["outcome"] for proof in again.result["proof"]] == ["ok"] * 3
    assert again.result["restart"] is None
    machine.repaired()  # one restart still
    assert len(machine.writes) == written
    assert site.inside("check", *name, "--exit-code").code == 0


def test_undo_brings_everything_back(site: Site) -> None:
    machine = site.machine()
    assert site.run(machine).code == 0
    machine.repaired()
    ended = site.inside("undo", site.runs[0].name, "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    assert machine.registry == machine.before  # the keys that were made are gone, too
    assert ended.result["outcome"] == "changed"
    assert all(proof["outcome"] == "ok" for proof in ended.result["proof"])
    assert (machine.restarts, machine.guest.restarts, machine.channels) == (2, 2, [])
    again = site.inside("undo", site.runs[0].name, "--yes", "-o", "json")
    assert (again.code, again.result["outcome"]) == (0, "ok")
    assert machine.restarts == 2


def test_undo_of_an_undo_is_the_run_again(site: Site) -> None:
    machine = site.machine()
    assert site.run(machine, "--no-restart", playbook=site.three).code == 0
    after = machine.registry
    undone = site.inside("undo", site.runs[0].name, "--yes", "--no-restart", "-o", "json")
    assert undone.code == 0, undone.err
    assert machine.registry == machine.before
    run = undone.result["run_id"]
    assert site.inside("undo", run, "--yes", "--no-restart").code == 0
    assert machine.registry == after
    assert machine.restarts == 0


def test_a_key_that_somebody_else_uses_now_stays(site: Site) -> None:
    machine = site.machine()
    assert site.run(machine, playbook=site.three).code == 0
    policy = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
    dword = next(value for value in machine.before.values() if value is not None)
    machine.do(lambda vm: vm.guest.registry.set(policy, "Theirs", dword))
    ended = site.inside("undo", site.runs[0].name, "--yes", "-o", "json")
    assert ended.code == 7
    assert "is not empty, so it stays" in ended.err
    left = machine.registry.keys() - machine.before.keys()
    assert {name for _, name in left} == {"", "Theirs"}


def test_a_run_that_changed_nothing_has_nothing_to_undo(site: Site) -> None:
    machine = site.machine()
    assert site.inside("check", "--vm", machine.name, "--playbook", site.three).code == 0
    ended = site.inside("undo", site.runs[0].name, "--yes")
    assert ended.code == 2
    assert "has changed nothing" in ended.err


def test_no_restart_is_kept_to(site: Site) -> None:
    machine = site.machine()
    ended = site.run(machine, "--no-restart", playbook=site.three)
    assert (ended.code, ended.result["outcome"], ended.result["restart"]) == (0, "changed", None)
    assert "the VM was not restarted" in ended.err
    assert machine.restarts == machine.guest.restarts == 0


def test_a_snapshot_comes_before_the_first_write(site: Site) -> None:
    machine = site.machine()
    ended = site.run(machine, "--snapshot", playbook=site.three)
    assert ended.code == 0, ended.err
    machine.repaired(IN_THREE)
    taken = site.lab.call(
        lambda lab: [
            each
            for each in lab.cloud.snapshots.values()
            if each["tags"].get("serialfix-run") == ended.result["run_id"]
        ]
    )
    assert len(taken) == 1
    assert taken[0]["properties"]["incremental"] is True
    assert machine.vm.os_disk in taken[0]["properties"]["creationData"]["sourceResourceId"]
    kinds = [record["kind"] for record in site.journal()]
    assert kinds.index("snapshot") < kinds.index("step_entering")


def test_a_snapshot_that_is_refused_stops_the_run(site: Site) -> None:
    machine = site.machine()
    faults = ArmFaults(deny={"Microsoft.Compute/snapshots/write": FORBIDDEN})
    site.lab.call(lambda lab: setattr(lab.cloud, "faults", faults))
    try:
        ended = site.run(machine, "--snapshot", playbook=site.three)
    finally:
        site.lab.call(lambda lab: setattr(lab.cloud, "faults", ArmFaults()))
    assert (ended.code, ended.result["touched"]) == (4, "no")
    assert "403 AuthorizationFailed" in ended.err
    machine.untouched(attached=True)


def test_an_instance_of_a_scale_set(site: Site) -> None:
    other = site.machine(scale_set="web", instance_id="0")
    machine = site.machine(scale_set="web", instance_id="3")
    ended = site.inside(
        *("run", "--vm", "web", "--playbook", site.three, "--yes"),
        *("--instance-id", "3", "-o", "json"),
    )
    assert ended.code == 0, ended.err
    machine.repaired(IN_THREE)
    other.untouched(attached=False)
    assert ended.result["vm"]["id"].endswith("/virtualMachineScaleSets/web/virtualMachines/3")
    forgot = site.inside("run", "--vm", "web", "--playbook", site.three, "--yes")
    assert forgot.code == 3
    assert "--instance-id" in forgot.err


def test_a_full_id_in_any_case(site: Site) -> None:
    machine = site.machine()
    ended = site.inside(
        *("run", "--playbook", site.three, "--yes", "-o", "json"),
        *("--ids", machine.vm.id.upper().replace("/SUBSCRIPTIONS", "/subscriptions")),
    )
    assert ended.code == 0, ended.err
    machine.repaired(IN_THREE)


def test_two_runs_on_one_vm(site: Site) -> None:
    machine = site.machine(delays=replace(INSTANT, login=2.0))
    with site.process("run", "--vm", machine.name, "--playbook", "rdp-reset", "--yes") as first:
        assert first.stderr is not None
        until(first.stderr, "login  ")
        second = site.run(machine)
        assert (second.code, second.error["slug"]) == (5, "preflight")
        assert f"run {site.runs[0].name} is working on this VM" in second.err
        assert machine.vm.sessions == 1  # the first was not thrown out
        first.terminate()
        first.communicate(timeout=30)
    assert first.returncode == 143
    machine.untouched(attached=True)


# --- formats ----------------------------------------------------------------------------------


def test_json_validates_for_every_end(site: Site) -> None:
    schema = jsonschema.Draft7Validator(run_schema())

    def holds(ended: Ended, code: int) -> None:
        assert ended.code == ended.result["exit_code"] == code
        schema.validate(ended.result)

    machine = site.machine()
    holds(site.inside("check", "--vm", machine.name, "--playbook", "rdp-reset", "-o", "json"), 0)
    holds(site.run(machine, playbook=site.three), 0)
    holds(site.inside("undo", site.runs[-1].name, "--yes", "-o", "json"), 0)
    holds(site.inside("run", "--vm", "nobody", "--playbook", "rdp-reset", "--yes", "-o", "json"), 3)
    holds(site.run(site.machine(power="stopped")), 5)
    lies = site.machine()
    lies.faults(reg_lies_for="KeepAliveEnable")
    holds(site.run(lies, playbook=site.three), 7)
    fails = site.machine()
    fails.arm(restart_fails=True)
    holds(site.run(fails, playbook=site.three), 8)
    for run in site.runs:
        schema.validate(json.loads((run / "evidence" / "result.json").read_text()))
        handed_over(site, run)


def handed_over(site: Site, run: Path) -> None:
    """What whoever gets the ticket can do with the evidence, with programs that are not ours."""
    packed = site.home / f"{run.name}.zip"
    assert site.inside("runs", "pack", run.name, "-o", str(packed)).code == 0
    with zipfile.ZipFile(packed) as file:
        file.extractall(site.home)
    folder = site.home / run.name
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    (suite,) = JUnitXml.fromstring((folder / "junit.xml").read_bytes())
    result = json.loads((folder / "result.json").read_text())
    assert bool(suite.failures + suite.errors) is bool(result["exit_code"])
    assert suite.tests >= len(result["steps"])
    assert f": {result['outcome']}" in (folder / "report.md").read_text().splitlines()[0]


def test_the_other_formats(site: Site) -> None:
    machine = site.machine()
    args = ("check", "--vm", machine.name, "--playbook", site.three, "-o")
    plain = site.inside(*args, "json").result
    for name, read in (("yaml", yaml.safe_load), ("jsonc", json.loads)):
        ended = site.inside(*args, name)
        assert ended.code == 0
        data: dict[str, Any] = read(ended.out)
        assert data.keys() == plain.keys()
        assert data["steps"] == plain["steps"]
    rows = [line.split("\t") for line in site.inside(*args, "tsv").out.splitlines()]
    assert [row[0] for row in rows] == ["first", "absent", "last"]
    assert {row[2] for row in rows} == {"would_change"}
    assert site.inside(*args, "none").out == ""


def test_runs_and_a_run_shown_again(site: Site) -> None:
    assert "No runs yet." in site.inside("runs").err
    machine = site.machine()
    first = site.run(machine, playbook=site.three)
    site.run(site.machine(power="stopped"))
    listed = json.loads(site.inside("runs", "-o", "json").out)
    assert [(run["outcome"], run["touched"]) for run in listed] == [
        ("refused", "no"),
        ("changed", "yes"),
    ]
    assert [run["run_id"] for run in listed] == [run.name for run in reversed(site.runs)]
    table = site.command("runs").out
    assert machine.name in table
    assert site.runs[0].name in table
    shown = site.inside("runs", "show", site.runs[0].name, "-o", "json")
    assert shown.code == 0
    assert shown.result["steps"] == first.result["steps"]
    assert site.inside("runs", "show", "nothing").code == 3


def test_progress_can_be_switched_off(site: Site) -> None:
    machine = site.machine()
    ended = site.run(machine, "--only-show-errors", playbook=site.three)
    assert (ended.code, ended.err) == (0, "")


def test_every_session_of_a_run_replays(site: Site) -> None:
    machine = site.machine()
    assert site.run(machine, playbook=site.three).code == 0
    casts = sorted(site.runs[0].glob("*.cast"))
    assert [cast.name for cast in casts] == ["session-1-apply.cast", "session-2-prove.cast"]
    for cast in casts:
        ended = site.inside("replay", str(cast), "-o", "json")
        assert ended.code == 0, ended.err
        assert ended.result["outcome"] == "ok"
