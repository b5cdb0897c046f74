"""A VM behind any console that a command opens; restarted by another command, or by SAC."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from serialfix.errors import ConfigError, RestartError, RestartFailed, RestartRefused
from serialfix.remediation.options import RunOptions
from serialfix.remediation.place import Condition, Restarter, Surroundings, VmName
from serialfix.remediation.work import Purpose, Work
from serialfix.transport.base import Transport
from serialfix.transport.commands import console_command, environment, split_command
from serialfix.transport.process import ProcessTransport


_BY_HAND = (
    "All changes are verified in the registry. See whether the VM restarted; when it did not, "
    "restart it by hand, then run the playbook again: it finds everything in place and makes "
    "the proof."
)


class ConsoleVm:
    """The place of a VM of which we have its serial console, and nothing else."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._console = console_command(options.console or "")
        self._restart = (
            split_command(options.restart_command, "--restart-command")
            if options.restart_command is not None
            else None
        )
        if options.restart_by not in (None, "sac"):
            raise ConfigError(f"--restart-by takes sac, not {options.restart_by!r}")
        if options.restart_command is not None and options.restart_by is not None:
            raise ConfigError("give --restart-command or --restart-by, not both")
        if options.snapshot:
            raise ConfigError("--snapshot is for VMs in Azure: --console knows no disks")
        label = shlex.join(self._console)
        if options.guest.password.reveal() in f"{options.console}\n{options.restart_command}":
            raise ConfigError("the guest's password stands in a command, which would be kept")
        self.wanted = VmName(f"console:{label}", label)

    @property
    def no_restart(self) -> str:
        """A console has no power button of its own."""
        if self._restart is not None or self._options.restart_by is not None:
            return ""
        return "neither --restart-command nor --restart-by was given"

    @asynccontextmanager
    async def opened(self, around: Surroundings) -> AsyncIterator[None]:
        """There is nothing to sign in to."""
        yield

    async def find(self) -> VmName:
        """The command is its name."""
        return self.wanted

    async def preflight(self) -> Condition:
        """Nothing can be known of it before its console answers."""
        return Condition(self.wanted)

    def transport(self) -> Transport:
        """The command, under a pty."""
        return ProcessTransport(
            self._console,
            environ=self._options.environ,
            patience=self._options.patience.process,
        )

    async def snapshot(self) -> str:
        """Refused when the run was made."""
        raise ConfigError("--console knows no disks")

    def restarter(self, work: Callable[[Purpose], Work]) -> Restarter:
        """By the command, else by SAC."""
        if self._restart is None:
            return SacRestarter(work)
        return CommandRestarter(
            self._restart,
            environ=self._options.environ,
            timeout=self._options.patience.restart,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A restart that was asked for to the end; what became of it the guest must show."""

    id: str | None = None
    continuation_token: str = "asked"  # noqa: S105

    async def wait(self, *, timeout: float, on_poll: Callable[[str], None] | None = None) -> None:
        """There is nobody to wait for."""


class _Unreported:
    """What the two ways have in common: nobody but the guest can say that it restarted."""

    words = ""
    reports = False

    async def ready(self) -> None:
        """At once."""

    async def resume(self, token: str) -> _Asked:
        """It was asked for to the end."""
        return _Asked(continuation_token=token)

    async def power_state(self) -> str | None:
        """Unknown."""
        return None

    def lost(self) -> RestartError:
        """As the former process was killed at the worst moment, or the way failed."""
        return RestartError(
            f"the restart ({self.words}) was begun before, and its end is not known: the VM is "
            "not restarted again",
            remedy=_BY_HAND,
        )


class CommandRestarter(_Unreported):
    """A command of the person's: `aws ec2 reboot-instances …`, `virsh reboot …`."""

    words = "by --restart-command"

    def __init__(
        self, command: tuple[str, ...], *, environ: Mapping[str, str], timeout: float
    ) -> None:
        self._command = command
        self._environ = environment(environ)
        self._timeout = timeout

    async def begin(self, requested: Callable[[], Awaitable[object]]) -> _Asked:
        """Run the command to its end. Code 0 is success, another a failure."""
        await requested()
        with tempfile.TemporaryFile() as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self._environ,
                    start_new_session=True,  # our Ctrl-C is not for it
                )
            except OSError as error:
                raise RestartRefused(
                    f"--restart-command cannot be run: {self._command[0]}: {error.strerror}",
                    remedy="The VM was not restarted. Make the command available.",
                ) from error
            try:
                async with asyncio.timeout(self._timeout):
                    code = await process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                raise RestartError(
                    f"--restart-command has not ended after {self._timeout:g} s",
                    remedy=_BY_HAND,
                ) from None
            if code:
                output.seek(max(0, output.seek(0, os.SEEK_END) - 400))
                spoken = output.read().decode("utf-8", "replace").strip()
                words = f": {spoken.splitlines()[-1]}" if spoken else ""
                raise RestartFailed(
                    f"--restart-command ended with exit code {code}{words}", remedy=_BY_HAND
                )
        return _Asked()


class SacRestarter(_Unreported):
    """SAC's own `restart`."""

    words = "by SAC"

    def __init__(self, work: Callable[[Purpose], Work]) -> None:
        self._work = work

    async def begin(self, requested: Callable[[], Awaitable[object]]) -> _Asked:
        """Type it at SAC's prompt; Enter is pressed once."""
        await self._work(Purpose.RESTART).restart(requested)
        return _Asked()
