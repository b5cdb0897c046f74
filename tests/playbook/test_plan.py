"""A playbook held against what was read."""

from __future__ import annotations

import pytest

from serialfix.lab.profiles import LST, POL, dword
from serialfix.model import Outcome, RegistryValue
from serialfix.playbook.load import parse_playbook
from serialfix.playbook.plan import Plan, make_plan, value_id
from tests.support.present import present
from tests.support.rig import small


def plan(*, idle: RegistryValue | None, restart: str = "if_changed", allowed: bool = True) -> Plan:
    playbook = small({"value": "MaxIdleTime", "data": 0, "policy_twin": POL}, restart=restart)
    values = {value_id(LST, "MaxIdleTime"): idle, value_id(POL, "MaxIdleTime"): dword(9)}
    there = present(playbook, values)
    return make_plan(playbook, there, restart_allowed=allowed, seconds_per_change=2.5)


@pytest.mark.parametrize(
    ("idle", "outcome"),
    [
        (None, Outcome.WOULD_CHANGE),
        (dword(1), Outcome.WOULD_CHANGE),
        (dword(0), Outcome.OK),
    ],
)
def test_a_value_is_right_or_would_change(idle: RegistryValue | None, outcome: Outcome) -> None:
    the_plan = plan(idle=idle)
    (step,) = the_plan.steps
    assert (step.outcome, step.before, step.wanted) == (outcome, idle, dword(0))
    assert the_plan.changes == (outcome is Outcome.WOULD_CHANGE)
    assert the_plan.seconds == 2.5 * the_plan.changes


@pytest.mark.parametrize(
    ("restart", "changes", "allowed", "restarts"),
    [
        ("never", True, True, False),
        ("if_changed", True, True, True),
        ("if_changed", False, True, False),
        ("if_changed", True, False, False),
        ("always", False, True, True),
        ("always", False, False, False),
    ],
)
def test_when_the_vm_restarts(restart: str, changes: bool, allowed: bool, restarts: bool) -> None:
    the_plan = plan(idle=dword(1 if changes else 0), restart=restart, allowed=allowed)
    assert the_plan.restart is restarts


def test_a_policy_that_overrides_is_warned_about() -> None:
    (warning,) = plan(idle=None).warnings
    assert POL in warning
    assert "overrides step step-1" in warning


@pytest.mark.parametrize(("there", "outcome"), [(True, Outcome.WOULD_CHANGE), (False, Outcome.OK)])
def test_a_key_that_should_be_gone(there: bool, outcome: Outcome) -> None:
    playbook = parse_playbook(
        "schema: 1\nname: k\nversion: '1.0'\ntitle: K\ndescription: D\nrestart: never\n"
        f"steps:\n  - id: k\n    why: W.\n    registry_key: {{key: '{POL}', state: absent}}\n"
    ).playbook
    the_plan = make_plan(playbook, present(playbook, {}, k="in use" if there else "absent"))
    assert the_plan.steps[0].outcome is outcome


def test_names_have_no_case() -> None:
    assert value_id(LST, "MaxIdleTime") == value_id(LST.upper(), "MAXIDLETIME")
