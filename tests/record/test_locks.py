from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from serialfix.record.locks import VmBusy, VmLock, lock_file


def test_held_until_closed(tmp_path: Path) -> None:
    with VmLock(tmp_path / "vm", holder="run-1") as lock:
        with pytest.raises(VmBusy) as caught:
            VmLock(tmp_path / "vm", holder="run-2")
        assert caught.value.holder == "run-1"
    lock.close()
    VmLock(tmp_path / "vm", holder="run-3").close()
    assert (tmp_path / "vm").read_text() == "run-3"
    assert stat.S_IMODE((tmp_path / "vm").stat().st_mode) == 0o600


def test_another_process_sees_it_and_its_death_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "vm"
    code = (
        "import sys; from pathlib import Path; from serialfix.record.locks import VmLock;"
        "lock = VmLock(Path(sys.argv[1]), holder='other'); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(VmBusy, match="other"):
            VmLock(path, holder="us")
        process.kill()
    VmLock(path, holder="us").close()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        lock_file(tmp_path / "no" / "vm")
