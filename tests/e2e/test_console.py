"""`--console`: the installed command on a console that another program opens, under a real pty.

The program is to the lab what `virsh console` is to libvirt. Azure is not there at all: its
packages are poisoned, and the lab's Azure counts whether anybody came.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from serialfix.lab.serialsocket import SerialSocket
from serialfix.remediation.replay import replay
from serialfix.report.machine import run_schema
from tests.e2e.conftest import (
    IN_THREE,
    INSTANT,
    QUICK,
    Ended,
    Machine,
    Site,
    rdp_reset_on,
    until,
)
from tests.e2e.test_attach import MENU, Sitting, leave, log_in
from tests.e2e.test_secrets import leaks


DYING = [sys.executable, str(Path(__file__).with_name("dying.py"))]
RESTART = "import sys, urllib.request as u; u.urlopen(sys.argv[1], b'{\"restart\": true}').read()"
SAC = ("--restart-by", "sac")
QUICK_CONSOLE = replace(
    QUICK,
    console=replace(QUICK.console, backlog=0.2, sac=0.5, home=0.2, restart=2.0),
    work=replace(QUICK.work, boot=8.0),
)


@dataclass
class Rack:
    """A user's machine with a hypervisor in reach, and no Azure."""

    site: Site
    sockets: dict[str, SerialSocket] = field(default_factory=dict)
    prefix: str = ""
    """Shell words before the program that opens a console."""

    def machine(self, **settings: Any) -> Machine:
        machine = self.site.machine(**settings)
        path = self.site.home / f"s{len(self.sockets)}"
        socket = SerialSocket(machine.guest, path)
        asyncio.run_coroutine_threadsafe(socket.start(), self.site.lab._loop).result()
        self.sockets[machine.name] = socket
        return machine

    def console(self, machine: Machine) -> str:
        """The command that opens the machine's console."""
        path = str(self.sockets[machine.name].path)
        bridge = shlex.join((sys.executable, "-S", "-m", "serialfix.lab.serialsocket", path))
        return shlex.join(("sh", "-c", f"{self.prefix} {bridge}")) if self.prefix else bridge

    def restart(self, machine: Machine) -> tuple[str, str]:
        """The option with a command that restarts the machine."""
        url = f"{self.site.lab.lab.truth_url}/{machine.name}"
        return "--restart-command", shlex.join((sys.executable, "-S", "-c", RESTART, url))

    def args(self, machine: Machine, *more: str) -> tuple[str, ...]:
        playbook = () if "--playbook" in more else ("--playbook", self.site.three)
        return ("--console", self.console(machine), *playbook, "-o", "json", *more)

    def run(self, machine: Machine, *more: str) -> Ended:
        """In this process, with little patience."""
        return self.site.inside("run", *self.args(machine, "--yes", *more))

    def begin(self, machine: Machine, *more: str) -> Any:
        """The installed command, in a session of its own."""
        args = ("run", *self.args(machine, "--yes", *more))
        return self.site.process(*args, start_new_session=True)

    def killed(self, machine: Machine, moment: str, nth: int, *more: str) -> str:
        """Run until it kills itself; the id of the run."""
        args = ("run", *self.args(machine, "--yes", *more))
        ended = self.site.command(moment, str(nth), *args, program=DYING)
        assert ended.code == -signal.SIGKILL, f"{moment} {nth} never came:\n{ended.err}"
        return self.site.runs[-1].name


@pytest.fixture
def rack(site: Site) -> Iterator[Rack]:
    poison = site.home / "poison" / "azure"
    poison.mkdir(parents=True)
    (poison / "__init__.py").write_text("raise ImportError('there is no Azure here')")
    for name in site.lab.env:
        if not name.startswith("SERIALFIX_GUEST_"):
            site.env.pop(name)
    site.env |= {"PYTHONPATH": str(poison.parent), "no_proxy": "*"}
    site.patience = QUICK_CONSOLE
    rack = Rack(site)
    yield rack
    for socket in rack.sockets.values():
        site.lab.call(functools.partial(_closed, socket))


def _closed(socket: SerialSocket, _: object) -> None:
    socket.close()


def repaired(machine: Machine, restarts: int = 1, names: tuple[str, ...] = IN_THREE) -> None:
    """Exactly the wanted values, the restarts, the console clean, and Azure was never asked."""
    assert machine.registry == rdp_reset_on(machine.before, names)
    assert machine.guest.restarts == restarts
    assert machine.channels == []
    assert (machine.vm.connects, machine.restarts) == (0, 0)


def how(rack: Rack, machine: Machine, way: str) -> tuple[str, ...]:
    return SAC if way == "by SAC" else rack.restart(machine)


@pytest.mark.parametrize(("way", "profile"), [("by command", "ws2019"), ("by SAC", "ws2022")])
def test_run_again_and_undo(rack: Rack, way: str, profile: str) -> None:
    machine = rack.machine(profile=profile)
    args = ("run", *rack.args(machine, "--yes", *how(rack, machine, way)))
    ended = rack.site.command(*args)
    assert ended.code == 0, ended.err
    jsonschema.Draft7Validator(run_schema()).validate(ended.result)
    command = rack.console(machine)
    assert ended.result["vm"] == {"id": f"console:{command}", "name": command}
    assert (ended.result["outcome"], ended.result["touched"]) == ("changed", "yes")
    assert ended.result["restart"] == {"outcome": "changed", "operation": None, "seconds": None}
    assert [proof["outcome"] for proof in ended.result["proof"]] == ["ok"] * 2
    assert ended.result["warnings"] == []
    repaired(machine)
    assert len(machine.writes) == 3
    at_sac = [entry.line for entry in machine.entered if entry.where == "SAC"]
    assert at_sac.count("restart") == (way == "by SAC")
    assert [replay(Path(each)).outcome for each in ended.result["recordings"]] == ["ok"] * (
        3 if way == "by SAC" else 2
    )

    again = rack.site.inside(*args)
    assert (again.code, again.result["outcome"], again.result["restart"]) == (0, "ok", None)
    repaired(machine)

    run = ended.result["run_id"]
    refused = rack.site.inside("undo", run, "--yes", "--snapshot")
    assert (refused.code, "--console knows no disks" in refused.err) == (2, True)
    undone = rack.site.inside("undo", run, "--yes", "-o", "json")
    assert undone.code == 0, undone.err
    assert undone.result["vm"] == ended.result["vm"]
    assert undone.result["restart"]["outcome"] == "changed"
    assert machine.registry == machine.before
    assert (machine.guest.restarts, machine.channels) == (2, [])
    listed = rack.site.inside("runs", "-o", "json")
    assert {row["vm"] for row in json.loads(listed.out)} == {command}


def test_a_check(rack: Rack) -> None:
    machine = rack.machine()
    ended = rack.site.inside("check", *rack.args(machine, "--exit-code"))
    assert (ended.code, ended.result["outcome"]) == (20, "would_change")
    machine.untouched(attached=True)
    assert machine.channels == []


def test_without_a_way_to_restart_it_is_not_restarted(rack: Rack) -> None:
    machine = rack.machine()
    ended = rack.run(machine)
    assert (ended.code, ended.result["outcome"], ended.result["restart"]) == (0, "changed", None)
    assert "No restart." in ended.err
    assert ended.result["warnings"] == [
        "the VM was not restarted: neither --restart-command nor --restart-by was given; "
        "the changes take effect when it is"
    ]
    repaired(machine, restarts=0)


def test_no_restart_wins(rack: Rack) -> None:
    machine = rack.machine()
    ended = rack.run(machine, *SAC, "--no-restart")
    assert (ended.code, ended.result["restart"]) == (0, None)
    repaired(machine, restarts=0)


def test_the_worst_wire(rack: Rack) -> None:
    machine = rack.machine()
    machine.faults(split_writes=True, nul_everywhere=True, event_while_typing=True)
    # as virsh greets, and az while it connects
    loading = "printf '\\033[2K\\033[1GConnecting to console of VM   \\342\\226\\240'"
    greeting = "printf 'Connected to domain vm\\r\\nEscape character is ^] (Ctrl + ])\\r\\n'"
    rack.prefix = f"{loading}; {greeting}; exec"
    ended = rack.run(machine, *SAC)
    assert ended.code == 0, ended.err
    repaired(machine)


# --- the way fails ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("does-not-exist --at all", "does-not-exist: no such program"),
        ("sh -c 'echo Connection refused; exit 255'", "ended with exit code 255: Connection ref"),
        ('printf %s "me@host\'s password: "', "ended with exit code 0"),
        ("sh -c 'printf \"Enter passphrase for key k: \"; cat'", "asks a person: Enter passph"),
    ],
)
def test_a_command_that_opens_no_console(rack: Rack, command: str, words: str) -> None:
    ended = rack.site.inside(
        "run", "--console", command, "--playbook", rack.site.three, "--yes", "-o", "json"
    )
    assert (ended.code, ended.result["outcome"], ended.result["touched"]) == (
        *(6, "unreachable", "no"),
    )
    assert words in ended.error["message"]
    assert ended.error["slug"].startswith("transport.command_")
    assert ended.error["remedy"]


LINUX = "while printf '\\r\\nUbuntu 22.04 LTS ttyS0\\r\\n\\r\\nmyvm login: '; read -r _; do :; done"


def test_a_login_of_linux_is_no_sac(rack: Rack) -> None:
    console = shlex.join(("bash", "-c", f"stty icrnl; {LINUX}"))
    ended = rack.site.inside(
        *("run", "--console", console, *SAC, "--playbook", rack.site.three, "--yes", "-o", "json")
    )
    assert (ended.code, ended.result["outcome"], ended.result["touched"]) == (
        *(6, "unreachable", "no"),
    )
    assert ended.error["slug"] == "console.sac_unavailable"
    assert "myvm login:" in ended.error["screen"]
    assert "SAC exists on Windows Server only" in ended.error["remedy"]


def dropped(rack: Rack, machine: Machine, *args: str, down: Path | None = None) -> Ended:
    """Run, and hang the console up in the middle of the changes; `down` is then a file."""
    with rack.begin(machine, *args) as process:
        assert process.stderr is not None
        read = until(process.stderr, "1/3 changed")
        if down is not None:
            down.touch()
        rack.site.lab.call(lambda _: rack.sockets[machine.name].drop())
        out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, read + err)


def test_the_command_ends_in_the_middle(rack: Rack) -> None:
    machine = rack.machine(delays=replace(INSTANT, command=0.05))
    ended = dropped(rack, machine, *SAC)
    assert ended.code == 0, ended.err
    assert {"dropped", "rejoined"} & {record["kind"] for record in rack.site.journal()}
    assert rack.sockets[machine.name].clients >= 4  # two for the changes, the restart, the proof
    repaired(machine)
    assert len(machine.writes) == 3


def test_a_command_that_ends_and_does_not_come_back(rack: Rack) -> None:
    machine = rack.machine(delays=replace(INSTANT, command=0.05))
    down = rack.site.home / "down"
    rack.prefix = f"[ -e {down} ] && {{ echo Connection refused; exit 7; }}; exec"
    ended = dropped(rack, machine, *SAC, down=down)
    assert (ended.code, ended.result["touched"]) == (6, "yes")
    assert ended.error["slug"] == "transport.command_ended"
    assert "ended with exit code 7: Connection refused" in ended.error["message"]
    assert any("was left behind" in warning for warning in ended.result["warnings"])
    assert machine.guest.restarts == 0
    down.unlink()
    resumed = rack.site.inside("resume", ended.result["run_id"], "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    repaired(machine)
    assert len(machine.writes) == 3


# --- the restart --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "slug", "outcome"),
    [
        ("does-not-exist", "restart.refused", "failed"),
        ("sh -c 'echo no such instance; exit 4'", "restart.failed", "failed"),
    ],
)
def test_a_restart_command_that_fails(rack: Rack, command: str, slug: str, outcome: str) -> None:
    machine = rack.machine()
    ended = rack.run(machine, "--restart-command", command)
    assert (ended.code, ended.result["outcome"], ended.result["touched"]) == (8, outcome, "yes")
    assert ended.error["slug"] == slug
    assert ended.result["restart"]["outcome"] == "failed"
    repaired(machine, restarts=0)
    resumed = rack.site.inside("resume", ended.result["run_id"], "--yes", "-o", "json")
    assert resumed.code == 8
    refused = slug == "restart.refused"  # only what surely did not begin is asked for again
    assert resumed.error["slug"] == (slug if refused else "restart")
    assert refused or "not restarted again" in resumed.error["message"]
    if not refused:
        assert "exit code 4: no such instance" in ended.error["message"]
        assert resumed.result["outcome"] == "unknown"


def test_sac_refuses_and_is_asked_again(rack: Rack) -> None:
    machine = rack.machine()
    machine.faults(sac_restart_fails=True)
    ended = rack.run(machine, *SAC)
    assert (ended.code, ended.error["slug"]) == (8, "restart.refused")
    repaired(machine, restarts=0)
    machine.faults(sac_restart_fails=False)
    resumed = rack.site.inside("resume", ended.result["run_id"], "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    repaired(machine)


def test_a_restart_that_nobody_sees_is_unknown(rack: Rack) -> None:
    machine = rack.machine()
    rack.site.patience = replace(QUICK_CONSOLE, work=replace(QUICK.work, boot=0.5))
    args = rack.args(machine, "--yes", "--restart-command", "true")
    ended = rack.site.inside("run", *args)
    assert (ended.code, ended.result["outcome"]) == (8, "unknown")
    assert ended.result["restart"]["outcome"] == "unknown"
    assert "showed no sign of it" in ended.error["message"]
    repaired(machine, restarts=0)
    machine.do(lambda vm: vm.guest.restart())  # by hand, as the remedy says
    resumed = rack.site.inside("resume", ended.result["run_id"], "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    assert (resumed.result["outcome"], resumed.result["restart"]["outcome"]) == (
        *("changed", "changed"),
    )
    repaired(machine)


def test_a_restart_command_that_hangs(rack: Rack) -> None:
    machine = rack.machine()
    ended = rack.site.inside(
        "run", *rack.args(machine, "--yes", "--restart-command", "sh -c 'sleep 1000'")
    )
    assert (ended.code, ended.result["outcome"]) == (8, "unknown")
    assert "has not ended after 0.5 s" in ended.error["message"]


# --- ended from outside -------------------------------------------------------------------------

DEATHS = (
    ("by command", "after:step_entering", 2),
    ("by SAC", "entered", 10),
    ("by SAC", "after:restart_accepted", 1),
    ("by command", "after:restart_done", 1),
)


@pytest.mark.parametrize(("way", "moment", "nth"), DEATHS)
def test_killed_and_resumed(rack: Rack, way: str, moment: str, nth: int) -> None:
    machine = rack.machine()
    run = rack.killed(machine, moment, nth, *how(rack, machine, way))
    ended = rack.site.inside("resume", run, "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    assert ended.result["outcome"] == "changed"
    assert [step["outcome"] for step in ended.result["steps"]] == ["changed"] * 3
    repaired(machine)
    assert len(machine.writes) == 3, machine.writes


@pytest.mark.parametrize(
    ("way", "moment"),
    [
        ("by command", "after:restart_requested"),
        ("by command", "before:restart_accepted"),
        ("by SAC", "after:restart_requested"),
        ("by SAC", "before:restart_accepted"),
    ],
)
def test_killed_at_the_restart(rack: Rack, way: str, moment: str) -> None:
    machine = rack.machine()
    run = rack.killed(machine, moment, 1, *how(rack, machine, way))
    begun = moment == "before:restart_accepted"
    for _ in range(2):
        ended = rack.site.inside("resume", run, "--yes", "-o", "json")
        assert (ended.code, ended.result["outcome"]) == (8, "unknown")
        assert "not restarted again" in ended.error["message"]
    repaired(machine, restarts=begun)


def test_a_signal_ends_it_in_order_and_nothing_is_left_running(rack: Rack) -> None:
    machine = rack.machine(delays=replace(INSTANT, command=0.04))
    with rack.begin(machine, *SAC) as process:
        assert process.stderr is not None
        read = until(process.stderr, "1/3 changed")
        os.killpg(
            process.pid, signal.SIGINT
        )  # as a terminal does; the console's command is not hit
        out, err = process.communicate(timeout=60)
    ended = Ended(process.returncode, out, read + err)
    assert (ended.code, ended.error["slug"]) == (130, "interrupted"), ended.err
    assert machine.channels == []
    assert not any("not left clean" in warning for warning in ended.result["warnings"])
    assert listening(rack, machine) == "nobody"
    resumed = rack.site.inside("resume", ended.result["run_id"], "--yes")
    assert resumed.code == 0, resumed.err
    repaired(machine)


def listening(rack: Rack, machine: Machine) -> str:
    writer = rack.sockets[machine.name]._writer
    return "somebody" if writer is not None and not writer.is_closing() else "nobody"


def test_one_run_at_a_time_on_one_console(rack: Rack) -> None:
    machine = rack.machine(delays=replace(INSTANT, command=0.05))
    with rack.begin(machine, *SAC) as process:
        assert process.stderr is not None
        until(process.stderr, "] plan  ")
        beside = rack.site.inside("run", *rack.args(machine, "--yes", *SAC))
        process.communicate(timeout=60)
    assert (beside.code, beside.result["outcome"]) == (5, "refused")
    assert "is working on this VM: console:" in beside.error["message"]
    assert process.returncode == 0
    repaired(machine)


# --- secrets ------------------------------------------------------------------------------------


def test_the_guests_password_reaches_no_command_and_no_file(rack: Rack) -> None:
    machine = rack.machine()
    seen = rack.site.home / "environment"
    rack.prefix = f"env > {seen}; exec"
    ended = rack.run(machine)
    assert ended.code == 0, ended.err
    password = rack.site.env["SERIALFIX_GUEST_PASSWORD"]
    assert password not in seen.read_text()
    kept = b"".join(path.read_bytes() for path in rack.site.state.rglob("*") if path.is_file())
    assert password.encode() not in kept
    assert password not in ended.out + ended.err


@pytest.mark.parametrize(
    "make",
    [
        lambda console, _: ("--console", f"sshpass -p {'S3CRET'} {console}"),
        lambda console, _: ("--console", console, "--restart-command", "x --password S3CRET"),
        lambda console, password: ("--console", f"{console} {shlex.quote(password)}"),
    ],
)
def test_a_password_in_a_command_is_kept_nowhere(
    rack: Rack, make: Callable[[str, str], tuple[str, ...]]
) -> None:
    machine = rack.machine()
    password = rack.site.env["SERIALFIX_GUEST_PASSWORD"]
    ended = rack.site.inside(
        *("run", *make(rack.console(machine), password)),
        *("--playbook", rack.site.three, "--yes", "-o", "json"),
    )
    assert (ended.code, ended.out) == (2, "")
    assert rack.site.runs == []
    assert "S3CRET" not in ended.err
    assert password not in ended.err
    machine.untouched(attached=False)


def test_by_hand(rack: Rack) -> None:
    """`attach --console`: the same person, guard and recording; no orders, which are Azure's."""
    machine = rack.machine()
    sitting = Sitting(rack.site, "attach", "--console", rack.console(machine), "--yes")
    sitting.see("is the menu")
    sitting.knock("SAC>")
    log_in(sitting)
    sitting.type("ver\r", "Version 10.0.20348")
    sitting.type(MENU, "q  leave")
    assert "NMI" not in sitting.shown
    sitting.type("q")
    assert sitting.end() == 0
    assert "ver" in machine.lines
    assert leaks(rack.site) == []


def test_by_hand_and_a_run_exclude_each_other(rack: Rack) -> None:
    machine = rack.machine()
    sitting = Sitting(rack.site, "attach", "--console", rack.console(machine), "--yes")
    sitting.see("is the menu")
    ended = rack.run(machine)
    assert ended.code == 5
    assert "serialfix attach" in " ".join(ended.err.split())
    assert machine.lines == []
    assert leave(sitting) == 0
