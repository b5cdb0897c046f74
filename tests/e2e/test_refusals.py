"""Bad input, and an Azure that says no: the exit code, the text, and that the VM is as before."""

from __future__ import annotations

from typing import Any

import pytest

from serialfix.lab.switches import (
    FORBIDDEN,
    NO_CONSOLE_PERMISSION,
    SCOPE_LOCKED,
    Refusal,
)
from serialfix.lab.vm import SUBSCRIPTION
from tests.e2e.conftest import IN_THREE, THREE, Machine, Site


UNAUTHORIZED = Refusal(401, "InvalidAuthenticationToken", "The access token is invalid.")
NOT_FOUND = Refusal(404, "ResourceNotFound", "The resource was not found.")
THROTTLED = Refusal(429, "TooManyRequests", "Too many requests were made.", retry_after=300)

GET = "Microsoft.Compute/virtualMachines/read"
CONNECT = "Microsoft.SerialConsole/serialPorts/connect/action"
RESTART = "Microsoft.Compute/virtualMachines/restart/action"


def says(text: str, *words: str) -> None:
    """Whether all the words are there, wherever lines break."""
    flowing = " ".join(text.split())
    for each in words:
        assert each in flowing, text


# --- before Azure is asked --------------------------------------------------------------------


def test_an_unknown_playbook_names_the_nearest(site: Site) -> None:
    machine = site.machine()
    ended = site.command("run", "--vm", machine.name, "--playbook", "rdp-rest", "--yes")
    assert (ended.code, ended.out) == (2, "")
    says(
        ended.err, "no playbook is called 'rdp-rest'", "did you mean rdp-reset?", "[usage.playbook]"
    )
    machine.untouched(attached=False)
    assert not site.state.exists()


def test_a_mistake_in_a_playbook_is_told_with_its_place(site: Site) -> None:
    machine = site.machine()
    path = site.home / "mine.yaml"
    path.write_text("schema: 1\nname: mine\nsteps:\n  - id: a\n   why: b\n")
    ended = site.command("run", "--vm", machine.name, "--playbook", str(path), "--yes")
    assert (ended.code, ended.out) == (2, "")
    says(ended.err, f"{path}:5:4: not YAML")
    path.write_text(THREE.replace("REG_DWORD", "REG_DWROD", 1))
    ended = site.command("run", "--vm", machine.name, "--playbook", str(path), "--yes")
    assert (ended.code, ended.out) == (2, "")
    says(ended.err, f"{path}:11:", "did you mean REG_DWORD?")
    machine.untouched(attached=False)


def test_without_a_terminal_and_yes_nothing_begins(site: Site) -> None:
    machine = site.machine()
    ended = site.command("run", "--vm", machine.name, "--playbook", "rdp-reset")
    assert (ended.code, ended.out) == (2, "")
    says(ended.err, "nobody is there to confirm it", "--yes")
    machine.untouched(attached=False)
    assert not site.state.exists()


@pytest.mark.parametrize("ids", [("--ids", "{a} {b}"), ("--ids", "{a}", "--ids", "{b}")])
def test_several_ids_are_not_one_run(site: Site, ids: tuple[str, ...]) -> None:
    one, two = site.machine(), site.machine()
    args = (each.format(a=one.vm.id, b=two.vm.id) for each in ids)
    ended = site.command("run", "--playbook", "rdp-reset", "--yes", *args)
    assert (ended.code, ended.out) == (2, "")
    says(ended.err, "--ids names 2 VMs", "one run works on one VM")
    one.untouched(attached=False)
    two.untouched(attached=False)


def test_ids_from_a_pipe_are_not_read(site: Site) -> None:
    machine = site.machine()
    (site.home / "ids").write_text(machine.vm.id + "\n")
    with (site.home / "ids").open() as ids:
        ended = site.command("run", "--playbook", "rdp-reset", "--yes", "--ids", "-", stdin=ids)
    assert (ended.code, ended.out) == (2, "")
    says(ended.err, "--ids takes a full ARM id, not '-'")
    machine.untouched(attached=False)


# --- the VM -----------------------------------------------------------------------------------


def test_an_unknown_vm_names_the_nearest(site: Site) -> None:
    machine = site.machine(name="payroll-01")
    ended = site.inside("run", "--vm", "payrol-01", "--playbook", "rdp-reset", "--yes")
    assert ended.code == 3
    says(
        ended.err,
        "no VM named 'payrol-01'",
        "near it: /subscriptions/",
        "/virtualMachines/payroll-01",
        "[target]",
    )
    machine.untouched(attached=False)


def test_an_unknown_full_id(site: Site) -> None:
    machine = site.machine(name="payroll-02")
    gone = machine.vm.id.replace("payroll-02", "payroll-2")
    ended = site.inside("run", "--ids", gone, "--playbook", "rdp-reset", "--yes")
    assert ended.code == 3
    says(ended.err, "no VM named 'payroll-2'", "/virtualMachines/payroll-02")
    machine.untouched(attached=False)


def test_an_ambiguous_vm_shows_both(site: Site) -> None:
    both = [site.machine(name="twin", resource_group=group) for group in ("left", "right")]
    ended = site.inside("run", "--vm", "twin", "--playbook", "rdp-reset", "--yes")
    assert ended.code == 3
    says(
        ended.err,
        "2 VMs are named 'twin'",
        "/resourceGroups/LEFT/providers/Microsoft.Compute/virtualMachines/twin",
        "/resourceGroups/RIGHT/providers/Microsoft.Compute/virtualMachines/twin",
        "--resource-group",
    )
    for machine in both:
        machine.untouched(attached=False)
    assert site.run(both[1], "-g", "right").code == 0
    both[0].untouched(attached=False)
    both[1].repaired()


REFUSED: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "stopped": (
        {"power": "stopped"},
        "preflight.vm_not_running",
        ("is stopped", "az vm start --ids"),
    ),
    "deallocated": (
        {"power": "deallocated"},
        "preflight.vm_not_running",
        ("is deallocated", "az vm start --ids"),
    ),
    "starting": ({"power": "starting"}, "preflight.vm_not_running", ("Wait until it runs",)),
    "boot diagnostics off": (
        {"boot_diagnostics": "disabled"},
        "preflight.boot_diagnostics_disabled",
        ("boot diagnostics are off", "az vm boot-diagnostics enable --ids"),
    ),
    "linux": (
        {"system": "linux"},
        "preflight.not_windows_server",
        ("SAC exists on Windows Server only",),
    ),
    "client": (
        {"system": "client"},
        "preflight.not_windows_server",
        ("a client Windows", "SAC exists on Windows Server only"),
    ),
    "client, agent ready": (
        {"system": "client", "agent_ready": True},
        "preflight.not_windows_server",
        ("Windows 11 Pro",),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_vm_that_cannot_be_worked_on(site: Site, case: str) -> None:
    settings, slug, words = REFUSED[case]
    machine = site.machine(**settings)
    ended = site.run(machine)
    assert ended.code == 5
    assert (ended.result["outcome"], ended.result["touched"]) == ("refused", "no")
    assert (ended.error["slug"], ended.error["touched"]) == (slug, "no")
    says(ended.err, *words, "Nothing in the VM was changed.")
    machine.untouched(attached=False)


def test_a_subscription_with_the_console_disabled(site: Site) -> None:
    other = SUBSCRIPTION.replace("3f1c", "4f1c")
    machine = site.machine(subscription=other)
    site.lab.call(lambda lab: lab.cloud.console_disabled.add(other))
    ended = site.run(machine, "--subscription", other)
    assert (ended.code, ended.error["slug"]) == (5, "preflight.serial_console_disabled")
    says(ended.err, "az serial-console enable --subscription " + other)
    machine.untouched(attached=False)


ARM = {
    "401": (UNAUTHORIZED, 4, "az login"),
    "403": (FORBIDDEN, 4, "Ask for a role with"),
    "404": (NOT_FOUND, 3, ""),
    "409": (SCOPE_LOCKED, 5, "az lock list"),
    "429": (THROTTLED, 5, "(Retry-After: 300 s)"),
}


@pytest.mark.parametrize("action", [GET, CONNECT])
@pytest.mark.parametrize("status", ARM)
def test_arm_says_no_before_the_console(site: Site, status: str, action: str) -> None:
    refusal, code, remedy = ARM[status]
    if action == CONNECT and status == "404":
        code = 5  # the VM is there: it has no serial port
    machine = site.machine()
    machine.arm(deny={action: refusal})
    ended = site.run(machine)
    assert ended.code == code, ended.err
    assert ended.result["touched"] == "no"
    if (status, action) != ("404", GET):  # the VM is not there: that says more than its 404
        says(ended.err, f"{status} {refusal.code}: {refusal.message.partition('{')[0]}".strip())
    says(ended.err, remedy)
    machine.untouched(attached=False)


def test_no_permission_for_the_console_itself(site: Site) -> None:
    machine = site.machine()
    machine.arm(deny={CONNECT: NO_CONSOLE_PERMISSION})
    ended = site.run(machine)
    assert ended.code == 4
    says(ended.err, "403 Forbidden: You do not have the required permissions", CONNECT)
    machine.untouched(attached=False)


def test_throttling_that_ends_is_waited_for(site: Site) -> None:
    machine = site.machine()
    machine.arm(throttle={"*": 1}, throttle_seconds=0.05)
    ended = site.run(machine, playbook=site.three)
    assert ended.code == 0, ended.err
    says(ended.err, "Azure answered 429, trying again")


@pytest.mark.parametrize("status", ARM)
def test_arm_says_no_to_the_restart(site: Site, status: str) -> None:
    refusal, _, remedy = ARM[status]
    machine = site.machine()
    machine.arm(deny={RESTART: refusal})
    ended = site.run(machine, playbook=site.three)
    assert ended.code == 8, ended.err
    assert (ended.result["outcome"], ended.result["touched"]) == ("failed", "yes")
    assert ended.result["restart"]["outcome"] == "failed"
    assert ended.error["slug"] == "restart.refused"
    says(ended.err, f"{status} {refusal.code}: ", remedy)
    assert (machine.restarts, machine.guest.restarts, machine.channels) == (0, 0, [])

    machine.arm(deny={})  # Azure had said no, so asking again is no second restart
    again = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert again.code == 0, again.err
    assert again.result["outcome"] == "changed"
    assert [step["outcome"] for step in again.result["steps"]] == ["changed"] * 3
    machine.repaired(IN_THREE)
    assert len(machine.writes) == 3


def test_the_sign_in_says_no(site: Site) -> None:
    machine = site.machine()
    site.monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    ended = site.run(machine)
    assert ended.code == 4
    says(ended.err, "sign-in to Azure failed", "az login")
    machine.untouched(attached=False)


def test_azure_cannot_be_reached(site: Site) -> None:
    machine = site.machine()
    site.monkeypatch.setenv("SERIALFIX_ARM_ENDPOINT", "https://localhost:1")
    ended = site.run(machine)
    assert (ended.code, ended.error["slug"]) == (6, "transport.azure_unreachable")
    assert ended.result["outcome"] == "unreachable"
    says(ended.err, "HTTPS_PROXY")
    machine.untouched(attached=False)


# --- the gateway and the console --------------------------------------------------------------


def unreached(machine: Machine, ended: Any, slug: str) -> None:
    """Not reached: 6, nothing touched, and the result says so."""
    assert ended.code == 6, ended.err
    assert (ended.result["outcome"], ended.result["touched"]) == ("unreachable", "no")
    assert ended.error["slug"] == slug, ended.err
    says(ended.err, "Nothing in the VM was changed.")
    machine.untouched(attached=True)


def test_the_gateway_is_down(site: Site) -> None:
    machine = site.machine()
    machine.arm(gateway_down=True)
    ended = site.run(machine)
    unreached(machine, ended, "transport.gateway_unreachable")
    says(ended.err, "no connection to localhost", "*.serialconsole.azure.com")


def test_a_token_refused_for_ever(site: Site) -> None:
    machine = site.machine()
    machine.gateway(token_refused="always")
    ended = site.run(machine)
    unreached(machine, ended, "transport.gateway_rejected")
    says(ended.err, "refused 3 connections", "1011 Connection not trusted")
    assert (machine.vm.refused, machine.vm.sessions) == (3, 0)


def test_a_token_refused_every_other_time(site: Site) -> None:
    machine = site.machine()
    machine.gateway(token_refused="every_other")
    ended = site.run(machine, playbook=site.three)
    assert ended.code == 0, ended.err
    machine.repaired(IN_THREE)
    assert (machine.vm.refused, machine.vm.sessions) == (2, 2)


def test_a_wrong_password_is_tried_once(site: Site) -> None:
    machine = site.machine()
    site.monkeypatch.setenv("SERIALFIX_GUEST_PASSWORD", "Wrong-Passw0rd!!")
    ended = site.run(machine)
    unreached(machine, ended, "console.login_rejected")
    assert machine.logins == 1
    assert machine.channels == []
    assert "Wrong-Passw0rd" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ("silence", ("no SAC",)),
        ("health_report", ("no SAC",)),
        ("boot_manager", ("waits in the Windows Boot Manager menu",)),
        ("bang_sac", ("!SAC",)),
    ],
)
def test_no_sac(site: Site, absent: str, words: tuple[str, ...]) -> None:
    machine = site.machine(on=False)
    machine.faults(sac_absent=absent)
    machine.do(lambda vm: vm.guest.power_on())
    ended = site.run(machine)
    unreached(machine, ended, "console.sac_unavailable")
    says(ended.err, *words)
    assert machine.entered == []


def test_somebody_works_in_a_channel(site: Site) -> None:
    machine = site.machine(on=False)
    machine.faults(orphans=1, orphan_in_view=True)
    machine.do(lambda vm: vm.guest.power_on())
    ended = site.run(machine, "--no-restart")
    assert ended.code == 0, ended.err
    says(ended.err, "other CMD channels are open on this VM (Cmd0001)", "they are left alone")
    assert any("Cmd0001" in warning for warning in ended.result["warnings"])
    assert machine.channels == ["Cmd0001"]  # and its half-typed line was not entered
    assert not [e for e in machine.entered if e.where == "Cmd0001"]


def test_no_channel_is_free(site: Site) -> None:
    machine = site.machine(on=False)
    machine.faults(orphans=9)
    machine.do(lambda vm: vm.guest.power_on())
    ended = site.run(machine)
    unreached(machine, ended, "console.channel")
    says(ended.err, "channel")
    assert len(machine.channels) == 9
