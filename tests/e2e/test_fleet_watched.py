"""Who watches a fleet run may go, in any way; it goes on, and whoever comes back sees its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from serialfix.fleet.presence import alive
from serialfix.lab.server import LabThread
from tests.support.fleet import Fleet, make_fleet_lab
from tests.support.postgres import until


pytestmark = pytest.mark.timeout(180)
VMS = 20


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A user with nothing but the command: the worker is the one that it starts."""
    with LabThread(lambda: make_fleet_lab(VMS)) as lab:
        fleet = Fleet(lab, tmp_path, str(tmp_path / "state" / "fleet.db"))
        try:
            yield fleet
        finally:
            for each in background(fleet):
                os.kill(each, signal.SIGKILL)


def background(fleet: Fleet) -> list[int]:
    """The processes that work on its database."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "worker" in words and fleet.database in words:
            found.append(int(folder.name))
    return found


def shown(text: str) -> str:
    """What the terminal shows after all this."""
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(text)
    return "\n".join(row.rstrip() for row in screen.display)


def test_who_watches_may_go(fleet: Fleet) -> None:
    start = ("fleet", "run", "-p", str(fleet.playbook), "--all", "--waves", "1,rest")
    with fleet.at_a_terminal(*start, "--max-concurrency", "5") as person:
        person.expect(r"Begin: three on 20 VMs\? \[y/N\] ")
        assert "20 of 20 VMs" in person.before
        assert not any(vm.connects for vm in fleet.vms)
        person.sendline("y")
        person.expect("wave 1 ")  # on the whole terminal
        person.sendintr()
        assert ended(person) == 130
        said = " ".join(person.before.split())
        assert "the run goes on in the background" in said
        (run,) = {word for word in said.split() if word.count("-") == 2 and word[:2] == "20"}
        for verb in ("watch", "pause", "cancel"):
            assert f"serialfix fleet {verb} {run}" in said
    fleet.until_some_ended(run, 1)

    with fleet.at_a_terminal("fleet", "watch", run) as person:
        person.expect("wave 2 ")
        person.kill(signal.SIGHUP)  # what closing a terminal does
        person.expect(pexpect.EOF)
    with fleet.at_a_terminal("fleet", "watch", run) as person:
        person.expect("wave 2 ")
        person.kill(signal.SIGKILL)
        person.expect(pexpect.EOF)
    before = fleet.standing(run).outcomes.total()
    fleet.until_some_ended(run, before + 1)

    (worker,) = background(fleet)
    os.kill(worker, signal.SIGKILL)
    with fleet.desk() as desk:
        until(lambda: not alive(desk.database), "the end of the worker")
        left = desk.standing(run)
    assert left.outcomes.total() < VMS
    with fleet.at_a_terminal("fleet", "watch", run) as person:
        assert ended(person) == 0
        end = shown(person.before)
    assert f"serialfix fleet undo {run}" in end
    (other,) = background(fleet)
    assert other != worker
    assert {vm.name: fleet.repaired(vm) for vm in fleet.vms} == {vm.name: [] for vm in fleet.vms}
    until(lambda: not background(fleet), "the end of a worker that nobody needs", seconds=30)


def test_no_is_no(fleet: Fleet) -> None:
    with fleet.at_a_terminal("fleet", "run", "-p", str(fleet.playbook), "--all") as person:
        person.expect(r"\[y/N\] ")
        person.sendline("")
        assert ended(person) == 2
        assert "not confirmed, and not begun" in person.before
    with fleet.at_a_terminal("fleet", "run", "-p", str(fleet.playbook), "--all") as person:
        person.expect(r"\[y/N\] ")
        person.sendintr()
        assert ended(person) == 130
        assert "interrupted before anything was begun" in person.before
    assert fleet.inside("list", "-o", "json").out.strip() == "[]"
    assert (background(fleet), any(vm.connects for vm in fleet.vms)) == ([], False)


def ended(child: Any) -> int:
    child.expect(pexpect.EOF)
    child.close()
    code: int = child.exitstatus
    return code
