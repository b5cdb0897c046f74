"""CSV read back by csv, JUnit by junitparser and the schema, Markdown by a CommonMark parser."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml
from markdown_it import MarkdownIt

from serialfix.fleet.markdown import ROWS, markdown
from serialfix.fleet.report import COLUMNS, csv_text, junit_text, write
from serialfix.fleet.result import exit_code, fleet_json
from serialfix.fleet.standing import FleetRun, Kind, Target
from serialfix.model import Outcome, StepResult
from serialfix.report.formats import FleetReportFormat
from serialfix.report.machine import shipped_schema
from serialfix.result import run_json
from tests.fleet.standings import (
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


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).parents[1] / "report" / "junit.xsd")


def check_of(number: int) -> tuple[FleetRun, list[Target], dict[int, Any]]:
    steps = (
        StepResult("a-step", "registry", "t", Outcome.WOULD_CHANGE),
        StepResult("b", "registry", "t", Outcome.OK),
    )
    targets = [ended(each, Outcome.WOULD_CHANGE) for each in waiting(number)]
    results = {each.number: run_json(replace(RESULT, steps=steps)) for each in targets}
    return over(fleet_run(number, kind=Kind.CHECK)), targets, results


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_for_every_vm_and_the_same_head_always() -> None:
    skipped = ({"id": waiting(1)[0].vm_id, "reason": "linux", "text": "it is Linux"},)
    targets = at_its_end(40)
    text = csv_text(standing_of(over(fleet_run(40, skipped=skipped)), targets), targets)
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert csv_text(standing_of(fleet_run(0), []), []) == ",".join(COLUMNS) + "\n"
    rows = cells(text)
    assert [row["number"] for row in rows] == [*map(str, range(1, 41)), ""]
    failed = next(row for row in rows if row["outcome"] == "failed")
    assert (failed["slug"], failed["exit_code"]) == ("step.verify_mismatch", "7")
    assert (failed["touched"], failed["duration_s"], failed["attempts"]) == ("maybe", "60.0", "1")
    assert failed["message"] == "security-layer reads 1 after it was set to 0"
    assert {name: rows[-1][name] for name in ("name", "state", "slug", "message", "outcome")} == {
        "name": "web-0001",
        "state": "skipped",
        "slug": "linux",
        "message": "it is Linux",
        "outcome": "",
    }


def test_csv_tells_the_drift() -> None:
    run, targets, results = check_of(3)
    del results[3]
    rows = cells(csv_text(standing_of(run, targets), targets, results))
    assert [row["differs"] for row in rows] == ["a-step", "a-step", ""]


@settings(deadline=None, max_examples=60)
@given(
    st.text(
        st.sampled_from("=+-@＝\t\r\n\"', ;|\x00\x1b\u202e\xa0'") | st.characters(), max_size=20
    )
)
def test_no_cell_is_a_formula_or_acts(text: str) -> None:
    bad = [ended(waiting(1)[0], Outcome.FAILED, message=text, slug=text, remedy=text)]
    bad[0] = replace(bad[0], name=text, worker=text, resource_group=text)
    (row,) = cells(csv_text(standing_of(fleet_run(1), bad), bad))
    for name in ("name", "message", "slug", "remedy", "worker", "resource_group"):
        assert not row[name].lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
        assert row[name].isprintable()


def test_a_formula_becomes_text() -> None:
    bad = [ended(waiting(1)[0], Outcome.FAILED, message='=HYPERLINK("http://x")', slug="-2+3")]
    (row,) = cells(csv_text(standing_of(fleet_run(1), bad), bad))
    assert (row["message"], row["slug"]) == ('\'=HYPERLINK("http://x")', "'-2+3")


def suites(run: FleetRun, targets: Any) -> list[Any]:
    """All suites of a document that is valid and whose counts are right."""
    standing = standing_of(run, targets)
    text = junit_text(standing, targets)
    schema().validate(text)
    found = list(JUnitXml.fromstring(text.encode()))
    for suite in found:
        verdicts = [verdict(case) for case in suite]
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (
            len(verdicts),
            *(verdicts.count(each) for each in ("failure", "error", "skipped")),
        )
    bad = any(suite.failures + suite.errors for suite in found)
    code = exit_code(run, standing.outcomes)
    assert code is None or bad is bool(code)
    return found


def verdict(case: Any) -> str:
    return "".join(each._tag for each in case.result)


def test_junit_has_a_suite_for_each_wave_and_a_case_for_each_vm() -> None:
    found = suites(over(fleet_run(40)), at_its_end(40))
    assert [(suite.name, suite.tests) for suite in found] == [
        ("wave 1", 1),
        ("wave 2", 4),
        ("wave 3", 35),
    ]
    names = {(case.classname, case.name) for suite in found for case in suite}
    assert len(names) == 40
    assert {suite.timestamp for suite in found} == {
        *("2026-11-21T08:45:01", "2026-11-21T08:45:02", "2026-11-21T08:45:06")
    }
    properties = {each.name: each.value for each in found[0].properties()}
    assert properties["run_id"] == fleet_run(1).id


@pytest.mark.parametrize(
    ("outcome", "element"),
    [
        *((Outcome.OK, ""), (Outcome.CHANGED, ""), (Outcome.WOULD_CHANGE, "skipped")),
        *((Outcome.FAILED, "failure"), (Outcome.UNKNOWN, "error"), (Outcome.REFUSED, "error")),
        *((Outcome.UNREACHABLE, "error"), (Outcome.NOT_STARTED, "skipped")),
    ],
)
def test_junit_means_what_it_means_for_one_run(outcome: Outcome, element: str) -> None:
    kind = Kind.CHECK if outcome is Outcome.WOULD_CHANGE else Kind.RUN
    run = over(fleet_run(1), why="cancelled by ada", kind=kind)
    first, *rest = suites(run, [ended(waiting(1)[0], outcome)])
    (case,) = first
    assert verdict(case) == element
    if outcome is Outcome.NOT_STARTED:  # skipped alone would pass for a run that ended with 9
        (suite,) = rest
        (case,) = suite
        assert (verdict(case), case.result[0].message) == ("error", "cancelled by ada")
    else:
        assert not rest


def test_junit_tells_where_and_why() -> None:
    run, targets = over(fleet_run(1)), [ended(waiting(1)[0], Outcome.UNREACHABLE)]
    (suite,) = suites(run, targets)
    (case,) = suite
    assert (case.result[0].type, case.result[0].message) == (
        "transport.azure_unreachable",
        "germanywestcentral: Azure answered 429 Too Many Requests for 10 min",
    )
    assert "1 VM in germanywestcentral: unreachable" in junit_text(
        standing_of(run, targets), targets
    )


def test_junit_of_a_run_that_goes_on_or_has_no_targets() -> None:
    found = suites(fleet_run(40), under_way(40))
    assert sum(suite.skipped for suite in found) >= 20
    assert suites(over(fleet_run(0)), []) == []


@settings(deadline=None, max_examples=30)
@given(st.text(st.sampled_from("<>&\"'] \n\t\x00\x1b\x85\u2028\ud800\ufffe") | st.characters()))
def test_any_text_of_a_guest_is_valid_xml(text: str) -> None:
    bad = ended(waiting(1)[0], Outcome.FAILED, message=text, slug=text or "s")
    bad = replace(bad, name=text, location=text, resource_group=text)
    found = suites(over(fleet_run(1), why=text, playbook=text), [bad])
    assert all(char.isprintable() for case in found[0] for char in case.result[0].message)


def parsed(text: str) -> str:
    return str(MarkdownIt("commonmark").enable("table").render(text))


def test_markdown_says_which_where_and_why() -> None:
    vms = [replace(each, location="westeurope") for each in waiting(400)]
    targets = [
        *(ended(each, Outcome.UNREACHABLE) for each in vms[:300]),
        *(ended(each, Outcome.CHANGED) for each in vms[300:]),
    ]
    run = over(fleet_run(400), why="300 of 400 targets went wrong, 20 may", over_budget=True)
    text = markdown(standing_of(run, targets), targets)
    for part in (
        f"# serialfix: `{run.id}`: ended",
        "`rdp-reset 1.0`: 100 of 400 VMs are well.",
        "Stopped: `300 of 400 targets went wrong, 20 may`",
        "| exit code | 10 |",
        "- **`300 VMs in westeurope: unreachable, transport.azure_unreachable`** "
        "`Azure answered 429 Too Many Requests for 10 min`",
        f"and {300 - ROWS} more: `serialfix fleet report {run.id} -o csv`",
        f"- `serialfix fleet retry {run.id} --only unreachable`",
        f"- `serialfix fleet show {run.id} --vm NAME --evidence FILE`",
    ):
        assert part in text.splitlines()
    html = parsed(text)
    assert html.count("<table>") == 3
    assert html.count("<tr>") == ROWS + 1 + 8 + 4


def test_markdown_tells_the_drift_and_what_was_skipped() -> None:
    run, targets, results = check_of(ROWS + 3)
    run = replace(run, skipped=({"id": "x", "reason": "linux", "text": "it is Linux"},))
    text = markdown(standing_of(run, targets), targets, results)
    assert f"`check of rdp-reset 1.0`: 0 of {ROWS + 3} VMs are as wanted, {ROWS + 3} would" in text
    assert f"{ROWS + 3} of {ROWS + 3} VMs differ from the playbook." in text
    assert f"| `a-step` | {ROWS + 3} |" in text
    assert "| `web-0001` | `rg1` | 1 | `a-step` |" in text
    assert "| `x` | `it is Linux` |" in text
    assert "and 3 more" in text


@pytest.mark.parametrize("hostile", [HOSTILE, "`x` | <b>y</b> @ada\n# z", "![a](http://b)"])
def test_nothing_a_guest_says_is_markup(hostile: str) -> None:
    bad = ended(waiting(1)[0], Outcome.FAILED, message=hostile, slug=hostile, remedy=hostile)
    bad = replace(bad, name=hostile, resource_group=hostile, location=hostile)
    run = over(fleet_run(1), why=hostile, playbook=hostile, user=hostile)
    text = markdown(standing_of(run, [bad]), [bad])
    assert all(char.isprintable() or char == "\n" for char in text)
    html = parsed(text)
    for tag in ("<b>", "<img", "<a ", "<h1>z", "<em>"):
        assert tag not in html
    assert html.count("<h1>") == 1


@pytest.mark.parametrize("output", list(FleetReportFormat))
def test_every_format_is_written(output: FleetReportFormat) -> None:
    targets = at_its_end(40)
    standing = standing_of(over(fleet_run(40)), targets)
    stream = io.StringIO()
    write(standing, targets, output, stream=stream)
    text = stream.getvalue()
    match output:
        case FleetReportFormat.NONE:
            assert text == ""
        case FleetReportFormat.JSON | FleetReportFormat.JSONC | FleetReportFormat.YAML:
            data = yaml.safe_load(text)
            jsonschema.Draft7Validator(shipped_schema("fleet-1")).validate(data)
            assert data == json.loads(json.dumps(fleet_json(standing, targets)))
        case FleetReportFormat.TSV:
            assert len(text.splitlines()) == 40
        case FleetReportFormat.JUNIT:
            schema().validate(text)
        case _:
            assert all(each.name in text for each in targets if each.outcome == "failed")
