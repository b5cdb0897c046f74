from __future__ import annotations

import copy

import pytest

from serialfix.lab.profiles import dword
from serialfix.lab.registry import Registry


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.set(r"HKLM\SYSTEM\Select", "Current", dword(1))
    registry.set(r"HKLM\SYSTEM\ControlSet001\Control\Terminal Server", "TSEnabled", dword(1))
    return registry


def test_names_are_found_in_any_case_and_keep_their_spelling(registry: Registry) -> None:
    path = r"hkey_local_machine\system\CONTROLSET001\control\terminal server"
    assert registry.get(path, "tsenabled") == dword(1)
    registry.set(path, "TSENABLED", dword(0))
    key = registry.key(path)
    assert key is not None
    assert key.dump() == {"TSEnabled": dword(0)}
    assert key.name == "Terminal Server"


def test_the_current_control_set_is_the_selected_one(registry: Registry) -> None:
    current = r"HKLM\SYSTEM\CurrentControlSet\Control"
    registry.set(current, "X", dword(7))
    assert registry.get(r"HKLM\SYSTEM\ControlSet001\Control", "X") == dword(7)
    registry.set(r"HKLM\SYSTEM\Select", "Current", dword(2))
    assert registry.get(current, "X") is None
    assert "CurrentControlSet" not in str(registry.dump())


def test_a_misspelt_key_is_another_key(registry: Registry) -> None:
    before = copy.deepcopy(registry)
    registry.set(r"HKLM\SYSTEM\CurrrentControlSet\Control", "X", dword(1))
    assert registry.dump() != before.dump()
    assert registry.delete_key(r"HKLM\SYSTEM\CurrrentControlSet")
    assert registry.dump() == before.dump()


def test_absent_things_are_absent(registry: Registry) -> None:
    assert registry.key(r"HKXX\Software") is None
    assert registry.get(r"HKLM\SOFTWARE\None", "X") is None
    assert not registry.delete(r"HKLM\SYSTEM\Select", "Nothing")
    assert not registry.delete_key(r"HKLM\SYSTEM\Nothing")
    with pytest.raises(KeyError):
        registry.set(r"HKXX\Software", "X", dword(1))


def test_walk_visits_all_below(registry: Registry) -> None:
    paths = [path for path, _ in registry.walk(r"HKLM\SYSTEM")]
    assert paths == [
        r"HKLM\SYSTEM",
        r"HKLM\SYSTEM\Select",
        r"HKLM\SYSTEM\ControlSet001",
        r"HKLM\SYSTEM\ControlSet001\Control",
        r"HKLM\SYSTEM\ControlSet001\Control\Terminal Server",
    ]
