"""A fleet run for people: the list of runs, one run in full; 80 columns, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from serialfix.fleet.findings import Drift, Trouble, drift, evidence, few, next_steps, troubles
from serialfix.fleet.pace import Eta
from serialfix.fleet.result import WELL, Results
from serialfix.fleet.screen import error_words, head, outcome_words, totals, what
from serialfix.fleet.share import vms
from serialfix.fleet.standing import FleetRun, Standing, State, Target
from serialfix.fleet.view import REASONS
from serialfix.model import Outcome, VmRef
from serialfix.printable import printable
from serialfix.report.tables import grid


FIRST = 3
GROUPS = 8
"""So many kinds of trouble are told in full."""


def list_view(standings: Iterable[Standing]) -> RenderableType:
    """Two lines for each fleet run: a row would be folded in the middle of its words."""
    return Group(*(line for each in standings for line in _in_short(each)))


def show_view(
    standing: Standing,
    targets: Sequence[Target],
    *,
    eta: Eta | None = None,
    results: Results | None = None,
    everybody: bool = False,
) -> RenderableType:
    """A run in full: waves, what went wrong and why, what differs, what is next, where it all is.

    Many of a kind are told by their first few; with `everybody` each that is not well has a row.
    """
    run = standing.run
    parts: list[RenderableType] = [*head(standing, eta), Text(), _waves(standing), Text()]
    parts += [totals(standing), Text()]
    found = troubles(targets)
    for each in found if everybody else found[:GROUPS]:
        parts += _trouble(each)
    hidden = sum(len(each.targets) for each in found[GROUPS:])
    if hidden and not everybody:
        kinds = len(found) - GROUPS
        parts.append(Text(f"and {hidden} more VMs in {kinds} other groups"))
    many = any(len(each.targets) > FIRST for each in found) or bool(hidden)
    if many and not everybody:
        parts.append(Text(f"All of them: serialfix fleet report {run.id} -o csv"))
    if found:
        parts.append(Text())
    if everybody and found:
        parts += [*_not_well(targets), Text()]
    if (differs := drift(run, targets, results or {})) is not None:
        parts += [*_drift(run, differs, everybody=everybody), Text()]
    if run.skipped:
        parts += [grid(("skipped", "VMs", "first"), _skipped(run)), Text()]
    parts += _closing(standing)
    return Group(*parts)


def _in_short(standing: Standing) -> Iterator[RenderableType]:
    run, outcomes = standing.run, standing.outcomes
    bad = outcomes.total() - sum(outcomes[each] for each in WELL)
    yield Text.assemble(
        (printable(run.id), "bold"), f"  {run.state}  {_minute(run.created)}", overflow="fold"
    )
    ended = "all" if outcomes.total() == run.total else f"{outcomes.total()} of {run.total}"
    told = Text(f"{what(run)} on {vms(run.total)}: {ended} ended", overflow="fold")
    if differ := outcomes[Outcome.WOULD_CHANGE]:
        told.append(f", {differ} would change", "yellow")
    if bad:
        told.append(f", {bad} not well", "red")
    if run.schedule:
        told.append(f", by schedule {printable(run.schedule)}")
    yield _indented(told)


def _waves(standing: Standing) -> RenderableType:
    return grid(
        ("wave", "VMs", "waiting", "running", "ended"),
        (
            (
                str(wave.number),
                str(wave.total),
                str(wave.waiting or ""),
                str(wave.running or ""),
                outcome_words(wave.outcomes),
            )
            for wave in standing.waves
        ),
    )


def _trouble(trouble: Trouble) -> Iterator[RenderableType]:
    style = "bold red" if trouble.location else "bold"
    yield Text(printable(str(trouble)), style=style, overflow="fold")
    for text in (trouble.message, trouble.remedy and f"Next: {trouble.remedy}"):
        if text:
            yield _indented(printable(text))
    yield _indented(few([printable(each.name) for each in trouble.targets], FIRST))


def _indented(text: str | Text) -> RenderableType:
    from rich.padding import Padding

    words = text if isinstance(text, Text) else Text(text, overflow="fold")
    return Padding(words, (0, 0, 0, 2), expand=False)


def _not_well(targets: Sequence[Target]) -> Iterator[RenderableType]:
    """A line each, that folds between words: the reason has no room in a table."""
    for each in targets:
        if each.outcome is not None and each.outcome not in WELL:
            line = Text(f"{printable(each.resource_group)}/", overflow="fold")
            yield line.append_text(error_words(each))


def _drift(run: FleetRun, found: Drift, *, everybody: bool) -> Iterator[RenderableType]:
    yield Text(f"{found}.")
    if not found.differing:
        return
    yield Text()
    rows = found.steps.most_common()
    yield grid(
        ("step", "VMs", "first"),
        (
            (
                step,
                str(number),
                few([each.name for each, steps in found.differing if step in steps], FIRST),
            )
            for step, number in rows
        ),
    )
    yield Text()
    shown = found.differing if everybody else found.differing[: 2 * FIRST]
    yield grid(
        ("VM", "resource group", "steps", "which"),
        (
            (each.name, each.resource_group, str(len(steps)), ", ".join(steps))
            for each, steps in shown
        ),
    )
    if more := len(found.differing) - len(shown):
        yield Text(f"and {more} more: serialfix fleet report {run.id} -o csv")


def _skipped(run: FleetRun) -> Iterator[Sequence[str]]:
    words = {str(reason): text for reason, text in REASONS.items()}
    by_reason: dict[str, list[str]] = {}
    for each in run.skipped:
        by_reason.setdefault(each.get("reason", ""), []).append(label(each.get("id", "")))
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        yield words.get(reason, reason), str(len(names)), few(names, FIRST)


def label(vm_id: str) -> str:
    """The VM's name, or what was given where it is no id."""
    from serialfix.errors import TargetError

    try:
        return VmRef.parse(vm_id).label
    except TargetError:
        return vm_id


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _closing(standing: Standing) -> Iterator[RenderableType]:
    run = standing.run
    facts = {
        "by": f"{run.user}, {_minute(run.created)} UTC",
        "schedule": run.schedule,
    }
    for name, value in facts.items():
        if value:
            yield Text(f"{name:<10} {printable(value)}", overflow="fold")
    ended = run.state is State.ENDED
    for title, commands in {
        "next": list(next_steps(run, standing.outcomes)) if ended else [],
        "one VM, and its evidence": [evidence(run)] if standing.outcomes else [],
    }.items():
        if commands:
            yield Text(title)
        for command in commands:  # on lines of their own: they are there to be copied
            yield _indented(printable(command))
