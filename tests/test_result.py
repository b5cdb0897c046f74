from __future__ import annotations

from dataclasses import replace

import pytest

from serialfix.model import RunResult
from serialfix.result import run_from_json, run_json
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
    }
    assert data["restart"] == {"outcome": "ok", "operation": "op-1", "seconds": 63.2}
    assert (data["recording"], data["recordings"]) == ("/s/1.cast", ["/s/1.cast", "/s/2.cast"])
    assert data["duration_s"] == 91.235
    assert run_json(EARLY)["recording"] is None
    assert run_json(EARLY)["restart"] is None


@pytest.mark.parametrize("result", [RESULT, FAILED, EARLY], ids=lambda each: each.outcome)
def test_a_stored_result_is_shown_again_as_it_was(result: RunResult) -> None:
    assert run_json(run_from_json(run_json(result))) == run_json(
        replace(result, duration_s=round(result.duration_s, 3))
    )
