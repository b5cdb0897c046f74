from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jsonschema
import pytest
import yaml

from serialfix.model import Outcome, PlanFacts, RunResult, StepResult
from serialfix.report.formats import OutputFormat
from serialfix.report.machine import run_schema, write
from serialfix.result import run_json
from tests.report.examples import EARLY, FAILED, RESULT


def written(data: Any, output: OutputFormat, rows: Any = ()) -> str:
    stream = io.StringIO()
    write(data, output, rows=rows, stream=stream)
    return stream.getvalue()


@pytest.mark.parametrize("result", [RESULT, FAILED, EARLY], ids=lambda each: each.outcome)
def test_every_result_fits_the_shipped_schema(result: RunResult) -> None:
    jsonschema.Draft7Validator.check_schema(run_schema())
    jsonschema.Draft7Validator(run_schema()).validate(run_json(result))


@pytest.mark.parametrize(
    "damage",
    [{"schema": "serialfix.run/2"}, {"outcome": "fine"}, {"extra": 1}, {"exit_code": 9}],
)
def test_the_schema_refuses_what_is_no_result(damage: dict[str, Any]) -> None:
    assert not jsonschema.Draft7Validator(run_schema()).is_valid({**run_json(RESULT), **damage})


@pytest.mark.parametrize(
    "state", [None, {"start": "auto"}, ["a line"], "absent", 1.5, {"type": "own", "state": "x"}]
)
def test_a_state_may_be_any_json(state: Any) -> None:
    step = StepResult("s", "service", "s", Outcome.OK, state, state, state, None, "a note", 1.5)
    plan = PlanFacts(16, 3, 42.0, restart=True, security=("TLS is off.",))
    result = replace(RESULT, steps=(step,), plan=plan, user="ada")
    jsonschema.Draft7Validator(run_schema()).validate(run_json(result))


def test_what_looks_like_a_registry_value_must_be_one() -> None:
    step = StepResult("s", "registry", "s", Outcome.OK, {"type": "dword", "data": 1})
    data = run_json(replace(RESULT, steps=(step,)))
    assert not jsonschema.Draft7Validator(run_schema()).is_valid(data)


ORDER = "x ##vso[task.setvariable variable=a]b ##[add-mask]c"


@pytest.mark.parametrize(
    ("output", "read"),
    [
        (OutputFormat.JSON, json.loads),
        (OutputFormat.JSONC, json.loads),
        (OutputFormat.YAML, yaml.safe_load),
    ],
)
def test_a_pipeline_finds_no_order_in_what_a_guest_said(
    output: OutputFormat, read: Callable[[str], Any]
) -> None:
    data = {"text": ORDER, ORDER: [ORDER, 1, None]}
    text = written(data, output)
    assert "##vso[" not in text
    assert "##[" not in text
    assert read(text) == data


def test_json_is_json() -> None:
    data = json.loads(written(run_json(RESULT), OutputFormat.JSON))
    assert data == run_json(RESULT)


def test_jsonc_is_the_same_with_colours_only_where_they_are_wanted() -> None:
    assert json.loads(written(run_json(RESULT), OutputFormat.JSONC)) == run_json(RESULT)


def test_yaml_is_the_same() -> None:
    assert yaml.safe_load(written(run_json(RESULT), OutputFormat.YAML)) == run_json(RESULT)


def test_tsv_has_a_line_per_row_and_no_head() -> None:
    rows = [{"a": Outcome.OK, "b": None, "c": True, "d": {"x": [1]}, "e": "tab\there\x1b"}]
    assert written({}, OutputFormat.TSV, rows) == 'ok\t\ttrue\t{"x":[1]}\ttab\\there\\x1b\n'


@pytest.mark.parametrize("output", [OutputFormat.NONE, OutputFormat.TABLE])
def test_none_writes_nothing(output: OutputFormat) -> None:
    assert written({"a": 1}, output, [{"a": 1}]) == ""


@dataclass
class Odd:
    x: int = 1


def test_the_unknown_becomes_text() -> None:
    assert json.loads(written({"a": Odd(), "b": b"\x01"}, OutputFormat.JSON)) == {
        "a": "Odd(x=1)",
        "b": "01",
    }
