from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from serialfix.cli.fleet_options import PolicyOptions
from serialfix.fleet.budget import DEFAULT_CONCURRENCY, DEFAULT_ERRORS
from serialfix.fleet.policy import Policy
from serialfix.fleet.waves import DEFAULT
from serialfix.lab.server import LabThread
from serialfix.lab.switches import FORBIDDEN, ArmFaults
from serialfix.report.machine import shipped_schema
from tests.cli.conftest import OTHER, Stage


READ = "Microsoft.ResourceGraph/resources/read"


def planned(stage: Stage, *args: str) -> dict[str, Any]:
    code, out, err = stage.run("fleet", "plan", "-p", "rdp-reset", "-o", "json", *args)
    assert code == 0, err
    data: dict[str, Any] = json.loads(out)
    jsonschema.Draft7Validator(shipped_schema("fleet-plan-1")).validate(data)
    return data


def names(data: dict[str, Any]) -> list[str]:
    return [target["name"] for target in data["targets"]]


def test_the_defaults_shown_in_the_help_are_those_of_the_policy(stage: Stage) -> None:
    _, out, _ = stage.run("fleet", "plan", "--help")
    for value in (DEFAULT, DEFAULT_ERRORS, DEFAULT_CONCURRENCY):
        assert f"[default: {value}]" in " ".join(out.split())
    assert PolicyOptions().policy() == Policy()


def test_who_and_in_which_waves(stage: Stage, lab: LabThread) -> None:
    data = planned(stage, "--all", "--power", "running", "--waves", "1,25%,rest")
    assert data["policy"]["wave_sizes"] == [1, 3, 8]
    assert names(data) == sorted(names(data))
    assert {(s["id"].rpartition("/")[2], s["reason"]) for s in data["skipped"]} == {
        ("lin", "linux"),
        ("off", "not_running"),
    }
    assert names(planned(stage, "--tag", "ENV=prod", "--name", "web-1*")) == [
        *("web-1", "web-10", "web-11")
    ]
    idle = planned(stage, "--name", "off")
    assert (names(idle), "does not run" in idle["notes"][0]) == (["off"], True)


def test_the_policy_is_in_the_plan(stage: Stage, lab: LabThread) -> None:
    data = planned(
        stage,
        *("--all", "--approve-after", "1", "--max-per-region", "25%", "--retries", "2"),
        *("--retry-delay", "5m", "--window", "Sat,Sun 01:00-05:00 Europe/Berlin"),
    )
    assert (
        data["policy"].items()
        >= {
            **{"approve_after": 1, "max_per_region": "25%", "retries": 2, "retry_delay_s": 300},
            "window": "Sat,Sun 01:00-05:00 Europe/Berlin",
        }.items()
    )
    (region,) = data["arm_calls"]["regions"]
    assert {budget["at_once"] for budget in region["budgets"]} == {len(data["targets"]) // 4}


def test_subscriptions_by_name_and_id(stage: Stage, lab: LabThread) -> None:
    far = f"serialfix lab {OTHER[:8]}"
    here = lab.env["AZURE_SUBSCRIPTION_ID"]
    for value in (far, OTHER):
        assert names(planned(stage, "--subscription", value, "--name", "*")) == ["far"]
    both = planned(stage, "--subscription", far, "--subscription", here, "--all")
    assert len(both["targets"]) == 14
    assert len(both["arm_calls"]["regions"]) == 2
    code, _, err = stage.run(
        "fleet", "plan", "-p", "rdp-reset", "--all", "--subscription", "no such"
    )
    assert (code, "no such" in err, far in err) == (2, True, True)


def test_ids_from_a_file_and_from_stdin(
    stage: Stage, lab: LabThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [vm.id for vm in lab.call(lambda lab: list(lab.vms))]
    path = tmp_path / "ids.txt"
    path.write_bytes("\r\n".join(["# mine", ids[0], "", ids[-1]]).encode("utf-8-sig"))
    assert names(planned(stage, "--ids", f"@{path}")) == ["far", "web-0"]
    stdin = io.TextIOWrapper(io.BytesIO("\n".join([ids[1], ids[1], f"{ids[1]}x"]).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    data = planned(stage, "--ids", "@-", "--ids", ids[12])
    assert names(data) == ["web-1"]
    assert sorted(s["reason"] for s in data["skipped"]) == ["duplicate", "linux", "not_found"]
    assert data["asked"]["ids"] == 4


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "nothing says which VMs"),
        (("--subscription", OTHER), "nothing says which VMs"),
        (("--power", "running"), "nothing says which VMs"),
        (("--all", "--name", "x"), "--all takes every VM"),
        (("--all", "--subscription", "a", "--management-group", "b"), "not both"),
        (("--ids", "myvm"), "--ids:1: 'myvm'"),
        (("--ids", "@/no/such/file"), "/no/such/file cannot be read"),
        (("--all", "--waves", "rest,1"), "--waves"),
        (("--all", "--max-errors", "x"), "--max-errors"),
        (("--all", "--max-concurrency", "0"), "--max-concurrency"),
        (("--all", "--max-per-region", "0%"), "--max-per-region"),
        (("--all", "--approve-after", "0"), "--approve-after 0"),
        (("--all", "--window", "22-04"), "--window"),
        (("--all", "--retries", "11"), "--retries"),
        (("--all", "--retry-delay", "soon"), "--retry-delay"),
        (("--all", "--tag", "x"), "--tag takes NAME=VALUE"),
        (("--all", "--set", "no=1"), "no parameter no"),
        (("--all", "--power", "off"), "--power"),
    ],
)
def test_wrong_usage_is_told_before_azure_is_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("SERIALFIX_ARM_ENDPOINT", "http://127.0.0.1:1")
    code, out, err = stage.run("fleet", "plan", "-p", "rdp-reset", *args)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_waves_without_room_for_all_are_refused(stage: Stage, lab: LabThread) -> None:
    code, _, err = stage.run(
        "fleet", "plan", "-p", "rdp-reset", "--name", "web-*", "--waves", "1,50%"
    )
    assert (code, "room for 7 of 12" in err, "1,50%,rest" in err) == (2, True, True)


def test_nothing_found_access_refused(stage: Stage, lab: LabThread) -> None:
    plan = ("fleet", "plan", "-p", "rdp-reset", "-o", "json")
    code, out, err = stage.run(*plan, "--name", "lin")
    assert (code, len(json.loads(out)["skipped"])) == (3, 1)
    assert "all 1 are skipped" in err
    code, out, err = stage.run(*plan, "--name", "nobody")
    assert (code, json.loads(out)["targets"], "none found" in err) == (3, [], True)
    lab.call(lambda lab: setattr(lab.cloud, "faults", ArmFaults(deny={READ: FORBIDDEN})))
    code, out, err = stage.run(*plan, "--all")
    assert (code, out, READ in err) == (4, "", True)


def test_progress_is_on_stderr_and_can_be_had_silent(stage: Stage, lab: LabThread) -> None:
    plan = ("fleet", "plan", "-p", "rdp-reset", "--all")
    code, out, err = stage.run(*plan)
    assert (code, "14 of 14 VMs" in err, "14 of 14" in out) == (0, True, False)
    assert stage.run(*plan, "--only-show-errors", "-o", "none") == (0, "", "")
    _, tsv, _ = stage.run(*plan, "-o", "tsv", "--only-show-errors")
    assert len(tsv.splitlines()) == 14


@pytest.mark.parametrize("group", [("fleet",), ("fleet", "schedule")])
def test_the_lists_of_commands_are_not_cut_off(stage: Stage, group: tuple[str, ...]) -> None:
    code, out, _ = stage.run(*group, "--help")
    listed = out.partition("Commands:")[2]
    assert (code, "..." in listed, max(map(len, out.splitlines())) <= 80) == (0, False, True)
