from __future__ import annotations

import json
import re
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pexpect
import pytest

from serialfix.errors import ConfigError
from serialfix.offline import libhivex
from tests.cli.conftest import Stage
from tests.offline.small_hive import software, system


@pytest.fixture
def hives(tmp_path: Path) -> tuple[str, ...]:
    try:
        libhivex.library()
    except ConfigError as error:
        pytest.skip(f"{error}: not shown are the commands for hives")
    one, two = system(tmp_path / "SYSTEM"), software(tmp_path / "SOFTWARE")
    return ("--system-hive", str(one), "--software-hive", str(two))


APPLY = ("offline", "apply", "--playbook", "rdp-reset")


def test_looked_at_applied_and_undone(stage: Stage, hives: tuple[str, ...]) -> None:
    code, out, err = stage.run(*APPLY, *hives, "--check", "--exit-code")
    assert (code, err) == (20, "")
    assert "SYSTEM\\ControlSet002\\Control\\Terminal Server\\WinStations\\RDP-Tcp" in out
    assert re.search(r"SecurityLayer +2 +0 +would_change", out)
    assert "Lowers security:" in out
    assert "would_change" in out
    code, out, err = stage.run(*APPLY, *hives, "-y", "-o", "json")
    assert code == 0, err
    result = json.loads(out)
    assert result["schema"] == "serialfix.offline/1"
    schema = files("serialfix").joinpath("schemas", "offline-1.json").read_text("utf-8")
    jsonschema.validate(result, json.loads(schema))
    assert (result["outcome"], len(result["steps"])) == ("changed", 29)
    assert result["steps"][0] == {
        "id": "security-layer",
        "hive": "SYSTEM",
        "key": "ControlSet001\\Control\\Terminal Server\\WinStations\\RDP-Tcp",
        "value": "SecurityLayer",
        "outcome": "changed",
        "before": {"type": "REG_DWORD", "data": 2},
        "after": {"type": "REG_DWORD", "data": 0},
    }
    assert json.loads(stage.run(*APPLY, *hives, "-y", "-o", "json")[1])["outcome"] == "ok"
    for hive in result["hives"]:
        code, out, _ = stage.run("offline", "undo", "--backup", hive["backup"], "-y")
        assert (code, out) == (0, f"{hive['path']}: changed\n")
    code, out, _ = stage.run(*APPLY, *hives, "--check", "-o", "tsv")
    assert (code, out.count("\n")) == (0, 29)


def test_nothing_is_clipped(stage: Stage, hives: tuple[str, ...]) -> None:
    _, out, _ = stage.run(*APPLY, *hives, "-y")
    folder = Path(hives[1]).parent
    (backup,) = (path for path in folder.glob("SYSTEM.serialfix-*Z"))
    assert str(backup) in out
    assert "fQueryUserConfigFromLocalMachine" in out
    assert "…" not in out


def test_without_consent_nothing_is_touched(stage: Stage, hives: tuple[str, ...]) -> None:
    code, _, err = stage.run(*APPLY, *hives, "--no-input")
    assert code == 2
    assert "--yes" in err
    assert len(list(Path(hives[1]).parent.glob("S*"))) == 2
    assert stage.run("offline", "undo", "--backup", "nope", "--no-input")[0] == 2


@pytest.mark.parametrize(("answer", "outcome"), [("n", 2), ("y", 0)])
def test_a_person_is_shown_the_plan_and_asked(
    hives: tuple[str, ...], answer: str, outcome: int
) -> None:
    before = Path(hives[1]).read_bytes()
    program = "from serialfix.cli.main import main; main()"
    command = ["-c", program, *APPLY, *hives]
    child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=30)
    child.expect_exact("Change 29 values? [y/N] ")
    assert "SecurityLayer" in (child.before or "")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == outcome
    assert (Path(hives[1]).read_bytes() == before) is (outcome == 2)


def test_what_is_refused_has_its_exit_code(stage: Stage, hives: tuple[str, ...]) -> None:
    _, one, _, two = hives
    swapped = ("--system-hive", two, "--software-hive", one)
    assert stage.run(*APPLY, *swapped, "-y")[0] == 2
    assert stage.run(*APPLY, "--system-hive", one, "-y")[0] == 2
    content = bytearray(Path(one).read_bytes())
    content[4] += 1
    Path(one).write_bytes(content)
    code, _, err = stage.run(*APPLY, *hives, "-y")
    assert code == 5
    assert "not closed properly" in err
    assert "reg load" in err
    assert "preflight.hive" in err
