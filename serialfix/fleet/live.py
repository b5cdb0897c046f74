"""A fleet run while it goes on: a screen on a terminal, plain lines elsewhere, or JSON lines."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from serialfix.fleet.budget import ERRORS
from serialfix.fleet.pace import Eta, Pace, eta
from serialfix.fleet.result import status_json
from serialfix.fleet.screen import STATES, Screen, error_words, eta_words, totals, waits
from serialfix.fleet.standing import Standing, State
from serialfix.printable import printable
from serialfix.report.formats import WatchFormat


if TYPE_CHECKING:
    from rich.console import RenderableType

    from serialfix.model import Outcome


EVERY = 10.0
"""Seconds between two plain lines, at least; a log of hours has to be readable too."""
REFRESH = 2.0
"""Times a second: ages go on, and a terminal of another size is filled anew."""


class LiveView(Protocol):
    """Shows standing after standing; `close` always comes last."""

    def update(self, standing: Standing) -> None:
        """How it stands now. To be called often: a view shows what is new of it."""

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Nothing more comes: the run ended, with this `serialfix.fleet/1`, or nobody watches."""


def live_view(
    output: WatchFormat,
    *,
    stdout: TextIO,
    stderr: TextIO,
    quiet: bool = False,
    pace: Pace | None = None,
) -> LiveView:
    """The view for these streams: JSON lines are the result, all else is progress.

    `pace` is what is known of a run that has gone on before, by `Pace.of` its targets.
    """
    from serialfix.report.tables import console

    pace = pace or Pace()
    if output is WatchFormat.JSONL:
        return JsonLines(stdout, pace=pace)
    if quiet:
        return NoView()
    terminal = console(stderr)
    if terminal.is_terminal and not terminal.is_dumb_terminal:
        return TerminalView(terminal, pace=pace)
    return PlainLines(stderr, pace=pace)


class NoView:
    """For who wants to see errors only."""

    def update(self, standing: Standing) -> None:
        """Show nothing."""

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Nothing to close."""


class TerminalView:
    """The whole terminal, given back as it was.

    On the alternate screen each picture is drawn over the one before, from the corner on: nothing
    is erased between them, and what a resize did to the old one is gone with the next.
    """

    def __init__(
        self,
        console: Console,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        refresh: float | None = REFRESH,
    ) -> None:
        self._clock = clock
        self._pace = pace or Pace()
        self._shown: tuple[Standing, Eta | None, float] | None = None
        self._live = Live(
            console=console,
            screen=True,
            auto_refresh=refresh is not None,
            refresh_per_second=refresh or REFRESH,
            get_renderable=self._picture,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def update(self, standing: Standing) -> None:
        """Take the standing; the first is drawn at once, the others with the next picture."""
        self._pace = self._pace.after(standing)
        self._shown = standing, eta(standing, self._pace), self._clock()
        if not self._live.is_started:
            self._live.start()
        self._live.refresh()

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Give the terminal back."""
        self._live.stop()

    def _picture(self) -> RenderableType:
        if self._shown is None:
            return Text()
        standing, left, at = self._shown
        return Screen(standing, left, since=self._clock() - at)


class PlainLines:
    """For logs: a line when something is new, but not more often than `EVERY`; every error."""

    def __init__(
        self,
        stream: TextIO,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._pace = pace or Pace()
        self._said = ""
        self._said_at: float | None = None
        self._last: Standing | None = None
        self._errors: set[tuple[int, int]] = set()
        self._bad: Counter[Outcome] | None = None

    def update(self, standing: Standing) -> None:
        """Say what is new."""
        self._pace = self._pace.after(standing)
        for line in self._new_errors(standing):
            self._line(standing, line)
        self._last = standing
        if self._said_at is None or self._clock() - self._said_at >= EVERY:
            self._say(standing)

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Say what was held back."""
        if self._last is not None:
            self._say(self._last)

    def _say(self, standing: Standing) -> None:
        told = _in_a_line(standing)
        if told != self._said:
            self._said, self._said_at = told, self._clock()
            left = eta(standing, self._pace)
            self._line(standing, f"{told} {eta_words(standing.run, left)}" if left else told)

    def _new_errors(self, standing: Standing) -> Iterator[str]:
        """Those that were not there before; a standing names the last few, the rest are counted."""
        bad = Counter({each: standing.outcomes[each] for each in ERRORS})
        new = [
            each
            for each in reversed(standing.errors)
            if (each.number, each.attempt) not in self._errors
        ]
        self._errors |= {(each.number, each.attempt) for each in new}
        unnamed = (
            bad.total() - self._bad.total() - sum(each.outcome in ERRORS for each in new)
            if self._bad is not None
            else 0
        )
        self._bad = bad
        if unnamed > 0:
            yield f"error: {unnamed} more that went wrong; serialfix fleet show {standing.run.id}"
        yield from (f"error: {error_words(each).plain}" for each in new)

    def _line(self, standing: Standing, text: str) -> None:
        stamp = standing.at.astimezone(UTC)
        print(f"{stamp:%H:%M:%S}Z {printable(text)}", file=self._stream, flush=True)


class JsonLines:
    """An object a line: `serialfix.fleet-status/1` at each change, `serialfix.fleet/1` at last."""

    def __init__(self, stream: TextIO, *, pace: Pace | None = None) -> None:
        self._stream = stream
        self._pace = pace or Pace()
        self._said: dict[str, Any] = {}

    def update(self, standing: Standing) -> None:
        """Write the standing, unless only time has passed."""
        self._pace = self._pace.after(standing)
        status = status_json(standing, eta(standing, self._pace))
        lasting = {name: value for name, value in status.items() if name not in ("at", "eta_s")}
        if lasting != self._said:
            self._said = lasting
            self._write(status)

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Write the result, where there is one."""
        if result is not None:
            self._write(result)

    def _write(self, data: Mapping[str, Any]) -> None:
        """In ASCII, as JSON writes it: nothing in it acts on a terminal or a pipeline's log."""
        from serialfix.report.machine import no_order

        print(no_order(json.dumps(data), "\\u0023"), file=self._stream, flush=True)


def detached(standing: Standing, *, embedded: bool) -> str:
    """What to say when somebody stops watching: that the run goes on, where, and how to end it."""
    run = standing.run
    if run.state is State.ENDED:
        return f"It has ended: serialfix fleet show {run.id}"
    if not standing.workers:
        start = "serialfix fleet worker"
        goes_on = f"Detached. No worker is alive: nothing goes on until `{start}` runs."
    elif embedded:
        goes_on = "Detached; the run goes on in the background, while this machine is up."
    else:
        many = "a worker" if standing.workers == 1 else f"{standing.workers} workers"
        goes_on = f"Detached; the run goes on with {many}."
    ways = (f"  serialfix fleet {verb} {run.id}" for verb in ("watch", "pause", "cancel"))
    return "\n".join([goes_on, *ways])


def _in_a_line(standing: Standing) -> str:
    """The standing without what only passes with time."""
    run = standing.run
    waves = len(standing.waves)
    under_way = next((wave.number for wave in standing.waves if not wave.ended), waves)
    parts = [f"{STATES[run.state]}, wave {under_way} of {waves}: {totals(standing).plain}"]
    if run.why:
        parts.append(run.why)
    if run.state is not State.ENDED:
        if not standing.workers:
            parts.append("no worker is alive")
        if waits(standing):
            parts.append(f"waiting: {standing.waiting_for}")
    return "; ".join(parts) + "."
