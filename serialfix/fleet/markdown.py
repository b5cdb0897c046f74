"""A fleet run as Markdown, for a ticket or a pipeline's summary; as safe as that of one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from serialfix.fleet.findings import drift, evidence, next_steps, slug, troubles
from serialfix.fleet.result import WELL, Results, exit_code, iso, seconds_between
from serialfix.fleet.screen import STATES, what
from serialfix.fleet.share import vms
from serialfix.fleet.standing import Kind, Standing, Target
from serialfix.fleet.tables import label
from serialfix.model import Outcome
from serialfix.report.markdown import code, table
from serialfix.report.text import seconds


ROWS = 200
"""So many VMs have a line of their own: a pipeline's summary has its bounds."""
NAMES = 10


def markdown(
    standing: Standing,
    targets: Sequence[Target],
    results: Results | None = None,
) -> str:
    """For a ticket: how it ended, what went wrong where and why, the VMs, what is next."""
    parts = [
        _head(standing),
        _facts(standing),
        _waves(standing),
        _troubles(targets),
        _not_well(standing, targets),
        _drift(standing, targets, results or {}),
        _skipped(standing),
        _next(standing),
    ]
    return "\n\n".join("\n".join(part) for lines in parts if (part := list(lines))) + "\n"


def _head(standing: Standing) -> Iterator[str]:
    run, outcomes = standing.run, standing.outcomes
    yield f"# serialfix: {code(run.id)}: {STATES[run.state]}"
    yield ""
    if run.kind is Kind.CHECK:
        ok, differ = outcomes[Outcome.OK], outcomes[Outcome.WOULD_CHANGE]
        told = f"{ok} of {vms(run.total)} are as wanted, {differ} would change."
    else:
        told = f"{sum(outcomes[each] for each in WELL)} of {vms(run.total)} are well."
    yield f"{code(what(run))}: {told}"
    if run.why:
        yield ""
        yield f"Stopped: {code(run.why)}"


def _facts(standing: Standing) -> Iterator[str]:
    run = standing.run
    code_of_it = exit_code(run, standing.outcomes)
    took = seconds_between(run.created, run.ended)
    facts = {
        "kind": str(run.kind),
        "playbook": f"{code(run.playbook)} {code(run.playbook_version)},"
        f" sha256 {code(run.playbook_sha256)}",
        "targets": f"{run.total}, sha256 {code(run.targets_sha256)}",
        "exit code": "" if code_of_it is None else str(code_of_it),
        "begun": code(iso(run.created)),
        "by": run.user and code(run.user),
        "took": "" if took is None else seconds(took),
    }
    yield from table(("", ""), ((name, text) for name, text in facts.items() if text))


def _waves(standing: Standing) -> Iterator[str]:
    occur = [each for each in Outcome if standing.outcomes[each]]
    yield from table(
        ("wave", "VMs", "waiting", "running", *map(str, occur)),
        (
            (
                *(str(wave.number), str(wave.total), str(wave.waiting), str(wave.running)),
                *(str(wave.outcomes[each]) for each in occur),
            )
            for wave in standing.waves
        ),
    )


def _troubles(targets: Sequence[Target]) -> Iterator[str]:
    if found := troubles(targets):
        yield "## What went wrong"
        yield ""
        for each in found:
            names = ", ".join(code(target.name) for target in each.targets[:NAMES])
            more = len(each.targets) - NAMES
            yield f"- **{code(each)}**" + (f" {code(each.message)}" if each.message else "")
            yield f"  - {names}" + (f" and {more} more" if more > 0 else "")
            if each.remedy:
                yield f"  - Next: {code(each.remedy)}"


def _not_well(standing: Standing, targets: Sequence[Target]) -> Iterator[str]:
    bad = [each for each in targets if each.outcome is not None and each.outcome not in WELL]
    if not bad:
        return
    yield "## VMs that are not well"
    yield ""
    yield from table(
        ("VM", "resource group", "region", "outcome", "touched", "why"),
        (
            (
                *(code(each.name), code(each.resource_group), code(each.location)),
                *(str(each.outcome), each.touched),
                code(": ".join(filter(None, (slug(each), (each.error or {}).get("message"))))),
            )
            for each in bad[:ROWS]
        ),
    )
    yield from _more(standing, len(bad))


def _drift(standing: Standing, targets: Sequence[Target], results: Results) -> Iterator[str]:
    found = drift(standing.run, targets, results)
    if found is None:
        return
    yield "## Drift"
    yield ""
    yield f"{found}."
    if not found.differing:
        return
    yield ""
    yield from table(
        ("step", "VMs that differ"),
        ((code(step), str(number)) for step, number in found.steps.most_common()),
    )
    yield ""
    yield from table(
        ("VM", "resource group", "steps", "which"),
        (
            (
                code(each.name),
                code(each.resource_group),
                str(len(steps)),
                ", ".join(map(code, steps)),
            )
            for each, steps in found.differing[:ROWS]
        ),
    )
    yield from _more(standing, len(found.differing))


def _skipped(standing: Standing) -> Iterator[str]:
    if skipped := standing.run.skipped:
        yield "## Skipped"
        yield ""
        yield from table(
            ("VM", "why"),
            (
                (code(label(each.get("id", ""))), code(each.get("text", "")))
                for each in skipped[:ROWS]
            ),
        )
        yield from _more(standing, len(skipped))


def _more(standing: Standing, number: int) -> Iterator[str]:
    if number > ROWS:
        yield ""
        command = f"serialfix fleet report {standing.run.id} -o csv"
        yield f"and {number - ROWS} more: {code(command)}"


def _next(standing: Standing) -> Iterator[str]:
    run = standing.run
    commands = list(next_steps(run, standing.outcomes)) if run.ended else []
    if standing.outcomes:
        commands.append(evidence(run))
    if commands:
        yield "## Next"
        yield ""
        yield from (f"- {code(each)}" for each in commands)
