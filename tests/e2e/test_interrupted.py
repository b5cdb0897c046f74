"""Ended from outside at any moment: what is said, what is left, and that `resume` completes it.

Over all processes of a run there is one restart, and every value is typed at most once more than
it has to be.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from serialfix.lab.switches import ArmFaults
from tests.e2e.conftest import IN_THREE, INSTANT, QUICK, Ended, Machine, Site, until


PHASES = ("find", "attach", "login", "plan", "apply", "restart", "prove")
SLOW = {
    "login": replace(INSTANT, login=0.4),
    "plan": replace(INSTANT, command=0.05),
    "apply": replace(INSTANT, command=0.04),
    "prove": replace(INSTANT, command=0.05),
}
"""A guest that takes its time in a phase, so that the signal comes within it."""


def interrupted(site: Site, machine: Machine, phase: str, number: signal.Signals) -> Ended:
    """Run the short playbook and send a signal when a phase has begun."""
    said = {
        "apply": "1/3 changed",
        "restart": "the restart: InProgress",
        "prove": "] prove\n",
    }.get(phase, f"] {phase}  ")
    args = ("run", "--vm", machine.name, "--playbook", site.three, "--yes", "-o", "json")
    with site.process(*args) as process:
        assert process.stderr is not None
        read = until(process.stderr, said)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, read + err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_in_a_phase(site: Site, phase: str, number: signal.Signals) -> None:
    machine = site.machine(delays=SLOW.get(phase, INSTANT))
    if phase == "find":
        site.lab.call(lambda lab: setattr(lab.cloud, "faults", ArmFaults(slow=0.2)))
    if phase == "attach":
        machine.gateway(greeting_delay=1.0)
    delays = site.lab.lab.cloud.delays
    if phase == "restart":
        site.lab.call(lambda lab: setattr(lab.cloud, "delays", replace(delays, restart=1.0)))
    try:
        ended = interrupted(site, machine, phase, number)
    finally:
        site.lab.call(lambda lab: setattr(lab.cloud, "faults", ArmFaults()))
        site.lab.call(lambda lab: setattr(lab.cloud, "delays", delays))

    assert ended.code == 128 + number, ended.err
    assert ended.result["exit_code"] == ended.code
    assert ended.error["slug"] == "interrupted"
    assert not set(PHASES[PHASES.index(phase) + 1 :]) & ended.result["phases"].keys()
    assert "Leaving the console first; press Ctrl-C again to end at once." in ended.err
    run = site.runs[0].name
    assert f"`serialfix resume {run}` goes on from here." in ended.err
    assert machine.channels == []
    touched = phase in ("apply", "restart", "prove")
    assert ended.result["touched"] == ("yes" if touched else "no")
    if not touched:
        machine.untouched(attached=phase != "find")
        assert "Nothing in the VM was changed." in ended.err
    assert machine.restarts == (phase in ("restart", "prove"))
    assert not any("not left clean" in warning for warning in ended.result["warnings"])

    machine.gateway(greeting_delay=0)
    site.patience = replace(QUICK, restart=10)
    resumed = site.inside("resume", run, "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    assert (resumed.result["run_id"], resumed.result["outcome"]) == (run, "changed")
    assert [step["outcome"] for step in resumed.result["steps"]] == ["changed"] * 3
    machine.repaired(IN_THREE)
    assert len(machine.writes) == 3
    again = site.inside("resume", run, "--yes")
    assert again.code == 2
    assert "is complete (changed); there is nothing to resume" in again.err


DEATHS = (
    ("before:target", 1),
    ("after:channel_opened", 1),
    ("after:planned", 1),
    ("before:step_entering", 1),
    ("after:step_entering", 2),
    ("keys", 10),
    ("entered", 10),
    ("before:step_verified", 2),
    ("after:step_verified", 3),
    ("before:restart_requested", 1),
    ("after:restart_accepted", 1),
    ("after:restart_done", 1),
    ("before:run_ended", 1),
)


def killed(site: Site, machine: Machine, moment: str, nth: int, *args: str) -> None:
    """Run the short playbook until it kills itself."""
    ended = site.command(
        *(moment, str(nth), "run", "--vm", machine.name, "--playbook", site.three, "--yes", *args),
        program=[sys.executable, str(Path(__file__).with_name("dying.py"))],
    )
    assert ended.code == -signal.SIGKILL, f"{moment} {nth} never came:\n{ended.err}"


@pytest.mark.parametrize(("moment", "nth"), DEATHS)
def test_killed_and_resumed(site: Site, moment: str, nth: int) -> None:
    machine = site.machine()
    killed(site, machine, moment, nth)
    (run,) = site.runs
    assert "interrupted" in site.inside("runs").out
    told = site.inside("runs", "show", run.name, "-o", "json")
    assert (told.code, told.error["slug"]) == (0, "interrupted")
    assert told.result["outcome"] in ("not_started", "unknown")
    assert f"serialfix resume {run.name}" in told.err
    ended = site.inside("resume", run.name, "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    assert ended.result["outcome"] == "changed"
    assert [step["outcome"] for step in ended.result["steps"]] == ["changed"] * 3
    machine.repaired(IN_THREE)
    assert len(machine.writes) == 3, machine.writes  # what was entered was asked, not typed again
    kept = {path.name for path in (run / "evidence" / "recordings").iterdir()}
    assert kept == {path.name for path in run.glob("*.cast")}  # of both processes
    assert site.inside("runs", "show", run.name, "-o", "json").result["outcome"] == "changed"

    undone = site.inside("undo", run.name, "--yes", "--no-restart", "-o", "json")
    assert undone.code == 0, undone.err
    assert machine.registry == machine.before


def test_killed_after_asking_for_the_restart_and_before_the_answer(site: Site) -> None:
    machine = site.machine()
    killed(site, machine, "before:restart_accepted", 1)
    assert machine.restarts == 1
    for _ in range(2):
        ended = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
        assert ended.code == 8
        assert (ended.result["outcome"], ended.result["touched"]) == ("unknown", "yes")
        assert ended.result["restart"]["outcome"] == "unknown"
        assert "whether the VM restarted is not known, and it is not restarted again" in ended.err
        assert "activity log" in ended.err
    assert (machine.restarts, machine.guest.restarts) == (1, 1)


def test_killed_with_the_request_for_the_restart_never_sent(site: Site) -> None:
    machine = site.machine()
    killed(site, machine, "after:restart_requested", 1)
    ended = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert (ended.code, ended.result["outcome"]) == (8, "unknown")  # nobody here can know
    assert machine.restarts == 0
    assert machine.registry != machine.before


def test_a_resumed_run_does_no_more_than_it_was_asked(site: Site) -> None:
    machine = site.machine()
    killed(site, machine, "after:step_verified", 1, "--no-restart", "--snapshot")
    snapshots = site.lab.call(lambda lab: len(lab.cloud.snapshots))
    ended = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    assert machine.restarts == 0
    assert ended.result["restart"] is None
    assert site.lab.call(lambda lab: len(lab.cloud.snapshots)) == snapshots


def test_an_undo_that_was_killed_is_resumed(site: Site) -> None:
    machine = site.machine()
    assert site.run(machine, playbook=site.three).code == 0
    ended = site.command(
        *("after:step_verified", "1", "undo", site.runs[0].name, "--yes"),
        program=[sys.executable, str(Path(__file__).with_name("dying.py"))],
    )
    assert ended.code == -signal.SIGKILL
    resumed = site.inside("resume", site.runs[1].name, "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    assert machine.registry == machine.before
    assert (machine.restarts, machine.guest.restarts) == (2, 2)


def test_a_second_signal_ends_at_once(site: Site) -> None:
    machine = site.machine()
    machine.faults(hang_on="reg query")
    args = ("run", "--vm", machine.name, "--playbook", site.three, "--yes")
    with site.process(*args) as process:
        assert process.stderr is not None
        until(process.stderr, "] plan  ")
        process.send_signal(signal.SIGINT)
        until(process.stderr, "press Ctrl-C again")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Ended at once; the console may not have been left." in err
    assert "interrupted" in site.inside("runs").out


def test_a_check_that_was_interrupted_is_run_again(site: Site) -> None:
    machine = site.machine(delays=SLOW["plan"])
    args = ("check", "--vm", machine.name, "--playbook", site.three)
    with site.process(*args) as process:
        assert process.stderr is not None
        until(process.stderr, "] plan  ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    machine.untouched(attached=True)
    ended = site.inside("resume", site.runs[0].name, "--yes")
    assert ended.code == 2
    assert "was a check; run it again instead" in ended.err


def test_a_run_that_goes_on_cannot_be_resumed_beside_it(site: Site) -> None:
    machine = site.machine(delays=SLOW["plan"])
    with site.process("run", "--vm", machine.name, "--playbook", site.three, "--yes") as process:
        assert process.stderr is not None
        until(process.stderr, "] plan  ")
        beside = site.inside("resume", site.runs[0].name, "--yes")
        process.communicate(timeout=60)
    assert beside.code == 2
    assert "another process works on the run" in beside.err
    assert process.returncode == 0
    machine.repaired(IN_THREE)
