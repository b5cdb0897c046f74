"""What is told of a past run; kills at every record are in test_killed.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serialfix.errors import RecordError
from serialfix.model import Outcome, RunResult
from serialfix.record.evidence import write_evidence
from serialfix.record.journal import RunFolder, RunStore
from serialfix.remediation.looking_back import last_result
from serialfix.result import run_json
from serialfix.secrets import Redactor
from tests.report.examples import RESULT
from tests.support.journals import tell


ID = "20261121-084500-abcde"
ONE, TWO = ({"type": "REG_DWORD", "data": number} for number in (1, 2))
VM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/myvm"
STEPS = [
    {"step": "right", "before": ONE, "wanted": ONE},
    {"step": "first", "before": None, "wanted": ONE},
    {"step": "second", "before": TWO, "wanted": ONE},
    {"step": "third", "before": TWO, "wanted": ONE},
]
STARTED = (
    "run_started",
    {"playbook": "p", "sha256": "0" * 64, "purpose": "apply", "user": "ada", "version": "1"},
)
PLANNED = ("planned", {"steps": STEPS, "absent_keys": []})


def entering(step: str, former: Any) -> tuple[str, dict[str, Any]]:
    return "step_entering", {"step": step, "former": former, "line": "reg add"}


def kept(state: Path, *records: tuple[str, dict[str, Any]]) -> RunFolder:
    folder = RunStore(state).create(ID)
    for kind, facts in (STARTED, ("target", {"vm_id": VM}), *records):
        tell(folder.journal, kind, **facts)
    folder.close()
    return folder


def outcomes(result: RunResult) -> dict[str, str]:
    return {step.id: str(step.outcome) for step in result.steps}


def test_planned_entered_verified_and_touched(tmp_path: Path) -> None:
    folder = kept(
        tmp_path,
        ("channel_opened", {"channel": "Cmd0001", "prompt": "q>", "others": []}),
        PLANNED,
        entering("first", None),
        ("step_verified", {"step": "first", "after": ONE}),
        entering("second", TWO),
    )
    (folder.path / "undo.yaml").write_text("x")
    (folder.path / "session-10-prove.cast").write_text("x")
    (folder.path / "session-2-apply.cast").write_text("x")
    told = last_result(folder)
    assert outcomes(told) == {
        "right": "ok",
        "first": "changed",
        "second": "unknown",
        "third": "not_started",
    }
    first, second = told.steps[1:3]
    assert (first.before, first.after, first.wanted) == (None, ONE, ONE)
    assert (second.before, second.after, second.error) == (TWO, None, "entered, and not proven")
    assert (told.touched, told.exit_code, told.vm_name) == ("yes", 130, "myvm")
    assert (told.user, told.version) == ("ada", "1")
    assert told.error is not None
    assert f"serialfix resume {ID}" in told.error["remedy"]
    assert told.undo == str(folder.path / "undo.yaml")
    assert [Path(path).name[:10] for path in told.recordings] == ["session-2-", "session-10"]
    assert "Cmd0001" in told.warnings[0]


@pytest.mark.parametrize(
    ("records", "outcome", "touched"),
    [
        ((), Outcome.NOT_STARTED, "no"),
        ((PLANNED,), Outcome.NOT_STARTED, "no"),
        ((PLANNED, entering("first", None)), Outcome.UNKNOWN, "maybe"),
        (
            (PLANNED, entering("first", None), ("step_verified", {"step": "first", "after": ONE})),
            Outcome.UNKNOWN,
            "yes",
        ),
        (
            (
                PLANNED,
                entering("first", None),
                ("step_untouched", {"step": "first", "former": None}),
            ),
            Outcome.NOT_STARTED,
            "no",
        ),
    ],
)
def test_what_was_touched_has_an_unknown_end(
    tmp_path: Path, records: tuple[tuple[str, dict[str, Any]], ...], outcome: Outcome, touched: str
) -> None:
    told = last_result(kept(tmp_path, *records))
    assert (told.outcome, told.touched) == (outcome, touched)


def test_a_restart_that_was_asked_for(tmp_path: Path) -> None:
    verified = ("step_verified", {"step": "first", "after": ONE})
    folder = kept(
        tmp_path,
        *(PLANNED, entering("first", None), verified, ("restart_requested", {})),
        ("restart_accepted", {"operation": "o-1", "continuation_token": "t"}),
    )
    restart = last_result(folder).restart
    assert restart is not None
    assert (restart.outcome, restart.operation) == (Outcome.UNKNOWN, "o-1")
    tell(folder.journal, "restart_done", power_state=None)
    tell(folder.journal, "proof", id="a", outcome="failed", text="not yet")
    tell(folder.journal, "proof", id="a", outcome="ok", text="it is")
    folder.close()
    told = last_result(folder)
    assert told.restart is not None
    assert told.restart.outcome is Outcome.CHANGED
    assert [(proof.outcome, proof.text) for proof in told.proof] == [(Outcome.OK, "it is")]


def test_what_the_plan_said_of_a_step_is_told(tmp_path: Path) -> None:
    """That it does not apply, and that it is right though its state is not all that is wanted."""
    noted = {"step": "a", "before": None, "wanted": None, "outcome": "ok", "note": "level is 2"}
    near = {
        "step": "b",
        "before": {"start": "auto"},
        "wanted": {"start": "demand"},
        "outcome": "ok",
    }
    told = last_result(kept(tmp_path, ("planned", {"steps": [noted, near], "absent_keys": []})))
    assert outcomes(told) == {"a": "ok", "b": "ok"}
    assert told.steps[0].note == "level is 2"


def test_a_run_that_goes_on_just_now_says_so(tmp_path: Path) -> None:
    folder = kept(tmp_path, PLANNED)
    with RunStore(tmp_path).open(ID) as other:
        assert other.journal.records
        error = last_result(folder).error
    assert error is not None
    assert "being worked on" in error["message"]
    assert "resume" not in error["remedy"]


def test_a_check_is_run_again_and_not_resumed(tmp_path: Path) -> None:
    folder = RunStore(tmp_path).create(ID)
    tell(folder.journal, "run_started", playbook="p", sha256="", purpose="check")
    tell(folder.journal, "planned", steps=STEPS, absent_keys=[])
    folder.close()
    told = last_result(folder)
    assert told.error is not None
    assert "Run it again" in told.error["remedy"]
    assert outcomes(told)["first"] == "would_change"


def report(folder: RunFolder) -> None:
    write_evidence(folder.path / "evidence", redactor=Redactor(), result=RESULT)
    tell(folder.journal, "run_ended", outcome="changed", exit_code=0)
    folder.close()


def test_a_report_is_told_as_it_was_written(tmp_path: Path) -> None:
    folder = kept(tmp_path, PLANNED)
    report(folder)
    evidence = str(folder.path / "evidence")
    assert run_json(last_result(folder)) == {
        **run_json(RESULT),
        "evidence": evidence,
        "duration_s": 91.235,
    }


def test_the_report_of_an_earlier_process_is_not_that_of_the_run(tmp_path: Path) -> None:
    """Interrupted with a report, resumed, and killed: what the second process did is told."""
    folder = kept(tmp_path, PLANNED)
    report(folder)
    for kind, facts in (("run_resumed", {"version": "2"}), entering("third", TWO)):
        tell(folder.journal, kind, **facts)
    folder.close()
    told = last_result(folder)
    assert outcomes(told)["third"] == "unknown"
    assert (told.touched, told.version) == ("maybe", "2")


def test_a_report_that_is_gone_or_damaged(tmp_path: Path) -> None:
    folder = kept(tmp_path, PLANNED)
    report(folder)
    stored = folder.path / "evidence" / "result.json"
    stored.write_text("{")
    with pytest.raises(RecordError, match=r"result\.json cannot be read"):
        last_result(folder)
    stored.unlink()
    told = last_result(folder)
    assert told.error is not None
    assert "its report is gone" in told.error["message"]


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    folder = kept(tmp_path, PLANNED)
    folder.journal_path.write_text("nonsense\n")
    with pytest.raises(RecordError, match="not a record"):
        last_result(folder)
    write_evidence(folder.path / "evidence", redactor=Redactor(), result=RESULT)
    assert "the journal is damaged" in last_result(folder).warnings[-1]
