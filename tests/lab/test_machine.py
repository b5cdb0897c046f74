from __future__ import annotations

from serialfix.lab.profiles import SERVICES, dword
from serialfix.lab.scm import DISABLED
from tests.lab.terminal import Prompt


def test_a_boot_starts_what_is_automatic_or_triggered() -> None:
    machine = Prompt().machine
    assert {"dhcp", "rdagent", "termservice", "sacsvr"} <= set(machine.running)
    assert "netlogon" not in machine.running
    assert len(set(machine.running.values())) > 1


def test_a_boot_does_not_start_what_is_disabled() -> None:
    machine = Prompt().machine
    machine.running.clear()
    machine.registry.set(f"{SERVICES}\\TermService", "Start", dword(DISABLED))
    machine.start_services()
    assert "termservice" not in machine.running
