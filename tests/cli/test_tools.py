from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from serialfix.cli import tools
from serialfix.lab import profiles, wineprefix
from serialfix.lab.build import make_lab
from serialfix.lab.server import LabThread
from tests.cli.conftest import Stage


COMMAND = [sys.executable, "-c", "from serialfix.cli.main import main; main()"]


def test_the_lab_offers_what_the_lab_has() -> None:
    assert set(typing.get_args(tools.Profile)) == set(profiles.PROFILES)
    assert tools.Language == profiles.Language
    assert tools.Renderer == profiles.Renderer
    assert tools.Program == profiles.Program


def test_doctor_in_the_lab(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with LabThread(make_lab) as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HTTPS_PROXY", "http://user:pr0xy-pw@proxy.example:8080")
        code, out, err = stage.run("doctor")
    assert (code, err) == (0, ""), out
    assert all(line.startswith("ok") for line in out.splitlines())
    assert "proxy.example:8080" in out
    assert "pr0xy-pw" not in out


def test_doctor_names_what_is_missing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.state.write_text("a file is in the way")
    monkeypatch.setenv("SERIALFIX_ARM_ENDPOINT", "http://example.com")
    code, out, _ = stage.run("doctor")
    assert code == 2
    assert "FAIL  state folder" in out
    assert "--state-dir" in out
    assert "FAIL  azure" in out


def test_replay_of_what_is_no_recording(stage: Stage) -> None:
    assert stage.run("replay", "/does/not/exist.cast")[0] == 2
    file = stage.state.parent / "odd.cast"
    file.write_text("nothing")
    code, _, err = stage.run("replay", str(file))
    assert code == 2
    assert "[record]" in err


def test_a_lab_without_wine_says_how_to_get_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wineprefix, "WINE", Path("/nowhere/wine64"))
    code, out, err = stage.run("lab", "--program", "wine")
    assert (code, out) == (2, "")
    assert "apt-get install --no-install-recommends wine64 locales" in " ".join(err.split())


def test_the_lab_prints_what_to_export_and_ends_with_a_signal(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(*COMMAND, "lab", "--profile", "ws2019", "--language", "fr"),
            *("--serial-sockets", str(tmp_path / "ports")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("# what"):
            break
    (console,) = (line for line in lines if line.startswith("# serial console of myvm: "))
    program = shlex.split(console.partition(": ")[2])
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as there:
        assert there.stdin is not None
        assert there.stdout is not None
        assert there.stdout.read(1)  # the guest boots
        there.stdin.close()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "")
    assert any(line.startswith("export SERIALFIX_ARM_ENDPOINT=https://") for line in lines)
    assert [path.name for path in tmp_path.iterdir()] == ["ports"]
    assert not list((tmp_path / "ports").iterdir())


def test_a_lab_cannot_be_broken_in_a_way_that_there_is_not(stage: Stage) -> None:
    code, out, err = stage.run("lab", "--break", "safe-mode", "--break", "sulking")
    assert (code, out) == (2, "")
    assert "the way 'sulking'" in " ".join(err.split())
    assert "termservice-hung" in " ".join(err.split())


def test_the_lab_needs_a_folder_for_sockets(stage: Stage) -> None:
    code, _, err = stage.run("lab", "--serial-sockets", str(stage.state / ("x" * 120)))
    assert code == 2
    assert "the lab cannot start" in err
    assert "short name" in err
