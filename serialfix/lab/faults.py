"""The switches of a guest: what may go wrong, and how long things take.

All faults are off by default. `guest.faults` may be exchanged while the guest runs; everything
random comes from the guest's seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal


SacAbsent = Literal["", "silence", "health_report", "boot_manager", "bang_sac"]
Refusal = Literal["", "not_registered", "timeout", "failed", "disabled", "maximum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFault:
    """What is wrong with one service (catalogue §4.6)."""

    start_code: int = 0
    """It does not start: 1053, 1067, 1069 ... A disabled one or one with a wrong account fails
    by itself."""
    until: Mapping[str, str | int] = field(default_factory=dict)
    """The values of its key that heal it, e.g. `{"Type": 16}`; none for ever."""
    slow_start: float = 0.0
    """Seconds in START_PENDING."""
    slow_stop: float = 0.0
    """Seconds in STOP_PENDING."""
    denied: bool = False
    """Access denied, even to an administrator, but for questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What the serial port, SAC or Windows do wrong. Times in seconds, probabilities 0 to 1."""

    # Keys on their way in.
    drop_repeats: float = 0.0
    """In a CMD channel, a key equal to its neighbour that comes sooner than this is lost (§7)."""
    multiply_repeats: float = 0.0
    """Probability that in a CMD channel the second of two equal keys comes two or three times."""
    lose_keys: float = 0.0
    """Probability that a byte is lost on the port, wherever it goes."""
    double_keys: float = 0.0
    """Probability that a byte comes twice on the port, wherever it goes."""
    late_keys: float = 0.0
    """Every byte is late by up to this; the order is kept."""
    eat_first_keys: float = 0.0
    """Keys in the first so many seconds after a channel's first prompt are lost (§7)."""

    # Bytes on their way out.
    split_writes: bool = False
    """Output is cut at any byte: inside escapes, UTF-8, CR LF."""
    nul_everywhere: bool = False
    """NUL bytes at random places, not only at the end of what sacsess writes (§5)."""
    stalls: float = 0.0
    """Now and then all output stands still for so long; then it comes at once."""
    stale_backlog: bool = False
    """The port's history starts with an old session: banner, prompts, channel names, answers."""
    utf8_everywhere: bool = False
    """The computer's name is not ASCII, so that it is in XML, `id`, `hostname`."""

    # SAC.
    sac_absent: SacAbsent = ""
    """No SAC after a boot: nothing at all, a health report, a boot menu, or `!SAC>`."""
    late_cmd: float = 0.0
    """sacsvr registers so much later."""
    channel_refused: Refusal = ""
    """`cmd` always answers with this text of §3."""
    max_channels: int = 9
    """How many CMD channels may exist."""
    orphans: int = 0
    """CMD channels that exist after a boot, logged in, the first with a half-typed line."""
    orphan_in_view: bool = False
    """The first of the orphans is in view: whoever attaches lands in somebody's session."""
    event_while_typing: bool = False
    """An event interrupts the second key of each of the first three lines typed at `SAC>`."""
    half_line: str = ""
    """Somebody's text that already stands behind `SAC>`."""
    unsolicited_switch_after: int = 0
    """At the n-th entered line the port switches to SAC by itself."""
    no_repaint: bool = False
    """A CMD channel that comes into view again is not painted."""
    noise_after: int = 0
    """At the n-th entered line an agent that fights for the port writes on it (§8)."""
    murmur_after: int = 0
    """At the n-th entered line a program in the background prints into the channel in view."""
    sac_restart_fails: bool = False
    """SAC's `restart` says that it failed, and does nothing (§2.3)."""
    login_refused: bool = False
    """No credentials are good."""

    # Windows.
    reboot_after: int = 0
    """The guest restarts by itself at the n-th entered line (once)."""
    reboot_after_seconds: float = 0.0
    """The guest restarts by itself so long after its first boot started (once)."""
    bugcheck_after: int = 0
    """The guest crashes at the n-th entered line (once)."""
    slow_boot: float = 0.0
    """Every boot takes so much longer."""
    stopped_service: bool = False
    """TermService does not start with Windows."""
    services: Mapping[str, ServiceFault] = field(default_factory=dict)
    """What is wrong with single services, by name."""
    kms_unreachable: bool = False
    """No activation server answers, whatever is set."""
    reg_fails_for: str = ""
    """`reg add` of this value name exits with 1 and writes nothing."""
    reg_lies_for: str = ""
    """`reg add` of this value name reports success and writes nothing."""
    export_fails: bool = False
    """`reg export` writes half of its file and exits with 1: the disk is full."""
    hang_on: str = ""
    """A command line with this in it, in any case, never comes back (Ctrl-C ends it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long things take, in seconds. Lifelike in their order, but quick; `instant()` for tests.

    A real server needs a minute or more to boot and up to five for the CMD event (§2.1).
    """

    firmware: float = 0.2
    """From power on to the firmware's text."""
    boot: float = 1.0
    """From power on to SAC."""
    cmd_available: float = 0.5
    """From SAC to the event that CMD is available."""
    shutdown: float = 0.4
    """From the request to the end of the system."""
    bugcheck: float = 1.5
    """From a crash to the boot that follows it."""
    poll: float = 0.004
    """SAC looks at the port this often (§7)."""
    sac_command: float = 0.01
    sac_restart_uptime: float = 60.0
    """`restart` and `shutdown` at SAC wait until the system is so old (§2.3)."""
    cmd_event: float = 0.05
    """From `cmd` to its channel, plus or minus half."""
    login: float = 0.2
    command: float = 0.015
    """What a program like reg.exe takes; what is built into cmd.exe takes nothing."""
    service: float = 0.1
    """Starting or stopping a service."""
    service_timeout: float = 3.0
    """Until a service that does not answer has failed to start (a real one takes 30)."""
    powershell: float = 2.0
    """The start of PowerShell (2 to 10 seconds, catalogue §3.3)."""
    activation: float = 1.5
    """Asking an activation server."""
    scraper_tick: float = 0.03
    conpty_frame: float = 0.005
    link_speed: float = 0.0
    """Bytes per second on the wire; 0 is unlimited. (115200 baud is 11520.)"""
    idle_timeout: float = 0.0
    """A CMD channel without keys for so long asks for the credentials again; 0 is never."""

    @classmethod
    def instant(cls) -> Delays:
        """Nothing takes time."""
        return cls(**{each.name: 0.0 for each in fields(cls)})
