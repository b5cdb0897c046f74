"""The installed command against the lab, over TLS; one lab per worker, and VMs of its own per test.

`Site.command` is a process, as a user has it. `Site.inside` is the same command line in this
process with the deadlines shrunk, for what would otherwise be waited for.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pytest

import serialfix.remediation.run as work_module
from serialfix.azure.identity import AzurePatience
from serialfix.cli.main import end_of
from serialfix.console.machine import Patience
from serialfix.lab.build import make_vm
from serialfix.lab.faults import Delays
from serialfix.lab.guest import Entered
from serialfix.lab.profiles import LST, POL
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.switches import ArmDelays, GatewayFaults
from serialfix.lab.vm import LabVm
from serialfix.model import RegistryType, RegistryValue
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.run import RunPatience
from serialfix.remediation.work import WorkPatience
from serialfix.transport.gateway import GatewayPatience


COMMAND = str(Path(sys.executable).with_name("serialfix"))
INSTANT = Delays.instant()
_WINSTATION = r"HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\Terminal Server\WinStations\RDP-Tcp"
_POLICY = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"

SIXTEEN = {
    (_WINSTATION, "SecurityLayer"): 0,
    (_WINSTATION, "MinEncryptionLevel"): 1,
    (_WINSTATION, "fQueryUserConfigFromLocalMachine"): 1,
    (_WINSTATION, "KeepAliveTimeout"): 1,
    (_POLICY, "KeepAliveEnable"): 1,
    (_POLICY, "KeepAliveInterval"): 1,
    (_WINSTATION, "fInheritReconnectSame"): 0,
    (_WINSTATION, "fReconnectSame"): 1,
    (_POLICY, "fDisableAutoReconnect"): 0,
    (_WINSTATION, "fInheritMaxSessionTime"): 1,
    (_WINSTATION, "fInheritMaxDisconnectionTime"): 1,
    (_WINSTATION, "MaxDisconnectionTime"): 0,
    (_WINSTATION, "MaxConnectionTime"): 0,
    (_WINSTATION, "fInheritMaxIdleTime"): 1,
    (_WINSTATION, "MaxIdleTime"): 0,
    (_WINSTATION, "MaxInstanceCount"): 4294967295,
}
"""The article's writes (catalogue §4.1), copied by hand and not from the playbook."""


def _step(name: str, key: str, value: str, data: str) -> str:
    wish = f"{{key: {key}, value: {value}, type: REG_DWORD, data: {data}}}"
    return f"  - id: {name}\n    why: For a test.\n    registry: {wish}\n"


THREE = f"""
schema: 1
name: three
version: "1.0"
title: Three values
description: The first, one that is absent, and the last of the article's.
restart: if_changed
steps:
{_step("first", LST, "SecurityLayer", "0")}
{_step("absent", POL, "KeepAliveEnable", "1")}
{_step("last", LST, "MaxInstanceCount", "0xffffffff")}
proofs:
  - service: {{name: TermService, state: running}}
"""
"""A short playbook, for what is repeated often."""

IN_THREE = ("SecurityLayer", "KeepAliveEnable", "MaxInstanceCount")

QUICK = RunPatience(
    console=Patience(
        backlog=0.5, home=1, sac=1.5, reveal=0.3, channel=1, registration=1, login=2, leave=1
    ),
    gateway=GatewayPatience(attempts=3, delays=(0.01,), verdict=0.3, notice=0.2, close_timeout=0.5),
    guest=GuestPatience(proof=0.3, proof_pause=0.05),
    work=WorkPatience(boot=1.0, look=0.05, reboot=0.1, reboot_looks=1),
    restart=0.5,
)

Flat = dict[tuple[str, str], RegistryValue | None]


def flat(dump: Mapping[str, object], path: str = "") -> Flat:
    """Every value by key and name, and every key as a value without name that is None."""
    found: Flat = {}
    for name, entry in dump.items():
        if isinstance(entry, dict):
            below = f"{path}\\{name[:-1]}".lstrip("\\")
            found |= {(below, ""): None} | flat(entry, below)
        elif isinstance(entry, RegistryValue):
            found[path, name or "(default)"] = entry
    return found


def rdp_reset_on(before: Flat, names: tuple[str, ...] = ()) -> Flat:
    """The registry after the playbook: the values of these names (all 16), and the policy's key.

    A fresh server has neither that key nor the one above it.
    """
    return (
        before
        | {(_POLICY, ""): None, (_POLICY.rpartition("\\")[0], ""): None}
        | {
            place: RegistryValue(RegistryType.DWORD, number)
            for place, number in SIXTEEN.items()
            if not names or place[1] in names
        }
    )


@dataclass(frozen=True)
class Ended:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON on stdout."""
        assert self.out, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def error(self) -> dict[str, str]:
        """The error in it."""
        found: dict[str, str] = self.result["error"]
        return found


@dataclass
class Machine:
    """A VM of the lab, and what it was before."""

    lab: LabThread
    vm: LabVm
    before: Flat

    @property
    def name(self) -> str:
        return self.vm.name

    @property
    def guest(self) -> Any:
        return self.vm.guest

    def do(self, what: Callable[[Any], Any]) -> Any:
        """Something with the VM, in the lab's own thread."""
        return self.lab.call(lambda _: what(self.vm))

    def faults(self, **switches: Any) -> None:
        """Turn switches of the guest."""
        self.do(lambda vm: setattr(vm.guest, "faults", replace(self.guest.faults, **switches)))

    def arm(self, **switches: Any) -> None:
        """Turn switches of its ARM."""
        self.do(lambda vm: setattr(vm, "arm", replace(vm.arm, **switches)))

    def gateway(self, **switches: Any) -> None:
        """Turn switches of its gateway."""
        self.do(lambda vm: setattr(vm, "gateway", replace(vm.gateway, **switches)))

    @property
    def registry(self) -> Flat:
        """The whole registry now."""
        return flat(self.do(lambda vm: vm.guest.registry.dump()))

    @property
    def entered(self) -> list[Entered]:
        """Every line for which Enter reached a prompt."""
        return list(self.guest.entered)

    @property
    def lines(self) -> list[str]:
        """All lines entered in CMD channels."""
        return [e.line for e in self.entered if e.where.startswith("Cmd")]

    @property
    def writes(self) -> list[str]:
        """Those of them that change something."""
        return [line for line in self.lines if re.match(r"reg\s+(?!query)", line)]

    @property
    def logins(self) -> int:
        """How often a password was entered."""
        return sum(e.where == "login" and set(e.line) == {"*"} for e in self.entered)

    @property
    def restarts(self) -> int:
        """Restarts that ARM accepted; the guest's own count must be the same."""
        return self.vm.commands["restart"]

    @property
    def channels(self) -> list[str]:
        """The CMD channels that are open now."""
        found: list[str] = self.do(lambda vm: [each.name for each in vm.guest._sac.sessions])
        return found

    def untouched(self, *, attached: bool) -> None:
        """Nothing in it was changed, nothing was restarted; `attached`: somebody looked."""
        assert self.registry == self.before
        assert (self.writes, self.restarts, self.guest.restarts) == ([], 0, 0)
        if not attached:
            assert (self.vm.connects, self.vm.sessions, self.entered) == (0, 0, [])

    def repaired(self, names: tuple[str, ...] = ()) -> None:
        """Exactly the wanted values, one restart, the console clean."""
        assert self.registry == rdp_reset_on(self.before, names)
        assert (self.restarts, self.guest.restarts) == (1, 1)
        assert self.channels == []


@dataclass
class Site:
    """A user's machine: its folder of state, its environment, and the lab in the cloud's place."""

    lab: LabThread
    home: Path
    env: dict[str, str]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    names: Iterator[str]
    azure: AzurePatience
    patience: RunPatience = QUICK

    @property
    def state(self) -> Path:
        return self.home / "state"

    @functools.cached_property
    def three(self) -> str:
        """The file of the short playbook."""
        path = self.home / "three.yaml"
        path.write_text(THREE)
        return str(path)

    def machine(self, *, name: str = "", on: bool = True, **settings: Any) -> Machine:
        """A VM with a broken listener, running unless told otherwise; `settings` of `make_vm`."""
        settings = {
            "delays": INSTANT,
            "gateway": GatewayFaults(greeting_delay=0),
            "agent_ready": False,
            **settings,
        }

        def add(lab: Lab) -> LabVm:
            vm = make_vm(name or next(self.names), **settings)
            lab.vms.append(vm)
            if on and vm.power == "running":
                vm.guest.power_on()
            return vm

        vm = self.lab.call(add)
        guest: Any = vm.guest
        return Machine(self.lab, vm, flat(guest.registry.dump()))

    def process(self, *args: str, **more: Any) -> subprocess.Popen[str]:
        """The installed command, started."""
        return subprocess.Popen(
            [*more.pop("program", [COMMAND]), *args],
            **{
                "env": {**self.env, **more.pop("env", {})},
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                **more,
            },
        )

    def command(self, *args: str, **more: Any) -> Ended:
        """The installed command, to its end."""
        with self.process(*args, **more) as process:
            out, err = process.communicate(timeout=60)
        return Ended(process.returncode, out, err)

    def inside(self, *args: str) -> Ended:
        """The same in this process, with little patience."""
        self.capsys.readouterr()
        code = end_of(args)
        return Ended(code, *self.capsys.readouterr())

    def run(self, machine: Machine, *args: str, playbook: str = "rdp-reset") -> Ended:
        """`run` on a machine, inside, with its result as JSON."""
        return self.inside(
            "run", "--vm", machine.name, "--playbook", playbook, "--yes", "-o", "json", *args
        )

    @property
    def runs(self) -> list[Path]:
        """The folders of all runs, oldest first."""
        return sorted((self.state / "runs").glob("*"), key=_begun)

    def journal(self, at: int = -1) -> list[dict[str, Any]]:
        """The records of a run."""
        lines = (self.runs[at] / "journal.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def _begun(run: Path) -> str:
    """When a run began; the second in its name is not enough here."""
    return str(json.loads((run / "journal.jsonl").read_text().partition("\n")[0])["at"])


def until(stream: IO[str], wanted: str) -> str:
    """Read lines up to the one with these words; all that was read."""
    read = ""
    for line in stream:
        read += line
        if wanted in line:
            return read
    raise AssertionError(f"{wanted!r} was not said in:\n{read}")


@pytest.fixture(scope="session")
def lab() -> Iterator[LabThread]:
    first = make_vm("elsewhere", delays=INSTANT, power="deallocated")
    with LabThread(lambda: Lab([first], delays=ArmDelays.instant())) as thread:
        yield thread


_NAMES = (f"vm-{number}" for number in itertools.count(1))


@pytest.fixture
def site(
    lab: LabThread,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    for name in list(os.environ):
        if name.startswith(("AZURE_", "SERIALFIX_", "IDENTITY_")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {**lab.env, "SERIALFIX_STATE_DIR": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)
    azure = AzurePatience(retries=1, backoff=0.01, retry_after_max=5, poll=0.02)
    site = Site(lab, tmp_path, dict(os.environ), monkeypatch, capsys, _NAMES, azure)
    for what in ("run", "undo", "resume"):
        work = getattr(work_module, what)

        def patient(subject: Any, options: Any, observer: Any, work: Any = work) -> Any:
            patience = replace(site.patience, azure=site.azure)
            return work(subject, replace(options, patience=patience), observer)

        monkeypatch.setattr(work_module, what, patient)
    return site
