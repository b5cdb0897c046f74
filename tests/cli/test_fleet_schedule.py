from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from serialfix.cli import fleet_schedule
from serialfix.fleet.database import open_database
from serialfix.fleet.presence import FilePresence
from serialfix.fleet.schedule import Schedule, Schedules
from serialfix.fleet.standing import Kind
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.switches import FORBIDDEN, ArmDelays, ArmFaults
from serialfix.lab.vm import SUBSCRIPTION, LabVm
from serialfix.report.machine import shipped_schema
from tests.cli.conftest import Stage
from tests.lab.doubles import FakeGuest


READ = "Microsoft.ResourceGraph/resources/read"
ADD = ("--cron", "0 2 * * Sat", "--time-zone", "Europe/Berlin", "-p", "rdp-reset", "--all")


@pytest.fixture
def lab(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabThread]:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    vms = [LabVm(guest=FakeGuest(), name=f"web-{number}") for number in range(2)]
    with LabThread(lambda: Lab(vms, delays=ArmDelays.instant())) as thread:
        for name, value in thread.env.items():
            monkeypatch.setenv(name, value)
        yield thread


def schedule(stage: Stage, *args: str) -> tuple[int, str, str]:
    return stage.run("fleet", "schedule", *args)


def kept(stage: Stage, name: str = "nightly") -> Schedule:
    database = open_database(str(stage.state / "fleet.db"))
    try:
        return Schedules(database).find(name).schedule
    finally:
        database.close()


def listed(stage: Stage) -> list[dict[str, Any]]:
    code, out, _ = schedule(stage, "list", "-o", "json")
    assert code == 0
    data: list[dict[str, Any]] = json.loads(out)
    for each in data:
        jsonschema.Draft7Validator(shipped_schema("fleet-schedule-1")).validate(each)
    return data


def test_a_schedule_from_its_beginning_to_its_end(stage: Stage, lab: LabThread) -> None:
    code, out, err = schedule(
        *(stage, "add", "nightly", *ADD, "--yes", "--waves", "1,rest", "--approve-after", "1"),
        *("--window", "22:00-04:00 Europe/Berlin", "--no-restart", "--snapshot"),
        *("--guest-username", "adm-{vm}", "--credential", "keyvault:v/{vm}"),
    )
    assert (code, out) == (0, ""), err
    said = " ".join(err.split())
    assert "Now these are 2 VMs; at each tick they are looked for anew." in said
    assert "No worker is alive, so nothing ticks: keep `serialfix fleet worker` running" in said
    assert all(len(line) <= 80 for line in err.splitlines())

    found = kept(stage)
    assert (found.cron.text, found.cron.zone, found.kind) == (
        *("0 2 * * Sat", "Europe/Berlin"),
        Kind.RUN,
    )
    assert found.scope.subscriptions == (SUBSCRIPTION,)  # of who added it, not of the worker
    assert (found.policy.waves, found.policy.approve_after) == ("1,rest", 1)
    settings = found.settings
    assert (settings.username, settings.credential, settings.restart, settings.snapshot) == (
        *("adm-{vm}", "keyvault:v/{vm}"),
        *(False, True),
    )
    (data,) = listed(stage)
    assert (data["name"], data["paused"], data["last"]) == ("nightly", False, None)
    assert data["next"]["local"][11:16] == "02:00"

    for act, paused in (("pause", True), ("resume", False)):
        code, out, err = schedule(stage, act, "nightly")
        assert (code, out, "Schedule nightly" in err) == (0, "", True)
        assert listed(stage)[0]["paused"] is paused
    assert schedule(stage, "list", "-o", "tsv")[1].split("\t")[:2] == ["nightly", "false"]
    code, out, _ = schedule(stage, "show", "nightly")
    assert (code, "0 2 * * Sat" in out, found.playbook_sha256 in out) == (0, True, True)
    assert schedule(stage, "remove", "nightly")[0] == 0
    assert listed(stage) == []
    code, _, err = schedule(stage, "remove", "nightly")
    assert (code, "no schedule 'nightly'" in err) == (3, True)


def test_a_second_one_of_a_name_has_to_say_so(stage: Stage, lab: LabThread) -> None:
    assert schedule(stage, "add", "nightly", *ADD, "--check")[0] == 0
    code, _, err = schedule(stage, "add", "nightly", *ADD, "--check")
    assert (code, "--replace" in err) == (2, True)
    again = ("--cron", "0 3 * * *", "-p", "rdp-reset", "--name", "db-*", "--check", "--replace")
    code, _, err = schedule(stage, "add", "nightly", *again)
    assert (code, "Now these are 0 VMs" in err) == (0, True)  # there may be some, next time
    assert (kept(stage).cron.text, kept(stage).cron.zone) == ("0 3 * * *", "UTC")
    assert (kept(stage).kind, kept(stage).settings.restart) == (Kind.CHECK, False)


def test_list_is_silent_while_a_worker_is_alive(stage: Stage, lab: LabThread) -> None:
    assert schedule(stage, "add", "nightly", *ADD, "--check")[0] == 0
    database = open_database(str(stage.state / "fleet.db"))
    worker = FilePresence(database)
    assert schedule(stage, "list")[2] == ""
    worker.close()
    database.close()
    assert "No worker is alive" in schedule(stage, "list")[2]
    schedule(stage, "pause", "nightly")
    assert schedule(stage, "list")[2] == ""  # nothing is to tick


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--cron", "0 2 * *", "--yes"), "--cron: '0 2 * *' has 4 fields"),
        (("--cron", "0 0 30 2 *", "--yes"), "--cron: '0 0 30 2 *' never comes"),
        (("--time-zone", "Mars/Olympus", "--yes"), "--time-zone: Mars/Olympus is no time zone"),
        (("--waves", "1,x", "--yes"), "--waves"),
        (("--credential", "hunter2", "--yes"), "--credential does not begin"),
        ((), "nobody is there to confirm it"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_kept(
    stage: Stage, lab: LabThread, args: tuple[str, ...], said: str
) -> None:
    code, out, err = schedule(stage, "add", "nightly", *ADD, *args)
    assert (code, out, said in " ".join(err.split())) == (2, "", True), err
    assert not (stage.state / "fleet.db").exists()


def test_what_azure_refuses_is_told_when_it_is_added(stage: Stage, lab: LabThread) -> None:
    lab.call(lambda lab: setattr(lab.cloud, "faults", ArmFaults(deny={READ: FORBIDDEN})))
    assert schedule(stage, "add", "nightly", *ADD, "--yes")[0] == 4


def test_running_one_needs_consent(stage: Stage, lab: LabThread) -> None:
    assert schedule(stage, "add", "nightly", *ADD, "--yes")[0] == 0
    code, _, err = schedule(stage, "run", "nightly")
    assert (code, "nobody is there to confirm it" in err) == (2, True)


def test_there_is_all_that_a_fleet_run_takes(stage: Stage) -> None:
    def options(*command: str) -> set[str]:
        words = stage.run("fleet", *command, "--help")[1].split()
        return {each.strip(",") for each in words if each.startswith("--")}

    watching = {"--detach", "--output"}
    assert options("run") - watching <= options("schedule", "add")
    assert set(fleet_schedule.COMMANDS) >= {
        "add",
        "list",
        "show",
        "pause",
        "resume",
        "remove",
        "run",
    }
