"""attach: a person at a VM's console."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from serialfix.cli import options as o
from serialfix.errors import UsageError


if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from serialfix.byhand.attachment import Ended
    from serialfix.byhand.terminal import Terminal
    from serialfix.secrets import Redactor, Secret
    from serialfix.transport.base import Transport

NoGuard = Annotated[
    bool,
    o.option("--no-guard", help="Send every key as typed, also what SAC> takes amiss."),
]
Yes = Annotated[bool, o.option("--yes", "-y", help="Attach without being asked.")]
Debug = Annotated[bool, o.option("--debug", help="Show the stack of a bug.")]
MenuKey = Annotated[str, o.option("--menu-key", help="Key that opens the menu.")]
_SHORTEST = 4
"""Fewer characters are in too many other words to be taken out of all of them."""
_INTRODUCTION = """\
Attaching to {name} by hand.
Whoever else is attached to its console is cut off.

{menu} opens the menu; to leave is there, and help.
At the prompt SAC> some keys do what nobody expects:
{hazards}
The host keeps what the console shows (Azure: in boot diagnostics). So does a
recording, which leaves out what is typed at a password prompt:
{recording}
"""


def attach(
    *,
    vm: o.Vm = None,
    resource_group: o.ResourceGroup = None,
    subscription: o.Subscription = None,
    ids: o.Ids = None,
    instance_id: o.InstanceId = None,
    console: o.Console = None,
    lab: o.UseLab = False,
    menu_key: MenuKey = "^]",
    no_guard: NoGuard = False,
    yes: Yes = False,
    no_input: o.NoInput = False,
    debug: Debug = False,
    state_dir: o.StateDir = None,
) -> int:
    """Work at a console by hand: keys there, the picture back, a menu behind Ctrl-]."""
    from functools import partial

    from serialfix.byhand.keys import control_key
    from serialfix.byhand.terminal import Terminal
    from serialfix.cli.ask import wait_for_enter
    from serialfix.cli.run import _lab, _target
    from serialfix.cli.signals import Interruption

    if no_input:
        raise UsageError(
            "attach is a dialogue with a person, and --no-input forbids it",
            remedy="Leave out --no-input; `serialfix run` works without a person.",
        )
    target = _target(vm, resource_group, subscription, ids, instance_id, lab=lab, console=console)
    key = control_key(menu_key)
    terminal = Terminal()
    try:
        with _lab(lab):
            interruption = Interruption("")
            asked = partial(
                wait_for_enter, "Press Enter to attach", stop=lambda: bool(interruption.signal)
            )
            ended = interruption.run(
                _attach(
                    terminal,
                    target,
                    state_dir=state_dir,
                    menu_key=key,
                    guard=not no_guard,
                    agreed=(lambda: True) if yes else asked,
                )
            )
    finally:
        terminal.close()
    if ended.channel:
        from serialfix.printable import printable

        print(
            f"Channel {printable(ended.channel)} was in view: unless you ended it with `exit`, its"
            " login stays, for whoever attaches next.",
            file=sys.stderr,
        )
    return 0


class _Place(NamedTuple):
    """A console that may be attached to, claimed for us."""

    name: str
    id: str
    transport: Transport
    order: Callable[[str], Awaitable[None]] | None


async def _attach(
    terminal: Terminal,
    target: dict[str, Any],
    *,
    state_dir: Path | None,
    menu_key: str,
    guard: bool,
    agreed: Callable[[], bool],
) -> Ended:
    """Find the console, and be the person's at it."""
    import asyncio
    from contextlib import AsyncExitStack

    import serialfix
    from serialfix.byhand.attachment import Attachment
    from serialfix.record.cast import CastWriter
    from serialfix.record.journal import attached_path, default_state_dir
    from serialfix.secrets import Redactor, Secret
    from serialfix.transport.replay import RecordingTransport

    state = state_dir or default_state_dir(os.environ)
    redactor = Redactor()
    if known := os.environ.get("SERIALFIX_GUEST_PASSWORD"):
        redactor.add(Secret(known, "guest_password"))

    def keep_secret(text: str) -> None:
        if len(text) >= _SHORTEST:
            redactor.add(Secret(text, "guest_password"))

    async with AsyncExitStack() as stack:
        if command := target.get("console"):
            place = _behind(stack, command, state)
        else:
            place = await _in_azure(stack, target, state, redactor)
        path = attached_path(state, place.name)
        print(introduction(place.name, menu_key, path, guard=guard), file=sys.stderr)
        if not await asyncio.to_thread(agreed):
            raise UsageError("left before attaching", remedy="Enter alone attaches.")
        about = {"vm": place.name, "vm_id": place.id, "user": _user()}
        header = {"purpose": "attach", **about, "version": serialfix.__version__}
        clock = asyncio.get_running_loop().time
        cast = stack.enter_context(CastWriter(path, header=header, redactor=redactor, clock=clock))
        print("Connecting.", file=sys.stderr)
        try:
            return await Attachment(
                RecordingTransport(place.transport, cast),
                terminal,
                name=place.name,
                order=place.order,
                mark=cast.marker,
                keep_secret=keep_secret,
                recording_error=lambda: cast.error,
                guard=guard,
                menu_key=menu_key,
            ).run()
        finally:
            print(f"The recording of this session: {path}", file=sys.stderr)


def _behind(stack: AsyncExitStack, command: str, state: Path) -> _Place:
    """The console that a command opens; NMI and reset are not its business."""
    import shlex

    from serialfix.record.journal import claim_vm
    from serialfix.transport.commands import console_command
    from serialfix.transport.process import ProcessTransport

    words = console_command(command)
    label = shlex.join(words)
    place = _Place(label, f"console:{label}", ProcessTransport(words, environ=os.environ), None)
    stack.enter_context(claim_vm(state, place.id, holder=_holder()))
    return place


def _holder() -> str:
    from serialfix.record.journal import BY_HAND

    return f"{BY_HAND} ({_user()}, process {os.getpid()})"


async def _in_azure(
    stack: AsyncExitStack, target: dict[str, Any], state: Path, redactor: Redactor
) -> _Place:
    """The console of a VM that can be worked on. Held until the stack ends."""
    from serialfix.azure import serialport
    from serialfix.azure.identity import Azure
    from serialfix.azure.vm import find_vm, preflight
    from serialfix.printable import printable
    from serialfix.record.journal import claim_vm
    from serialfix.transport.gateway import GatewayTransport

    azure = await stack.enter_async_context(
        Azure(environ=os.environ, subscription=target["subscription"])
    )
    ref = await find_vm(
        azure,
        name=target["vm"],
        resource_group=target["resource_group"],
        vm_id=target["vm_id"],
        instance_id=target["instance_id"],
    )
    stack.enter_context(claim_vm(state, ref.id, holder=_holder()))
    facts = await preflight(azure, ref)
    for note in facts.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    url = ""

    async def connect_url() -> str:
        nonlocal url
        url = await serialport.connect(azure, facts.ref)
        return url

    async def token() -> Secret:
        secret = await azure.token()
        redactor.add(secret)
        return secret

    return _Place(
        name=facts.ref.label,
        id=facts.ref.id,
        transport=GatewayTransport(connect_url=connect_url, token=token, environ=os.environ),
        order=lambda command: serialport.order(azure, url, command),
    )


def introduction(name: str, menu_key: str, recording: object, *, guard: bool) -> str:
    from serialfix.byhand.guard import HAZARDS
    from serialfix.printable import printable

    return _INTRODUCTION.format(
        name=printable(name),
        menu=f"Ctrl-{chr(ord(menu_key) + 0x40)}",
        hazards="\n".join(f"  {sac}{f'; here {ours}' if guard else ''}." for sac, ours in HAZARDS),
        recording=recording,
    )


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return f"uid {os.getuid()}"
