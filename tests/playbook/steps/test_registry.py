"""Registry values, keys, removals and imports."""

from __future__ import annotations

from typing import Any

import pytest

from serialfix.errors import CommandFailed
from serialfix.lab.profiles import dword
from serialfix.playbook.steps.registry import (
    RegistryImportStep,
    RegistryKeyStep,
    RegistryRemovalStep,
    RegistryStep,
)
from tests.playbook.steps.asked import FILE, read


KEY = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\RCM"
NAMES = ("Certificate", "X509 Certificate")
VALUE = RegistryStep(key=KEY, value="A", type="REG_DWORD", data=1)  # type: ignore[arg-type]
REMOVAL = RegistryRemovalStep(key=KEY, values=NAMES)
OK, MISSING = ("", 0), ("", 1)


def test_a_value_is_read_written_and_put_back() -> None:
    assert read(VALUE) == (None, [])
    assert read(VALUE, {"A": dword(2)}) == (dword(2), [])
    assert [VALUE.distance(state) for state in (None, dword(2), dword(1))] == [1, 1, 0]
    assert "/d 1 /f" in VALUE.line(dword(2))
    (back,) = VALUE.restoring(dword(2))
    assert back.wanted == dword(2)
    (gone,) = VALUE.restoring(None)
    assert gone.wanted is None
    assert "reg delete" in gone.line(dword(1))


def test_a_policy_that_is_not_there_stays_away() -> None:
    policy = VALUE.model_copy(update={"only_if_present": True})
    assert [policy.distance(state) for state in (None, dword(2), dword(1))] == [0, 1, 0]


def test_its_twin_among_the_policies_is_named() -> None:
    (twin,) = VALUE.model_copy(update={"policy_twin": r"HKLM\SOFTWARE\P"}).policies
    assert (twin.key, twin.name, twin.harmless) == (r"HKLM\SOFTWARE\P", "A", dword(1))


@pytest.mark.parametrize(
    ("there", "content", "state"),
    [
        (1, "", "absent"),
        (0, "", "empty"),
        (0, "    A    REG_DWORD    0x1", "in use"),
    ],
)
def test_a_key_goes_only_when_it_is_empty(there: int, content: str, state: str) -> None:
    key = RegistryKeyStep(key=KEY, state="absent")
    found, _ = read(key, answers={">nul": ("", there), "reg query": (content, 0)})
    assert found == state
    assert key.distance(found) == (state != "absent")
    if state == "in use":
        with pytest.raises(CommandFailed, match="not empty"):
            key.line(found)


def removal(there: dict[str, Any], kept: tuple[str, int]) -> Any:
    answers = {name.replace("CC", "Cc"): value for name, value in there.items()}
    found, asked = read(REMOVAL, answers={**answers, "type ": kept})
    return found, asked


def test_values_go_one_by_one_after_their_key_was_exported() -> None:
    both = {"/v Certificate": OK, '"X509 Certificate"': OK}
    found, _ = removal(both, MISSING)
    assert found == {"present": list(NAMES), "file": FILE, "exported": False}
    assert REMOVAL.distance(found) == 3
    part, name = f"{FILE}.part", FILE.rpartition("\\")[2]
    assert REMOVAL.line(found) == (
        f'reg export "{KEY}" "{part}" /y'.replace("Curr", "CurR")
        + f' & if not eRrorlevel 1 ren "{part}" {name}'
    )
    found, _ = removal(both, OK)
    assert REMOVAL.distance(found) == 2
    assert "reg delete" in REMOVAL.line(found)
    assert "/v Certificate" in REMOVAL.line(found)
    (back,) = REMOVAL.restoring(found)
    assert back == RegistryImportStep(key=KEY, file=FILE, values=NAMES)


def test_nothing_is_exported_when_nothing_is_there() -> None:
    found, asked = removal({}, MISSING)
    assert found == {"present": []}
    assert REMOVAL.distance(found) == 0
    assert len(asked) == 2
    assert REMOVAL.restoring(found) == ()


def test_the_file_of_the_plan_is_kept() -> None:
    other = FILE.replace("abc1", "zzz9")
    prepared = REMOVAL.prepared({"present": ["Certificate"], "file": other, "exported": True})
    found, asked = read(prepared, answers={"type ": OK})
    assert found == {"present": [], "file": other, "exported": True}
    assert any(other in line for line in asked)


def test_an_export_is_imported_once_though_the_values_are_there_again() -> None:
    """Windows writes new certificates at its start: that they are there proves nothing."""
    wish = RegistryImportStep(key=KEY, file=FILE, values=NAMES)
    there = {"/v Certificate": OK, '"X509 Certificate"': OK}
    found, _ = read(wish, answers={**there, ".done": MISSING, "type ": OK})
    assert found == {"imported": False, "present": list(NAMES)}
    assert wish.distance(found) == 1
    assert wish.line(found).startswith(f'reg import "{FILE}" & if not')
    found, _ = read(wish, answers={**there, ".done": OK})
    assert wish.distance(found) == 0


def test_an_export_that_is_gone_is_told() -> None:
    wish = RegistryImportStep(key=KEY, file=FILE, values=NAMES)
    with pytest.raises(CommandFailed, match="not in the guest any more"):
        read(wish)
