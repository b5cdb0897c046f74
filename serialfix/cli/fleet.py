"""fleet plan: what would be done to many VMs. Nothing here changes anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from serialfix.cli import options as o
from serialfix.cli.fleet_options import (
    PolicyOptions,
    TargetOptions,
    planned,
    require_targets,
    with_groups,
)
from serialfix.report.formats import OutputFormat


if TYPE_CHECKING:
    from serialfix.fleet.plan import FleetPlan


def build() -> typer.Typer:
    """The commands about many VMs."""
    app = typer.Typer(
        help="Many VMs: which, in which waves.", rich_markup_mode=None, no_args_is_help=True
    )
    app.callback()(_fleet)
    app.command("plan")(with_groups(plan))
    return app


def _fleet() -> None:
    """Many VMs: which, in which waves."""


def plan(
    *,
    playbook: o.Playbook,
    set_: o.Set = None,
    which: TargetOptions,
    how: PolicyOptions,
    output: o.Output = OutputFormat.TABLE,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Show which VMs a playbook would go to, in which waves, and what that takes."""
    made = planned(playbook, set_, which, how, quiet=only_show_errors)
    _show(made, output)
    require_targets(made)
    return 0


def _show(made: FleetPlan, output: OutputFormat) -> None:
    from serialfix.cli.show import drop_stdout
    from serialfix.fleet.plan import plan_json, rows
    from serialfix.fleet.view import plan_view
    from serialfix.report import machine, tables

    try:
        if output is OutputFormat.TABLE:
            tables.console(sys.stdout).print(plan_view(made), crop=False)
        else:
            machine.write(plan_json(made), output, rows=rows(made))
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # `… | head`
        drop_stdout()
