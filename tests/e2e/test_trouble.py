"""Bad luck in the middle of a run, on the console and around the restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.conftest import IN_THREE, INSTANT, QUICK, Site, rdp_reset_on
from tests.e2e.test_refusals import says


def when(ready: Callable[[], Any], act: Callable[[], Any]) -> threading.Thread:
    """Do something as soon as it is so far."""

    def wait() -> None:
        until(ready)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def until(ready: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_the_vm_reboots_by_itself(site: Site) -> None:
    machine = site.machine(on=False)
    machine.faults(reboot_after=10)
    machine.do(lambda vm: vm.guest.power_on())
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.error["slug"]) == (6, "console.guest_rebooted"), ended.err
    says(ended.err, "the guest restarted while we worked in it", "serialfix resume")
    assert machine.restarts == 0
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    assert machine.registry == rdp_reset_on(machine.before, IN_THREE)
    assert (machine.restarts, machine.guest.boots, machine.channels) == (1, 3, [])


def test_the_vm_crashes(site: Site) -> None:
    machine = site.machine(on=False, delays=replace(INSTANT, bugcheck=0.5))
    machine.faults(bugcheck_after=10)
    machine.do(lambda vm: vm.guest.power_on())
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.error["slug"]) == (6, "console.guest_rebooted"), ended.err
    says(ended.err, "the guest crashed", "serialfix resume")


@pytest.mark.parametrize(
    ("after", "code"), [(500, 1006), (700, 1011), (900, 1006), (1100, 1000), (1300, 1006)]
)
def test_the_websocket_drops_in_the_middle(site: Site, after: int, code: int) -> None:
    machine = site.machine()
    machine.gateway(drop_after_bytes=after, drop_code=code)
    ended = site.run(machine, playbook=site.three)
    assert ended.code == 0, ended.err
    assert machine.vm.drops == 1
    says(ended.err, "attaching again")
    machine.repaired(IN_THREE)
    assert len(machine.writes) == 3, machine.writes
    assert machine.logins == 2


def test_the_websocket_drops_in_the_proof(site: Site) -> None:
    machine = site.machine(delays=replace(INSTANT, command=0.02))
    thread = when(
        lambda: len(machine.writes) == 3,
        lambda: machine.gateway(drop_after_bytes=300),  # from the next session on
    )
    ended = site.run(machine, playbook=site.three)
    thread.join()
    assert ended.code == 0, ended.err
    assert machine.vm.drops == 1
    machine.repaired(IN_THREE)


def test_it_drops_too_often(site: Site) -> None:
    machine = site.machine()
    machine.gateway(drop_after_bytes=400, drops=10)
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.error["slug"]) == (6, "transport.gateway_closed"), ended.err
    assert machine.restarts == 0
    machine.gateway(drop_after_bytes=None)
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    machine.repaired(IN_THREE)


def test_somebody_takes_the_console_over(site: Site) -> None:
    machine = site.machine(delays=replace(INSTANT, command=0.02))
    thread = when(
        lambda: machine.writes,
        lambda: machine.lab.call(lambda lab: lab.gateway.take_over(machine.vm)),
    )
    ended = site.run(machine)
    thread.join()
    assert (ended.code, ended.error["slug"]) == (6, "transport.session_taken_over"), ended.err
    says(ended.err, "another user", "Agree with the other person", "serialfix resume")
    assert machine.vm.sessions == 1  # nobody fights for the console
    assert machine.restarts == 0
    assert ended.result["touched"] in ("maybe", "yes")
    says(ended.err, "the console was not left clean")
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    machine.repaired()
    assert len(machine.writes) <= 17


# --- the restart ------------------------------------------------------------------------------


def test_the_restart_fails(site: Site) -> None:
    machine = site.machine()
    machine.arm(restart_fails=True)
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.error["slug"]) == (8, "restart.failed")
    assert (ended.result["outcome"], ended.result["touched"]) == ("failed", "yes")
    assert ended.result["restart"]["outcome"] == "failed"
    says(ended.err, "failed: InternalExecutionError: An internal execution error", "az vm restart")
    assert machine.restarts == 1
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert (resumed.code, resumed.error["slug"]) == (8, "restart.failed")
    assert machine.restarts == 1  # a restart that failed may have been half of one
    machine.arm(restart_fails=False)
    machine.do(lambda vm: vm.guest.restart())  # by hand, as the remedy says
    again = site.run(machine, playbook=site.three)
    assert (again.code, again.result["outcome"]) == (0, "ok")


def test_the_restart_hangs(site: Site) -> None:
    machine = site.machine()
    machine.arm(restart_hangs=True)
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.error["slug"]) == (8, "restart")
    assert (ended.result["outcome"], ended.result["restart"]["outcome"]) == ("unknown", "unknown")
    says(ended.err, "has not ended after 0.5 s; its last status is InProgress", "same restart")
    operation = ended.result["restart"]["operation"]
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert (resumed.code, resumed.result["restart"]["operation"]) == (8, operation)
    assert machine.restarts == 1


def test_the_restart_ends_after_all(site: Site) -> None:
    machine = site.machine()
    delays = site.lab.lab.cloud.delays
    site.lab.call(lambda lab: setattr(lab.cloud, "delays", replace(delays, restart=1.0)))
    try:
        ended = site.run(machine, playbook=site.three)
    finally:
        site.lab.call(lambda lab: setattr(lab.cloud, "delays", delays))
    assert (ended.code, ended.result["outcome"]) == (8, "unknown")
    site.patience = replace(QUICK, restart=10)
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert (resumed.code, resumed.result["outcome"]) == (0, "changed"), resumed.err
    machine.repaired(IN_THREE)


def test_the_operation_is_lost(site: Site) -> None:
    machine = site.machine()
    machine.arm(restart_op_lost=True)
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.result["outcome"]) == (8, "unknown")
    says(ended.err, "404 NotFound", "az vm get-instance-view")
    assert (machine.restarts, machine.guest.restarts) == (1, 1)
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert resumed.code == 8
    assert (machine.restarts, machine.guest.restarts) == (1, 1)


def test_the_answer_to_the_restart_is_lost(site: Site) -> None:
    machine = site.machine(delays=replace(INSTANT, command=0.02))
    site.azure = replace(site.azure, read_timeout=0.4)
    thread = when(lambda: len(machine.writes) == 3, lambda: machine.arm(slow=1.0))
    ended = site.run(machine, playbook=site.three)
    thread.join()
    assert (ended.code, ended.error["slug"]) == (8, "restart"), ended.err
    assert (ended.result["outcome"], ended.result["restart"]["outcome"]) == ("unknown", "unknown")
    until(lambda: machine.restarts)  # it did begin
    machine.arm(slow=0)
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert (resumed.code, resumed.result["outcome"]) == (8, "unknown")
    says(resumed.err, "is not restarted again", "activity log")
    assert (machine.restarts, machine.guest.restarts) == (1, 1)


def test_the_service_does_not_come_up(site: Site) -> None:
    machine = site.machine()
    machine.faults(stopped_service=True)
    ended = site.run(machine)
    assert (ended.code, ended.error["slug"]) == (8, "restart")
    assert (ended.result["outcome"], ended.result["touched"]) == ("failed", "yes")
    says(ended.err, "but after the restart: service TermService is STOPPED", "serialfix undo")
    outcomes = {proof["id"]: proof["outcome"] for proof in ended.result["proof"]}
    assert outcomes["registry"] == "ok"
    assert "failed" in outcomes.values()
    machine.repaired()
    machine.faults(stopped_service=False)
    machine.do(lambda vm: vm.guest.restart())
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert (resumed.code, resumed.result["outcome"]) == (0, "changed"), resumed.err
    assert machine.restarts == 1


def test_the_service_is_down_and_nothing_is_to_be_changed(site: Site) -> None:
    machine = site.machine()
    assert site.run(machine).code == 0
    machine.faults(stopped_service=True)
    machine.do(lambda vm: vm.guest.restart())
    ended = site.run(machine)
    assert ended.code == 8, ended.out
    says(ended.err, "TermService is STOPPED")


def test_the_console_does_not_come_back(site: Site) -> None:
    machine = site.machine()
    machine.faults(sac_absent="health_report")
    ended = site.run(machine, playbook=site.three)
    assert ended.code == 8
    says(ended.err, "its console does not prove that it is well", "serialfix resume")
    machine.faults(sac_absent="")
    machine.do(lambda vm: vm.guest.reset())
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    assert machine.restarts == 1


def test_the_connect_is_refused_for_a_while_after_the_restart(site: Site) -> None:
    machine = site.machine(delays=replace(INSTANT, command=0.02))
    thread = when(lambda: len(machine.writes) == 3, lambda: machine.arm(connect_rejects=2))
    ended = site.run(machine, playbook=site.three)
    thread.join()
    assert ended.code == 0, ended.err
    machine.repaired(IN_THREE)


# --- steps ------------------------------------------------------------------------------------


def test_a_write_that_is_refused(site: Site) -> None:
    machine = site.machine()
    machine.faults(reg_fails_for="KeepAliveEnable")
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.error["slug"]) == (7, "step.command_failed")
    assert [step["outcome"] for step in ended.result["steps"]] == [
        "changed",
        "failed",
        "not_started",
    ]
    assert (machine.restarts, machine.channels) == (0, [])
    undone = site.inside("undo", site.runs[0].name, "--yes", "--no-restart")
    assert undone.code == 0, undone.err
    assert machine.registry == machine.before


def test_a_write_that_reports_success_and_did_nothing(site: Site) -> None:
    machine = site.machine()
    machine.faults(reg_lies_for="SecurityLayer")
    ended = site.run(machine, playbook=site.three)
    assert (ended.code, ended.error["slug"]) == (7, "step.verify_mismatch")
    assert (ended.result["touched"], machine.restarts) == ("no", 0)
    assert machine.registry == machine.before
