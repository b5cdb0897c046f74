"""fleet run, check, watch, and what is done with a fleet run afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
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
    require_targets,
)
from serialfix.cli.fleet_watch import Watch, write_report
from serialfix.cli.show import to_stdout
from serialfix.errors import UsageError
from serialfix.report.formats import FleetReportFormat, OutputFormat, WatchFormat


if TYPE_CHECKING:
    from serialfix.fleet.desk import Desk
    from serialfix.fleet.standing import FleetRun, Target
    from serialfix.model import Outcome

LOOK = "look first: `serialfix fleet plan` shows who, `serialfix fleet check` what"
LOOK_AT_IT = "look first: `serialfix fleet show` tells how it ended"

FleetId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a fleet run, or its start.")]
Watched = Annotated[
    WatchFormat, o.option("--output", "-o", help="Format of the result; jsonl: as it goes on.")
]
Reported = Annotated[
    FleetReportFormat, o.option("--output", "-o", help="Format of the report on stdout.")
]
Detach = Annotated[bool, o.option("--detach", help="Begin and do not watch.")]
Only = Annotated[
    str, o.option("--only", help="Outcomes with commas: failed,unreachable,not_started,unknown.")
]
Vm = Annotated[str | None, o.option("--vm", "-n", help="One VM: its name, id or number.")]
Vms = Annotated[
    list[str] | None,
    o.option("--vm", "-n", help="Only this VM: its name, id or number; repeat. Else all."),
]
Evidence = Annotated[
    Path | None, o.option("--evidence", help="With --vm: write its evidence to this zip file.")
]


def run(
    *,
    playbook: o.Playbook,
    set_: o.Set = None,
    which: TargetOptions,
    how: PolicyOptions,
    guest: GuestOptions,
    where: DatabaseOptions,
    snapshot: o.Snapshot = False,
    no_restart: o.NoRestart = False,
    detach: Detach = False,
    output: Watched = WatchFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Apply a playbook to many VMs, wave by wave; it goes on when nobody watches."""
    from serialfix.cli.ask import require_consent
    from serialfix.fleet.share import vms
    from serialfix.fleet.standing import Kind

    require_consent(yes=yes, no_input=no_input, look=LOOK)
    settings = guest.settings(snapshot=snapshot, restart=not no_restart)
    plan = planned(playbook, set_, which, how, quiet=only_show_errors)
    require_targets(plan)
    if not yes:
        confirm_plan(plan, f"Begin: {plan.loaded.playbook.name} on {vms(plan.total)}?")
    with _desk(where) as desk:
        begun = Watch(desk, where.folder, lambda: desk.begin(plan, Kind.RUN, settings))
        return begun.follow(output, detach=detach, quiet=only_show_errors)


def check(
    *,
    playbook: o.Playbook,
    set_: o.Set = None,
    which: TargetOptions,
    how: PolicyOptions,
    guest: GuestOptions,
    where: DatabaseOptions,
    exit_code: o.ExitCode = False,
    detach: Detach = False,
    output: Watched = WatchFormat.TABLE,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Show which VMs differ from a playbook, and in what. Nothing is changed."""
    from serialfix.fleet.standing import Kind

    settings = guest.settings(restart=False)
    plan = planned(playbook, set_, which, how, quiet=only_show_errors)
    require_targets(plan)
    with _desk(where) as desk:
        begun = Watch(desk, where.folder, lambda: desk.begin(plan, Kind.CHECK, settings))
        return begun.follow(output, detach=detach, quiet=only_show_errors, work_to_do=exit_code)


def watch(
    *,
    fleet: FleetId,
    where: DatabaseOptions,
    output: Watched = WatchFormat.TABLE,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Watch a fleet run to its end; Ctrl-C ends the watching, not the run."""
    with _desk(where) as desk:
        return Watch(desk, where.folder, lambda: desk.find(fleet)).follow(
            output, quiet=only_show_errors
        )


def status(*, fleet: FleetId, where: DatabaseOptions, output: o.Output = OutputFormat.TABLE) -> int:
    """How a fleet run stands now."""
    from serialfix.fleet.pace import Pace, eta
    from serialfix.fleet.result import status_json
    from serialfix.fleet.screen import status_view
    from serialfix.report import machine, tables

    with _desk(where) as desk:
        found = desk.find(fleet).id
        standing, pace = desk.standing(found), Pace.of(desk.targets(found))
    left = eta(standing, pace)
    with to_stdout():
        if output is OutputFormat.TABLE:
            tables.console(sys.stdout).print(status_view(standing, left))
        else:
            machine.write(data := status_json(standing, left), output, rows=[data])
    return 0


def list_(*, where: DatabaseOptions, output: o.Output = OutputFormat.TABLE) -> int:
    """All fleet runs of the database, newest first."""
    from serialfix.fleet.result import list_json
    from serialfix.fleet.tables import list_view
    from serialfix.report import machine, tables

    with _desk(where) as desk:
        standings = desk.standings()
        if not standings:
            print(f"No fleet runs yet in {desk.database.url}.", file=sys.stderr)
    with to_stdout():
        if output is OutputFormat.TABLE:
            tables.console(sys.stdout).print(list_view(standings), crop=False)
        else:
            machine.write(data := list_json(standings), output, rows=data)
    return 0


def show(
    *,
    fleet: FleetId,
    vm: Vm = None,
    evidence: Evidence = None,
    where: DatabaseOptions,
    output: Reported = FleetReportFormat.TABLE,
) -> int:
    """A fleet run in short, with what is not well; or all of one VM."""
    from serialfix.fleet.tables import show_view
    from serialfix.report import tables

    with _desk(where) as desk:
        found = desk.find(fleet)
        if vm is not None:
            return _show_vm(desk, found, vm, evidence, output)
        if evidence is not None:
            raise UsageError("--evidence goes with --vm", remedy="Name the VM.")
        if output is not FleetReportFormat.TABLE:
            write_report(desk, found, output)
            return 0
        standing, targets = desk.standing(found.id), desk.targets(found.id)
        view = show_view(standing, targets, results=desk.results(found.id))
    with to_stdout():
        tables.console(sys.stdout).print(view, crop=False)
    return 0


def report(
    *, fleet: FleetId, where: DatabaseOptions, output: Reported = FleetReportFormat.TABLE
) -> int:
    """The report of a fleet run, with every VM that is not well; with -o csv etc. all."""
    with _desk(where) as desk:
        write_report(desk, desk.find(fleet), output)
    return 0


def pause(*, fleet: FleetId, where: DatabaseOptions) -> int:
    """Start no further VM; those that are worked on go on to their end."""
    return _change(where, fleet, lambda desk, each: desk.pause(each))


def resume(*, fleet: FleetId, where: DatabaseOptions) -> int:
    """Go on after a pause, or with the wave that waits for approval."""
    return _change(where, fleet, lambda desk, each: desk.resume(each))


def cancel(*, fleet: FleetId, where: DatabaseOptions) -> int:
    """Start no further VM, for good; those that are worked on go on to their end."""
    return _change(where, fleet, lambda desk, each: desk.cancel(each))


def retry(
    *,
    fleet: FleetId,
    only: Only = "failed,unreachable,not_started",
    where: DatabaseOptions,
    detach: Detach = False,
    output: Watched = WatchFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """A new fleet run on those VMs of another that ended so, with the same playbook."""
    from serialfix.cli.ask import confirm, require_consent
    from serialfix.fleet.share import vms

    require_consent(yes=yes, no_input=no_input, look=LOOK_AT_IT)
    outcomes = _outcomes(only)
    with _desk(where) as desk:
        old = desk.find(fleet)
        chosen = [each for each in desk.targets(old.id) if each.outcome in outcomes]
        if not yes and chosen:
            confirm(f"Begin: {old.playbook} again on {vms(len(chosen))}?")
        begun = Watch(desk, where.folder, lambda: desk.again(old.id, outcomes))
        return begun.follow(output, detach=detach, quiet=only_show_errors)


def undo(
    *,
    fleet: FleetId,
    vm: Vms = None,
    where: DatabaseOptions,
    detach: Detach = False,
    output: Watched = WatchFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """A new fleet run that puts back what another has changed."""
    from serialfix.cli.ask import confirm, require_consent
    from serialfix.fleet.share import vms

    require_consent(yes=yes, no_input=no_input, look=LOOK_AT_IT)
    with _desk(where) as desk:
        old = desk.find(fleet)
        only = {_one(desk, old, each).number for each in vm} if vm else None
        if not yes:
            on = f" on {vms(len(only))}" if only else ""
            confirm(f"Begin: put back what fleet run {old.id} ({old.playbook}) has changed{on}?")
        begun = Watch(desk, where.folder, lambda: desk.back(old.id, only))
        return begun.follow(output, detach=detach, quiet=only_show_errors)


# --- one VM ---------------------------------------------------------------------------------------


def _show_vm(
    desk: Desk, found: FleetRun, vm: str, evidence: Path | None, output: FleetReportFormat
) -> int:
    from serialfix.cli.show import show_result
    from serialfix.report.formats import ReportFormat
    from serialfix.result import run_from_json

    target = _one(desk, found, vm)
    if evidence is not None:
        content = desk.evidence(target.run_id or "")
        if content is None:
            raise UsageError(
                f"there is no evidence of {target.name}: no run of it has ended",
                remedy=f"`serialfix fleet show {found.id}` tells how it stands.",
            )
        _write_new(evidence, content)
        print(f"{evidence}: the evidence of {target.name}", file=sys.stderr)
    result = desk.results(found.id).get(target.number)
    if result is None:
        raise UsageError(
            f"{target.name} is {target.state}: there is no result yet",
            remedy=f"`serialfix fleet watch {found.id}` waits for it.",
        )
    if output is FleetReportFormat.CSV:
        raise UsageError("one VM has no CSV", remedy="`serialfix fleet report -o csv` has all.")
    show_result(run_from_json(result), ReportFormat(output))
    return 0


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise UsageError(
            f"{path} exists; it is not overwritten", remedy="Give a name that is free."
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            remedy="Give a file in a folder that is there and may be written to.",
        ) from None


def _one(desk: Desk, found: FleetRun, vm: str) -> Target:
    """The VM that is meant. Raises TargetError when none or several are called so."""
    from serialfix.errors import TargetError

    matches = [each for each in desk.targets(found.id) if vm.lower() in _names(each)]
    if len(matches) != 1:
        ids = "".join(f"\n  {each.vm_id}" for each in matches)
        raise TargetError(
            f"fleet run {found.id} has {len(matches) or 'no'} VM{'s'[: len(matches)]} {vm!r}{ids}",
            remedy="Give its full id."
            if matches
            else f"`serialfix fleet report {found.id} -o csv` names all.",
        )
    return matches[0]


def _names(target: Target) -> set[str]:
    """All that a VM goes by; `web/3` and `web_3` are the same instance of a scale set."""
    from serialfix.fleet.tables import label

    short = label(target.vm_id)
    called = (target.name, target.vm_id, str(target.number), short, short.replace("/", "_"))
    return {each.lower() for each in called}


# --- changing -------------------------------------------------------------------------------------


def _change(where: DatabaseOptions, fleet: str, change: Callable[[Desk, str], FleetRun]) -> int:
    from serialfix.fleet.background import Background
    from serialfix.fleet.screen import status_view
    from serialfix.fleet.standing import State
    from serialfix.report import tables

    with _desk(where) as desk:
        run = change(desk, fleet)
        if run.state is not State.ENDED:
            Background(desk.database, where.folder, os.environ).ensure()
        tables.console(sys.stderr).print(status_view(desk.standing(run.id)))
    return 0


def _outcomes(text: str) -> Sequence[Outcome]:
    from serialfix.model import Outcome

    names = [each.strip().lower().replace("-", "_") for each in text.split(",") if each.strip()]
    if not names or (wrong := [each for each in names if each not in set(Outcome)]):
        raise UsageError(
            f"--only takes outcomes, not {', '.join(wrong) if names else 'nothing'}",
            remedy=f"There are {', '.join(Outcome)}.",
        )
    return tuple(dict.fromkeys(map(Outcome, names)))


@contextmanager
def _desk(where: DatabaseOptions) -> Iterator[Desk]:
    from serialfix.fleet.desk import Desk

    with closing(where.open()) as database:
        yield Desk(database)
