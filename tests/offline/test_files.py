"""A hive file, whatever kills the process that changes it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from serialfix.errors import ConfigError, HiveRefused, VerifyMismatch
from serialfix.offline.files import HiveFile, Write, note_of
from serialfix.offline.hive import Hive, Stored, examine
from tests.offline.small_hive import LISTENER, dword, headed, system


KEY = rf"ControlSet001\{LISTENER}"
WRITES = [Write(KEY, "SecurityLayer", Stored.of(dword(0))), Write(KEY, "PortNumber", None)]
NOTE = {"hive": "SYSTEM"}


def change(path: Path, writes: list[Write] = WRITES) -> Path:
    with HiveFile(path, "SYSTEM", write=True) as file:
        backup = file.prepare(writes, NOTE, "20260101T000000Z")
        file.put()
    return backup


def layer(path: Path) -> int:
    with Hive(path) as hive:
        stored = hive.get(KEY, "SecurityLayer")
    assert stored is not None
    return stored.data[0]


def test_the_backup_is_the_file_as_it_was_with_a_note(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM")
    path.chmod(0o640)
    before = path.read_bytes()
    backup = change(path)
    assert backup == tmp_path / "SYSTEM.serialfix-20260101T000000Z"
    assert backup.read_bytes() == before
    note = json.loads(note_of(backup).read_text())
    assert note["hive"] == "SYSTEM"
    assert (layer(path), layer(backup)) == (0, 2)
    assert path.stat().st_mode & 0o777 == backup.stat().st_mode & 0o777 == 0o640
    assert note_of(backup).stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [path, backup, note_of(backup)]


def test_a_link_leads_to_the_file_that_is_changed(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    path = system(folder / "SYSTEM")
    link = tmp_path / "link"
    link.symlink_to(path)
    backup = change(link)
    assert link.is_symlink()
    assert layer(path) == 0
    assert backup.parent == folder


def killed_at(moment: int, work: Callable[[], Any]) -> bool:
    """Do the work in a child that is killed by SIGKILL at its nth call into the system; whether it
    was killed before it was done."""
    child = os.fork()
    if not child:
        calls = count()

        def at(event: str, _: Any) -> None:
            if event in WATCHED and next(calls) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(at)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


WATCHED = {
    *("open", "os.rename", "os.remove", "os.chmod", "os.chown", "os.utime", "os.listdir"),
    *("os.scandir", "os.getxattr", "os.setxattr", "os.listxattr", "glob.glob", "fcntl.flock"),
    *("ctypes.dlsym", "shutil.copystat"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL: not shown is what a kill leaves")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_killed_process_leaves_the_old_hive_or_the_new_one(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM", sets=(1,))
    before = path.read_bytes()
    outcomes = []
    for moment in count():
        path.write_bytes(before)
        killed = killed_at(moment, lambda: change(path))
        now = path.read_bytes()
        examine(now, path)
        outcomes.append(layer(path))
        if now != before:
            (backup,) = [each for each in tmp_path.glob("SYSTEM.serialfix-*Z")]
            assert backup.read_bytes() == before
            assert json.loads(note_of(backup).read_text())["sha256_after"]
        # the next one is not held up by what was left, and leaves nothing of it
        path.write_bytes(before)
        backup = change(path)
        assert layer(path) == 0
        assert sorted(tmp_path.iterdir()) == [path, backup, note_of(backup)]
        for each in (backup, note_of(backup)):
            each.unlink()
        if not killed:
            break
    assert outcomes[0] == 2
    assert outcomes[-1] == 0
    assert sorted(outcomes, reverse=True) == outcomes
    assert len(outcomes) > 20


def test_two_at_a_time_are_refused(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM")
    with (
        HiveFile(path, "SYSTEM", write=True),
        pytest.raises(HiveRefused, match="in use by another process"),
    ):
        HiveFile(path, "SYSTEM", write=True)
    HiveFile(path, "SYSTEM", write=True).close()


def test_a_file_that_something_else_changes_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = system(tmp_path / "SYSTEM")
    other = path.read_bytes() + b"more"
    with HiveFile(path, "SYSTEM", write=True) as file:
        file.prepare(WRITES, NOTE, "20260101T000000Z")
        path.write_bytes(other)
        with pytest.raises(HiveRefused, match="changed by something else meanwhile"):
            file.put()
    assert path.read_bytes() == other
    assert not list(tmp_path.glob("*.new"))


def test_a_copy_that_does_not_read_back_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = system(tmp_path / "SYSTEM")
    before = path.read_bytes()
    right = Hive.set

    def also_elsewhere(self: Hive, key: str, name: str, wanted: Stored | None) -> None:
        right(self, key, name, wanted)
        right(self, rf"ControlSet002\{LISTENER}", "Stray", Stored.of(dword(1)))

    monkeypatch.setattr(Hive, "set", also_elsewhere)
    with pytest.raises(VerifyMismatch, match="controlset002"):
        change(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_worked_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        HiveFile(tmp_path / "SYSTEM", "SYSTEM", write=False)
    with pytest.raises(ConfigError, match="is not a file"):
        HiveFile(tmp_path, "SYSTEM", write=True)
    path = system(tmp_path / "SYSTEM")
    path.write_bytes(headed(path.read_bytes()[4096:], first=5, second=4))
    with pytest.raises(HiveRefused, match="not closed properly"):
        HiveFile(path, "SYSTEM", write=True)
