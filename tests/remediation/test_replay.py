"""Sessions are recorded and played again, in virtual time: same keys, same end; else it says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serialfix.errors import RecordError, ReplayMismatch, SessionTakenOver
from serialfix.lab.faults import Faults
from serialfix.lab.profiles import Renderer
from serialfix.record.cast import read_cast
from serialfix.remediation.replay import replay
from serialfix.remediation.work import Purpose
from tests.support.rig import PASSWORD, RENDERERS, Outing, Rig, scene, small


both = pytest.mark.parametrize("renderer", RENDERERS)

SCENES: dict[str, dict[str, Any]] = {
    "success": {},
    "any chunks": {"faults": Faults(split_writes=True, nul_everywhere=True)},
    "keys lost": {"faults": Faults(lose_keys=0.02, late_keys=0.05)},
    "repeats lost": {"faults": Faults(drop_repeats=0.125)},
    "first keys eaten": {"faults": Faults(eat_first_keys=8.0)},
    "login refused": {"faults": Faults(login_refused=True)},
    "not ready": {"faults": Faults(late_cmd=60.0)},
    "no slot": {"faults": Faults(channel_refused="maximum")},
    "no SAC": {"faults": Faults(sac_absent="silence")},
    "boot menu": {"faults": Faults(sac_absent="boot_manager")},
    "switch": {"faults": Faults(unsolicited_switch_after=14)},
    "crash": {"faults": Faults(bugcheck_after=14)},
    "restart": {"faults": Faults(reboot_after=14)},
    "hang": {"faults": Faults(hang_on="reg add")},
    "write fails": {"faults": Faults(reg_fails_for="MaxIdleTime")},
    "write lies": {"faults": Faults(reg_lies_for="MaxIdleTime")},
}


def record(path: Path, renderer: Renderer, **rig: Any) -> Outing:
    async def script(stage: Rig) -> Outing:
        return await stage.apply(record=path)

    playbook = small({"value": "MaxIdleTime", "data": 0}, {"value": "Shadow", "data": 0})
    return scene(renderer, script, **{"playbook": playbook, "seed": 3, **rig})


@both
@pytest.mark.parametrize("name", SCENES)
def test_every_scene_is_replayed(tmp_path: Path, renderer: Renderer, name: str) -> None:
    outing = record(path := tmp_path / "session.cast", renderer, **SCENES[name])
    result = replay(path)
    assert result.outcome == outing.slug
    assert PASSWORD not in path.read_text("utf-8")


@both
@pytest.mark.parametrize("faults", [Faults(), Faults(sac_restart_fails=True)], ids=["ok", "fails"])
def test_a_restart_by_sac_is_replayed(tmp_path: Path, renderer: Renderer, faults: Faults) -> None:
    async def script(stage: Rig) -> Outing:
        return await stage.restart(record=tmp_path / "session.cast")

    outing = scene(renderer, script, faults=faults)
    assert outing.slug == ("restart.refused" if faults.sac_restart_fails else "ok")
    assert replay(tmp_path / "session.cast").outcome == outing.slug


@both
def test_a_drop_and_the_way_back_are_replayed(tmp_path: Path, renderer: Renderer) -> None:
    path = tmp_path / "session.cast"

    async def script(stage: Rig) -> Outing:
        stage.wired.drop_after = 500
        return await stage.apply(record=path)

    assert scene(renderer, script).slug == "ok"
    assert replay(path).outcome == "ok"


@pytest.mark.parametrize("after", [60, 128, 140, 600])
def test_a_take_over_is_replayed(tmp_path: Path, after: int) -> None:
    path = tmp_path / "session.cast"

    async def script(stage: Rig) -> Outing:
        stage.wired.error = SessionTakenOver
        stage.wired.drop_after = after
        return await stage.apply(record=path)

    assert scene("conpty", script).slug == replay(path).outcome == "transport.session_taken_over"


@both
def test_a_check_and_a_proof_are_replayed(tmp_path: Path, renderer: Renderer) -> None:
    async def script(stage: Rig) -> None:
        await stage.check(record=tmp_path / "check.cast")
        await stage.apply()
        stage.guest.restart()
        await stage.prove("Cmd0002", record=tmp_path / "prove.cast")

    scene(renderer, script)
    assert replay(tmp_path / "check.cast").outcome == "ok"
    assert replay(tmp_path / "prove.cast").outcome == "ok"


def test_a_declined_plan_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "session.cast"

    async def script(stage: Rig) -> Outing:
        async def no(_plan: object) -> bool:
            return False

        return await stage.apply(record=path, decide=no)

    assert scene("conpty", script).slug == replay(path).outcome == "usage"


def test_keys_are_counted_without_the_words_of_the_redaction(tmp_path: Path) -> None:
    keys: list[int] = []

    async def script(stage: Rig) -> Outing:
        outing = await stage.apply(record=tmp_path / "session.cast")
        keys.append(len(stage.wired.typed))
        return outing

    scene("conpty", script)
    result = replay(tmp_path / "session.cast")
    assert result.keys == keys[0]
    assert str(keys[0]) in str(result)


def test_passwords_of_one_length_are_recorded_alike(tmp_path: Path) -> None:
    """Key by key, whatever stands next to what: the recording tells the length alone."""
    recordings = []
    for password in ("aabbccdd", "abcdefgh"):
        path = tmp_path / f"{password}.cast"

        async def script(stage: Rig, path: Path = path, password: str = password) -> Outing:
            return await stage.check(record=path, password=password)

        assert scene("conpty", script, password=password).slug == "ok"
        recordings.append([event[:3] for event in read_cast(path).events])
    assert recordings[0] == recordings[1]
    hidden = [event for event in recordings[0] if "redacted" in str(event[2])]
    assert [event[2] for event in hidden] == ["<redacted:guest_password:1>"] * 8


def edited(path: Path, change: Callable[[list[Any]], list[Any] | None]) -> Path:
    """The recording with each event changed, or left out."""
    lines = path.read_text("utf-8").splitlines()
    events = [change(json.loads(line)) for line in lines[1:]]
    copy = path.with_name("edited.cast")
    copy.write_text("\n".join([lines[0], *(json.dumps(e) for e in events if e)]) + "\n", "utf-8")
    return copy


@both
def test_a_changed_keystroke_fails_with_both_sides(tmp_path: Path, renderer: Renderer) -> None:
    record(path := tmp_path / "session.cast", renderer)

    def change(event: list[Any]) -> list[Any]:
        if event[1] == "i":
            event[2] = event[2].replace("REG_DWORD /d 0 ", "REG_DWORD /d 7 ")
        return event

    with pytest.raises(ReplayMismatch) as caught:
        replay(edited(path, change))
    message = str(caught.value)
    recorded = next(line for line in message.splitlines() if "recorded:" in line)
    typed = next(line for line in message.splitlines() if "typed:" in line)
    assert "/d 7" in recorded
    assert "/d 0" in typed
    assert caught.value.exit_code == 7


def test_another_answer_is_another_end(tmp_path: Path) -> None:
    """What the guest says is data: a value that reads back otherwise fails the replay."""
    record(path := tmp_path / "session.cast", "conpty", faults=Faults(reg_lies_for="Shadow"))

    def change(event: list[Any]) -> list[Any]:
        if event[1] == "m":
            event[2] = re.sub("^outcome:.*", "outcome:ok", event[2])
        return event

    with pytest.raises(ReplayMismatch, match=r"ended with step\.verify_mismatch"):
        replay(edited(path, change))


def test_a_recording_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.cast"
    path.write_text('{"version": 2, "width": 80, "height": 24}\n[0.1, "o", "hi"]\n', "utf-8")
    with pytest.raises(RecordError, match="not a recording of a serialfix session"):
        replay(path)


def test_every_purpose_can_be_replayed() -> None:
    assert {purpose.value for purpose in Purpose} == {"check", "apply", "restart", "prove"}
