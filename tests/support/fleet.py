"""A fleet in the lab: VMs, workers as processes that can be killed, and the lab as the judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serialfix.fleet.database import open_database
from serialfix.fleet.desk import Desk
from serialfix.fleet.standing import Standing, State
from serialfix.fleet.worker import LOST
from serialfix.lab.build import make_vm
from serialfix.lab.faults import Delays
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.switches import ArmDelays, GatewayFaults
from serialfix.lab.vm import LabVm
from tests.e2e.conftest import COMMAND, IN_THREE, THREE, Ended, flat, rdp_reset_on
from tests.support.postgres import until


TAKEOVER = 5.0


class Fleet:
    """So many VMs with a broken listener, a database, and a user's folder."""

    def __init__(self, lab: LabThread, home: Path, database: str) -> None:
        self.lab = lab
        self.home = home
        self.database = database
        self.services: dict[str, subprocess.Popen[bytes]] = {}
        """Workers by their hosts, started anew when they end because of the database."""
        self.commands: list[subprocess.Popen[bytes]] = []
        self.playbook = home / "three.yaml"
        self.playbook.write_text(THREE)
        drop = ("AZURE_", "SERIALFIX_", "IDENTITY_")
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(drop) and not name.lower().endswith("_proxy")
        }
        self.env |= lab.env
        self.env |= {"SERIALFIX_STATE_DIR": str(home / "state"), "SERIALFIX_DATABASE": database}
        self.before = {vm.name: self.registry(vm) for vm in self.vms}

    @property
    def vms(self) -> list[LabVm]:
        return self.lab.lab.vms

    def registry(self, vm: LabVm) -> dict[tuple[str, str], Any]:
        guest: Any = vm.guest
        return flat(guest.registry.dump())

    # --- commands and workers ---------------------------------------------------------------------

    def command(self, *args: str, timeout: float = 100) -> Ended:
        """The installed command, to its end."""
        done = subprocess.run(
            [COMMAND, "fleet", *args],
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def process(self, *args: str) -> subprocess.Popen[bytes]:
        """The installed command, started; it is ended with the fleet."""
        with (self.home / f"command-{len(self.commands)}.log").open("wb") as log:
            process = subprocess.Popen(
                [COMMAND, "fleet", *args],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.commands.append(process)
        return process

    def begun(self) -> str:
        """The id of the one fleet run, once there is one."""
        with self.desk() as desk:
            until(lambda: len(desk.standings()) == 1, "a fleet run")
            return desk.standings()[0].run.id

    def begin(self, *args: str, what: str = "run") -> str:
        """Begin a fleet run on all VMs and do not watch it; its id."""
        options = ("--playbook", str(self.playbook), "--detach", "-o", "json")
        yes = ("--yes",) if what == "run" else ()
        which = () if {"--name", "--ids", "-g"} & set(args) else ("--all",)
        ended = self.command(what, *options, *yes, *which, *args)
        assert ended.code == 0, ended.err
        return str(ended.result["run_id"])

    def worker(self, host: str = "host") -> subprocess.Popen[bytes]:
        """Start a worker; it is ended with the fleet."""
        with (self.home / f"{host}.log").open("ab") as log:
            self.services[host] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.support.quick_worker"),
                    *(self.database, host, str(self.home / f"state-{host}"), str(TAKEOVER)),
                ],
                env=self.env,
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.services[host]

    def kill(self, host: str) -> None:
        """SIGKILL; the worker is not started again."""
        process = self.services.pop(host)
        process.kill()
        process.wait()

    def terminate(self, host: str) -> None:
        """SIGTERM, and wait for the end in order."""
        process = self.services.pop(host)
        process.terminate()
        until(lambda: process.poll() == 0, f"the end of worker {host} in order")

    def serve(self) -> None:
        """What a service manager does."""
        for host, process in list(self.services.items()):
            if process.poll() == LOST:
                self.worker(host)

    def logs(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text()}" for path in sorted(self.home.glob("*.log"))
        )

    def close(self) -> None:
        for each in (*self.services.values(), *self.commands):
            each.kill()
            each.wait()

    # --- looking ----------------------------------------------------------------------------------

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        database = open_database(self.database, pool=2)
        try:
            yield Desk(database)
        finally:
            database.close()

    def standing(self, fleet: str) -> Standing:
        with self.desk() as desk:
            return desk.standing(fleet)

    def until_ended(self, fleet: str, seconds: float = 90) -> dict[str, Any]:
        """Wait for its end; the whole of it as JSON."""
        with self.desk() as desk:
            self._until(
                lambda: desk.standing(fleet).run.state is State.ENDED,
                f"the end of {fleet}",
                seconds,
            )
        shown = self.command("report", fleet, "-o", "json")
        found: dict[str, Any] = json.loads(shown.out)
        return found

    def until_some_ended(self, fleet: str, number: int) -> None:
        """Wait until so many targets have ended."""
        with self.desk() as desk:
            self._until(
                lambda: desk.standing(fleet).outcomes.total() >= number,
                f"the end of {number} targets",
                60,
            )

    def _until(self, happened: Callable[[], bool], what: str, seconds: float) -> None:
        def served() -> bool:
            self.serve()
            return happened()

        try:
            until(served, what, seconds=seconds)
        except TimeoutError as error:
            alive = {host: process.poll() for host, process in self.services.items()}
            raise TimeoutError(f"{error}; workers {alive}\n{self.logs()[-4000:]}") from None

    # --- the judge --------------------------------------------------------------------------------

    def repaired(self, vm: LabVm, *, restarts: int = 1) -> list[str]:
        """What is not as it has to be after one good remediation, by the lab alone."""
        guest: Any = vm.guest
        wrong = []
        if self.registry(vm) != rdp_reset_on(self.before[vm.name], IN_THREE):
            wrong.append("its registry is not what the playbook wants")
        if vm.commands["restart"] != restarts or guest.restarts != restarts:
            wrong.append(f"{vm.commands['restart']} restarts, {guest.restarts} of the guest")
        return wrong + self.sane(vm)

    def sane(self, vm: LabVm) -> list[str]:
        """What may never be, whatever happened to the VM."""
        wrong = []
        if vm.displaced:
            wrong.append(f"{vm.displaced} sessions were ended by another one")
        if vm.commands["restart"] > 1:
            wrong.append(f"{vm.commands['restart']} restarts")
        return wrong


def make_fleet_lab(number: int, **more: Any) -> Lab:
    """So many VMs that answer at once."""
    return Lab(
        [
            make_vm(
                f"vm-{each:03}",
                delays=Delays.instant(),
                gateway=GatewayFaults(greeting_delay=0),
                agent_ready=False,
                **more,
            )
            for each in range(number)
        ],
        delays=ArmDelays.instant(),
    )
