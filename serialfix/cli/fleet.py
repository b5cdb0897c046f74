"""fleet plan: what would be done to many VMs. Nothing here changes anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from serialfix.cli import options as o
from serialfix.errors import TargetError, UsageError
from serialfix.printable import printable
from serialfix.report.formats import OutputFormat


if TYPE_CHECKING:
    from serialfix.azure.discovery import Found, Scope
    from serialfix.fleet.plan import FleetPlan
    from serialfix.fleet.targets import Wish


Subscriptions = Annotated[
    list[str] | None,
    o.option("--subscription", help="Id or name; repeat. Else as in `run`."),
]
ManagementGroups = Annotated[
    list[str] | None,
    o.option("--management-group", help="All subscriptions below it; repeat."),
]
ResourceGroup = Annotated[str | None, o.option("--resource-group", "-g", help="Of the VMs.")]
Tags = Annotated[list[str] | None, o.option("--tag", help="NAME=VALUE; repeat: all must be set.")]
Name = Annotated[str | None, o.option("--name", help="Name with wildcards, e.g. 'web-*'.")]
Location = Annotated[
    str | None, o.option("--location", "-l", help="Azure region, e.g. westeurope.")
]
Power = Annotated[Literal["running"] | None, o.option("--power", help="Leave out what is not.")]
Ids = Annotated[
    list[str] | None,
    o.option("--ids", help="Full ARM ids; @FILE or @- (stdin): one a line; repeat."),
]
All = Annotated[bool, o.option("--all", help="Every VM, where nothing else narrows it.")]
Waves = Annotated[str, o.option("--waves", help="Numbers, percentages of all targets, and `rest`.")]
MaxErrors = Annotated[
    str, o.option("--max-errors", help="N or P%: so many may fail or be unreachable.")
]
MaxConcurrency = Annotated[
    str, o.option("--max-concurrency", help="N or P%: so many are worked on at once.")
]


def build() -> typer.Typer:
    """The commands about many VMs."""
    app = typer.Typer(
        help="Many VMs: which, in which waves.", rich_markup_mode=None, no_args_is_help=True
    )
    app.callback()(_fleet)
    app.command("plan")(plan)
    return app


def _fleet() -> None:
    """Many VMs: which, in which waves."""


def plan(
    *,
    playbook: o.Playbook,
    set_: o.Set = None,
    subscription: Subscriptions = None,
    management_group: ManagementGroups = None,
    resource_group: ResourceGroup = None,
    tag: Tags = None,
    name: Name = None,
    location: Location = None,
    power: Power = None,
    ids: Ids = None,
    all_: All = False,
    waves: Waves = "1,10%,rest",
    max_errors: MaxErrors = "5%",
    max_concurrency: MaxConcurrency = "50",
    output: o.Output = OutputFormat.TABLE,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Show which VMs a playbook would go to, in which waves, and what that takes."""
    from serialfix.cli.signals import Interruption
    from serialfix.fleet.plan import Bounds, check_bounds, make_plan
    from serialfix.fleet.targets import Wish, choose, parse_location, parse_tags
    from serialfix.playbook.load import bind, find_playbook

    parameters = o.settings(set_)
    loaded = bind(find_playbook(playbook), parameters)
    bounds = Bounds(waves=waves, max_errors=max_errors, max_concurrency=max_concurrency)
    check_bounds(bounds)
    wish = Wish(
        resource_group=resource_group,
        location=location and parse_location(location),
        name=name,
        tags=parse_tags(tag or ()),
        ids=_ids(ids) if ids else None,
        everything=all_,
        power=power,
    )
    wish.check()
    scopes = (subscription or [], management_group or [])
    _check_scopes(*scopes, ids=wish.ids is not None)
    scope, found = Interruption("").run(_find(wish, *scopes, tell=_teller(only_show_errors)))
    made = make_plan(
        loaded,
        choose(found.vms, wish),
        bounds,
        scope=scope,
        wish=wish,
        parameters=parameters,
        queries=found.queries,
        notes=found.notes,
    )
    _show(made, output)
    if not made.total:
        raise TargetError(
            "no VM can be worked on: "
            + (
                f"all {len(made.chosen.skipped)} are skipped"
                if made.chosen.skipped
                else "none found"
            ),
            remedy="Widen what is asked for, or repair what they are skipped for.",
        )
    return 0


def _check_scopes(subscriptions: list[str], groups: list[str], *, ids: bool) -> None:
    if subscriptions and groups:
        raise UsageError("give --subscription or --management-group, not both")
    if ids and (subscriptions or groups):
        raise UsageError(
            "--ids already says where the VMs are",
            remedy="Leave out --subscription and --management-group, also in the environment.",
        )


async def _find(
    wish: Wish, subscriptions: list[str], groups: list[str], *, tell: Callable[[str], None]
) -> tuple[Scope, Found]:
    from serialfix.azure.discovery import Scope, find_ids, find_vms
    from serialfix.azure.identity import Azure

    async with Azure(environ=os.environ, observer=tell) as azure:
        if wish.ids is not None:
            unique = list({each.lower(): each for each in wish.ids}.values())
            return Scope(), await find_ids(azure, unique, progress=tell)
        named = [await azure.subscription_named(each) for each in subscriptions]
        if not named and not groups:
            named = [await azure.subscription_id()]
        scope = Scope(tuple(dict.fromkeys(named)), tuple(groups))
        found = await find_vms(
            azure,
            scope,
            resource_group=wish.resource_group,
            location=wish.location,
            name_prefix=wish.name_prefix,
            progress=tell,
        )
        return scope, found


def _ids(given: Sequence[str]) -> tuple[str, ...]:
    """All that the values of --ids name. Raises UsageError."""
    from serialfix.fleet.targets import decode_list, parse_ids

    ids: list[str] = []
    for value in given:
        if not value.startswith("@"):
            ids += parse_ids("\n".join(value.split()), source="--ids")
            continue
        source = "stdin" if value == "@-" else value[1:]
        try:
            data = sys.stdin.buffer.read() if value == "@-" else Path(source).read_bytes()
        except OSError as error:
            raise UsageError(f"{source} cannot be read: {error.strerror}") from error
        ids += parse_ids(decode_list(data, source=source), source=source)
    return tuple(ids)


def _teller(quiet: bool) -> Callable[[str], None]:
    def tell(text: str) -> None:
        if not quiet:
            print(printable(text), file=sys.stderr)

    return tell


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
