"""The exceptions of serialfix.

Every exception names itself by a stable slug, carries the exit code of the process, says whether
the guest was touched, and ends with a remedy. Foreign exceptions are mapped to these at their
adapter; above it only `SerialfixError` is seen.

    SerialfixError                       1
    ├── UsageError                       2   nothing was touched
    │   ├── ConfigError
    │   ├── PlaybookError                    file, line, column
    │   ├── UnsafeStep
    │   └── RecordError                      journal or recording cannot be written or read
    │       ├── DatabaseAway                 for longer than a console can wait
    │       └── Fenced                       another worker goes on with this run
    ├── TargetError                      3   not found or ambiguous
    ├── AccessError                      4   sign-in or permission refused
    │   └── GuestPasswordMissing             nothing gives the password of this guest
    ├── PreflightError                   5   the VM cannot be worked on now
    │   ├── VmNotRunning
    │   ├── NotWindowsServer
    │   ├── BootDiagnosticsDisabled
    │   ├── SerialConsoleDisabled
    │   ├── PlaybookNotForGuest              it is meant for other versions of Windows
    │   ├── ConsoleInUse                     somebody else works on it
    │   ├── HiveRefused                      a registry hive that must not be edited as it is
    │   └── AzureRefused                     ARM refused for another reason (code and message shown)
    ├── TransportError                   6
    │   ├── AzureUnreachable
    │   ├── GatewayUnreachable
    │   ├── GatewayRejected
    │   ├── GatewayClosed
    │   │   └── CommandEnded                 the command of --console ended by itself
    │   ├── CommandNotStarted                it cannot be run, or asks a person
    │   └── SessionTakenOver
    ├── ConsoleError                     6
    │   ├── SacUnavailable
    │   ├── ChannelError
    │   ├── LoginRejected
    │   ├── GuestRebooted
    │   ├── ExpectTimeout
    │   └── EchoMismatch
    ├── StepError                        7
    │   ├── CommandFailed
    │   ├── VerifyMismatch
    │   ├── OutcomeUnknown
    │   ├── UndoFailed
    │   └── ReplayMismatch
    ├── RestartError                     8
    │   ├── RestartRefused                   Azure did not begin it
    │   └── RestartFailed                    Azure began it and says that it failed
    ├── FleetError                       9   a fleet run cannot go on; 10 when its budget stopped it
    ├── Interrupted                130/143
    └── MachineMisuse                    1   an input that a table does not list: our bug
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Touched(StrEnum):
    """Whether the guest was changed: `maybe` when a write was entered and not proven."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class SerialfixError(Exception):
    """Base of all errors; `str()` is the message alone, the other facts are attributes.

    Attributes:
        slug: stable name, e.g. `console.echo_mismatch`.
        exit_code: what the process ends with.
        touched: whether the guest may have been changed when this was raised.
        state: where in the dialogue this happened.
        expected: what was waited for.
        screen: the last 80x24 picture, redacted by whoever shows it.
        remedy: what to do now.
    """

    slug: ClassVar[str] = "internal"
    exit_code: int = 1
    default_remedy: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        touched: Touched = Touched.NO,
        state: str = "",
        expected: str = "",
        screen: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.touched = touched
        self.state = state
        self.expected = expected
        self.screen = screen
        self.remedy = remedy or self.default_remedy

    def facts(self) -> dict[str, str]:
        """All that is known, as the `error` of a result; empty facts are left out."""
        known = {
            "slug": self.slug,
            "message": str(self),
            "touched": str(self.touched),
            "state": self.state,
            "expected": self.expected,
            "screen": self.screen,
            "remedy": self.remedy,
        }
        return {name: text for name, text in known.items() if text}


class MachineMisuse(SerialfixError, RuntimeError):
    """A table got an input it does not list. A bug in serialfix; nothing was changed by it."""

    slug = "internal.machine_misuse"
    default_remedy = "Please report this with the recording of the session."


class UsageError(SerialfixError):
    """Options, playbook or configuration are wrong; nothing was touched."""

    slug = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """A setting is missing or contradicts another."""

    slug = "usage.config"


class PlaybookError(UsageError):
    """A playbook cannot be used; the message starts with file:line:column."""

    slug = "usage.playbook"

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, column: int = 0, remedy: str = ""
    ) -> None:
        place = f"{file}:{line}:{column}: " if line else f"{file}: " if file else ""
        super().__init__(place + message, remedy=remedy)
        self.file = file
        self.line = line
        self.column = column


class UnsafeStep(UsageError):
    """A step would do something that serialfix does not type on a console."""

    slug = "usage.unsafe_step"


class RecordError(UsageError):
    """The journal or a recording cannot be written or read."""

    slug = "record"


class DatabaseAway(RecordError):
    """The database did not come back. What was to be written may be there, or not."""

    slug = "record.database_away"
    default_remedy = "Nothing is lost: when it is there again, a worker goes on where this stopped."


class Fenced(RecordError):
    """Another worker has taken over this run: nothing more may be done here."""

    slug = "record.fenced"


class TargetError(SerialfixError):
    """The VM was not found, or several match."""

    slug = "target"
    exit_code = 3


class AccessError(SerialfixError):
    """Azure refused the sign-in or the permission."""

    slug = "access"
    exit_code = 4


class GuestPasswordMissing(AccessError):
    """There is no password to log in to this guest with; nothing was attached."""

    slug = "access.guest_password"


class PreflightError(SerialfixError):
    """The VM cannot be worked on in its present state; nothing was touched."""

    slug = "preflight"
    exit_code = 5


class VmNotRunning(PreflightError):
    """The VM is stopped, deallocated or in transition."""

    slug = "preflight.vm_not_running"


class NotWindowsServer(PreflightError):
    """The VM is Linux, or a client Windows, which has no SAC."""

    slug = "preflight.not_windows_server"


class BootDiagnosticsDisabled(PreflightError):
    """The serial console needs boot diagnostics."""

    slug = "preflight.boot_diagnostics_disabled"


class SerialConsoleDisabled(PreflightError):
    """The serial console is disabled for the subscription."""

    slug = "preflight.serial_console_disabled"


class PlaybookNotForGuest(PreflightError):
    """The playbook says that it is not meant for this version of Windows."""

    slug = "preflight.playbook_not_for_guest"


class AzureRefused(PreflightError):
    """Azure Resource Manager refused a call; code and message are in the text.

    `passing`: not the call was wrong, Azure throttles or is in trouble, and a later call may do.
    """

    slug = "preflight.azure_refused"
    passing: bool = False


class ConsoleInUse(PreflightError):
    """Somebody else's CMD channel was in view when we attached; nothing was typed into it."""

    slug = "preflight.console_in_use"


class HiveRefused(PreflightError):
    """A hive file is dirty, cut off, in use or not writable; nothing was changed in it."""

    slug = "preflight.hive"


class TransportError(SerialfixError):
    """The way to the console failed."""

    slug = "transport"
    exit_code = 6


class AzureUnreachable(TransportError):
    """Azure's management endpoint, or the sign-in before it, did not answer."""

    slug = "transport.azure_unreachable"
    default_remedy = "Check the network, HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE, then try again."


class GatewayUnreachable(TransportError):
    """No connection to the gateway could be made."""

    slug = "transport.gateway_unreachable"
    default_remedy = (
        "Allow outgoing wss on port 443 to *.serialconsole.azure.com, check HTTPS_PROXY, try again."
    )


class GatewayRejected(TransportError):
    """The gateway refused the token (1011 "Connection not trusted") on every fresh connect."""

    slug = "transport.gateway_rejected"


class GatewayClosed(TransportError):
    """The connection ended in the middle of a session."""

    slug = "transport.gateway_closed"


class CommandEnded(GatewayClosed):
    """The command that carries the console ended in the middle of a session."""

    slug = "transport.command_ended"
    default_remedy = (
        "Run the command of --console by hand: it must show the VM's serial console, and stay."
    )


class CommandNotStarted(TransportError):
    """The command that should open the console cannot be run, or waits for a person."""

    slug = "transport.command_not_started"


class SessionTakenOver(TransportError):
    """Another client attached; Azure keeps only the newest."""

    slug = "transport.session_taken_over"
    default_remedy = (
        "Agree with the other person who works on this VM, then run `serialfix resume`."
    )


class ConsoleError(SerialfixError):
    """The dialogue with the console failed."""

    slug = "console"
    exit_code = 6


class SacUnavailable(ConsoleError):
    """No SAC prompt could be had."""

    slug = "console.sac_unavailable"


class ChannelError(ConsoleError):
    """A CMD channel could not be opened, or was lost."""

    slug = "console.channel"


class LoginRejected(ConsoleError):
    """The guest refused the credentials. There is no second try: failed logons lock accounts."""

    slug = "console.login_rejected"


class GuestRebooted(ConsoleError):
    """The guest went down or came up while we worked in it."""

    slug = "console.guest_rebooted"


class ExpectTimeout(ConsoleError):
    """What was waited for did not come in time."""

    slug = "console.expect_timeout"


class EchoMismatch(ConsoleError):
    """A line could not be typed right; Enter was not pressed on it."""

    slug = "console.echo_mismatch"


class StepError(SerialfixError):
    """A step of the playbook failed."""

    slug = "step"
    exit_code = 7


class CommandFailed(StepError):
    """A command ended with an exit code that the step does not expect."""

    slug = "step.command_failed"


class VerifyMismatch(StepError):
    """The value read back is not the value wanted."""

    slug = "step.verify_mismatch"


class OutcomeUnknown(StepError):
    """A step was entered and its end could not be learned."""

    slug = "step.outcome_unknown"


class UndoFailed(StepError):
    """A former value could not be put back."""

    slug = "step.undo_failed"


class ReplayMismatch(StepError):
    """What was typed differs from what was recorded."""

    slug = "replay.mismatch"


class RestartError(SerialfixError):
    """The changes are verified, but the restart or the proof after it failed."""

    slug = "restart"
    exit_code = 8


class RestartRefused(RestartError):
    """Azure refused to begin the restart: the VM was not restarted, and may be asked for again.

    `again_after`: when that is a matter of time, so many seconds.
    """

    slug = "restart.refused"
    again_after: float | None = None


class RestartFailed(RestartError):
    """Azure began the restart and says that it failed; the VM may have gone down all the same."""

    slug = "restart.failed"


class FleetError(SerialfixError):
    """A fleet run cannot go on as it is."""

    slug = "fleet"
    exit_code = 9


class Interrupted(SerialfixError):
    """A signal ended the run: 130 for SIGINT, 143 for SIGTERM."""

    slug = "interrupted"
    exit_code = 130
