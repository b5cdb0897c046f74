from __future__ import annotations

from pathlib import Path

import yaml

from serialfix.playbook.load import load_playbook
from tests.cli.conftest import Stage


ARTICLES = Path(__file__).parents[1] / "playbook" / "articles"


def test_an_article_becomes_a_file_that_loads(stage: Stage, tmp_path: Path) -> None:
    target = tmp_path / "my-fix.yaml"
    code, out, err = stage.run("playbook", "import", str(ARTICLES / "nla.en.md"), "-o", str(target))
    assert (code, out) == (0, "")
    playbook = load_playbook(target).playbook
    assert (playbook.name, len(playbook.steps)) == ("my-fix", 4)
    assert "my-fix: 4 steps, restart if_changed" in err
    assert "repaired: SF040 A command that waits for an answer" in err
    assert "line 33: not understood: netdom remove " in err
    assert "line 39: no step: " in err
    assert stage.run("playbook", "lint", str(target))[0] == 0


def test_the_name_and_standard_output(stage: Stage) -> None:
    article = str(ARTICLES / "rdp-disconnects-frequently.fr.md")
    code, out, err = stage.run("playbook", "import", article, "--name", "retablir")
    assert code == 0
    assert yaml.safe_load(out)["name"] == "retablir"
    assert "29 commands are for the disk of a VM that is off: that part says the same" in err
    assert yaml.safe_load(stage.run("playbook", "import", article)[1])["name"] == (
        "rdp-disconnects-frequently"
    )


def test_a_file_is_not_replaced_unasked(stage: Stage, tmp_path: Path) -> None:
    target = tmp_path / "a.yaml"
    target.write_text("mine")
    article = str(ARTICLES / "static-ip.ja.md")
    code, _, err = stage.run("playbook", "import", article, "-o", str(target))
    assert code == 2
    assert "--yes replaces it" in err
    assert target.read_text() == "mine"
    assert stage.run("playbook", "import", article, "-o", str(target), "--yes")[0] == 0
    assert load_playbook(target).playbook.name == "a"


def test_what_cannot_be_imported_says_why(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\n    net user bob S3cret\n")
    code, _, err = stage.run("playbook", "import", str(tmp_path / "a.md"))
    assert code == 2
    assert "no command in it could be made a step" in err
    assert "SF070" in err
    assert stage.run("playbook", "import", str(tmp_path / "none.md"))[0] == 2
    article = str(ARTICLES / "static-ip.ja.md")
    assert stage.run("playbook", "import", article, "--name", "no such name")[0] == 2


def test_what_was_repaired_is_told_rule_by_rule(stage: Stage) -> None:
    article = str(ARTICLES / "rdp-disconnects-frequently.fr.md")
    rows = stage.run("playbook", "import", article)[2].splitlines()
    assert sum(row.startswith("repaired: SF010 ") for row in rows) == 1
    assert "repaired: SF015 Data that is not a number, 2 times: lines 163, 165" in rows
    assert max(map(len, rows)) < 100
