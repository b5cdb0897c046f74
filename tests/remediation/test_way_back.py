"""The undo playbook, as data; that it works is shown in test_work."""

from __future__ import annotations

import json

import pytest

from serialfix.errors import UnsafeStep
from serialfix.lab.profiles import LST, POL, dword
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.load import dump_playbook, parse_playbook
from serialfix.playbook.plan import Plan, Present, make_plan, value_id
from serialfix.playbook.schema import Playbook, Step
from serialfix.remediation.way_back import undo_playbook
from tests.support.present import present
from tests.support.rig import small


PLAYBOOK = small(
    {"value": "SecurityLayer", "data": 0},
    {"value": "MaxIdleTime", "data": 0},
    {"value": "KeepAliveEnable", "data": 1, "key": POL},
)


def plan(layer: RegistryValue | None, idle: RegistryValue | None) -> Plan:
    values = {
        value_id(LST, "SecurityLayer"): layer,
        value_id(LST, "MaxIdleTime"): idle,
        value_id(POL, "KeepAliveEnable"): None,
    }
    return make_plan(PLAYBOOK, present(PLAYBOOK, values, {POL.lower(): False}))


def undo(the_plan: Plan, *, kept: Playbook | None = None) -> Playbook:
    playbook = undo_playbook(PLAYBOOK, the_plan, run_id="r1", absent_keys=[POL.lower()], kept=kept)
    assert playbook is not None
    return playbook


def test_former_values_in_reverse_then_the_created_keys() -> None:
    playbook = undo(plan(dword(2), None))
    assert [step.id for step in playbook.steps] == ["step-3", "step-2", "step-1", "created-key-1"]
    wishes = [step.registry and step.registry.wanted for step in playbook.steps]
    assert wishes == [None, None, dword(2), None]
    last = playbook.steps[-1].registry_key
    assert last is not None
    assert (last.key, last.state) == (POL, "absent")
    assert playbook.restart == PLAYBOOK.restart


def test_what_was_right_is_left_out() -> None:
    assert [step.id for step in undo(plan(dword(0), dword(0))).steps] == ["step-3", "created-key-1"]


def test_it_survives_its_file() -> None:
    odd = RegistryValue(RegistryType.SZ, "é \\ end\\")
    playbook = undo(plan(odd, RegistryValue(RegistryType.BINARY, b"\0\xff")))
    assert parse_playbook(dump_playbook(playbook)).playbook == playbook


def test_what_a_former_process_saw_was_there_first() -> None:
    """Resumed: the value on the guest is already ours; the first way back keeps the old one."""
    first = undo(plan(dword(2), dword(5)))
    second = undo(plan(dword(1), dword(0)), kept=first)
    by_id = {step.id: step.registry for step in second.steps}
    assert by_id["step-1"] is not None
    assert by_id["step-1"].wanted == dword(2)
    assert by_id["step-2"] is not None
    assert by_id["step-2"].wanted == dword(5)
    assert len(second.steps) == len(first.steps)


@pytest.mark.parametrize("text", ["a\u200bb", "one\ttwo", "\U0001f600"])
def test_a_value_that_cannot_be_typed_again_stops_before_the_first_change(text: str) -> None:
    with pytest.raises(UnsafeStep):
        undo(plan(RegistryValue(RegistryType.SZ, text), None))


@pytest.mark.parametrize("text", ['say "hi"', "100%", "%PATH% & more", "ends in \\"])
def test_a_value_with_any_other_character_can_be_put_back(text: str) -> None:
    former = RegistryValue(RegistryType.SZ, text)
    step = next(step for step in undo(plan(former, None)).steps if step.id == "step-1")
    assert step.registry is not None
    assert step.registry.wanted == former


def test_no_two_steps_have_one_id() -> None:
    """A step may be put back by several, which get numbers; and a playbook may have them, too."""
    service = {"name": "Base", "start": "disabled", "state": "stopped"}
    long = "x" * 80
    steps = [
        {"id": name, "why": "For tests.", "service": {**service, "name": f"Base{number}"}}
        for number, name in enumerate(("a", "a-2", long))
    ]
    playbook = small({"value": "MaxIdleTime", "data": 0}).model_copy(
        update={"steps": tuple(Step.model_validate_json(json.dumps(step)) for step in steps)}
    )
    former = {
        **{"start": "auto", "account": "LocalSystem", "type": "own", "state": "running"},
        "dependents": ["Acme$1", "Acme 2"],
    }
    states = {step.id: former for step in playbook.steps}
    back = undo_playbook(
        playbook,
        make_plan(playbook, Present(states)),
        run_id="r1",
        absent_keys=(),
    )
    assert back is not None
    again = parse_playbook(dump_playbook(back)).playbook
    assert len({step.id for step in again.steps}) == len(again.steps) == 9
    assert again == back
