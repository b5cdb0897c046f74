"""A person at the console, from another machine, and a run that leaves them in peace."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from serialfix.lab.guest import PASSWORD, USERNAME
from serialfix.model import RunResult
from serialfix.playbook.load import load_playbook
from serialfix.remediation.events import Silence
from serialfix.secrets import Secret
from serialfix.session import Credentials
from tests.e2e.conftest import QUICK, Machine, Site
from tests.e2e.test_attach import attach, leave, log_in


def unattended(site: Site, machine: Machine, **more: Any) -> RunResult:
    """The run of a fleet's worker: on another machine, so that no lock of ours tells it."""
    from serialfix.remediation.run import RunOptions, run

    options = RunOptions(
        guest=Credentials(USERNAME, Secret(PASSWORD, "guest_password")),
        environ=os.environ,
        vm=machine.name,
        state_dir=site.home / "elsewhere",
        patience=QUICK,
        **more,
    )
    return asyncio.run(run(load_playbook(Path(site.three)), options, Silence()))


def test_a_person_in_the_middle_of_a_line(site: Site) -> None:
    machine = site.machine()
    sitting = attach(site, machine)
    log_in(sitting)
    sitting.type("echo half of", ">echo half of")
    entered = len(machine.entered)

    result = unattended(site, machine, refuse_foreign=True)
    assert (result.outcome, result.exit_code, result.touched) == ("refused", 5, "no")
    assert result.error is not None
    assert result.error["slug"] == "preflight.console_in_use"
    assert "channel Cmd0001 was in view" in result.error["message"]
    assert ">echo half of" in result.error["screen"]
    assert PASSWORD not in json.dumps(result.error)
    assert not any("not left clean" in warning for warning in result.warnings)
    assert {step.outcome for step in result.steps} == {"not_started"}
    assert all(each.where == "SAC" for each in machine.entered[entered:])
    machine.untouched(attached=True)

    sitting.see("Somebody else attached")
    sitting.type("y", "Use any other key to view this channel.")
    sitting.type(" ", ">echo half of")
    sitting.type(" a line\r", "\nhalf of a line")
    assert machine.lines[-1] == "echo half of a line"

    assert leave(sitting) == 0
