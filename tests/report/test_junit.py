"""Read back by junitparser, and held against the strictest shape in use (junit.xsd)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml

from serialfix.model import Outcome, ProofResult, RestartResult, RunResult, StepResult
from serialfix.report.junit import document
from tests.report.examples import EARLY, FAILED, ONE, RESULT, ZERO


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def suite(result: RunResult) -> Any:
    """The only suite, of a document that is valid and whose counts are right."""
    text = document([result])
    schema().validate(text)
    (found,) = JUnitXml.fromstring(text.encode())
    verdicts = [verdict(case) for case in found]
    counted = (found.tests, found.failures, found.errors, found.skipped)
    assert counted == (
        len(verdicts),
        verdicts.count("failure"),
        verdicts.count("error"),
        verdicts.count("skipped"),
    )
    assert bool(found.failures + found.errors) is bool(result.exit_code)
    return found


def verdict(case: Any) -> str:
    return "".join(each._tag for each in case.result)


def verdicts(result: RunResult) -> dict[str, str]:
    return {case.name: verdict(case) for case in suite(result)}


def test_the_schema_refuses_what_is_no_junit() -> None:
    text = document([RESULT])
    for whole, broken in (
        ("<system-err />", ""),
        ('time="63.200"', ""),
        ('timestamp="2026-11-21T08:45:00"', 'timestamp="2026-11-21T08:45:00Z"'),
        ("<system-out>", "<system-out><b/>"),
    ):
        assert whole in text
        assert not schema().is_valid(text.replace(whole, broken))


def test_a_suite_per_vm_and_a_case_per_step_proof_and_restart() -> None:
    assert verdicts(RESULT) == {
        "security-layer": "",
        "keep-alive-enable": "",
        "max-idle-time": "",
        "restart": "",
        "proof listener:3389": "",
    }
    found = suite(RESULT)
    assert (found.name, found.timestamp, found.time) == ("myvm", "2026-11-21T08:45:00", 91.235)
    properties = {each.name: each.value for each in found.properties()}
    assert properties["run_id"] == RESULT.run_id
    assert properties["seconds.find"] == "0.311"
    names = [each.name for each in JUnitXml.fromstring(document([RESULT, FAILED]).encode())]
    assert names == ["myvm", "myvm"]


def test_the_times() -> None:
    steps = (replace(RESULT.steps[1], seconds=1.5),)
    proof = (ProofResult("a", Outcome.OK, "x"), ProofResult("b", Outcome.OK, "x"))
    phases = {"prove": 3.0}
    timed = replace(
        RESULT, steps=steps, proof=proof, phases=phases, started="2026-11-21T08:45:01.5+00:00"
    )
    found = suite(timed)
    assert [case.time for case in found] == [1.5, 63.2, 1.5, 1.5]
    assert found.timestamp == "2026-11-21T08:45:01"


def test_failures_are_what_failed_and_errors_what_is_not_known() -> None:
    assert verdicts(FAILED) == {"security-layer": "failure", "key": "skipped"}
    unknown = replace(FAILED, steps=(replace(FAILED.steps[0], outcome=Outcome.UNKNOWN),))
    assert verdicts(unknown) == {"security-layer": "error"}
    (case,) = suite(unknown)
    assert (case.result[0].type, case.result[0].message) == ("unknown", "x")
    _, _, told = document([FAILED]).partition("<system-err>")
    assert "could not be typed right" in told


def test_what_failed_before_any_step_is_a_case_of_its_own() -> None:
    (case,) = suite(EARLY)
    assert (case.name, verdict(case)) == ("run", "error")
    assert (case.result[0].type, case.result[0].message) == ("target", "no VM is named nope")


def test_a_restart_and_proofs_that_failed() -> None:
    proof = (ProofResult("a", Outcome.FAILED, "down"), ProofResult("b", Outcome.UNKNOWN, "?"))
    failed = replace(
        RESULT,
        outcome=Outcome.FAILED,
        exit_code=8,
        restart=RestartResult(Outcome.FAILED),
        proof=proof,
    )
    got = verdicts(failed)
    assert (got["restart"], got["proof a"], got["proof b"]) == ("failure", "failure", "skipped")
    # a proof that could not be made is a warning of a run that is well
    assert verdicts(replace(RESULT, proof=proof[1:]))["proof b"] == "skipped"


def test_a_check_fails_when_it_is_asked_to() -> None:
    step = StepResult("a", "registry", "a", Outcome.WOULD_CHANGE, ZERO, None, ONE)
    check = replace(RESULT, outcome=Outcome.WOULD_CHANGE, steps=(step,), restart=None, proof=())
    assert verdicts(check) == {"a": "skipped"}
    assert verdicts(replace(check, exit_code=20)) == {"a": "failure"}
    (case,) = suite(check)
    assert case.result[0].message == "would change 0 to 1"


def test_a_step_that_does_not_apply_is_skipped_with_its_reason() -> None:
    step = replace(RESULT.steps[0], note="skipped: level is 2, not 4")
    (case, *_) = suite(replace(RESULT, steps=(step,)))
    assert case.result[0].message == "skipped: level is 2, not 4"


@settings(deadline=None, max_examples=60)
@given(
    st.text(st.sampled_from("<>&\"'] \n\t\x00\x1b\x85\u2028\ud800\ufffe\ufeff") | st.characters())
)
def test_any_text_of_a_guest_is_valid_xml(text: str) -> None:
    step = StepResult(text, text, text, Outcome.FAILED, text, None, {"state": text}, text)
    look = StepResult(text, "look", text, Outcome.OK, None, [text, "]]>"], None)
    result = replace(
        FAILED,
        vm_name=text,
        playbook=text,
        steps=(step, look),
        proof=(ProofResult(text, Outcome.FAILED, text),),
        warnings=(text,),
        error={"slug": text, "message": text, "screen": text, "remedy": text},
        user=text,
    )
    found = suite(result)
    shown = "".join(case.result[0].message for case in found if case.result)
    assert all(char.isprintable() for char in shown)
    assert document([result]).isascii()
