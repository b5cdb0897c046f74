"""fleet schedule: fleet runs that come by themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from serialfix.cli import options as o
from serialfix.cli.fleet_options import (
    DatabaseOptions,
    GuestOptions,
    PolicyOptions,
    TargetOptions,
    confirm_plan,
    planned,
    with_groups,
)
from serialfix.cli.fleet_runs import Detach, Watched
from serialfix.cli.fleet_watch import LOOK, Watch
from serialfix.errors import FleetError, TargetError
from serialfix.report.formats import OutputFormat, WatchFormat


if TYPE_CHECKING:
    from serialfix.fleet.background import Background
    from serialfix.fleet.plan import FleetPlan
    from serialfix.fleet.schedule import Schedule, Schedules, Shown

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]
Cron = Annotated[
    str,
    o.option(
        "--cron", help="Minute, hour, day, month, day of the week: '0 2 * * Sat' is Saturday 02:00."
    ),
]
TimeZone = Annotated[str, o.option("--time-zone", help="Whose clock that is, e.g. Europe/Berlin.")]
Replace = Annotated[bool, o.option("--replace", help="In place of the one of this name.")]


HELP = "Fleet runs that come by themselves, at the moments of a cron expression."


def build() -> typer.Typer:
    """The commands about schedules."""
    app = typer.Typer(help=HELP, rich_markup_mode=None, no_args_is_help=True)
    app.callback()(_schedule)
    for name, command in COMMANDS.items():
        # what is given as short is not cut off in the list of commands
        app.command(name, short_help=command.__doc__)(with_groups(command))
    return app


def _schedule() -> None:
    """Fleet runs that come by themselves, at the moments of a cron expression."""


def add(
    *,
    schedule: Name,
    cron: Cron,
    time_zone: TimeZone = "UTC",
    playbook: o.Playbook,
    set_: o.Set = None,
    which: TargetOptions,
    how: PolicyOptions,
    guest: GuestOptions,
    where: DatabaseOptions,
    check: o.Check = False,
    snapshot: o.Snapshot = False,
    no_restart: o.NoRestart = False,
    replace: Replace = False,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Keep a playbook and what says which VMs, for a fleet run at each tick from now on."""
    from serialfix.cli.ask import require_consent
    from serialfix.fleet import cron as crons
    from serialfix.fleet.schedule import make_schedule
    from serialfix.fleet.standing import Kind

    when = crons.Cron.parse(cron, time_zone)
    if not check:
        require_consent(yes=yes, no_input=no_input)
    kind = Kind.CHECK if check else Kind.RUN
    settings = guest.settings(snapshot=snapshot and not check, restart=not no_restart and not check)
    plan = planned(playbook, set_, which, how, quiet=only_show_errors)
    made = make_schedule(schedule, when, plan, kind, settings)
    if not yes and not check:
        moment = f"at {made.cron.text} {made.cron.zone}"
        confirm_plan(plan, f"{made.playbook} {moment}, and nobody is asked again: go ahead?")
    with _schedules(where) as schedules:
        kept = schedules.add(made, again=replace)
        if not only_show_errors:
            _tell_added(kept, plan)
            _tell_workers(schedules)
    return 0


def list_(*, where: DatabaseOptions, output: o.Output = OutputFormat.TABLE) -> int:
    """All schedules: the next tick, the last one and what it came to."""
    from serialfix.fleet.schedule_view import list_view, row, schedule_json
    from serialfix.report import machine, tables

    with _schedules(where) as schedules:
        shown, now = schedules.all(), datetime.now(UTC)
        if output is OutputFormat.TABLE:
            tables.console(sys.stdout).print(list_view(shown, now), crop=False)
        else:
            data = [schedule_json(each, now) for each in shown]
            machine.write(data, output, rows=[row(each) for each in data])
        if not all(each.schedule.paused for each in shown):
            _tell_workers(schedules)
    return 0


def show(*, schedule: Name, where: DatabaseOptions, output: o.Output = OutputFormat.TABLE) -> int:
    """One schedule in full, with the last fleet runs that it made."""
    from serialfix.fleet.schedule_view import row, schedule_json, show_view
    from serialfix.report import machine, tables

    with _schedules(where) as schedules:
        shown, now = schedules.find(schedule), datetime.now(UTC)
        if output is OutputFormat.TABLE:
            tables.console(sys.stdout).print(show_view(shown, now), crop=False)
        else:
            data = schedule_json(shown, now)
            machine.write(data, output, rows=[row(data)])
        if not shown.schedule.paused:
            _tell_workers(schedules)
    return 0


def pause(*, schedule: Name, where: DatabaseOptions) -> int:
    """Tick no more until it is resumed; a fleet run that it began goes on."""
    return _change(where, lambda schedules: schedules.pause(schedule), "is paused")


def resume(*, schedule: Name, where: DatabaseOptions) -> int:
    """Tick again, from now on."""
    return _change(where, lambda schedules: schedules.resume(schedule), "ticks")


def remove(*, schedule: Name, where: DatabaseOptions) -> int:
    """Away with it; a fleet run that it began goes on, and is kept."""
    return _change(where, lambda schedules: schedules.remove(schedule), "is removed")


def run(
    *,
    schedule: Name,
    where: DatabaseOptions,
    detach: Detach = False,
    output: Watched = WatchFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Do now, once, what is done at a tick, also when it is paused."""
    from serialfix.cli.ask import require_consent
    from serialfix.fleet.background import Background
    from serialfix.fleet.desk import Desk
    from serialfix.fleet.standing import Kind
    from serialfix.fleet.tick import Tick

    with _schedules(where) as schedules:
        found = schedules.find(schedule).schedule
        if found.kind is Kind.RUN:
            require_consent(yes=yes, no_input=no_input)
            if not yes:
                from serialfix.cli.ask import confirm

                confirm(f"{found.playbook}, as schedule {schedule} does: go ahead?")
        tick = Tick(schedules.tick(schedule), schedule, by_hand=True)
        background = Background(schedules.database, where.folder, os.environ)
        background.ensure()
        if not schedules.database.is_sqlite:
            _tell_workers(schedules)
        if detach:
            _say(
                f"A worker begins it: `serialfix fleet schedule show {schedule}` tells what comes."
            )
            return 0
        _wait(schedules, tick.at, schedule, background)
        desk = Desk(schedules.database)
        try:
            desk.find(tick.fleet)
        except TargetError:
            raise FleetError(
                _last_words(schedules.find(schedule)),
                remedy=f"`serialfix fleet schedule show {schedule}` tells all of it.",
            ) from None
        begun = Watch(desk, where.folder, lambda: desk.find(tick.fleet))
        return begun.follow(output, quiet=only_show_errors)


COMMANDS: dict[str, Callable[..., int]] = {
    "add": add,
    "list": list_,
    "show": show,
    "pause": pause,
    "resume": resume,
    "remove": remove,
    "run": run,
}


def _wait(schedules: Schedules, at: datetime, name: str, background: Background) -> None:
    """Until it is known what the tick came to."""
    import asyncio

    from serialfix.cli.signals import Interruption
    from serialfix.fleet.schedule import CameTo

    async def told() -> None:
        while True:
            found = (await asyncio.to_thread(schedules.find, name)).schedule
            looked = found.last_tick is not None and found.last_tick >= at
            if looked and found.last_came_to is not CameTo.LOOKS:
                return
            background.ensure()
            await asyncio.sleep(LOOK)

    Interruption("").run(told())


def _change(where: DatabaseOptions, change: Callable[[Schedules], Schedule], how: str) -> int:
    with _schedules(where) as schedules:
        changed = change(schedules)
        _say(f"Schedule {changed.name} {how}.")
        if how == "ticks":
            _tell_workers(schedules)
    return 0


def _tell_added(kept: Schedule, plan: FleetPlan) -> None:
    from serialfix.fleet.schedule import Shown
    from serialfix.fleet.schedule_view import list_view
    from serialfix.fleet.share import vms
    from serialfix.report import tables

    shown = list_view([Shown(kept, ())], datetime.now(UTC))
    tables.console(sys.stderr).print(shown, crop=False)
    _say(f"Now these are {vms(plan.total)}; at each tick they are looked for anew.")


def _tell_workers(schedules: Schedules) -> None:
    """Nothing fires by itself."""
    from serialfix.fleet.presence import alive

    if not alive(schedules.database):
        _say(
            "No worker is alive, so nothing ticks: keep `serialfix fleet worker` running\n"
            "(docs/workers.md has a unit for systemd)."
        )


def _last_words(shown: Shown) -> str:
    schedule = shown.schedule
    return f"schedule {schedule.name}: {schedule.last_came_to}: {schedule.last_words}"


def _say(text: str) -> None:
    from serialfix.printable import printable

    print(printable(text, keep="\n"), file=sys.stderr)


@contextmanager
def _schedules(where: DatabaseOptions) -> Iterator[Schedules]:
    from serialfix.fleet.schedule import Schedules

    with closing(where.open()) as database:
        yield Schedules(database)
