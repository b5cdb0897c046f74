"""The options that several commands share, named as az names them.

Every option can be given in the environment as SERIALFIX_<OPTION>.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from serialfix.report.formats import OutputFormat, ReportFormat


WORK_TO_DO = 20
"""The exit code of --check --exit-code when there is something to change."""


def option(*names: str, help: str, **more: Any) -> Any:
    """An option whose environment variable follows from its long name."""
    long = next(name for name in names if name.startswith("--"))
    variable = "SERIALFIX_" + long.split("/")[0].removeprefix("--").replace("-", "_").upper()
    return typer.Option(*names, help=help, envvar=variable, show_envvar=False, **more)


def playbook_names(incomplete: str) -> list[str]:
    """Completion of playbook names."""
    from serialfix.playbook.library import playbook_files

    return [name for name in playbook_files(os.environ) if name.startswith(incomplete)]


def settings(given: list[str] | None) -> dict[str, str]:
    """What --set gives, by name. Raises UsageError."""
    from serialfix.errors import UsageError

    found: dict[str, str] = {}
    for text in given or ():
        name, assigned, value = text.partition("=")
        if not assigned or not name.strip():
            raise UsageError(
                f"--set takes NAME=VALUE, not {text!r}",
                remedy="`serialfix playbook show PLAYBOOK` names the parameters.",
            )
        if name.strip() in found:
            raise UsageError(f"--set gives {name.strip()} twice")
        found[name.strip()] = value
    return found


def run_ids(incomplete: str) -> list[str]:
    """Completion of run ids."""
    from serialfix.record.journal import default_state_dir

    folder = Path(default_state_dir(os.environ)) / "runs"
    return sorted(path.name for path in folder.glob("*") if path.name.startswith(incomplete))


Vm = Annotated[str | None, option("--vm", "-n", help="Name of the VM or scale set.")]
ResourceGroup = Annotated[
    str | None, option("--resource-group", "-g", help="Resource group of the VM.")
]
Subscription = Annotated[
    str | None,
    option("--subscription", help="Id or name; else AZURE_SUBSCRIPTION_ID, else az's default."),
]
Ids = Annotated[list[str] | None, option("--ids", help="Full ARM id instead of name and group.")]
InstanceId = Annotated[str | None, option("--instance-id", help="Instance of a scale set.")]
Console = Annotated[
    str | None,
    option("--console", help="Command that opens a serial console, in place of a VM in Azure."),
]
RestartCommand = Annotated[
    str | None, option("--restart-command", help="With --console: command that restarts the VM.")
]
RestartBy = Annotated[
    Literal["sac"] | None,
    option("--restart-by", help="With --console: restart by the command of SAC."),
]
Playbook = Annotated[
    str,
    option(
        "--playbook", "-p", help="Name of a playbook, or a file.", autocompletion=playbook_names
    ),
]
Set = Annotated[
    list[str] | None,
    option("--set", metavar="NAME=VALUE", help="Parameter of the playbook; repeatable."),
]
Check = Annotated[bool, option("--check", "--dry-run", help="Show the plan, change nothing.")]
ExitCode = Annotated[bool, option("--exit-code", help="With --check: 20 when there is work.")]
Snapshot = Annotated[bool, option("--snapshot", help="Take a snapshot of the OS disk first.")]
NoRestart = Annotated[bool, option("--no-restart", help="Do not restart the VM.")]
UseLab = Annotated[bool, option("--lab", help="On a simulated VM (myvm); needs no Azure account.")]
GuestUsername = Annotated[
    str | None, option("--guest-username", help="Administrator in the guest, for its console.")
]
GuestDomain = Annotated[
    str | None, option("--guest-domain", help="Domain of that account; none: a local account.")
]
CredentialCommand = Annotated[
    str | None,
    option(
        "--credential-command",
        help="Command that prints the guest password; else SERIALFIX_GUEST_PASSWORD, or a prompt.",
    ),
]
Output = Annotated[OutputFormat, option("--output", "-o", help="Format of the result on stdout.")]
Report = Annotated[ReportFormat, option("--output", "-o", help="Format of the result on stdout.")]
Yes = Annotated[bool, option("--yes", "-y", help="Do not ask before changes are made.")]
NoInput = Annotated[bool, option("--no-input", help="Never ask for anything.")]
Debug = Annotated[bool, option("--debug", help="Log to stderr, and show the stack of a bug.")]
OnlyShowErrors = Annotated[bool, option("--only-show-errors", help="No progress, no warnings.")]
StateDir = Annotated[
    Path | None,
    option("--state-dir", help="Where journals, recordings and evidence are kept."),
]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run, or its start.", autocompletion=run_ids)
]
