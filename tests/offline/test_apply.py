from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from Registry.Registry import Registry

from serialfix.errors import ConfigError, HiveRefused, Interrupted, Touched, UsageError
from serialfix.model import Outcome, RegistryValue
from serialfix.offline.apply import OfflineResult, apply, undo
from serialfix.offline.files import HiveFile, note_of
from serialfix.offline.hive import Hive, examine
from serialfix.playbook.load import LoadedPlaybook, find_playbook, parse_playbook
from tests.offline.small_hive import LISTENER, RULE, RULES, dword, make, software, system, text
from tests.playbook.everything import everything


POLICY = r"Policies\Microsoft\Windows NT\Terminal Services"


def yes(_: object) -> bool:
    return True


def no(_: object) -> bool:
    return False


def loaded(steps: str, head: str = "") -> LoadedPlaybook:
    return parse_playbook(
        f"schema: 1\nname: fix\nversion: '1.0'\ntitle: A fix\nrestart: never\n{head}steps:\n{steps}"
    )


def value(path: Path, key: str, name: str) -> RegistryValue | None:
    with Hive(path) as hive:
        stored = hive.get(key, name)
    return stored.typed if stored is not None else None


def run(
    playbook: LoadedPlaybook,
    system: Path | None,
    software: Path | None = None,
    *,
    check: bool = False,
) -> OfflineResult:
    given = {"SYSTEM": system, "SOFTWARE": software}
    paths = {kind: path for kind, path in given.items() if path is not None}
    return apply(playbook, paths, check=check, decide=yes)


def test_rdp_reset_applied_again_and_undone(tmp_path: Path) -> None:
    reset = find_playbook("rdp-reset")
    one, two = system(tmp_path / "SYSTEM"), software(tmp_path / "SOFTWARE")
    before = one.read_bytes(), two.read_bytes()
    planned = run(reset, one, two, check=True)
    assert (planned.outcome, planned.changes) == (Outcome.WOULD_CHANGE, 29)
    assert (one.read_bytes(), two.read_bytes()) == before
    result = run(reset, one, two)
    assert (result.outcome, result.sets) == (Outcome.CHANGED, ("ControlSet001", "ControlSet002"))
    for step in reset.playbook.steps:
        assert step.registry is not None
        key, name = step.registry.key, step.registry.value
        if "SOFTWARE" in key:
            places = [(two, key.removeprefix("HKLM\\SOFTWARE\\"))]
        else:
            below = key.removeprefix("HKLM\\SYSTEM\\CurrentControlSet\\")
            places = [(one, f"ControlSet{number:03}\\{below}") for number in (1, 2)]
        for path, place in places:
            assert value(path, place, name) == step.registry.wanted
            assert Registry(str(path)).open(place).value(name).raw_data()  # another library
    assert value(one, rf"ControlSet001\{LISTENER}", "PortNumber") == dword(3389)
    again = run(reset, one, two)
    assert (again.outcome, again.backups) == (Outcome.OK, ())
    for backup in result.backups:
        assert undo(backup.backup, check=True, decide=no)[0] is Outcome.WOULD_CHANGE
        assert undo(backup.backup, check=False, decide=yes) == (Outcome.CHANGED, backup.path)
        assert undo(backup.backup, check=False, decide=no) == (Outcome.OK, backup.path)
    assert (one.read_bytes(), two.read_bytes()) == before


def test_a_control_set_that_select_does_not_name_or_that_is_not_there(tmp_path: Path) -> None:
    layer = loaded(
        "  - id: layer\n    why: W.\n    registry: {key: 'HKLM\\SYSTEM\\CurrentControlSet\\"
        f"{LISTENER}', value: SecurityLayer, type: REG_DWORD, data: 0}}\n"
    )
    path = system(tmp_path / "SYSTEM", sets=(1, 3), select={"LastKnownGood": 2})
    assert run(layer, path).sets == ("ControlSet001",)
    with Hive(path) as hive:
        assert sorted(hive.keys()) == ["ControlSet001", "ControlSet003", "Select"]
    assert value(path, rf"ControlSet003\{LISTENER}", "SecurityLayer") == dword(2)
    failed = system(tmp_path / "other", sets=(2, 3), select={"Current": 2, "Failed": 3})
    assert run(layer, failed).sets == ("ControlSet002", "ControlSet003")
    lost = make(tmp_path / "lost", {("Select", "Current"): dword(9), ("Setup", "x"): dword(1)})
    with pytest.raises(HiveRefused, match="names no control set that exists"):
        run(layer, lost)


SERVICE = r"Services\TermService"
KINDS = r"""
  - id: rule
    why: W.
    firewall_rule: {rule: RemoteDesktop-UserMode-In-TCP, enabled: true}
  - id: service
    why: W.
    service:
      name: TermService
      account: NT AUTHORITY\NetworkService
      type: own
      state: running
      start_failures:
        - {codes: [1058], set: {start: demand}}
        - {codes: [1067], set: {type: own}}
"""


def test_rules_and_services(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM", sets=(1,))
    result = run(loaded(KINDS), path)
    rule = value(path, rf"ControlSet001\{RULES}", "RemoteDesktop-UserMode-In-TCP")
    assert rule == text(RULE.replace("Active=FALSE", "Active=TRUE"))
    start, account, kind = (
        value(path, rf"ControlSet001\{SERVICE}", name) for name in ("Start", "ObjectName", "Type")
    )
    assert (start, account, kind) == (dword(3), text(r"NT AUTHORITY\NetworkService"), dword(16))
    assert {left.what for left in result.left_out} == {"state running", "type own"}
    assert run(loaded(KINDS), path).outcome is Outcome.OK


def test_what_is_not_there_is_not_made_up(tmp_path: Path) -> None:
    path = make(
        tmp_path / "SYSTEM",
        {("Select", "Current"): dword(1), (r"ControlSet001\Control", "x"): dword(1)},
    )
    before = path.read_bytes()
    for kind in KINDS.split("  - id: ")[1:]:
        with pytest.raises(HiveRefused, match="is not there to be changed"):
            run(loaded(f"  - id: {kind}"), path)
    assert path.read_bytes() == before


CONDITION = r"""
  - id: lower
    why: W.
    when: {fact: level, is: [4]}
    registry:
      {key: 'HKLM\SYSTEM\CurrentControlSet\Control\A', value: Level, type: REG_DWORD, data: 2}
  - id: deny
    why: W.
    registry:
      key: HKLM\SOFTWARE\Policies\A
      value: Deny
      type: REG_DWORD
      data: 0
      only_if_present: true
"""
FACTS = r"""facts:
  - {id: level, registry: {key: 'HKLM\SYSTEM\CurrentControlSet\Control\A', value: Level}}
"""


def test_each_set_decides_for_itself_and_policies_are_not_made(tmp_path: Path) -> None:
    one = make(
        tmp_path / "SYSTEM",
        {
            ("Select", "Current"): dword(1),
            ("Select", "LastKnownGood"): dword(2),
            (r"ControlSet001\Control\A", "Level"): dword(4),
            (r"ControlSet002\Control\A", "Level"): dword(3),
        },
    )
    two = software(tmp_path / "SOFTWARE")
    conditional = loaded(CONDITION, FACTS)
    run(conditional, one, two)
    assert value(one, r"ControlSet001\Control\A", "Level") == dword(2)
    assert value(one, r"ControlSet002\Control\A", "Level") == dword(3)
    assert value(two, r"Policies\A", "Deny") is None
    two = software(tmp_path / "SOFTWARE", {(r"Policies\A", "Deny"): dword(1)})
    run(conditional, one, two)
    assert value(two, r"Policies\A", "Deny") == dword(0)


def test_a_policy_that_overrides_is_told(tmp_path: Path) -> None:
    two = software(tmp_path / "SOFTWARE", {(POLICY, "SecurityLayer"): dword(2)})
    result = run(find_playbook("rdp-reset"), system(tmp_path / "SYSTEM"), two, check=True)
    assert len(result.warnings) == 1
    assert (
        "SecurityLayer is REG_DWORD 0x2 (2): it overrides step security-layer"
        in (result.warnings[0])
    )


def test_what_is_asked_wrongly(tmp_path: Path) -> None:
    one, two = system(tmp_path / "SYSTEM"), software(tmp_path / "SOFTWARE")
    reset = find_playbook("rdp-reset")
    with pytest.raises(ConfigError, match="needs --software-hive"):
        run(reset, one)
    with pytest.raises(ConfigError, match="is a SOFTWARE hive, not SYSTEM"):
        run(reset, two, one)
    with pytest.raises(UsageError, match="not confirmed"):
        apply(reset, {"SYSTEM": one, "SOFTWARE": two}, check=False, decide=no)
    look = loaded("  - {id: see, why: W., look: {command: ver}}\n")
    with pytest.raises(ConfigError, match="nothing that can be done to a hive"):
        run(look, one)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_second_hive_that_cannot_be_put_in_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = system(tmp_path / "SYSTEM"), software(tmp_path / "SOFTWARE")
    before, put = two.read_bytes(), HiveFile.put

    def put_then_disturb(self: HiveFile) -> None:
        put(self)
        two.touch()

    monkeypatch.setattr(HiveFile, "put", put_then_disturb)
    with pytest.raises(HiveRefused, match="changed by something else") as caught:
        run(find_playbook("rdp-reset"), one, two)
    assert caught.value.touched is Touched.YES
    assert "SYSTEM changed already" in caught.value.remedy
    assert two.read_bytes() == before


def test_a_ctrl_c_at_the_last_moment_is_no_claim_that_nothing_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, put = system(tmp_path / "SYSTEM"), HiveFile.put

    def put_and_stop(self: HiveFile) -> None:
        put(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(HiveFile, "put", put_and_stop)
    with pytest.raises(Interrupted) as caught:
        run(loaded(KINDS), path)
    assert (caught.value.exit_code, caught.value.touched) == (130, Touched.MAYBE)
    assert run(loaded(KINDS), path, check=True).outcome is Outcome.OK


def test_undo_refuses_what_would_lose_something(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM", sets=(1,))
    (backup,) = run(loaded(KINDS), path).backups
    for stray in (tmp_path / "nope", path):
        with pytest.raises(ConfigError, match="does not exist"):
            undo(stray, check=False, decide=yes)
    with pytest.raises(UsageError, match="not confirmed"):
        undo(backup.backup, check=False, decide=no)
    with Hive(path, write=True) as hive:
        hive.set("Setup", "Since", None)
        hive.commit()
    with pytest.raises(HiveRefused, match="changed it since"):
        undo(backup.backup, check=False, decide=yes)
    backup.backup.write_bytes(b"x")
    with pytest.raises(HiveRefused, match="not the file any more that was kept"):
        undo(backup.backup, check=False, decide=yes)
    note_of(backup.backup).write_text("{}")
    with pytest.raises(ConfigError, match="is no note"):
        undo(backup.backup, check=False, decide=yes)


def test_a_note_that_lacks_something_is_none(tmp_path: Path) -> None:
    backup = tmp_path / "SYSTEM.serialfix-1"
    backup.write_bytes(b"")
    for lacking in ("{}", '{"sha256": 5}', '{"sha256": "a", "sha256_after": "b", "hive": "SAM"}'):
        note = {**json.loads(lacking), "schema": "serialfix.offline-backup/1"}
        note_of(backup).write_text(json.dumps(note))
        with pytest.raises(ConfigError, match="is no note of a backup"):
            undo(backup, check=True, decide=lambda _: True)


def test_one_file_for_both_hives_and_what_is_no_file(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM", sets=(1,))
    reset = find_playbook("rdp-reset")
    with pytest.raises(ConfigError, match="--system-hive and --software-hive name the same file"):
        apply(reset, {"SYSTEM": path, "SOFTWARE": path}, check=True, decide=lambda _: True)
    with pytest.raises(ConfigError, match="is not a file"):
        apply(reset, {"SYSTEM": path, "SOFTWARE": Path("/dev/null")}, check=True, decide=bool)


def test_without_room_for_all_backups_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {
        "SYSTEM": system(tmp_path / "SYSTEM", sets=(1,)),
        "SOFTWARE": software(tmp_path / "SOFTWARE"),
    }
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    prepare = HiveFile.prepare

    def no_room(file: HiveFile, *given: Any) -> Path:
        if file.path.name == "SOFTWARE":
            raise HiveRefused("No space left on device")
        return prepare(file, *given)

    monkeypatch.setattr(HiveFile, "prepare", no_room)
    with pytest.raises(HiveRefused, match="No space"):
        apply(find_playbook("rdp-reset"), paths, check=False, decide=lambda _: True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_note_holds_what_was_there(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM", sets=(1,))
    (backup,) = run(loaded(KINDS), path).backups
    note = json.loads(note_of(backup.backup).read_text())
    start = next(entry for entry in note["values"] if entry["value"] == "Start")
    assert start["before"] == {"type": "REG_DWORD", "data": 4}
    assert start["after"] == {"type": "REG_DWORD", "data": 3}
    assert note["playbook"] == "fix"


def test_every_kind_of_step_is_done_or_listed(tmp_path: Path) -> None:
    playbook = LoadedPlaybook(everything(), "", "", "")
    one, two = system(tmp_path / "SYSTEM"), software(tmp_path / "SOFTWARE")
    result = run(playbook, one, two)
    told = {step.edit.step for step in result.steps} | {left.step for left in result.left_out}
    told |= {edit.step for edit in result.twin.boot}
    # the condition of the one does not hold, and that of the other is a parameter
    assert {step.id for step in playbook.playbook.steps} - told == {"forced"}


@pytest.mark.timeout(120)
def test_a_hive_that_windows_wrote(tmp_path: Path, windows_10: bytes) -> None:
    """84 values beside each other, a key with data that is not to be touched, and two libraries."""
    path = tmp_path / "SYSTEM"
    path.write_bytes(windows_10)
    examine(windows_10, path)
    reset = find_playbook("rdp-reset")
    result = run(reset, path, software(tmp_path / "SOFTWARE"))
    assert result.sets == ("ControlSet001",)
    system_steps = [step for step in result.steps if step.edit.place.hive == "SYSTEM"]
    assert [step.outcome for step in system_steps].count(Outcome.CHANGED) == 6
    hive = Registry(str(path))
    assert hive.root().subkeys()
    listener = hive.open(rf"ControlSet001\{LISTENER}")
    assert len(listener.values()) == 85  # fQueryUserConfigFromLocalMachine is new
    for step in system_steps:
        assert step.after is not None
        assert listener.value(step.edit.place.name).value() == step.after.data
    assert listener.value("PortNumber").value() == 3389
    (backup,) = (each.backup for each in result.backups if each.hive == "SYSTEM")
    assert undo(backup, check=False, decide=yes)[0] is Outcome.CHANGED
    assert path.read_bytes() == windows_10
