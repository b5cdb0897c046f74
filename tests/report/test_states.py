from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.model import Outcome, RegistryType, RegistryValue, StepResult
from serialfix.report.states import after_in_short, in_short, saw, shown


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "(absent)"),
        (RegistryValue(RegistryType.DWORD, 0), "0"),
        (RegistryValue(RegistryType.DWORD, 0xFFFFFFFF), "0xffffffff"),
        (RegistryValue(RegistryType.DWORD, 10), "0xa"),
        ({"type": "REG_DWORD", "data": 1}, "1"),
        ({"type": "REG_BINARY", "data": "00ff"}, "REG_BINARY 00ff"),
        (RegistryValue(RegistryType.SZ, "0"), "REG_SZ '0'"),
        (RegistryValue(RegistryType.QWORD, 1), "REG_QWORD 0x1 (1)"),
        ("present", "present"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        (True, "yes"),
        (3389, "3389"),
        ({"start": "auto", "state": "running"}, "start auto, running"),
        ({"enabled": False, "port": 3389}, "enabled no, port 3389"),
        ({"dhcp": False, "dns": ["10.0.0.1", "10.0.0.2"]}, "dhcp no, dns (10.0.0.1, 10.0.0.2)"),
        ({"account": None}, "account (absent)"),
        (["a, b", "", "c"], '"a, b", "", c'),
        ({}, "(nothing)"),
        ([], "(nothing)"),
        ({"type": "own", "data": 1}, "type own, data 1"),  # no registry value, though it looks so
        ({"type": "REG_DWORD", "data": 1, "more": 2}, "type REG_DWORD, data 1, more 2"),
        ({"name": "\u202ex"}, r'name "\u202ex"'),
    ],
)
def test_states_are_short_and_never_mistaken_for_others(state: Any, text: str) -> None:
    assert shown(state) == text


def test_with_its_type_a_number_is_told_in_both_notations() -> None:
    assert shown({"type": "REG_DWORD", "data": 60000}, typed=True) == "REG_DWORD 0xea60 (60000)"
    assert shown({"start": "auto"}, typed=True) == "start auto"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_whatever_json_it_is_it_is_one_printable_line(state: Any) -> None:
    text = shown(state)
    assert text.isprintable()
    assert text or state == ""


def step(kind: str, before: Any, after: Any, note: str | None = None) -> StepResult:
    return StepResult("s", kind, "s", Outcome.OK, before, after, None, note=note)


def test_what_a_look_saw_has_no_room_in_a_table() -> None:
    look = step("look", ["before"], ["a\x1b", "b"])
    assert saw(look) == ("a\\x1b", "b")
    assert after_in_short(look) == "2 lines, see below"
    assert after_in_short(step("look", None, ["a"])) == "1 line, see below"
    assert (in_short(look, look.before), in_short(look, look.wanted)) == ("", "")
    assert saw(step("look", ["in a check"], None)) == ("in a check",)
    assert (saw(step("look", None, None)), after_in_short(step("look", None, None))) == ((), "")
    service = step("service", {"state": "stopped"}, ["x"])
    assert saw(service) == ()
    assert (in_short(service, service.before), after_in_short(service)) == ("stopped", "x")


def test_of_a_step_that_does_not_apply_nothing_was_read() -> None:
    noted = step("look", ["x"], ["x"], note="level is 2")
    assert (saw(noted), in_short(noted, None), after_in_short(noted)) == ((), "", "")
