"""A result as Markdown, for a ticket or a pipeline's summary.

Everything that is not our own words stands in a code span or a code block. There nothing is markup,
HTML, a link or the name of somebody who would be called (CommonMark §6.1; GitHub and Azure DevOps
leave code alone), and `printable` has taken what acts on a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from serialfix.model import Outcome, RunResult, StepResult
from serialfix.printable import printable
from serialfix.report.states import after_in_short, in_short, saw
from serialfix.report.text import plan_words, seconds
from serialfix.result import command


WORDS = {
    Outcome.OK: "Everything was as wanted; nothing was changed.",
    Outcome.CHANGED: "Everything that was changed is proven.",
    Outcome.WOULD_CHANGE: "This was a check: nothing was changed.",
    Outcome.FAILED: "The run failed.",
    Outcome.REFUSED: "The VM could not be worked on.",
    Outcome.UNREACHABLE: "The console could not be reached or held.",
    Outcome.NOT_STARTED: "Nothing was begun.",
    Outcome.UNKNOWN: "What became of it is not known.",
}
TOUCHED = {
    "no": "Nothing in the VM was changed.",
    "maybe": "The VM may have been changed.",
    "yes": "The VM was changed.",
}


def code(text: object) -> str:
    """The text as a code span that shows it letter for letter, also in a table."""
    plain = printable(str(text))
    if not plain.strip():  # a span of blanks is none
        return "(empty)"
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    edge = " " if plain[0] in "` " or plain[-1] in "` " else ""  # one blank at each end is taken
    return f"{fence}{edge}{plain}{edge}{fence}"


def block(lines: Iterable[str]) -> list[str]:
    """The lines as a code block."""
    plain = [printable(line) for line in lines]
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", "\n".join(plain))), default=0))
    return [fence + "text", *plain, fence]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table of ready cells; a bar in them stays in its cell (GFM §4.10)."""
    columns = list(head)
    return [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (columns, ["---"] * len(columns), *rows)
    ]


def report(result: RunResult) -> str:
    """All of it: what was done, before and after, restart, proof, warnings, the way back, files."""
    parts = [
        _head(result),
        _facts(result),
        _error(result),
        _steps(result),
        _plan(result),
        _list("Lowered in security", map(code, result.plan.security if result.plan else ())),
        _restart(result),
        _list("Proof", (f"{each.outcome}: {code(each.text)}" for each in result.proof)),
        _list("Warnings", map(code, result.warnings)),
        _undo(result),
        _files(result),
    ]
    return "\n\n".join("\n".join(part) for lines in parts if (part := list(lines))) + "\n"


def before_after(result: RunResult) -> str:
    """The states alone, with their types: what was there, what is there, what was wanted."""
    head = f"# {code(result.playbook)} on {code(result.vm_name)}"
    return "\n".join([head, "", *_states(result), *_looked(result)]) + "\n"


def _head(result: RunResult) -> Iterator[str]:
    yield f"# serialfix: {code(result.playbook)} on {code(result.vm_name)}: {result.outcome}"
    yield ""
    words = WORDS[result.outcome]
    yield words if words.endswith("nothing was changed.") else f"{words} {_touched(result)}"


def _touched(result: RunResult) -> str:
    return TOUCHED.get(result.touched, "")


def _facts(result: RunResult) -> Iterator[str]:
    facts = {
        "VM": code(result.vm_id or result.vm_name),
        "playbook": f"{code(result.playbook)} {code(result.playbook_version)},"
        f" sha256 {code(result.playbook_sha256)}",
        "run": code(result.run_id),
        "exit code": str(result.exit_code),
        "begun": result.started and code(result.started),
        "by": result.user and code(result.user),
        "serialfix": result.version and code(result.version),
        "took": seconds(result.duration_s),
    }
    yield from table(("", ""), ((name, text) for name, text in facts.items() if text))


def _error(result: RunResult) -> Iterator[str]:
    if (error := result.error) is None:
        return
    yield "## Error"
    yield ""
    yield f"{code(error.get('slug', 'internal'))}: {code(error.get('message', ''))}"
    for name in ("state", "expected", "remedy"):
        if error.get(name):
            yield ""
            yield f"{name}: {code(error[name])}"
    if rows := [row for row in error.get("screen", "").splitlines() if row.strip()]:
        yield ""
        yield "The last screen:"
        yield ""
        yield from block(rows)


def _steps(result: RunResult) -> Iterator[str]:
    if result.steps:
        yield "## Steps"
        yield ""
        yield from _states(result)
        yield from _looked(result)


def _states(result: RunResult) -> list[str]:
    notes = any(step.note or step.error for step in result.steps)
    head = ["step", "outcome", "before", "after", "wanted", *(["note"] if notes else [])]
    return table(head, (_row(step, notes=notes) for step in result.steps))


def _row(step: StepResult, *, notes: bool) -> Iterator[str]:
    known = step.outcome in (Outcome.OK, Outcome.CHANGED)
    reached = step.outcome is not Outcome.NOT_STARTED or step.before is not None
    states = (
        in_short(step, step.before, typed=True) if reached else "",
        after_in_short(step, typed=True) if known else "",
        in_short(step, step.wanted, typed=True),
    )
    yield code(step.id)
    yield str(step.outcome)
    yield from (code(state) if state else "" for state in states)
    if notes:
        yield code(text) if (text := step.note or step.error) else ""


def _looked(result: RunResult) -> Iterator[str]:
    for step in result.steps:
        if lines := saw(step):
            yield ""
            yield f"{code(step.id)} saw:"
            yield ""
            yield from block(lines)


def _plan(result: RunResult) -> Iterator[str]:
    if result.plan is not None and result.outcome is Outcome.WOULD_CHANGE:
        yield "## Plan"
        yield ""
        yield " ".join(plan_words(result.plan))


def _restart(result: RunResult) -> Iterator[str]:
    if (restart := result.restart) is None:
        return
    yield "## Restart"
    yield ""
    took = f" in {seconds(restart.seconds)}" if restart.seconds else ""
    operation = f", operation {code(restart.operation)}" if restart.operation else ""
    yield f"{restart.outcome}{took}{operation}"


def _list(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items]
    return [f"## {title}", "", *lines] if lines else []


def _undo(result: RunResult) -> Iterator[str]:
    if result.undo is None:
        return
    yield "## How to undo"
    yield ""
    undo = command("undo", result.run_id, result.outcome)
    yield f"{code(undo)} puts every former value back and proves it."


def _files(result: RunResult) -> list[str]:
    files = {
        "evidence": (result.evidence,),
        "journal": (result.journal,),
        "recording": result.recordings,
        "undo playbook": (result.undo,),
    }
    return _list(
        "Files",
        (f"{name}: {code(path)}" for name, paths in files.items() for path in paths if path),
    )
