"""The options that several commands about many VMs share, and the plan that they come to."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from serialfix.cli import options as o
from serialfix.errors import TargetError, UsageError
from serialfix.printable import printable


if TYPE_CHECKING:
    from serialfix.azure.discovery import Found, Scope
    from serialfix.fleet.database import Database
    from serialfix.fleet.plan import FleetPlan
    from serialfix.fleet.policy import Policy
    from serialfix.fleet.standing import Settings
    from serialfix.fleet.targets import Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Which VMs."""

    subscription: Annotated[
        list[str] | None,
        o.option("--subscription", help="Id or name; repeat. Else as in `run`."),
    ] = None
    management_group: Annotated[
        list[str] | None,
        o.option("--management-group", help="All subscriptions below it; repeat."),
    ] = None
    resource_group: Annotated[
        str | None, o.option("--resource-group", "-g", help="Of the VMs.")
    ] = None
    tag: Annotated[
        list[str] | None, o.option("--tag", help="NAME=VALUE; repeat: all must be set.")
    ] = None
    name: Annotated[str | None, o.option("--name", help="Name with wildcards, e.g. 'web-*'.")] = (
        None
    )
    location: Annotated[
        str | None, o.option("--location", "-l", help="Azure region, e.g. westeurope.")
    ] = None
    power: Annotated[
        Literal["running"] | None, o.option("--power", help="Leave out what is not.")
    ] = None
    ids: Annotated[
        list[str] | None,
        o.option("--ids", help="Full ARM ids; @FILE or @- (stdin): one a line; repeat."),
    ] = None
    all_: Annotated[bool, o.option("--all", help="Every VM, where nothing else narrows it.")] = (
        False
    )

    def wish(self) -> Wish:
        """What is asked for; stdin is read for `--ids @-`. Raises UsageError."""
        from serialfix.fleet.targets import Wish, parse_location, parse_tags

        wish = Wish(
            resource_group=self.resource_group,
            location=self.location and parse_location(self.location),
            name=self.name,
            tags=parse_tags(self.tag or ()),
            ids=_ids(self.ids) if self.ids else None,
            everything=self.all_,
            power=self.power,
        )
        wish.check()
        if self.subscription and self.management_group:
            raise UsageError("give --subscription or --management-group, not both")
        if wish.ids is not None and (self.subscription or self.management_group):
            raise UsageError(
                "--ids already says where the VMs are",
                remedy="Leave out --subscription and --management-group, also in the environment.",
            )
        return wish


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """In which waves, within which bounds, and when."""

    waves: Annotated[
        str, o.option("--waves", help="Numbers, percentages of all targets, and `rest`.")
    ] = "1,10%,rest"
    approve_after: Annotated[
        int | None,
        o.option("--approve-after", help="N: after wave N, wait until somebody approves."),
    ] = None
    max_errors: Annotated[
        str, o.option("--max-errors", help="N or P%: so many may fail or be unreachable.")
    ] = "5%"
    max_concurrency: Annotated[
        str, o.option("--max-concurrency", help="N or P%: so many are worked on at once.")
    ] = "50"
    max_per_region: Annotated[
        str | None,
        o.option("--max-per-region", help="N or P% of its targets: so many in a region at once."),
    ] = None
    window: Annotated[
        str | None,
        o.option(
            "--window",
            help="When VMs may be started, e.g. 'Mon-Fri 22:00-04:00 Europe/Berlin';"
            " without a time zone UTC; several with ; between.",
        ),
    ] = None
    retries: Annotated[
        int,
        o.option(
            "--retries",
            help="So often a VM whose console was not reached, or lost, is tried again.",
        ),
    ] = 0
    retry_delay: Annotated[
        str,
        o.option("--retry-delay", help="Before the first time, e.g. 30s, 5m; then twice that."),
    ] = "60s"

    def policy(self) -> Policy:
        """The policy, looked at as far as that can be done without targets. Raises UsageError."""
        from serialfix.fleet.policy import Policy, seconds

        policy = Policy(
            waves=self.waves,
            max_errors=self.max_errors,
            max_concurrency=self.max_concurrency,
            max_per_region=self.max_per_region,
            approve_after=self.approve_after,
            window=self.window,
            retries=self.retries,
            retry_delay_s=seconds(self.retry_delay, option="--retry-delay"),
        )
        policy.check()
        return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOptions:
    """Who works in the guests, and beside whom."""

    guest_username: Annotated[
        str | None, o.option("--guest-username", help="Administrator in the guests; {vm} etc. too.")
    ] = None
    guest_domain: o.GuestDomain = None
    credential: Annotated[
        str,
        o.option(
            "--credential",
            help="Where each VM's password comes from: env[:NAME], keyvault:VAULT/{vm}-admin,"
            " command:PROGRAM {vm}, keyring:SERVICE.",
        ),
    ] = "env"
    take_over: Annotated[
        bool, o.option("--take-over", help="Also where somebody else is at the console.")
    ] = False

    def settings(self, *, restart: bool, snapshot: bool = False) -> Settings:
        """How each VM is worked on. Raises UsageError."""
        from serialfix.fleet.credentials import GuestLogin
        from serialfix.fleet.standing import Settings

        login = GuestLogin.parse(
            username=self.guest_username, domain=self.guest_domain, credential=self.credential
        )
        return Settings(
            **login.to_json(),
            restart=restart,
            snapshot=snapshot,
            take_over=self.take_over,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """Where fleet runs are kept."""

    database: Annotated[
        str | None,
        o.option("--database", help="postgresql://… or a SQLite file; else one of your own."),
    ] = None
    state_dir: o.StateDir = None

    @property
    def folder(self) -> Path:
        """The folder of state."""
        from serialfix.record.journal import default_state_dir

        return self.state_dir or default_state_dir(os.environ)

    def open(self) -> Database:
        """The database, made when there is none. Raises ConfigError, RecordError."""
        from serialfix.fleet.database import open_database

        return open_database(self.database or str(self.folder / "fleet.db"))


GROUPS = (TargetOptions, PolicyOptions, GuestOptions, DatabaseOptions)


def with_groups(command: Callable[..., int]) -> Callable[..., int]:
    """A command that takes groups of options, as typer wants it: with each option by itself."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if hint in GROUPS}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            parameters.append(parameter.replace(annotation=hints[name]))
            continue
        inner = get_type_hints(groups[name], include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=inner[field.name],
            )
            for field in fields(groups[name])
        ]

    @wraps(command)
    def taken_apart(**given: Any) -> int:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        return command(**given)

    taken_apart.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    taken_apart.__annotations__ = {each.name: each.annotation for each in parameters}
    return taken_apart


def planned(
    playbook: str, set_: list[str] | None, which: TargetOptions, how: PolicyOptions, *, quiet: bool
) -> FleetPlan:
    """Find the targets and make the plan; everything else is looked at before Azure is asked."""
    from serialfix.cli.signals import Interruption
    from serialfix.fleet.plan import make_plan
    from serialfix.fleet.targets import choose
    from serialfix.playbook.load import bind, find_playbook

    parameters = o.settings(set_)
    loaded = bind(find_playbook(playbook), parameters)
    policy, wish = how.policy(), which.wish()
    scope, found = Interruption("").run(_find(wish, which, teller(quiet)))
    return make_plan(
        loaded,
        choose(found.vms, wish),
        policy,
        scope=scope,
        wish=wish,
        parameters=parameters,
        queries=found.queries,
        notes=found.notes,
    )


def require_targets(plan: FleetPlan) -> None:
    """Raises TargetError when there is nothing to work on."""
    if not plan.total:
        skipped = len(plan.chosen.skipped)
        raise TargetError(
            "no VM can be worked on: "
            + (f"all {skipped} are skipped" if skipped else "none found"),
            remedy="Widen what is asked for, or repair what they are skipped for.",
        )


def confirm_plan(plan: FleetPlan, question: str) -> None:
    """Show a plan and ask. Raises UsageError for a no, Interrupted for Ctrl-C."""
    from serialfix.cli.ask import confirm
    from serialfix.fleet.view import plan_view
    from serialfix.report import tables

    tables.console(sys.stderr).print(plan_view(plan), crop=False)
    confirm(question)


def teller(quiet: bool) -> Callable[[str], None]:
    """Writes progress to stderr."""

    def tell(text: str) -> None:
        if not quiet:
            print(printable(text), file=sys.stderr)

    return tell


async def _find(
    wish: Wish, which: TargetOptions, tell: Callable[[str], None]
) -> tuple[Scope, Found]:
    from serialfix.azure.identity import Azure
    from serialfix.fleet.targets import find, scope_of

    async with Azure(environ=os.environ, observer=tell) as azure:
        scope = await scope_of(azure, wish, which.subscription or (), which.management_group or ())
        return scope, await find(azure, wish, scope, progress=tell)


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
