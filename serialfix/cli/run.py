"""run, check, undo, resume: the commands that go to a VM."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serialfix.cli import options as o
from serialfix.errors import UsageError
from serialfix.report.formats import ReportFormat


if TYPE_CHECKING:
    from serialfix.model import RunResult
    from serialfix.remediation.events import Observer
    from serialfix.session import Credentials


LAB_VM = "myvm"


@contextmanager
def _lab(wanted: bool) -> Iterator[None]:
    """With --lab: a simulated Azure for as long as the command runs, for this process only."""
    if not wanted:
        yield
        return
    from serialfix.lab.build import make_lab
    from serialfix.lab.server import LabThread

    os.environ.pop("AZURE_CLIENT_ID", None)  # it would ask the lab for another identity
    with LabThread(make_lab) as lab:
        os.environ.update(lab.env)
        yield


def _target(
    vm: str | None,
    resource_group: str | None,
    subscription: str | None,
    ids: list[str] | None,
    instance_id: str | None,
    *,
    lab: bool,
    console: str | None,
    restart_command: str | None = None,
    restart_by: str | None = None,
    snapshot: bool = False,
) -> dict[str, Any]:
    """Which VM is meant, and what else the choice decides. Raises UsageError unless it is one."""
    restart = {"--restart-command": restart_command, "--restart-by": restart_by}
    if console is not None:
        azure = {
            "--vm": vm,
            "--resource-group": resource_group,
            "--subscription": subscription,
            "--ids": ids,
            "--instance-id": instance_id,
            "--lab": lab,
            "--snapshot": snapshot,
        }
        return _console(console, azure, restart)
    if given := [name for name, value in restart.items() if value is not None]:
        raise UsageError(
            f"{given[0]} goes with --console; a VM in Azure is restarted through Azure",
            remedy=f"Leave {given[0]} out, or --no-restart keeps the VM from being restarted.",
        )
    given = [part for text in ids or () for part in text.split()]
    if len(given) > 1:
        raise UsageError(
            f"--ids names {len(given)} VMs, and one run works on one VM",
            remedy="`serialfix fleet run --ids …` takes many; `--ids @-` reads them from stdin.",
        )
    if given and not given[0].lower().startswith("/subscriptions/"):
        raise UsageError(
            f"--ids takes a full ARM id, not {given[0]!r}",
            remedy="`az vm show -g GROUP -n NAME --query id -o tsv` prints it; --vm takes a name.",
        )
    if given and (vm or resource_group):
        raise UsageError("--ids already says which VM; leave out --vm and --resource-group")
    if not given and not vm and lab:
        vm = LAB_VM
    if not given and not vm:
        raise UsageError("no VM is named", remedy="Give --vm NAME, or --ids with its full id.")
    return {
        "vm": vm,
        "resource_group": resource_group,
        "subscription": subscription,
        "vm_id": given[0] if given else None,
        "instance_id": instance_id,
        "snapshot": snapshot,
    }


def _console(console: str, azure: Mapping[str, Any], restart: Mapping[str, Any]) -> dict[str, Any]:
    """A command's console: nothing that speaks of Azure goes with it, and no password in it."""
    from serialfix.transport.commands import console_command, split_command

    if given := [name for name, value in azure.items() if value]:
        raise UsageError(
            f"--console and {given[0]} contradict each other: the command of --console says "
            "which VM is meant, and Azure is not asked",
            remedy=f"Leave out {' and '.join(given)}, also as SERIALFIX_… in the environment; "
            "or leave out --console.",
        )
    if all(value is not None for value in restart.values()):
        raise UsageError("give --restart-command or --restart-by, not both")
    console_command(console)
    if (command := restart["--restart-command"]) is not None:
        split_command(command, "--restart-command")
    names = {name.removeprefix("--").replace("-", "_"): value for name, value in restart.items()}
    return {"console": console, **names}


class _Manner(NamedTuple):
    """How a command talks to the person, and what it may ask."""

    output: ReportFormat
    yes: bool
    no_input: bool
    only_show_errors: bool
    debug: bool
    check: bool = False
    exit_code: bool = False


class _Guest(NamedTuple):
    username: str | None
    domain: str | None
    command: str | None

    def login(self, manner: _Manner) -> Credentials:
        from serialfix.cli.ask import guest_account
        from serialfix.session import Credentials

        username, password, domain = guest_account(
            self.username, self.domain, self.command, environ=os.environ, no_input=manner.no_input
        )
        return Credentials(username=username, password=password, domain=domain)


def _perform(work: Callable[[Observer], Coroutine[Any, Any, RunResult]], manner: _Manner) -> int:
    """Do the work with a person watching, print the result, give the exit code."""
    from dataclasses import replace
    from functools import partial

    from serialfix.cli.ask import ask_yes
    from serialfix.cli.show import show_result
    from serialfix.cli.signals import Interruption
    from serialfix.model import Outcome
    from serialfix.report import tables
    from serialfix.report.progress import TerminalObserver

    if manner.debug:
        _log_to_stderr()
    interruption = Interruption()
    observer = TerminalObserver(
        tables.console(sys.stderr),
        ask=None if manner.yes else partial(ask_yes, stop=lambda: bool(interruption.signal)),
        quiet=manner.only_show_errors,
        show_plan=not manner.check,
    )
    try:
        result = interruption.run(work(observer))
    finally:
        observer.finish()
    if interruption.signal and result.exit_code:
        result = replace(result, exit_code=interruption.exit_code)
    elif manner.check and manner.exit_code and result.outcome is Outcome.WOULD_CHANGE:
        result = replace(result, exit_code=o.WORK_TO_DO)
    show_result(result, manner.output)
    return result.exit_code


def _log_to_stderr() -> None:
    import logging

    # ours alone: the debug logs of others hold tokens
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.getLogger("serialfix").addHandler(handler)
    logging.getLogger("serialfix").setLevel(logging.DEBUG)


def _run(
    playbook: str,
    target: Mapping[str, Any],
    guest: _Guest,
    manner: _Manner,
    *,
    given: list[str] | None,
    lab: bool,
    state_dir: Path | None,
    **settings: Any,
) -> int:
    from serialfix.cli.ask import require_consent
    from serialfix.playbook.load import bind, find_playbook
    from serialfix.remediation.run import RunOptions
    from serialfix.remediation.run import run as work

    if not manner.check:
        require_consent(yes=manner.yes, no_input=manner.no_input)
    loaded = bind(find_playbook(playbook), o.settings(given))
    with _lab(lab):
        options = RunOptions(
            **target,
            **settings,
            check=manner.check,
            guest=guest.login(manner),
            state_dir=state_dir,
            environ=os.environ,
        )
        return _perform(lambda observer: work(loaded, options, observer), manner)


def run(
    *,
    playbook: o.Playbook,
    set_: o.Set = None,
    vm: o.Vm = None,
    resource_group: o.ResourceGroup = None,
    subscription: o.Subscription = None,
    ids: o.Ids = None,
    instance_id: o.InstanceId = None,
    console: o.Console = None,
    restart_command: o.RestartCommand = None,
    restart_by: o.RestartBy = None,
    check: o.Check = False,
    exit_code: o.ExitCode = False,
    snapshot: o.Snapshot = False,
    no_restart: o.NoRestart = False,
    lab: o.UseLab = False,
    guest_username: o.GuestUsername = None,
    guest_domain: o.GuestDomain = None,
    credential_command: o.CredentialCommand = None,
    output: o.Report = ReportFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
    debug: o.Debug = False,
    state_dir: o.StateDir = None,
) -> int:
    """Apply a playbook to a VM, restart it, and prove that it holds."""
    return _run(
        playbook,
        _target(
            *(vm, resource_group, subscription, ids, instance_id),
            lab=lab,
            console=console,
            restart_command=restart_command,
            restart_by=restart_by,
            snapshot=snapshot,
        ),
        _Guest(guest_username, guest_domain, credential_command),
        _Manner(output, yes, no_input, only_show_errors, debug, check, exit_code),
        given=set_,
        lab=lab,
        state_dir=state_dir,
        restart=not no_restart,
    )


def check(
    *,
    playbook: o.Playbook,
    set_: o.Set = None,
    vm: o.Vm = None,
    resource_group: o.ResourceGroup = None,
    subscription: o.Subscription = None,
    ids: o.Ids = None,
    instance_id: o.InstanceId = None,
    console: o.Console = None,
    exit_code: o.ExitCode = False,
    lab: o.UseLab = False,
    guest_username: o.GuestUsername = None,
    guest_domain: o.GuestDomain = None,
    credential_command: o.CredentialCommand = None,
    output: o.Report = ReportFormat.TABLE,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
    debug: o.Debug = False,
    state_dir: o.StateDir = None,
) -> int:
    """Show what a playbook would change on a VM; the same as run --check."""
    return _run(
        playbook,
        _target(vm, resource_group, subscription, ids, instance_id, lab=lab, console=console),
        _Guest(guest_username, guest_domain, credential_command),
        _Manner(output, False, no_input, only_show_errors, debug, True, exit_code),
        given=set_,
        lab=lab,
        state_dir=state_dir,
    )


def undo(
    *,
    run_id: o.RunId,
    no_restart: o.NoRestart = False,
    snapshot: o.Snapshot = False,
    guest_username: o.GuestUsername = None,
    guest_domain: o.GuestDomain = None,
    credential_command: o.CredentialCommand = None,
    output: o.Report = ReportFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
    debug: o.Debug = False,
    state_dir: o.StateDir = None,
) -> int:
    """Put back what a run has changed, and prove it."""
    return _again(
        "undo",
        run_id,
        _Guest(guest_username, guest_domain, credential_command),
        _Manner(output, yes, no_input, only_show_errors, debug),
        state_dir=state_dir,
        snapshot=snapshot,
        restart=not no_restart,
    )


def resume(
    *,
    run_id: o.RunId,
    guest_username: o.GuestUsername = None,
    guest_domain: o.GuestDomain = None,
    credential_command: o.CredentialCommand = None,
    output: o.Report = ReportFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    only_show_errors: o.OnlyShowErrors = False,
    debug: o.Debug = False,
    state_dir: o.StateDir = None,
) -> int:
    """Go on with a run that was ended half way; nothing is done twice."""
    return _again(
        "resume",
        run_id,
        _Guest(guest_username, guest_domain, credential_command),
        _Manner(output, yes, no_input, only_show_errors, debug),
        state_dir=state_dir,
    )


def _again(
    what: str,
    run_id: str,
    guest: _Guest,
    manner: _Manner,
    *,
    state_dir: Path | None,
    **settings: Any,
) -> int:
    """Work on a run that is in the journal."""
    from serialfix.cli.ask import require_consent
    from serialfix.remediation import run as work

    require_consent(yes=manner.yes, no_input=manner.no_input)
    begin = {"undo": work.undo, "resume": work.resume}[what]
    options = work.RunOptions(
        **settings, guest=guest.login(manner), state_dir=state_dir, environ=os.environ
    )
    return _perform(lambda observer: begin(run_id, options, observer), manner)
