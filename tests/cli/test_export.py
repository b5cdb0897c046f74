from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Stage


@pytest.mark.parametrize("form", ["reg", "cmd", "ps1", "ansible"])
def test_a_file_in_every_form(stage: Stage, tmp_path: Path, form: str) -> None:
    file = tmp_path / "fix"
    code, out, err = stage.run("playbook", "export", "rdp-reset", "--format", form, "-o", str(file))
    assert (code, out, err) == (0, "", "")
    text = file.read_bytes().decode("utf-16" if form == "reg" else "utf-8")
    assert "MaxInstanceCount" in text


def test_to_stdout_it_is_the_same(stage: Stage, tmp_path: Path) -> None:
    stage.run("playbook", "export", "rdp-reset", "--format", "cmd", "-o", str(tmp_path / "f"))
    _, out, _ = stage.run("playbook", "export", "rdp-reset", "--format", "cmd")
    assert out.encode() == (tmp_path / "f").read_bytes()


def test_parameters_are_set(stage: Stage) -> None:
    given = ("--format", "cmd", "--set", "port=3390")
    code, out, err = stage.run("playbook", "export", "rdp-port-reset", *given)
    assert code == 0, err
    assert "/d 3390 /f" in out
    assert stage.run("playbook", "export", "rdp-reset", "--format", "cmd", "--set", "x=1")[0] == 2


def test_what_is_left_out_is_told(stage: Stage, tmp_path: Path) -> None:
    command = ("playbook", "export", "safe-mode-exit", "--format", "reg")
    code, out, err = stage.run(*command)
    assert (code, out) == (2, "")
    assert "safeboot" in err
    assert "--partial" in err
    code, _, err = stage.run(*command, "--partial", "-o", str(tmp_path / "f.reg"))
    assert code == 0
    assert "left out: step" in err
    code, _, err = stage.run(*command, "--partial", "-o", str(tmp_path))
    assert code == 2
    assert "cannot be written" in err


def test_the_commands_for_a_recovery_vm(stage: Stage) -> None:
    code, out, _ = stage.run("playbook", "show", "rdp-reset", "--offline", "--drive", "G:")
    assert code == 0
    assert 'reg load HKLM\\BROKENSYSTEM "G:\\Windows' in out
    assert "\r\n" in out
    sets = ("--control-sets", "1,2")
    _, out, _ = stage.run("playbook", "show", "rdp-reset", "--offline", *sets)
    assert out.count("reg add ") == 29
    for wrong in ("x", "0", "1;2"):
        show = ("playbook", "show", "rdp-reset", "--offline", "--control-sets", wrong)
        code, _, err = stage.run(*show)
        assert code == 2
        assert "--control-sets takes numbers" in err


def test_a_file_is_not_replaced_unasked(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "fix.cmd"
    file.write_text("mine")
    command = ("playbook", "export", "rdp-reset", "--format", "cmd", "-o", str(file))
    code, _, err = stage.run(*command)
    assert code == 2
    assert "--yes replaces it" in err
    assert file.read_text() == "mine"
    assert stage.run(*command, "--yes")[0] == 0
    assert "MaxInstanceCount" in file.read_text()
