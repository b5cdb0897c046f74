"""The offline twin, against the offline part of the published articles (English and French, which
hold the same 29 commands: `offline_article.txt`)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.load import find_playbook, parse_playbook
from serialfix.playbook.offline import (
    BootEdit,
    Edit,
    Place,
    bcd_line,
    compile_twin,
    control_sets,
)
from tests.playbook.everything import everything


ROOTS = {"BROKENSYSTEM": "SYSTEM", "BROKENSOFTWARE": "SOFTWARE"}
LINE = re.compile(
    r'REG ADD "HKLM\\(?P<root>\w+)\\(?P<path>[^"]+)" /v \'(?P<name>[^\']+)\' /t REG_DWORD'
    r" /d (?P<data>\w+) /f"
)
Wanted = tuple[str, str, str, int]


def article() -> tuple[list[Wanted], Counter[str]]:
    """The 29 values as they are meant, and how often a line had to be corrected, by defect."""
    found: list[Wanted] = []
    corrected: Counter[str] = Counter()
    for line in (Path(__file__).parent / "offline_article.txt").read_text("utf-8").splitlines():
        match = LINE.fullmatch(line)
        assert match, line
        corrected["single quotes around the name"] += 1
        name, data = match["name"], match["data"]
        if name != name.strip():
            corrected["a blank before the name"] += 1
        if data == "ffffffff":
            corrected["a number that reg.exe refuses"] += 1
            data = "0xffffffff"
        path = match["path"].lower()
        found.append((ROOTS[match["root"]], path, name.strip().lower(), int(data, 0)))
    return found, corrected


def test_the_twin_of_rdp_reset_is_the_corrected_article() -> None:
    wanted, corrected = article()
    assert corrected == {
        "single quotes around the name": 29,
        "a blank before the name": 2,
        "a number that reg.exe refuses": 2,
    }
    twin = compile_twin(find_playbook("rdp-reset").playbook, ["ControlSet001", "ControlSet002"])
    found = []
    for edit in twin.edits:
        assert edit.wanted is not None
        assert isinstance(edit.wanted.data, int)
        place = edit.place
        found.append((place.hive, place.path.lower(), place.name.lower(), edit.wanted.data))
    assert len(found) == len(set(found)) == 29
    assert set(found) == set(wanted)
    assert Counter(hive for hive, *_ in found) == {"SYSTEM": 26, "SOFTWARE": 3}
    assert not twin.left_out
    assert twin.hives == ("SYSTEM", "SOFTWARE")


@pytest.mark.parametrize(
    ("select", "existing", "wanted"),
    [
        ({"Current": 1, "Default": 1, "Failed": 0, "LastKnownGood": 1}, [1, 2], [1]),
        ({"Current": 2, "Default": 2, "Failed": 1, "LastKnownGood": 3}, [1, 2, 3], [2, 1, 3]),
        ({"Current": 1, "Default": 1, "Failed": 0, "LastKnownGood": 2}, [1], [1]),
        ({"Current": 12}, [12], [12]),
        ({"Current": 3}, [1, 2], []),
        ({}, [1], []),
    ],
)
def test_sets_are_those_that_select_names_and_that_exist(
    select: dict[str, int], existing: list[int], wanted: list[int]
) -> None:
    names = [f"CONTROLSET{number:03}" for number in existing]
    assert control_sets(select, names) == [f"CONTROLSET{number:03}" for number in wanted]


def test_every_step_is_edited_or_listed_with_its_reason() -> None:
    twin = compile_twin(everything(), ["ControlSet001"])
    assert {edit.step for edit in twin.edits} == {
        *("present", "absent", "policy", "conditional", "unless", "certificates"),
        *("service", "rule", "profiles"),
    }
    assert [(edit.entry, edit.element, edit.value) for edit in twin.boot] == [
        ("{default}", "safeboot", None),
        ("{bootmgr}", "timeout", "5"),
    ]
    left = {each.step for each in twin.left_out}
    assert left == {"service", "dhcp", "nic", "admin", "member", "run", "see"}
    assert all(each.reason for each in twin.left_out)


def edits(kind: str) -> list[Edit]:
    head = "schema: 1\nname: x\nversion: '1'\ntitle: X\nrestart: never\nsteps:\n"
    text = f"{head}  - {{id: a, why: W., {kind}}}\n"
    return list(compile_twin(parse_playbook(text).playbook, ["ControlSet001"]).edits)


def dword(number: int) -> RegistryValue:
    return RegistryValue(RegistryType.DWORD, number)


def test_a_start_type_that_is_accepted_stays() -> None:
    (edit,) = edits("service: {name: A, start: demand, start_accepts: [auto]}")
    assert edit.place == Place("SYSTEM", r"ControlSet001\Services\A", "Start")
    assert edit.absent == "refuse"
    for before, after in ((2, 2), (3, 3), (4, 3)):
        assert edit.after(dword(before)) == dword(after)


def test_a_delayed_start_is_two_values() -> None:
    found = edits("service: {name: A, start: delayed-auto}")
    assert [(edit.place.name, edit.wanted) for edit in found] == [
        ("Start", dword(2)),
        ("DelayedAutostart", dword(1)),
    ]


def test_a_firewall_profile_leaves_windows_defaults_alone() -> None:
    on, action, always = edits(
        "firewall_profile: {profiles: [private], enabled: true, inbound: block}"
    )
    assert on.place.path.endswith(r"FirewallPolicy\StandardProfile")
    assert (on.after(None), on.after(dword(0))) == (None, dword(1))
    assert (action.after(None), action.after(dword(0))) == (None, dword(1))
    assert (always.after(dword(0)), always.after(dword(1)), always.after(None)) == (
        *(dword(0), None),
        None,
    )
    off, _, shut = edits(
        "firewall_profile: {profiles: [public], enabled: false, inbound: block_always}"
    )
    assert (off.after(None), shut.after(None)) == (dword(0), dword(1))


def test_only_the_switch_in_the_text_of_a_rule_is_changed() -> None:
    (edit,) = edits("firewall_rule: {rule: R-In-TCP, enabled: true}")
    before = RegistryValue(
        RegistryType.SZ, "v2.30|Action=Allow|Active=FALSE|Dir=In|Name=Active=FALSE|"
    )
    after = edit.after(before)
    assert after == RegistryValue(
        RegistryType.SZ, "v2.30|Action=Allow|Active=TRUE|Dir=In|Name=Active=FALSE|"
    )
    assert edit.after(after) == after


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (r"HKLM\SYSTEM\CurrentControlSet\Control", ("SYSTEM", r"ControlSet001\Control")),
        (r"HKLM\system\currentcontrolset", ("SYSTEM", "ControlSet001")),
        (r"HKLM\SYSTEM\ControlSet002\Control", ("SYSTEM", r"ControlSet002\Control")),
        (r"HKLM\SYSTEM\Setup", ("SYSTEM", "Setup")),
        (r"HKLM\SOFTWARE\Acme", ("SOFTWARE", "Acme")),
        (r"HKCR\.txt", ("SOFTWARE", r"Classes\.txt")),
        (r"HKU\.DEFAULT\Acme", None),
        (r"HKLM\SAM\SAM", None),
        (r"HKLM\SYSTEMS\x", None),
    ],
)
def test_where_a_key_lies(key: str, place: tuple[str, str] | None) -> None:
    found = edits(f"registry: {{key: '{key}', value: V, type: REG_DWORD, data: 1}}")
    assert [(edit.place.hive, edit.place.path) for edit in found] == ([place] if place else [])


def test_a_boot_edit_as_a_command() -> None:
    edit = BootEdit("a", "W.", "{default}", "safeboot", None)
    assert bcd_line(edit) == "bcdedit /store STORE /deletevalue {default} safeboot"
    set_ = BootEdit("a", "W.", "{bootmgr}", "timeout", "5")
    assert bcd_line(set_, r"F:\boot\bcd") == r"bcdedit /store F:\boot\bcd /set {bootmgr} timeout 5"
