from __future__ import annotations

from dataclasses import replace

import pytest

from serialfix.model import Outcome, PlanFacts, RunResult
from serialfix.result import in_its_words, run_from_json, run_json
from tests.report.examples import EARLY, FAILED, RESULT


def test_the_json_form_is_that_of_the_contract() -> None:
    data = run_json(RESULT)
    assert data["schema"] == "serialfix.run/1"
    assert data["vm"] == {"id": RESULT.vm_id, "name": "myvm"}
    assert data["steps"][1] == {
        "id": "keep-alive-enable",
        "kind": "registry",
        "outcome": "changed",
        "before": None,
        "after": {"type": "REG_DWORD", "data": 1},
        "wanted": {"type": "REG_DWORD", "data": 1},
        "error": None,
        "note": None,
        "seconds": None,
    }
    assert data["restart"] == {"outcome": "ok", "operation": "op-1", "seconds": 63.2}
    assert (data["recording"], data["recordings"]) == ("/s/1.cast", ["/s/1.cast", "/s/2.cast"])
    assert data["duration_s"] == 91.235
    assert run_json(EARLY)["recording"] is None
    assert run_json(EARLY)["restart"] is None


def test_a_plan_and_where_it_came_from_are_in_it() -> None:
    plan = PlanFacts(16, 3, 41.96, restart=True, security=("TLS is off.",))
    told = replace(RESULT, plan=plan, started="2026-11-21T08:45:00+00:00", user="ada", version="1")
    data = run_json(told)
    assert data["plan"] == {
        "steps": 16,
        "changes": 3,
        "seconds": 42.0,
        "restart": True,
        "security": ["TLS is off."],
    }
    assert (data["started"], data["user"], data["version"]) == (told.started, "ada", "1")
    assert run_json(run_from_json(data)) == {**data, "duration_s": 91.235}


def test_a_result_of_a_version_that_knew_less_is_read() -> None:
    data = run_json(RESULT)
    for name in ("plan", "started", "user", "version"):
        del data[name]
    for step in data["steps"]:
        del step["note"], step["seconds"]
    assert run_json(run_from_json(data)) == {**run_json(RESULT), "duration_s": 91.235}


@pytest.mark.parametrize("result", [RESULT, FAILED, EARLY], ids=lambda each: each.outcome)
def test_a_stored_result_is_shown_again_as_it_was(result: RunResult) -> None:
    assert run_json(run_from_json(run_json(result))) == run_json(
        replace(result, duration_s=round(result.duration_s, 3))
    )


@pytest.mark.parametrize(
    ("run_id", "told"),
    [
        ("R", "`serialfix resume R` goes on, `serialfix undo` goes back; `az vm start`."),
        (
            "F.12.3",
            "`serialfix fleet retry F --only failed` goes on,"
            " `serialfix fleet undo F --vm 12` goes back; `az vm start`.",
        ),
    ],
)
def test_advice_names_the_commands_that_know_the_run(run_id: str, told: str) -> None:
    said = f"`serialfix resume {run_id}` goes on, `serialfix undo` goes back; `az vm start`."
    assert in_its_words(said, run_id, Outcome.FAILED) == told
