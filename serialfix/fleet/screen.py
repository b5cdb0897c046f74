"""How a fleet run stands, in one screen: whatever its size, in as many rows as there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from serialfix.fleet.budget import ERRORS
from serialfix.fleet.findings import slug
from serialfix.fleet.pace import Eta, awaits_approval
from serialfix.fleet.result import WELL
from serialfix.fleet.share import vms
from serialfix.fleet.standing import FleetRun, Kind, Standing, State, Target, WaveStanding
from serialfix.fleet.view import duration
from serialfix.model import Outcome
from serialfix.printable import printable
from serialfix.report.tables import outcome_text
from serialfix.report.text import seconds


ROWS = 22
"""Of a screen that is printed, so that the command above it and the prompt below stay in sight."""
BAR = 24
STATES = {
    State.RUNNING: "running",
    State.PAUSED: "paused, nothing is started",
    State.STOPPING: "stopping, what runs is let to its end",
    State.ENDED: "ended",
}
Row = Text
Entry = list[Row]


class Screen:
    """The standing as a renderable; it asks for the size anew each time that it is drawn.

    `since` is how many seconds old the standing is; `rows` bounds the height where it is printed.
    """

    def __init__(
        self,
        standing: Standing,
        eta: Eta | None = None,
        *,
        since: float = 0.0,
        rows: int | None = None,
    ) -> None:
        self.standing, self.eta, self.since, self.rows = standing, eta, since, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = self.rows or options.height or console.height
        rows = self._rows(console, options.max_width, height, plain=options.ascii_only)
        yield Text("\n").join(rows[:height])

    def _rows(self, console: Console, width: int, height: int, *, plain: bool) -> list[Row]:
        def fold(texts: Iterator[Text]) -> list[Entry]:
            entries = [list(text.wrap(console, width, overflow="fold")) for text in texts]
            for entry in entries:
                for row in entry:
                    row.rstrip()
            return entries

        standing = self.standing
        rows = _joined(fold(head(standing, self.eta)))
        waves = fold(_bars(standing.waves, max(3, (height - len(rows) - 6) // 2), width, plain))
        rows += [Text(), *_joined(waves), *_joined(fold(iter([totals(standing)])))]
        running = fold(_slowest(standing, self.since, width))
        errors = fold(_errors(standing, width))
        room = height - len(rows)
        least = 3 + len(errors[0]) if errors else 0
        for_errors = min(_need(errors), max(room // 2, room - _need(running), least))
        rows += _section("slowest", running, room - for_errors, _running(standing))
        rows += _section("last errors", errors, for_errors, _bad(standing))
        return rows


def status_view(standing: Standing, eta: Eta | None = None) -> Screen:
    """The screen, to be printed once."""
    return Screen(standing, eta, rows=ROWS)


def head(standing: Standing, eta: Eta | None) -> Iterator[Text]:
    """What it is, how it stands, what it waits for, and for how long still."""
    run = standing.run
    yield Text.assemble((printable(run.id), "bold"), f": {STATES[run.state]}")
    took = duration(((run.ended or standing.at) - run.created).total_seconds())
    facts = [f"{run.at_once} at once"]
    if run.state is State.ENDED:
        facts.append(took)
    else:
        workers = "worker" if standing.workers == 1 else "workers"
        facts += [f"{standing.workers} {workers}", f"{took} so far"]
    yield Text(f"{what(run)} on {vms(run.total)}, {', '.join(facts)}")
    if run.why:
        yield Text(printable(run.why), style="red")
    if run.state is State.ENDED:
        return
    if not standing.workers:
        yield Text("No worker is alive; `serialfix fleet worker` goes on.", style="bold red")
    if waits(standing):
        style = "" if _running(standing) else "yellow"
        yield Text(f"Waiting: {printable(standing.waiting_for)}.", style=style)
    if run.state is State.PAUSED or (run.state is State.RUNNING and awaits_approval(standing)):
        yield Text(f"To go on: serialfix fleet resume {printable(run.id)}")
    if eta is not None:
        yield Text(eta_words(run, eta))


def waits(standing: Standing) -> bool:
    """Whether what it waited for when a worker last looked is still in its way."""
    run = standing.run
    given = run.policy.approve_after is not None and run.approved >= run.policy.approve_after
    approved = given and standing.waiting_for.startswith("approval")
    return bool(standing.waiting_for) and not approved and any(w.waiting for w in standing.waves)


def what(run: FleetRun) -> str:
    """`rdp-reset 1.0`, `check of rdp-reset 1.0`, `undo of RUN (rdp-reset 1.0)`."""
    book = printable(f"{run.playbook} {run.playbook_version}".strip())
    match run.kind:
        case Kind.RUN:
            return f"{book}, again for what {printable(run.of)} left," if run.of else book
        case Kind.CHECK:
            return f"check of {book}"
        case Kind.UNDO:
            return f"undo of {printable(run.of or '')} ({book})"


def eta_words(run: FleetRun, eta: Eta) -> str:
    """An estimate, and what it hangs on."""
    window = ", if the window stays open" if run.policy.window else ""
    if eta.wave is not None:
        return f"About {duration(eta.seconds)} to the approval after wave {eta.wave}{window}."
    return f"About {duration(eta.seconds)} to go{window}."


def outcome_words(outcomes: Counter[Outcome]) -> Text:
    """`3 ok, 40 changed, 1 failed`, in colour."""
    said = [
        Text.assemble(f"{outcomes[each]} ", outcome_text(each))
        for each in Outcome
        if outcomes[each]
    ]
    return Text(", ").join(said)


def totals(standing: Standing) -> Text:
    """All waves together, and the error budget."""
    ended, outcomes = standing.outcomes.total(), standing.outcomes
    parts = [Text(f"{ended} of {standing.run.total} ended")]
    if ended:
        parts.append(outcome_words(outcomes))
    left = {"running": _running(standing), "waiting": sum(w.waiting for w in standing.waves)}
    if any(left.values()):
        parts.append(Text(", ".join(f"{number} {name}" for name, number in left.items() if number)))
    spent = sum(outcomes[each] for each in ERRORS)
    if spent:
        parts.append(Text(f"{spent} errors of {standing.run.errors_allowed} allowed"))
    return Text("; ").join(parts)


def error_words(target: Target, *, width: int | None = None) -> Text:
    """Which VM, where, how it ended and why: all of it, or within two rows of so many columns."""
    outcome = target.outcome or Outcome.FAILED
    name = slug(target)
    words = Text.assemble(
        (printable(target.name), "bold"),
        f" in {printable(target.location)}: ",
        outcome_text(outcome),
        "" if name == outcome else f", {printable(name)}",
    )
    if message := printable((target.error or {}).get("message", "")):
        why = Text(f": {message}")
        # a word that does not fit leaves its rest of a row empty
        room = max(40, 2 * width - 16 - words.cell_len) if width else why.cell_len
        if why.cell_len > room:
            why.truncate(room - 4)
            why.append(" ...")
        words.append_text(why)
    return words


def _bars(waves: Sequence[WaveStanding], most: int, width: int, plain: bool) -> Iterator[Text]:
    """A row for each wave, or for those around the one that is under way."""
    first, shown = 0, waves
    if len(waves) > most:
        room = max(1, most - 2)
        under_way = next((n for n, wave in enumerate(waves) if not wave.ended), len(waves) - 1)
        first = max(0, min(under_way - 1, len(waves) - room))
        shown = waves[first : first + room]
        if first:
            yield Text(f"{first} wave{'s' if first > 1 else ''} before: ended", style="dim")
    numbers = len(str(waves[-1].number)) if waves else 1
    for wave in shown:
        yield _bar(wave, numbers, max(4, min(BAR, width - 52)), plain)
    if rest := waves[first + len(shown) :]:
        yield Text(
            f"{len(rest)} wave{'s' if len(rest) > 1 else ''} more: "
            f"{vms(sum(wave.total for wave in rest))}",
            style="dim",
        )


def _bar(wave: WaveStanding, numbers: int, length: int, plain: bool) -> Text:
    ended = wave.outcomes.total()
    bad = ended - sum(wave.outcomes[each] for each in WELL)
    full, empty = ("#", "-") if plain else ("█", "░")
    # full only when nothing is left, and not empty when something has ended
    filled = min(length - (ended < wave.total), -(-length * ended // max(1, wave.total)))
    return Text.assemble(
        f"wave {wave.number:>{numbers}} ",
        (full * filled, "yellow" if bad else "green"),
        (empty * (length - filled), "dim"),
        f" {ended} of {wave.total}",
        f"  {wave.running} running" if wave.running else "",
        (f"  {bad} not well", "red") if bad else "",
    )


def _slowest(standing: Standing, since: float, width: int) -> Iterator[Text]:
    names = max((len(printable(each.name)) for each in standing.running), default=0)
    names = min(names, max(8, width - 44))
    for each in standing.running:
        age = (standing.at - each.started).total_seconds() + since if each.started else 0.0
        again = f"  attempt {each.attempt}" if each.attempt > 1 else ""
        yield Text(
            f"{printable(each.name):<{names}}  {printable(each.phase):<7}  {_age(age):>11}"
            f"  {printable(each.location)}{again}"
        )


def _errors(standing: Standing, width: int) -> Iterator[Text]:
    """Reasons may be shortened here: `fleet show` has them in full."""
    return (error_words(each, width=width) for each in standing.errors)


def _age(elapsed: float) -> str:
    """In whole seconds: on a screen tenths would only jump."""
    whole = round(max(0.0, elapsed))
    return duration(whole) if whole >= 3600 else seconds(whole).replace(".0 s", " s")


def _section(title: str, entries: list[Entry], rows: int, of: int) -> list[Row]:
    """A title and as many whole entries as fit; how many there are besides is said."""
    if not entries:
        return []
    room, shown, taken = rows - 2, 0, 0
    while shown < len(entries):
        last = shown + 1 == max(of, len(entries))
        if taken + len(entries[shown]) + (not last) > room:
            break
        taken += len(entries[shown])
        shown += 1
    if not shown:
        return []
    more = max(of, len(entries)) - shown
    tail = [Text(f"and {more} more", style="dim")] if more else []
    return [Text(), Text(title, style="bold"), *_joined(entries[:shown]), *tail]


def _need(entries: list[Entry]) -> int:
    return 3 + sum(map(len, entries)) if entries else 0


def _joined(entries: Sequence[Entry]) -> list[Row]:
    return [row for entry in entries for row in entry]


def _running(standing: Standing) -> int:
    return sum(wave.running for wave in standing.waves)


def _bad(standing: Standing) -> int:
    outcomes = standing.outcomes
    return sum(outcomes[each] for each in ERRORS)
