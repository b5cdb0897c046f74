"""A result as JUnit XML, for pipelines: one suite per VM, a case per step, proof and restart.

There is a failure or an error in it exactly when the exit code is not 0. It has the shape that
Ant's schema asks for, the strictest of those in use, which Jenkins' takes too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from xml.etree import ElementTree as ET

from serialfix.model import Outcome, ProofResult, RunResult, StepResult
from serialfix.printable import printable
from serialfix.report import failure
from serialfix.report.states import after_in_short, in_short, saw


FAILURE, ERROR, SKIPPED = "failure", "error", "skipped"
ELEMENT: Mapping[Outcome, str] = {
    Outcome.FAILED: FAILURE,
    Outcome.UNKNOWN: ERROR,
    Outcome.UNREACHABLE: ERROR,
    Outcome.REFUSED: ERROR,
    Outcome.NOT_STARTED: SKIPPED,
    Outcome.WOULD_CHANGE: SKIPPED,
}
WORK_TO_DO = 20
"""The exit code of a check that is asked to fail when there is work."""


class Case(NamedTuple):
    """One test case; `element` is what of failure, error and skipped it has, or nothing."""

    name: str
    seconds: float = 0.0
    element: str = ""
    kind: str = ""
    message: str = ""
    group: str = ""
    """Its class, where that is not the suite's playbook alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One test suite, all of it plain text."""

    name: str
    playbook: str
    begun: str
    """Without a time zone: the schema has none."""
    seconds: float
    cases: Sequence[Case]
    properties: Mapping[str, object] = field(default_factory=dict)
    """Those without a value are left out."""
    out: Iterable[str] = ()
    err: Iterable[str] = ()


def document(results: Iterable[RunResult]) -> str:
    """The results as one XML document."""
    return xml(_of_run(result) for result in results)


def xml(suites: Iterable[Suite]) -> str:
    """The suites as one XML document."""
    root = ET.Element("testsuites")
    for number, suite in enumerate(suites):
        _suite(root, number, suite)
    ET.indent(root)
    text = ET.tostring(root, "us-ascii", xml_declaration=False).decode()  # whatever stdout can show
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(root: ET.Element, number: int, suite: Suite) -> None:
    counts = {
        name: str(sum(case.element == element for case in suite.cases))
        for name, element in {"failures": FAILURE, "errors": ERROR, "skipped": SKIPPED}.items()
    }
    name, package = _token(suite.name), f"serialfix.{_token(suite.playbook)}"
    within = ET.SubElement(
        root,
        "testsuite",
        {
            "name": name,
            "package": package,
            "id": str(number),
            "hostname": name,
            "timestamp": suite.begun,
            "tests": str(len(suite.cases)),
            **counts,
            "time": _time(suite.seconds),
        },
    )
    properties = ET.SubElement(within, "properties")
    for key, value in suite.properties.items():
        if value:
            about = {"name": key, "value": printable(str(value))}
            ET.SubElement(properties, "property", about)
    for case in suite.cases:
        element = ET.SubElement(
            within,
            "testcase",
            {
                "name": _token(case.name),
                "classname": f"{package}.{_token(case.group)}" if case.group else package,
                "time": _time(case.seconds),
            },
        )
        if case.element:
            about = {"type": _token(case.kind), "message": printable(case.message)}
            ET.SubElement(element, case.element, about).text = printable(case.message, keep="\n")
    ET.SubElement(within, "system-out").text = "\n".join(suite.out)
    ET.SubElement(within, "system-err").text = "\n".join(
        printable(each, keep="\n\t") for each in suite.err
    )


def _of_run(result: RunResult) -> Suite:
    return Suite(
        name=result.vm_name,
        playbook=result.playbook,
        begun=_begun(result),
        seconds=result.duration_s,
        cases=list(_cases(result)),
        properties=_properties(result),
        out=_told(result),
        err=failure.lines(result.error) if result.error else (),
    )


def _properties(result: RunResult) -> Mapping[str, object]:
    return {
        "run_id": result.run_id,
        "vm_id": result.vm_id,
        "playbook": result.playbook,
        "playbook_version": result.playbook_version,
        "playbook_sha256": result.playbook_sha256,
        "outcome": str(result.outcome),
        "exit_code": str(result.exit_code),
        "touched": result.touched,
        "user": result.user,
        "serialfix": result.version,
        "evidence": result.evidence,
        "restart_operation": result.restart and result.restart.operation,
        **{f"seconds.{phase}": _time(took) for phase, took in result.phases.items()},
    }


def _cases(result: RunResult) -> Iterator[Case]:
    cases = [_of_step(step, result) for step in result.steps]
    if (restart := result.restart) is not None:
        message = f"the restart is {restart.outcome}"
        cases.append(_case("restart", restart.outcome, message, restart.seconds or 0.0))
    share = result.phases.get("prove", 0.0) / max(1, len(result.proof))  # they are not timed alone
    cases += [_of_proof(proof, share) for proof in result.proof]
    if not result.exit_code:
        cases = [each._replace(element=each.element and SKIPPED) for each in cases]
    yield from cases
    if result.exit_code and not any(case.element in (FAILURE, ERROR) for case in cases):
        error = result.error or {}
        message = error.get("message", f"the run is {result.outcome}")
        yield Case("run", 0.0, ERROR, error.get("slug", str(result.outcome)), message)


def _of_step(step: StepResult, result: RunResult) -> Case:
    took = step.seconds or 0.0
    if step.outcome is Outcome.WOULD_CHANGE:
        element = FAILURE if result.exit_code == WORK_TO_DO else SKIPPED
        return Case(step.id, took, element, str(step.outcome), f"would change {_change(step)}")
    if step.note and step.outcome in (Outcome.OK, Outcome.NOT_STARTED):
        return Case(step.id, took, SKIPPED, str(step.outcome), step.note)
    message = step.error or f"{step.outcome}: {_change(step)}"
    return _case(step.id, step.outcome, message, took)


def _change(step: StepResult) -> str:
    """From what it was to what it is, or is to be; nothing of a step that only looks."""
    end = step.wanted if step.after is None else step.after
    states = in_short(step, step.before), in_short(step, end)
    return " to ".join(states) if all(states) else ""


def _of_proof(proof: ProofResult, seconds: float) -> Case:
    """A proof that could not be made is a warning of the run, and no failure."""
    case = _case(f"proof {proof.id}", proof.outcome, proof.text, seconds)
    return case._replace(element=SKIPPED) if case.element == ERROR else case


def _case(name: str, outcome: Outcome, message: str, seconds: float) -> Case:
    return Case(name, seconds, ELEMENT.get(outcome, ""), str(outcome), message)


def _told(result: RunResult) -> Iterator[str]:
    """The steps in words, and what the looks among them saw."""
    for step in result.steps:
        change = step.note or _change(step) or after_in_short(step)
        yield f"{printable(step.id)}: {step.outcome}: {printable(change)}"
        yield from (f"  | {line}" for line in saw(step))
    yield from (f"proof: {each.outcome}: {printable(each.text)}" for each in result.proof)
    yield from (f"warning: {printable(text)}" for text in result.warnings)


def _begun(result: RunResult) -> str:
    """Without its time zone, which is UTC: the schema has none. A run's id tells it, too."""
    if result.started:
        return begun(datetime.fromisoformat(result.started))
    if found := re.match(r"(\d{8}-\d{6})(?!\d)", result.run_id):
        return begun(datetime.strptime(found[1], "%Y%m%d-%H%M%S"))
    return begun(None)


def begun(moment: datetime | None) -> str:
    """The moment as the schema wants it, which has no time zone and nothing for an unknown one."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") if moment else "1970-01-01T00:00:00"


def _time(seconds: float) -> str:
    return f"{max(0.0, seconds):.3f}"


def _token(text: str) -> str:
    """A name as the schema wants it: not empty, blanks only single and within."""
    return " ".join(printable(text).split()) or "unknown"
