from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from serialfix.model import RunResult
from serialfix.record.evidence import write_evidence
from serialfix.record.journal import RunStore
from serialfix.result import run_json
from serialfix.secrets import Redactor
from tests.cli.conftest import Stage
from tests.report.examples import FAILED, RESULT
from tests.support.journals import tell


ID = "20261121-084500-abcde"


def keep(state: Path, run_id: str, result: RunResult | None) -> None:
    """A run as it lies in the state folder after its end."""
    folder = RunStore(state).create(run_id)
    tell(folder.journal, "run_started", playbook="rdp-reset", purpose="apply")
    if result is not None:
        write_evidence(folder.path / "evidence", redactor=Redactor(), result=result)
        tell(folder.journal, "run_ended", outcome=result.outcome, exit_code=result.exit_code)
    folder.close()


def test_no_runs_yet(stage: Stage) -> None:
    code, out, err = stage.run("runs")
    assert (code, out) == (0, "")
    assert "No runs yet" in err
    assert stage.run("runs", "-o", "json")[1] == "[]\n"


def test_the_list(stage: Stage) -> None:
    keep(stage.state, ID, RESULT)
    keep(stage.state, "20261121-090000-xyzab", None)
    _, out, _ = stage.run("runs")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert ID in out  # whole, to be copied
    rows = json.loads(stage.run("runs", "-o", "json")[1])
    assert [(row["run_id"][9:15], row["outcome"]) for row in rows] == [
        ("090000", "interrupted"),
        ("084500", "changed"),
    ]


@pytest.mark.parametrize("result", [RESULT, FAILED], ids=lambda each: each.outcome)
def test_a_result_is_shown_again(stage: Stage, result: RunResult) -> None:
    keep(stage.state, ID, result)
    code, out, err = stage.run("runs", "show", ID[:12], "-o", "json")
    assert code == 0
    evidence = str(stage.state / "runs" / ID / "evidence")
    assert json.loads(out) == {**run_json(result), "evidence": evidence}
    assert ("could not be typed" in err) is (result is FAILED)
    assert "security-layer" in stage.run("runs", "show", ID)[1]


def test_a_run_without_a_result_can_be_resumed(stage: Stage) -> None:
    keep(stage.state, ID, None)
    code, out, err = stage.run("runs", "show", ID)
    assert code == 0
    assert "not_started (rdp-reset)" in out
    assert f"serialfix resume {ID}" in err
    assert json.loads(stage.run("runs", "show", ID, "-o", "json")[1])["touched"] == "no"
    assert "interrupted" in stage.run("runs", "show", ID, "-o", "junit")[1]
    assert f"serialfix resume {ID}" in stage.run("runs", "show", ID, "-o", "markdown")[1]


def test_evidence_that_was_changed_is_told(stage: Stage) -> None:
    keep(stage.state, ID, RESULT)
    evidence = stage.state / "runs" / ID / "evidence"
    assert stage.run("runs", "show", ID)[0] == 0
    (evidence / "report.md").write_text("all was well")
    (evidence / "junit.xml").unlink()
    code, out, err = stage.run("runs", "show", ID)
    assert code == 2
    assert "security-layer" in out  # the result is shown all the same
    assert "report.md (changed)" in err
    assert "junit.xml (missing)" in err
    listed = json.loads(stage.run("runs", "show", ID, "--evidence", "-o", "json")[1])
    states = {file["name"]: file["state"] for file in listed["files"]}
    assert (states["report.md"], states["result.json"]) == ("changed", "ok")


def test_the_folder_for_the_ticket(stage: Stage) -> None:
    keep(stage.state, ID, RESULT)
    code, out, _ = stage.run("runs", "show", ID, "--evidence")
    assert code == 0
    first, *rows = out.splitlines()
    assert first == str(stage.state / "runs" / ID / "evidence")
    assert max(map(len, rows)) <= 80
    assert any(row.startswith("report.md ") for row in rows)
    assert stage.run("runs", "show", ID, "--evidence", "-o", "junit")[0] == 2


def test_a_ticket_gets_one_file(stage: Stage, tmp_path: Path) -> None:
    keep(stage.state, ID, RESULT)
    target = tmp_path / "ticket.zip"
    code, out, _ = stage.run("runs", "pack", ID[:12], "-o", str(target))
    assert (code, out) == (0, f"{target}\n")
    with zipfile.ZipFile(target) as packed:
        assert "ticket/report.md" in packed.namelist()
    assert stage.run("runs", "pack", ID, "-o", str(target))[0] == 2


def test_a_run_that_was_killed_has_no_evidence(stage: Stage) -> None:
    keep(stage.state, ID, None)
    for args in (("pack", ID), ("show", ID, "--evidence")):
        code, _, err = stage.run("runs", *args)
        assert code == 2
        assert f"serialfix runs show {ID}" in err


def test_an_unknown_run_and_a_damaged_result(stage: Stage) -> None:
    keep(stage.state, ID, RESULT)
    assert stage.run("runs", "show", "1999")[0] == 3
    (stage.state / "runs" / ID / "evidence" / "result.json").write_text("{")
    code, _, err = stage.run("runs", "show", ID)
    assert code == 2
    assert "result.json cannot be read" in err
