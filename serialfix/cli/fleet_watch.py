"""Watching a fleet run to its end; whoever stops watching leaves it going on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from serialfix.cli import options as o
from serialfix.cli.show import drop, to_stdout
from serialfix.errors import Interrupted
from serialfix.report.formats import FleetReportFormat, OutputFormat, WatchFormat


if TYPE_CHECKING:
    from pathlib import Path

    from serialfix.fleet.background import Background
    from serialfix.fleet.desk import Desk
    from serialfix.fleet.live import LiveView
    from serialfix.fleet.standing import FleetRun, Standing

LOOK = 0.5
"""Seconds between two looks of somebody who watches."""
START = 0.1
"""The same while a worker starts."""


class Watch:
    """One fleet run, begun or found by a command, and the worker that a SQLite file needs."""

    def __init__(self, desk: Desk, state_dir: Path, find: Callable[[], FleetRun]) -> None:
        from serialfix.fleet.background import Background

        self._desk = desk
        self._find = find
        self._background: Background = Background(desk.database, state_dir, os.environ)
        self._found: FleetRun | None = None

    def follow(
        self,
        output: WatchFormat,
        *,
        detach: bool = False,
        quiet: bool = False,
        work_to_do: bool = False,
    ) -> int:
        """Watch to the end, or see only that it goes on; the exit code.

        `work_to_do`: a check that found differences has an exit code of its own.
        """
        from serialfix.cli.signals import Interruption
        from serialfix.fleet.standing import State

        interruption = Interruption("")
        try:
            ended = interruption.run(self._detach() if detach else self._watch(output, quiet=quiet))
        except Interrupted:
            if self._found is None:
                raise
            self._tell_detached(self._found.id)
            return interruption.exit_code
        except BrokenPipeError:  # who read along has gone: `… -o jsonl | head`
            if self._found is None:
                raise
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except BrokenPipeError:
                    drop(stream)
            ended = self._desk.standing(self._found.id)
            if ended.run.state is not State.ENDED:
                self._tell_detached(self._found.id)
                return Interrupted.exit_code
        if detach:
            self._tell_detached(ended.run.id)
            _write_begun(ended, output)
            return 0
        return _code(ended, work_to_do=work_to_do)

    async def _watch(self, output: WatchFormat, *, quiet: bool) -> Standing:
        import asyncio

        from serialfix.fleet.live import live_view
        from serialfix.fleet.pace import Pace

        found = await self._begin()
        pace = Pace.of(await asyncio.to_thread(self._desk.targets, found.id))
        view = live_view(output, stdout=sys.stdout, stderr=sys.stderr, quiet=quiet, pace=pace)
        try:
            ended = await self._to_the_end(found.id, view, output)
        except BaseException:
            view.close()
            raise
        await asyncio.to_thread(self._finish, view, ended, output)
        return ended

    async def _detach(self) -> Standing:
        """Until it is sure that somebody works on it, where that is for us to see to."""
        import asyncio

        from serialfix.fleet.standing import State

        found = await self._begin()
        while True:
            standing = await asyncio.to_thread(self._desk.standing, found.id)
            if standing.run.state is State.ENDED or standing.workers or not self._embedded:
                return standing
            self._background.ensure()
            await asyncio.sleep(START)

    async def _begin(self) -> FleetRun:
        """In a thread, which is waited for: an interruption never leaves it unknown what began."""
        import asyncio

        def begin() -> FleetRun:
            self._found = self._find()
            return self._found

        return await asyncio.to_thread(begin)

    async def _to_the_end(self, fleet: str, view: LiveView, output: WatchFormat) -> Standing:
        import asyncio

        from serialfix.fleet.standing import State

        while True:
            standing = await asyncio.to_thread(self._look, fleet)
            view.update(standing)
            if standing.run.state is State.ENDED:
                return standing
            if output is WatchFormat.JSONL and not is_read(sys.stdout):
                raise BrokenPipeError
            await asyncio.sleep(LOOK)

    def _look(self, fleet: str) -> Standing:
        """How it stands; the worker of a SQLite file is there, or on its way."""
        from serialfix.fleet.standing import State

        standing = self._desk.standing(fleet)
        if standing.run.state is State.ENDED or not self._embedded:
            return standing
        self._background.ensure()
        return replace(standing, workers=1)

    def _finish(self, view: LiveView, ended: Standing, output: WatchFormat) -> None:
        from serialfix.fleet.result import fleet_json
        from serialfix.fleet.tables import show_view
        from serialfix.report import tables

        fleet = ended.run.id
        targets, results = self._desk.targets(fleet), self._desk.results(fleet)
        with to_stdout():
            view.close(fleet_json(ended, targets, results))
            if output is WatchFormat.JSONL:
                return
            if output is WatchFormat.TABLE:
                shown = show_view(ended, targets, results=results)
                tables.console(sys.stdout).print(shown, crop=False)
            else:
                write_report(self._desk, ended.run, FleetReportFormat(output))

    def _tell_detached(self, fleet: str) -> None:
        from serialfix.fleet.live import detached

        told = detached(self._look(fleet), embedded=self._embedded)
        with suppress(OSError):  # the terminal may be what went away
            print(told, file=sys.stderr, flush=True)

    @property
    def _embedded(self) -> bool:
        return self._desk.database.is_sqlite


def write_report(desk: Desk, found: FleetRun, output: FleetReportFormat) -> None:
    """Every VM, on stdout."""
    from serialfix.fleet.report import write

    standing, targets = desk.standing(found.id), desk.targets(found.id)
    results = desk.results(found.id)
    with to_stdout():
        write(standing, targets, output, results=results)


def _write_begun(standing: Standing, output: WatchFormat) -> None:
    """Programs want the id of what was begun; people have been told it."""
    import json

    from serialfix.fleet.result import status_json
    from serialfix.report import machine

    with to_stdout():
        if output is WatchFormat.JSONL:
            print(json.dumps(status_json(standing)))
        elif output is not WatchFormat.TABLE:
            machine.write(data := status_json(standing), OutputFormat(output), rows=[data])


def is_read(stream: TextIO) -> bool:
    """Whether a pipe still has a reader: a run may have nothing new to say for hours."""
    import select

    if not hasattr(select, "poll"):
        return True
    look = select.poll()
    try:
        look.register(stream.fileno(), 0)  # only its end is told then
    except (OSError, ValueError):
        return True
    return not any(told & select.POLLERR for _, told in look.poll(0))


def _code(ended: Standing, *, work_to_do: bool) -> int:
    from serialfix.fleet.result import exit_code
    from serialfix.model import Outcome

    code = exit_code(ended.run, ended.outcomes) or 0
    differ = bool(ended.outcomes[Outcome.WOULD_CHANGE])
    return o.WORK_TO_DO if work_to_do and differ and not code else code
