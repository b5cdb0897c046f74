from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from rich.console import Console

from serialfix.azure.discovery import FoundVm, Scope
from serialfix.fleet.plan import FleetPlan, make_plan, plan_json, rows
from serialfix.fleet.policy import Policy
from serialfix.fleet.targets import Wish, choose
from serialfix.fleet.view import duration, plan_view
from serialfix.playbook.load import find_playbook
from serialfix.report.machine import shipped_schema
from serialfix.result import plain
from tests.fleet.vms import found


MANY = [
    *(found(f"web-{n:04}", power="running" if n else "stopped") for n in range(1000)),
    *(found(f"lin-{n:04}", not_server="Linux") for n in range(30)),
    found("\x1b]0;own\x07", not_server="Linux"),
]


def plan_of(vms: list[FoundVm], **more: Any) -> FleetPlan:
    wish = more.pop("wish", Wish(everything=True))
    return make_plan(
        find_playbook("rdp-reset", environ={}),
        choose(vms, wish),
        Policy(**more),
        scope=Scope(("s",)),
        wish=wish,
        queries=2,
    )


def shown(plan: FleetPlan) -> str:
    console = Console(width=80, record=True, file=open("/dev/null", "w"), highlight=False)  # noqa: SIM115
    with console.file:
        console.print(plan_view(plan), crop=False)
        return console.export_text()


@pytest.mark.parametrize("vms", [MANY, MANY[1000:], []], ids=["many", "none taken", "none"])
def test_the_json_is_as_its_schema_says(vms: list[FoundVm]) -> None:
    data = plain(plan_json(plan_of(vms)))
    schema = shipped_schema("fleet-plan-1")
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(data)
    assert len(data["targets"]) + len(data["skipped"]) == len(vms) == len(rows(plan_of(vms)))
    assert not jsonschema.Draft7Validator(schema).is_valid({**data, "more": 1})
    assert not jsonschema.Draft7Validator(schema).is_valid({**data, "targets_sha256": "x"})


def test_each_target_is_in_its_wave() -> None:
    data = plan_json(plan_of(MANY))
    waves = [target["wave"] for target in data["targets"]]
    assert waves == sorted(waves)
    assert [waves.count(n) for n in (1, 2, 3)] == data["policy"]["wave_sizes"] == [1, 100, 899]
    assert (data["policy"]["errors_allowed"], data["policy"]["at_once"]) == (50, 50)
    assert data["arm_calls"]["in_all"] == 1000 * sum(data["arm_calls"]["per_vm"].values())


def test_a_thousand_vms_are_a_screenful_and_nothing_is_cut() -> None:
    text = shown(plan_of(MANY))
    assert len(text.splitlines()) < 30
    assert all(len(line) <= 80 for line in text.splitlines())
    for wanted in (
        *("web-0000", "web-0001, web-0002, web-0003, ...", "Linux     31"),
        *("899", "1 target does not run", plan_of(MANY).chosen.sha256),
        plan_of(MANY).loaded.sha256,
    ):
        assert wanted in text
    assert "\x1b" not in text


def test_long_regions_have_room_and_many_are_summed_up() -> None:
    vms = [
        found(f"v{n}", location="germanywestcentral" if n else "westus", subscription_id=f"{n:036}")
        for n in range(25)
    ]
    text = shown(plan_of(vms))
    assert "germanywestcentral" in text
    assert f"{24:036}" not in text
    assert "and 5 more" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_what_does_not_fit_is_told_with_figures() -> None:
    text = shown(plan_of(MANY, max_concurrency="100%"))
    assert "more than Azure's budgets" in text
    assert "1000 at once of 200" in text


def test_what_a_start_waits_for_is_told() -> None:
    policy = {
        **{"max_per_region": "20%", "approve_after": 1, "retries": 2, "retry_delay_s": 300},
        "window": "Mon-Fri 22:00-04:00 Europe/Berlin; Sat,Sun 00:00-24:00 Europe/Berlin",
    }
    plan = plan_of(MANY, **policy)
    text = shown(plan)
    assert all(len(line) <= 80 for line in text.splitlines())
    for wanted in (
        *("at most 20% at once", "After wave 1 it waits", "up to 2 times, first after 5 min"),
        *("  Mon-Fri 22:00-04:00 Europe/Berlin\n", "  Sat,Sun 00:00-24:00 Europe/Berlin\n"),
    ):
        assert wanted in text
    data = plan_json(plan)
    assert data["policy"].items() >= policy.items()
    jsonschema.Draft7Validator(shipped_schema("fleet-plan-1")).validate(plain(data))


def test_durations_have_no_more_digits_than_an_estimate() -> None:
    assert [duration(s) for s in (40, 185, 4440, 16_200, 700_000)] == [
        *("40 s", "3 min", "74 min", "4.5 h", "8 days")
    ]


def test_a_budget_of_all_targets_stops_nothing() -> None:
    assert "The run goes on whatever goes wrong." in shown(plan_of(MANY, max_errors="100%"))
    assert "when more than 49 of 1000 failed" in shown(plan_of(MANY, max_errors="49"))
