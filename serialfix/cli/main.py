"""The command `serialfix`. Every way to end becomes an exit code here, and only here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from serialfix import __version__
from serialfix.cli import attach, fleet, offline, run, runs, tools
from serialfix.cli import playbook as playbooks
from serialfix.errors import Interrupted, SerialfixError
from serialfix.printable import printable


_KEPT = "\n\t"
"""What a text of several lines needs."""
EPILOG = (
    "Every option can be given in the environment as SERIALFIX_<OPTION>."
    " Results go to stdout, progress to stderr."
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"serialfix {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Repair Windows VMs in Azure through their serial console, with proof and a way back."""


def build() -> typer.Typer:
    """The command tree."""
    # No rich markup: help is plain text, and there in a tenth of a second.
    app = typer.Typer(
        rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True, epilog=EPILOG
    )
    app.callback()(_root)
    app.command("run")(run.run)
    app.command("check")(run.check)
    app.command("undo")(run.undo)
    app.command("resume")(run.resume)
    app.command("attach")(attach.attach)
    app.add_typer(runs.build(), name="runs")
    app.add_typer(fleet.build(), name="fleet")
    app.add_typer(playbooks.build(), name="playbook")
    app.add_typer(offline.build(), name="offline")
    app.command("replay")(tools.replay)
    app.command("lab")(tools.lab)
    app.command("doctor")(tools.doctor)
    return app


def end_of(args: Sequence[str]) -> int:
    """Run the command line and give its exit code; errors are told on stderr."""
    debug = "--debug" in args or os.environ.get("SERIALFIX_DEBUG", "") not in ("", "0", "false")
    try:
        code = build()(args, prog_name="serialfix", standalone_mode=False)
    except typer.TyperException as error:  # a wrong command line
        show = getattr(error, "show", None)
        if callable(show):
            show()
        else:
            print(f"Error: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print("\nInterrupted before anything was done.", file=sys.stderr)
        return Interrupted.exit_code
    except SystemExit:  # typer's answer to a closed pipe: `serialfix … | head`
        from serialfix.cli.show import drop

        drop(sys.stdout)
        return 0
    except SerialfixError as error:
        from serialfix.report import failure

        if debug:
            _stack()
        for line in failure.lines(error.facts()):
            print(line, file=sys.stderr)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort of the process
        if debug:
            _stack()
        print(
            f"A bug in serialfix: {type(error).__name__}: {printable(str(error), keep=_KEPT)}\n"
            "Please report it with the output of the same command with SERIALFIX_DEBUG=1.",
            file=sys.stderr,
        )
        return 1
    return code if isinstance(code, int) else 0


def _stack() -> None:
    import traceback

    print(printable(traceback.format_exc(), keep=_KEPT), end="", file=sys.stderr)


def main() -> NoReturn:
    """Entry point of the installed command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without UTF-8 must not be an error
            stream.reconfigure(errors="backslashreplace")
    code = end_of(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        from serialfix.cli.show import drop

        drop(sys.stdout)
    sys.exit(code)
