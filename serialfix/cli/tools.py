"""replay, lab, doctor."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from serialfix.cli import options as o
from serialfix.errors import SerialfixError
from serialfix.printable import printable
from serialfix.report.formats import OutputFormat


Profile = Literal["ws2016", "ws2019", "ws2022", "ws2025"]
Language = Literal["en", "fr", "nl", "de", "ja"]
Renderer = Literal["scraper", "conpty"]
Program = Literal["builtin", "wine"]


def doctor(subscription: o.Subscription = None, state_dir: o.StateDir = None) -> int:
    """Look whether everything that a run needs is there: packages, folders, sign-in."""
    from serialfix.cli.signals import Interruption

    return Interruption("").run(_examine(subscription, state_dir))


async def _examine(subscription: str | None, state_dir: Path | None) -> int:
    """Print one line per check; the code is that of the first failure."""
    worst = 0
    for name, look in _local_checks(state_dir):
        try:
            print(f"ok    {name}: {printable(look())}")
        except SerialfixError as error:
            worst = _bad(name, error, worst)
    async for name, text in _azure_checks(subscription):
        if isinstance(text, SerialfixError):
            worst = _bad(name, text, worst)
        else:
            print(f"ok    {name}: {printable(str(text))}")
    return worst


def _bad(name: str, error: SerialfixError, worst: int) -> int:
    text = printable(str(error), keep="\n\t").replace("\n", "\n      ")
    print(f"FAIL  {name}: {text}")
    if error.remedy:
        print(f"      {printable(error.remedy)}")
    return worst or error.exit_code


def _local_checks(state_dir: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    import platform
    from importlib.metadata import version

    packages = ("azure-identity", "azure-mgmt-compute", "websockets", "pyte", "pydantic")
    yield "python", lambda: f"{platform.python_version()} on {platform.platform(terse=True)}"
    yield "packages", lambda: ", ".join(f"{name} {version(name)}" for name in packages)
    yield "playbooks", _playbooks
    yield "state folder", lambda: _writable(state_dir)
    yield "proxy", _proxy


def _playbooks() -> str:
    from serialfix.playbook.library import playbook_files
    from serialfix.playbook.load import load_playbook

    found = playbook_files(os.environ)
    for path in found.values():
        load_playbook(path)
    return f"{len(found)} can be named; `serialfix playbook list` shows them"


def _writable(state_dir: Path | None) -> str:
    import tempfile

    from serialfix.errors import ConfigError
    from serialfix.record.journal import default_state_dir

    folder = state_dir or default_state_dir(os.environ)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder):
            return str(folder)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}",
            remedy="Give another with --state-dir or SERIALFIX_STATE_DIR.",
        ) from error


def _proxy() -> str:
    from urllib.parse import urlsplit

    address = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    if not address:
        return "none; the console needs outgoing wss (443) to *.serialconsole.azure.com"
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port}"  # without the account that may stand in it


async def _azure_checks(subscription: str | None) -> AsyncIterator[tuple[str, Any]]:
    from serialfix.azure.identity import Azure

    async with AsyncExitStack() as stack:
        try:
            azure = await stack.enter_async_context(
                Azure(environ=os.environ, subscription=subscription)
            )
            await azure.token()
            yield "sign-in", azure.endpoint
            visible = ", ".join(map(str, await azure.subscriptions()))
            yield "subscriptions", visible or "none visible"
            yield "subscription", await azure.subscription_id()
        except SerialfixError as error:
            yield "azure", error


def replay(
    recording: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A session-*.cast file of a run.")
    ],
    output: o.Output = OutputFormat.TABLE,
) -> None:
    """Run a dialogue again from its recording, with no network; it must not differ."""
    from dataclasses import asdict

    from serialfix.remediation.replay import replay as again
    from serialfix.report import machine

    result = again(recording)
    if output is OutputFormat.TABLE:
        print(printable(str(result)))
    machine.write(asdict(result), output, rows=[asdict(result)])


def lab(
    *,
    vms: Annotated[int, o.option("--vms", min=1, max=1000, help="How many VMs.")] = 1,
    profile: Annotated[Profile, o.option("--profile", help="Which Windows Server.")] = "ws2022",
    language: Annotated[Language, o.option("--language", help="Of the guest.")] = "en",
    renderer: Annotated[
        Renderer | None, o.option("--renderer", help="How the guest paints; else by profile.")
    ] = None,
    serial_sockets: Annotated[
        Path | None,
        o.option("--serial-sockets", help="Folder for the VMs' serial ports, for `run --console`."),
    ] = None,
    program: Annotated[
        Program, o.option("--program", help="Its cmd.exe: the lab's own, or Wine's (docs/lab.md).")
    ] = "builtin",
    broken: Annotated[
        list[str] | None,
        o.option("--break", help="What is wrong with the guests: a name of docs/lab.md; repeat."),
    ] = None,
) -> int:
    """Simulate Azure and Windows here; prints the environment to export."""
    from functools import partial

    from serialfix.cli.signals import Interruption
    from serialfix.errors import ConfigError, Interrupted
    from serialfix.lab.build import make_lab
    from serialfix.lab.server import serve

    simulated = make_lab(
        vms,
        profile=profile,
        language=language,
        renderer=renderer,
        program=program,
        broken=broken or (),
        serial_sockets=serial_sockets,
    )
    try:
        Interruption("").run(serve(simulated, echo=partial(print, flush=True)))
    except Interrupted as error:  # the way to end it
        return error.exit_code
    except OSError as error:
        raise ConfigError(
            f"the lab cannot start: {error}",
            remedy="With --serial-sockets give a folder of yours, with a short name.",
        ) from error
    return 0
