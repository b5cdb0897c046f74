"""A person at the console: the installed command under a pty, the lab behind TLS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import termios
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pexpect
import pyte

from serialfix.lab.guest import PASSWORD, USERNAME
from tests.e2e.conftest import COMMAND, Machine, Site
from tests.e2e.test_secrets import leaks


MENU = "\x1d"


class Sitting:
    """A person's terminal, and what it shows."""

    def __init__(
        self, site: Site, *args: str, size: tuple[int, int] = (80, 24), program: str = COMMAND
    ) -> None:
        columns, rows = size
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.child: Any = pexpect.spawn(
            program,
            list(args),
            env={**site.env, "TERM": "xterm-256color"},
            dimensions=(rows, columns),
            timeout=20,
        )
        self.child.delaybeforesend = None
        self.before = termios.tcgetattr(self.child.child_fd)

    @property
    def shown(self) -> str:
        return "\n".join(row.rstrip() for row in self.screen.display)

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 20
        while not done():
            try:
                data = self.child.read_nonblocking(65536, timeout=0.05)
            except pexpect.TIMEOUT:
                assert time.monotonic() < deadline, f"{what} did not come:\n{self.shown}"
            else:
                self.raw += data
                self.stream.feed(data)

    def see(self, words: str) -> None:
        """Wait until the terminal shows these words."""
        self.until(lambda: words in self.shown, words)

    def type(self, keys: str, then: str = "") -> None:
        self.child.send(keys)
        if then:
            self.see(then)

    def knock(self, words: str) -> None:
        """Press Enter until these words are there: a program that starts drops what it finds."""
        deadline = time.monotonic() + 20
        while words not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self.type("\r")
            with contextlib.suppress(pexpect.TIMEOUT):
                data = self.child.read_nonblocking(65536, timeout=0.5)
                self.raw += data
                self.stream.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def end(self) -> int:
        """Wait for the end; the terminal is as it was."""
        with contextlib.suppress(pexpect.EOF):
            self.until(lambda: False, "the end")
        assert termios.tcgetattr(self.child.child_fd) == self.before
        self.child.close()
        code: int = self.child.exitstatus
        return code


def attach(site: Site, machine: Machine, *more: str, **settings: Any) -> Sitting:
    """A person who is attached, at `SAC>`."""
    sitting = Sitting(site, "attach", "--vm", machine.name, "--yes", *more, **settings)
    sitting.see("is the menu")
    sitting.type("\r")
    sitting.until(lambda: "SAC>" in sitting.shown, "SAC>")
    return sitting


def open_channel(sitting: Sitting) -> None:
    sitting.type("cmd\r", "Channel: Cmd0001")
    sitting.type("ch -sn cmd0001\r", "Use any other key")
    sitting.type(" ", "Username:")


def log_in(sitting: Sitting) -> None:
    open_channel(sitting)
    sitting.type(f"{USERNAME}\r", "Domain")
    sitting.type("\r", "Password:")
    sitting.type(PASSWORD, "*" * len(PASSWORD))
    sitting.type("\r", r"C:\Windows")


def leave(sitting: Sitting) -> int:
    sitting.type(MENU, "q  leave")
    sitting.type("q")
    return sitting.end()


def recording(site: Site) -> list[list[Any]]:
    (path,) = (site.state / "attached").glob("*.cast")
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def typed(site: Site) -> str:
    return "".join(event[2] for event in recording(site) if event[1] == "i")


def marks(site: Site) -> list[str]:
    return [event[2] for event in recording(site) if event[1] == "m"]


def test_log_in_look_and_leave(site: Site) -> None:
    """The recording knows no password, though nobody told us what it is."""
    site.env.pop("SERIALFIX_GUEST_PASSWORD")
    machine = site.machine()
    sitting = attach(site, machine)
    log_in(sitting)
    sitting.type("ver\r", "Microsoft Windows [Version 10.0.20348.2227]\n\nC:")
    sitting.type("exit\r", "Use any other key")
    sitting.type(" ", "A channel has been closed")
    assert leave(sitting) == 0
    assert "its login stays" not in sitting.shown
    assert "ver" in machine.lines
    assert machine.channels == []
    assert "<redacted:guest_password:1>" * len(PASSWORD) in typed(site)
    assert "\rver\rexit\r" in typed(site)
    assert leaks(site) == []
    assert "No runs yet." in site.command("runs").err


def test_a_login_that_is_typed_ahead_is_no_secret_told(site: Site) -> None:
    site.env.pop("SERIALFIX_GUEST_PASSWORD")
    machine = site.machine()
    sitting = attach(site, machine)
    open_channel(sitting)
    sitting.type(f"{USERNAME}\r\r{PASSWORD}\r", r"C:\Windows")
    sitting.type("ver\r", "Microsoft Windows [Version 10.0.20348.2227]\n\nC:")
    assert leave(sitting) == 0
    assert "Cmd0001 was in view" in sitting.shown
    assert typed(site).endswith("ver\r")
    assert leaks(site) == []


def test_what_sac_takes_amiss_is_kept_from_it(site: Site) -> None:
    machine = site.machine()
    sitting = attach(site, machine)
    sitting.type("xyz", "SAC>xyz")
    sitting.type("\x03", "it was erased")
    sitting.type("\x1b[A", "no arrow")
    sitting.type("restart now\rcmd\r", "acts on this at once")
    sitting.type("no\r", "not confirmed")
    sitting.type("\x03")
    sitting.until(lambda: "restart" not in sitting.shown, "the line erased")
    sitting.type("id\r", "Computer Name")
    assert {entered.line for entered in machine.entered} == {"", "id"}
    assert (machine.guest.restarts, machine.guest.boots) == (0, 1)
    assert leave(sitting) == 0


def test_a_dropped_connection_is_made_again(site: Site) -> None:
    machine = site.machine()
    sitting = attach(site, machine)
    site.lab.call(lambda lab: lab.gateway.drop(machine.vm))
    sitting.see("connected again")
    sitting.type("id\r", "Computer Name")
    assert machine.vm.sessions == 2
    assert leave(sitting) == 0
    assert marks(site) == ["connect", "end:transport.gateway_closed", "connect"]


def test_suspended_and_back(site: Site) -> None:
    machine = site.machine()
    sitting = Sitting(site, "--norc", "--noprofile", "-i", program="/bin/bash")
    settings = "stty -a | cksum"
    sitting.type(f"{settings}; {COMMAND} attach -y --vm {machine.name}\r", "is the menu")
    sitting.type(f"\r{MENU}z", "Stopped")
    assert sitting.raw.rindex(b"\x1b[?1049l") > sitting.raw.rindex(b"\x1b[?1049h")
    sitting.type("fg\r")
    sitting.until(lambda: sitting.raw.rindex(b"?1049h") > sitting.raw.rindex(b"?1049l"), "fg")
    sitting.type("id\r", "Computer Name")
    os.kill(sitting.child.pid, 0)
    sitting.type(f"{MENU}q", "The recording of this session")
    sitting.type(f"{settings}; echo E-N-D\r", "\nE-N-D")
    sums = [line for line in sitting.raw.decode("utf-8", "replace").splitlines() if " " in line]
    counted = [line.strip() for line in sums if line.replace(" ", "").strip().isdigit()]
    assert len(counted) == 2
    assert len(set(counted)) == 1
    sitting.child.close(force=True)


def test_without_a_terminal_nothing_is_touched(site: Site) -> None:
    machine = site.machine()
    ended = site.command("attach", "--vm", machine.name, "--yes")
    assert ended.code == 2
    assert "needs a terminal" in ended.err
    machine.untouched(attached=False)


def test_who_does_not_agree_does_not_attach(site: Site) -> None:
    machine = site.machine()
    sitting = Sitting(site, "attach", "--vm", machine.name)
    sitting.see("Press Enter to attach")
    assert "Ctrl-C RUNS the line" in sitting.shown
    assert "Whoever else is attached to its console is cut off" in sitting.shown
    sitting.type("\x03")
    assert sitting.end() == 130
    machine.untouched(attached=False)
    sitting = Sitting(site, "attach", "--vm", machine.name)
    sitting.see("Press Enter to attach")
    sitting.type("\r", "is the menu")
    assert leave(sitting) == 0


def test_a_vm_that_is_off_is_refused(site: Site) -> None:
    machine = site.machine(power="deallocated")
    sitting = Sitting(site, "attach", "--vm", machine.name, "--yes")
    assert sitting.end() == 5
    assert "[preflight.vm_not_running]" in sitting.shown
    assert not (site.state / "attached").exists()


def test_a_gateway_that_refuses_is_code_6(site: Site) -> None:
    machine = site.machine()
    machine.arm(gateway_down=True)
    sitting = Sitting(site, "attach", "--vm", machine.name, "--yes")
    assert sitting.end() == 6
    assert "[transport.gateway_unreachable]" in sitting.shown
    assert b"1049h" not in sitting.raw


def test_one_at_a_time_on_this_machine(site: Site) -> None:
    machine = site.machine()
    sitting = attach(site, machine)
    run = site.command("check", "--vm", machine.name, "--playbook", site.three)
    assert run.code == 5
    assert "somebody at `serialfix attach`" in run.err
    assert leave(sitting) == 0
    assert site.command("check", "--vm", machine.name, "--playbook", site.three).code == 0
    run_there = Sitting(site, "run", "--vm", machine.name, "--playbook", site.three)
    run_there.see("[y/N]")
    second = Sitting(site, "attach", "--vm", machine.name, "--yes")
    assert second.end() == 5
    assert f"run {site.runs[-1].name} is working on this VM" in second.shown.replace("\n", "")
    run_there.type("n\r")
    assert run_there.end() == 2


def test_a_take_over_is_not_fought(site: Site) -> None:
    machine = site.machine()
    sitting = attach(site, machine)
    site.lab.call(lambda lab: lab.gateway.take_over(machine.vm))
    sitting.see("Somebody else attached")
    sitting.type("x\r")
    assert (machine.vm.connects, machine.vm.sessions) == (1, 1)
    sitting.type("y", "connected again")
    sitting.type("id\r", "Computer Name")
    assert machine.vm.sessions == 2
    site.lab.call(lambda lab: lab.gateway.take_over(machine.vm))
    sitting.see("Somebody else attached")
    sitting.type("q")
    assert sitting.end() == 6
    assert "[transport.session_taken_over]" in sitting.shown
    assert "Agree with the other person" in sitting.shown
    assert machine.vm.sessions == 2


def booted(machine: Machine, times: int) -> bool:
    return bool(machine.guest.boots == times)


def test_orders_are_given_when_the_name_is_typed(site: Site) -> None:
    machine = site.machine()
    sitting = attach(site, machine)
    sitting.type(MENU, "q  leave")
    sitting.type("n", "type the VM's name")
    sitting.type("yes\r", "not confirmed")
    sitting.type(f"{MENU}r", "type the VM's name")
    sitting.type("\x1b", "not confirmed")
    assert (machine.vm.commands["admin nmi"], machine.vm.commands["admin reset"]) == (0, 0)
    for boots, (key, command, done) in enumerate(
        (("n", "nmi", "the NMI was sent"), ("r", "reset", "the VM was reset")), start=2
    ):
        sitting.type(f"{MENU}{key}", "type the VM's name")
        sitting.type(f"{machine.name}\r", done)
        assert machine.vm.commands[f"admin {command}"] == 1
        sitting.until(partial(booted, machine, boots), "the boot")
    assert machine.vm.sessions == 1  # it outlives both
    assert leave(sitting) == 0
    assert marks(site) == [
        *("connect", "order:nmi", "order:nmi done"),
        *("order:reset", "order:reset done"),
    ]


def test_sigterm_gives_the_terminal_back(site: Site) -> None:
    machine = site.machine()
    sitting = attach(site, machine)
    os.kill(sitting.child.pid, signal.SIGTERM)
    assert sitting.end() == 143
    assert b"\x1b[?1049l" in sitting.raw
    assert recording(site)


def test_small_exact_and_large_terminals(site: Site) -> None:
    machine = site.machine()
    sitting = Sitting(site, "attach", "--vm", machine.name, "--yes", size=(60, 12))
    sitting.see("is the menu")
    sitting.type("\r" * 14 + "id\r", "Time since last reboot")
    sitting.see("60x12 is too small, enlarge to 80x24")
    assert sitting.screen.display[10].startswith("SAC>")
    assert (sitting.screen.cursor.y, sitting.screen.cursor.x) == (10, 4)
    sitting.resize(80, 24)
    sitting.until(lambda: "too small" not in sitting.shown, "the whole picture")
    sitting.see("Computer Name")
    assert sitting.screen.display[23].startswith("SAC>")
    sitting.resize(100, 30)
    sitting.see(f"{machine.name} | SAC | Ctrl-]: menu")
    assert sitting.screen.display[24].startswith(f" {machine.name} | SAC")
    assert not "".join(sitting.screen.display[25:]).strip()
    assert leave(sitting) == 0
