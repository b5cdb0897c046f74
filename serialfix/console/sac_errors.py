"""How the ways of `sac` fail, in words for the person who has to act on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from serialfix.console.machine import Console
from serialfix.errors import ChannelError, ConsoleError, GuestRebooted, SacUnavailable


if TYPE_CHECKING:
    from serialfix.console.sac import SacMachine


def no_sac(machine: SacMachine, console: Console) -> ConsoleError:
    """No prompt came; what the console shows instead tells why."""
    shown = console.screen.text()
    if "health" in shown.lower():
        why = "the serial port only shows health reports: EMS is off in this guest"
    elif console.received:
        why = "the serial console shows text, but no SAC prompt"
    else:
        why = "the serial console is silent"
    return SacUnavailable(
        f"no SAC prompt after {machine.knocks} tries: {why}",
        state="SAC",
        expected="SAC>",
        screen=shown,
        remedy="SAC exists on Windows Server only. Turn it on with `az vm run-command invoke "
        "--command-id EnableEMS` (needs the VM agent) or offline with `bcdedit /store … /ems "
        "{default} on`, then restart the VM. A guest that is still booting, or that is debugged "
        "over its serial port, shows no SAC either.",
    )


def boot_manager(_machine: SacMachine, console: Console) -> ConsoleError:
    """The boot menu waits for a key, and it is not ours to press."""
    return SacUnavailable(
        "the guest waits in the Windows Boot Manager menu; no key was pressed in it",
        state="SAC",
        expected="SAC>",
        screen=console.screen.text(),
        remedy="Choose the operating system in the portal's serial console, or restart the VM.",
    )


def stop_error(_machine: SacMachine, console: Console) -> ConsoleError:
    """Only !SAC> is left (sac.md §2.3)."""
    code = console.stop_error.code if console.stop_error else "unknown"
    return SacUnavailable(
        f"the guest crashed with Stop error {code}; only !SAC> answers",
        state="SAC",
        expected="SAC>",
        screen=console.screen.text(),
        remedy="Let the crash dump finish, restart the VM (`az vm restart`), and run it again.",
    )


def restarted(_machine: SacMachine, console: Console) -> ConsoleError:
    """A boot was announced in mid-dialogue."""
    return GuestRebooted(
        "the guest restarted while we talked to SAC",
        state="SAC",
        expected="SAC>",
        screen=console.screen.text(),
        remedy="Somebody or something restarted the VM. When it is up again, continue with "
        "`serialfix resume`.",
    )


def channel_error(message: str, remedy: str) -> Callable[[SacMachine, Console], ConsoleError]:
    """The error of a channel that cannot be had; `{channels}` in it are the others."""
    return lambda machine, console: ChannelError(
        message.format(channels=", ".join(c.name for c in machine.others) or "none"),
        state="cmd",
        expected="EVENT: A new channel has been created.",
        screen=console.screen.text(),
        remedy=remedy,
    )
