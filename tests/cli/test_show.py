from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from serialfix.cli.show import show_result
from serialfix.report import junit, markdown
from serialfix.report.formats import ReportFormat
from serialfix.result import run_json
from tests.report.examples import FAILED, RESULT


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_result(RESULT, ReportFormat.TABLE)
    out, err = capsys.readouterr()
    assert "keep-alive-enable" in out
    assert err == ""


def test_programs_get_data_and_people_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_result(FAILED, ReportFormat.JSON)
    out, err = capsys.readouterr()
    assert json.loads(out) == run_json(FAILED)
    assert "Error: the line could not be typed right" in err


def test_pipelines_and_tickets_get_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    show_result(FAILED, ReportFormat.JUNIT)
    assert capsys.readouterr().out == junit.document([FAILED])
    show_result(FAILED, ReportFormat.MARKDOWN)
    assert capsys.readouterr().out == markdown.report(FAILED)


def test_a_line_per_step(capsys: pytest.CaptureFixture[str]) -> None:
    show_result(RESULT, ReportFormat.TSV)
    assert len(capsys.readouterr().out.splitlines()) == len(RESULT.steps)


@pytest.mark.parametrize("output", list(ReportFormat))
def test_a_reader_that_is_gone_changes_nothing(output: ReportFormat) -> None:
    script = (
        "import sys; from serialfix.cli.show import *; from serialfix.report.formats import *;"
        "from tests.report.examples import FAILED;"
        f"show_result(FAILED, ReportFormat({str(output)!r})); sys.exit(7)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 7, done.stderr
    assert "Traceback" not in done.stderr


def test_a_long_path_can_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/a" * 60
    show_result(replace(RESULT, evidence=path), ReportFormat.TABLE)
    assert path in capsys.readouterr().out
