"""Tables and closing words for people, 80 columns wide, without colour when nobody wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from serialfix.model import Outcome, PlanFacts, RunResult, StepResult
from serialfix.printable import printable
from serialfix.report.states import after_in_short, in_short, saw
from serialfix.report.text import plan_words, seconds
from serialfix.result import in_its_words


if TYPE_CHECKING:
    from serialfix.playbook.plan import Plan, PlannedStep


STYLES: Mapping[str, str] = {
    Outcome.OK: "green",
    Outcome.CHANGED: "yellow",
    Outcome.WOULD_CHANGE: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.REFUSED: "red",
    Outcome.UNREACHABLE: "red",
    Outcome.UNKNOWN: "bold magenta",
}
PATHS = ("evidence", "recording", "undo")  # to be copied: a terminal may wrap them, we do not
PLANNED = (Outcome.OK, Outcome.WOULD_CHANGE)  # nothing was changed: the plan is all there is to say
NEXT = {
    Outcome.FAILED: "See what failed above; `serialfix undo {run}` puts the former values back.",
    Outcome.UNKNOWN: "`serialfix resume {run}` asks the VM what became of it.",
    Outcome.UNREACHABLE: "`serialfix resume {run}` goes on from where it stopped.",
    Outcome.CHANGED: "Everything is proven. `serialfix undo {run}` puts the former values back.",
}


def grid(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A plain table; texts are never markup, and what is not plainly printable is an escape."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    return table


def outcome_text(outcome: str) -> Text:
    return Text(printable(str(outcome)), style=STYLES.get(outcome, ""))


def _place(title: str) -> tuple[str, str]:
    key, _, name = title.rpartition(", ")
    return (key, name) if key else (title, "")


def plan_view(plan: Plan) -> RenderableType:
    """Before and after of every step, key by key, then what else will happen."""
    keys: dict[str, list[Sequence[str | Text]]] = {}
    for step in plan.steps:
        key, name = _place(step.title)
        states = in_short(step, step.before), in_short(step, step.wanted)
        keys.setdefault(key, []).append(
            (printable(name) or step.id, *states, outcome_text(step.outcome))
        )
    cells = [row for rows in keys.values() for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    parts: list[RenderableType] = []
    for key, rows in keys.items():
        table = grid(("value", "before", "after", ""), rows)
        for column, width in zip(table.columns, widths, strict=False):
            column.min_width = min(width, 33)  # the tables of all keys stand under each other
        parts += [Text(printable(key), style="bold"), table, Text()]
    parts += _notes(plan.steps)
    parts += _plan_closing(plan.facts)
    parts += [Text(f"Warning: {printable(text)}", style="yellow") for text in plan.warnings]
    return Group(*parts)


def _notes(steps: Sequence[PlannedStep | StepResult]) -> list[RenderableType]:
    """Why steps do not apply; they have no room in a table."""
    notes = [Text(f"{printable(step.id)}: {printable(step.note)}") for step in steps if step.note]
    return [*notes, Text()] if notes else []


def _plan_closing(plan: PlanFacts) -> Iterator[RenderableType]:
    yield Text(" ".join(plan_words(plan)))
    for text in plan.security:
        yield Text(f"Lowers security: {printable(text)}", style="yellow")


def _closing(result: RunResult) -> Iterator[tuple[str, str | None]]:
    if result.restart is not None:
        took = f" in {seconds(result.restart.seconds)}" if result.restart.seconds else ""
        yield "restart", f"{result.restart.outcome}{took}"
    for proof in result.proof:
        yield "proof", f"{proof.outcome}: {proof.text}"
    for warning in result.warnings:
        yield "warning", warning
    yield "evidence", result.evidence
    for recording in result.recordings:
        yield "recording", recording
    yield "undo", result.undo
    yield "run", result.run_id
    yield "took", seconds(result.duration_s)


def _before(step: StepResult) -> str:
    """What was there; nothing for a step that was not reached or does not apply."""
    return "" if step.outcome is Outcome.NOT_STARTED else in_short(step, step.before)


def _after(step: StepResult) -> str:
    """What is there now; nothing for a step whose end is not known."""
    match step.outcome:
        case Outcome.WOULD_CHANGE:
            return in_short(step, step.wanted)
        case Outcome.OK | Outcome.CHANGED:
            return after_in_short(step)
        case _:
            return ""


def _looked(steps: Sequence[StepResult]) -> Iterator[RenderableType]:
    """What steps have looked up, in full."""
    for step in steps:
        if lines := saw(step):
            yield Text(f"{printable(step.id)} saw:", style="bold")
            yield from (Text(f"  | {line}", overflow="fold") for line in lines)
            yield Text()


def result_view(result: RunResult) -> RenderableType:
    """The whole result: steps, proof, where everything lies, and what to do next."""
    parts: list[RenderableType] = []
    if any(step.outcome is not Outcome.NOT_STARTED for step in result.steps):
        parts.append(
            grid(
                ("step", "outcome", "before", "after"),
                (
                    (
                        step.id,
                        outcome_text(step.outcome),
                        _before(step),
                        _after(step),
                    )
                    for step in result.steps
                ),
            )
        )
        parts.append(Text())
        parts += _notes(result.steps)
        parts += _looked(result.steps)
    if result.plan is not None and result.outcome in PLANNED and result.restart is None:
        parts += [*_plan_closing(result.plan), Text()]
    parts += [
        Text(f"{name:<10} {printable(value)}", overflow="ignore" if name in PATHS else "fold")
        for name, value in _closing(result)
        if value
    ]
    head = Text.assemble(
        "\n",
        (f"{printable(result.vm_name)}: ", "bold"),
        outcome_text(result.outcome),
        f" ({printable(result.playbook)})",
    )
    parts.append(head)
    if result.error is None and (advice := NEXT.get(result.outcome)):
        words = in_its_words(advice.format(run=result.run_id), result.run_id, result.outcome)
        parts.append(Text(words))
    return Group(*parts)


def console(stream: Any) -> Console:
    """A console on this stream: 80 columns unless the terminal is wider; honours NO_COLOR."""
    return Console(file=stream, highlight=False, markup=False, emoji=False)
