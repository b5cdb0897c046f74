from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest

from serialfix.fleet.pace import Eta
from serialfix.fleet.policy import Policy
from serialfix.fleet.result import (
    counts,
    differing,
    exit_code,
    fleet_json,
    iso,
    list_json,
    status_json,
)
from serialfix.fleet.standing import Kind, State
from serialfix.model import Outcome, StepResult
from serialfix.report.machine import shipped_schema
from serialfix.result import run_json
from tests.fleet.standings import (
    BEGUN,
    HOSTILE,
    at_its_end,
    ended,
    fleet_run,
    over,
    standing_of,
    under_way,
    waiting,
)
from tests.report.examples import RESULT


def valid(name: str, data: dict[str, Any]) -> bool:
    schema = shipped_schema(name)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema).is_valid(data)


@pytest.mark.parametrize("total", [0, 1, 40])
def test_every_run_fits_the_shipped_schemas(total: int) -> None:
    policy = Policy(approve_after=1, window="22:00-04:00", retries=2, max_per_region="5")
    skipped = ({"id": "/subscriptions/s", "reason": "linux", "text": "it is Linux"},)
    run = fleet_run(total, policy=policy, skipped=skipped, of="r0", schedule="nightly")
    for targets, here in ((under_way(total), run), (at_its_end(total), over(run))):
        standing = standing_of(here, targets)
        for name, data in (
            ("fleet-1", fleet_json(standing, targets)),
            ("fleet-status-1", status_json(standing, Eta(12.3))),
        ):
            assert valid(name, data)
            assert not valid(name, {**data, "more": 1})
            assert not valid(name, {**data, "exit_code": 7})
            assert not valid(name, {**data, "started": "2026-11-21T08:45:00+00:00"})
        assert len(fleet_json(standing, targets)["targets"]) == total


def test_the_order_of_keys_is_stable() -> None:
    targets = under_way(40)
    standing = standing_of(fleet_run(40), targets)
    data = fleet_json(standing, targets)
    assert list(data)[:6] == ["schema", "run_id", "kind", "playbook", "state", "why"]
    assert list(data["targets"][0]) == [
        *("number", "id", "name", "resource_group", "subscription_id", "location", "wave"),
        *("state", "outcome", "exit_code", "touched", "attempts", "run_id", "worker"),
        *("started", "ended", "duration_s", "differs", "error"),
    ]


def test_a_target_in_full() -> None:
    (target,) = waiting(1)
    bad = ended(target, Outcome.FAILED, took=61.5, message=HOSTILE)
    (found,) = fleet_json(standing_of(fleet_run(1), [bad]), [bad])["targets"]
    assert (found["outcome"], found["exit_code"], found["touched"]) == ("failed", 7, "maybe")
    assert (found["started"], found["duration_s"]) == ("2026-11-21T08:45:01Z", 61.5)
    assert found["error"]["message"] == HOSTILE  # as it was: escaping is for who shows it
    (found,) = fleet_json(standing_of(fleet_run(1), [target]), [target])["targets"]
    assert (found["state"], found["outcome"], found["duration_s"]) == ("waiting", None, None)


def test_the_status_counts() -> None:
    targets = [ended(each, Outcome.UNREACHABLE) for each in waiting(30)[:4]] + waiting(30)[4:]
    data = status_json(standing_of(fleet_run(30), targets, waiting_for="approval of wave 1"))
    assert (data["errors_so_far"], data["errors_allowed"], data["eta_s"]) == (4, 1, None)
    assert (data["counts"]["waiting"], data["counts"]["unreachable"]) == (26, 4)
    assert [wave["total"] for wave in data["waves"]] == [1, 3, 26]
    assert [each["number"] for each in data["errors"]] == [4, 3, 2, 1]
    assert status_json(standing_of(fleet_run(30), targets), Eta(12.6))["eta_s"] == 13
    assert status_json(standing_of(fleet_run(30), targets), Eta(12.6, 1))["eta_s"] is None
    assert data["waiting_for"] == "approval of wave 1"
    assert set(counts(())) == {"waiting", "running", *Outcome}


@pytest.mark.parametrize(
    ("outcomes", "more", "code"),
    [
        ({Outcome.OK: 2, Outcome.CHANGED: 2}, {}, 0),
        ({Outcome.WOULD_CHANGE: 4}, {"kind": Kind.CHECK}, 0),
        ({Outcome.OK: 3, Outcome.REFUSED: 1}, {}, 9),
        ({Outcome.OK: 3, Outcome.UNKNOWN: 1}, {}, 9),
        ({Outcome.OK: 1, Outcome.NOT_STARTED: 3}, {}, 9),
        ({Outcome.OK: 3}, {}, 9),  # nobody is forgotten
        ({Outcome.FAILED: 4}, {"over_budget": True}, 10),
        ({Outcome.OK: 4}, {"state": State.STOPPING}, None),
    ],
)
def test_exit_codes(outcomes: dict[Outcome, int], more: dict[str, Any], code: int | None) -> None:
    assert exit_code(over(fleet_run(4), **more), Counter(outcomes)) == code


def test_no_target_is_no_failure() -> None:
    assert exit_code(over(fleet_run(0)), Counter()) == 0


def test_times_are_utc() -> None:
    there = datetime(2026, 11, 21, 10, 45, tzinfo=timezone(timedelta(hours=2)))
    assert iso(there) == iso(BEGUN) == "2026-11-21T08:45:00Z"
    assert iso(None) is None


def test_the_list_has_a_head_for_each() -> None:
    (row,) = list_json([standing_of(fleet_run(40), under_way(40))])
    assert (row["run_id"], row["state"], row["total"]) == (fleet_run(1).id, "running", 40)
    assert sum(row["counts"].values()) == 40


def test_what_a_check_would_change() -> None:
    steps = (
        StepResult("a", "registry", "a", Outcome.OK),
        StepResult("b", "registry", "b", Outcome.WOULD_CHANGE),
    )
    data = run_json(replace(RESULT, steps=steps))
    assert differing(data) == ["b"]
    assert differing(run_json(replace(RESULT, steps=()))) is None
    assert differing(None) is None
    refused = [replace(each, outcome=Outcome.NOT_STARTED) for each in RESULT.steps]
    assert differing(run_json(replace(RESULT, steps=tuple(refused)))) is None
    (target,) = waiting(1)
    standing = standing_of(fleet_run(1, kind=Kind.CHECK), [target])
    (found,) = fleet_json(standing, [target], {1: data})["targets"]
    assert found["differs"] == ["b"]
