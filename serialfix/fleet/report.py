"""The report of a fleet run in every format, with a row or a test case for each VM."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TextIO

from serialfix.fleet.findings import slug, troubles
from serialfix.fleet.markdown import markdown
from serialfix.fleet.result import Results, exit_code, fleet_json, seconds_between
from serialfix.fleet.standing import Standing, Target
from serialfix.fleet.tables import label, show_view
from serialfix.printable import printable
from serialfix.report import junit
from serialfix.report.formats import FleetReportFormat, OutputFormat


COLUMNS = (
    *("number", "name", "resource_group", "subscription_id", "location", "wave", "state"),
    *("outcome", "exit_code", "touched", "attempts", "run_id", "worker", "started", "ended"),
    *("duration_s", "slug", "message", "remedy", "differs", "id"),
)
"""Of the CSV; further ones are only ever added at the end."""
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # OWASP, CSV injection


def write(
    standing: Standing,
    targets: Sequence[Target],
    output: FleetReportFormat,
    *,
    results: Results | None = None,
    stream: TextIO | None = None,
) -> None:
    """Write the report to stdout in one of its formats."""
    from serialfix.report import machine, tables

    out = stream or sys.stdout
    match output:
        case FleetReportFormat.TABLE:
            view = show_view(standing, targets, results=results, everybody=True)
            tables.console(out).print(view, crop=False)
        case FleetReportFormat.CSV:
            out.write(csv_text(standing, targets, results))
        case FleetReportFormat.JUNIT:
            out.write(junit_text(standing, targets))
        case FleetReportFormat.MARKDOWN:
            out.write(markdown(standing, targets, results))
        case _:
            data = fleet_json(standing, targets, results)
            machine.write(data, OutputFormat(output), rows=data["targets"], stream=out)


def csv_text(standing: Standing, targets: Iterable[Target], results: Results | None = None) -> str:
    """A row for each target and each skipped VM; no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(fleet_json(standing, targets, results)):
        writer.writerow([_cell(row.get(name)) for name in COLUMNS])
    return text.getvalue()


def _rows(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in data["targets"]:
        differs = None if each["differs"] is None else " ".join(each["differs"])
        yield {**(each["error"] or {}), **each, "differs": differs}
    for each in data["skipped"]:
        about = {"name": label(each["id"]), "slug": each["reason"], "message": each["text"]}
        yield {"id": each["id"], "state": "skipped", **about}


def _cell(value: object) -> str:
    """What begins like a formula is text, by the apostrophe that spreadsheets know (OWASP)."""
    text = "" if value is None else printable(str(value))
    return (
        f"'{text}"
        if text.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
        else text
    )


def junit_text(standing: Standing, targets: Iterable[Target]) -> str:
    """A suite for each wave, a case for each VM.

    There is a failure or an error in it exactly when the run's exit code is not 0.
    """
    run = standing.run
    waves = [
        (number, list(members))
        for number, members in groupby(sorted(targets, key=_wave), key=_wave)
    ]
    suites = [_suite(standing, f"wave {number}", members) for number, members in waves]
    bad = any(case.element in (junit.FAILURE, junit.ERROR) for s in suites for case in s.cases)
    if exit_code(run, standing.outcomes) and not bad:
        case = junit.Case("run", 0.0, junit.ERROR, "fleet", run.why or "not every VM was worked on")
        suites.append(_suite(standing, "run", [], [case]))
    return junit.xml(suites)


def _wave(target: Target) -> int:
    return target.wave


def _suite(
    standing: Standing,
    name: str,
    targets: Sequence[Target],
    cases: Sequence[junit.Case] | None = None,
) -> junit.Suite:
    run = standing.run
    starts = [each.started for each in targets if each.started]
    ends = [each.ended for each in targets if each.ended]
    begun, end = min(starts, default=run.created), max(ends, default=None)
    return junit.Suite(
        name=name,
        playbook=run.playbook,
        begun=junit.begun(begun),
        seconds=seconds_between(begun, end) or 0.0,
        cases=cases or [_case(each) for each in targets],
        properties={
            "run_id": run.id,
            "kind": run.kind,
            "playbook": run.playbook,
            "playbook_version": run.playbook_version,
            "playbook_sha256": run.playbook_sha256,
            "targets_sha256": run.targets_sha256,
            "state": run.state,
            "why": run.why,
            "user": run.user,
        },
        out=[printable(str(each)) for each in troubles(targets)],
        err=[run.why] if run.why else [],
    )


def _case(target: Target) -> junit.Case:
    """Two VMs of one name are in different groups of a subscription: they are two classes."""
    took = seconds_between(target.started, target.ended) or 0.0
    group = f"{target.subscription_id}.{target.resource_group}"
    if target.outcome is None:
        return junit.Case(target.name, took, junit.SKIPPED, str(target.state), "no end yet", group)
    element = junit.ELEMENT.get(target.outcome, "")
    error = target.error or {}
    message = error.get("message") or str(target.outcome)
    place = f"{target.location}: {message}" if target.location else message
    return junit.Case(target.name, took, element, slug(target), place, group)
