from __future__ import annotations

import json
from pathlib import Path

from serialfix.playbook.lint import RULES
from tests.cli.conftest import Stage


ROOT = Path(__file__).parents[2]
BAD = "REM a list\r\nreg add HKLM\\A /v 'B' /t REG_DWORD /d 1\r\nnet user bob S3cret!\r\n"


def test_all_shipped_playbooks_are_clean(stage: Stage) -> None:
    code, out, err = stage.run("playbook", "lint")
    assert code == 0
    assert all(" note: " in row for row in out.splitlines())
    assert "error" not in err
    assert "warning" not in err


def test_findings_are_told_by_place_and_end_with_2(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "a.cmd"
    path.write_bytes(BAD.encode())
    code, out, err = stage.run("playbook", "lint", str(path))
    assert code == 2
    assert out.splitlines()[0].startswith(f"{path}:2:19: SF010 error: 'B' in single quotes")
    assert err == "3 errors\n"
    assert path.read_bytes() == BAD.encode()
    rows = json.loads(stage.run("playbook", "lint", str(path), "-o", "json")[1])
    assert [(row["line"], row["column"], row["rule"], row["fixable"]) for row in rows] == [
        (2, 19, "SF010", True),
        (2, 40, "SF040", True),
        (3, 14, "SF070", False),
    ]
    assert stage.run("playbook", "lint", str(path), "-o", "tsv")[1].count("\t") == 21


def test_fix_repairs_the_file_and_says_what_it_did(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "a.cmd"
    path.write_bytes(BAD.encode())
    code, out, _ = stage.run("playbook", "lint", "--fix", str(path))
    assert code == 2  # the secret stays
    assert path.read_bytes() == BAD.replace("'B'", "B").replace("/d 1\r", "/d 1 /f\r").encode()
    assert out.count("repaired: ") == 2
    assert "SF070 error: " in out
    path.write_text("reg add HKLM\\A /v 'B' /d 1 /f\n")
    assert stage.run("playbook", "lint", "--fix", str(path))[0] == 0
    assert stage.run("playbook", "lint", "--fix", str(path))[1] == ""


def test_names_files_and_what_is_neither(stage: Stage, tmp_path: Path) -> None:
    assert stage.run("playbook", "lint", "rdp-reset")[0] == 0
    code, _, err = stage.run("playbook", "lint", "rdp-rest")
    assert code == 2
    assert "neither a file nor a playbook" in err
    (tmp_path / "a.md").write_bytes(b"# A\n\xff\n")
    code, _, err = stage.run("playbook", "lint", str(tmp_path / "a.md"))
    assert code == 2
    assert "a.md:2:1: not UTF-8" in err
    (tmp_path / "b.yaml").write_text("schema: 1\n")
    code, out, _ = stage.run("playbook", "lint", str(tmp_path / "b.yaml"))
    assert code == 2
    assert "b.yaml:1:1: SF001 error: " in out


def test_rules_are_listed_and_explained(stage: Stage) -> None:
    out = stage.run("playbook", "lint", "--rules")[1]
    for rule in RULES:
        assert rule.id in out
        code, told, _ = stage.run("playbook", "lint", "--explain", rule.id)
        assert (code, told.splitlines()[0]) == (
            0,
            f"{rule.id} {rule.name} ({rule.severity}): {rule.title}",
        )
    assert len(json.loads(stage.run("playbook", "lint", "--rules", "-o", "json")[1])) == len(RULES)
    assert stage.run("playbook", "lint", "--explain", "single-quotes")[0] == 0
    assert stage.run("playbook", "lint", "--explain", "SF999")[0] == 2


def test_nothing_is_clipped_at_80_columns(stage: Stage) -> None:
    out = stage.run("playbook", "lint", "--rules")[1]
    assert all(len(row) <= 80 for row in out.splitlines())
    told = " ".join(out.split())
    assert all(rule.title in told for rule in RULES if len(rule.title) < 50)


def test_what_a_file_holds_does_not_act_on_the_terminal(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("net user bob \x1b]52;c;eA==\x07\nver\nver\n")
    _, out, _ = stage.run("playbook", "lint", str(tmp_path / "a.txt"))
    assert out
    assert "\x1b" not in out


def test_the_document_is_made_from_the_rules() -> None:
    rows = ["| rule | name | severity | `--fix` | what it finds |", "|---|---|---|---|---|"]
    for rule in RULES:
        fix = "yes" if rule.fixed else ""
        rows.append(f"| {rule.id} | {rule.name} | {rule.severity} | {fix} | {rule.title} |")
    assert "\n".join(rows) + "\n" in (ROOT / "docs" / "lint.md").read_text("utf-8")


def test_what_no_person_has_written_is_refused_at_once(stage: Stage, tmp_path: Path) -> None:
    large, long = tmp_path / "large.md", tmp_path / "long.md"
    large.write_text("sc query Dhcp\n\n" * 80_000)
    long.write_text("# T\n\nreg add " + "HKLM\\a " * 10_000)
    code, _, err = stage.run("playbook", "lint", str(large))
    assert code == 2
    assert "larger than 1024 KiB" in err
    for command in ("lint", "import"):
        code, _, err = stage.run("playbook", command, str(long))
        assert code == 2
        assert "long.md:3:16385: a line of 70008 characters" in err
