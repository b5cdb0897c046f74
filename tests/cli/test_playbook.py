from __future__ import annotations

import json

import pytest
import yaml

from serialfix.playbook.schema import json_schema
from tests.cli.conftest import Stage


def test_list(stage: Stage) -> None:
    code, out, _ = stage.run("playbook", "list")
    assert code == 0
    rows = json.loads(stage.run("playbook", "list", "-o", "json")[1])
    (row,) = (row for row in rows if row["name"] == "rdp-reset")
    assert (row["steps"], row["restart"]) == (16, "if_changed")
    assert "\nrdp-reset\t1.0\t16\t" in stage.run("playbook", "list", "-o", "tsv")[1]
    assert len(rows) >= 50
    words = out.split()
    for row in rows:
        assert row["name"] in words, "no name is cut or broken at 80 columns"
        assert row["restart"] in words
    assert max(map(len, out.splitlines())) <= 80


def test_list_finds_words_in_names_titles_and_symptoms(stage: Stage) -> None:
    def found(word: str) -> list[str]:
        rows = json.loads(stage.run("playbook", "list", "--search", word, "-o", "json")[1])
        return [row["name"] for row in rows]

    assert found("NLA-") == ["nla-off", "nla-on"]
    assert found("boot menu") == ["boot-menu-off", "boot-menu-timeout"]
    assert found("0xc004f074") == ["kms-activate"]
    assert found("no such thing") == []


def test_one_bad_file_hides_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    (stage.state.parent / "bad.yaml").write_text("schema: 2\n")
    monkeypatch.setenv("SERIALFIX_PLAYBOOK_PATH", str(stage.state.parent))
    code, out, err = stage.run("playbook", "list")
    assert code == 0
    assert "rdp-reset" in out
    assert "bad.yaml:1:9" in err


def test_show(stage: Stage) -> None:
    _, out, _ = stage.run("playbook", "show", "rdp-reset")
    assert yaml.safe_load(out)["name"] == "rdp-reset"
    data = json.loads(stage.run("playbook", "show", "rdp-reset", "-o", "json")[1])
    assert data["steps"][0]["registry"]["value"] == "SecurityLayer"
    assert stage.run("playbook", "show", "nope")[0] == 2


def test_show_tells_the_parameters(stage: Stage) -> None:
    _, out, _ = stage.run("playbook", "show", "rdp-license-server")
    given = "# --set mode=4  2 per device, 4 per user; as the licences were bought."
    assert f"{given} It must be given." in out.splitlines()
    _, out, _ = stage.run("playbook", "show", "rdp-tls-enable")
    assert "# --set old_versions=false  Also TLS 1.0 and 1.1, which are broken." in out.splitlines()


def test_docs(stage: Stage) -> None:
    folder = stage.state.parent / "new" / "pages"
    assert stage.run("playbook", "docs", str(folder))[0] == 0
    assert "[rdp-reset](rdp-reset.md)" in (folder / "README.md").read_text("utf-8")
    assert (folder / "rdp-reset.md").read_text("utf-8").count("| `SecurityLayer` |") == 1
    code, _, err = stage.run("playbook", "docs", str(folder / "README.md"))
    assert code == 2
    assert "README.md" in err


def test_schema(stage: Stage) -> None:
    assert json.loads(stage.run("playbook", "schema")[1]) == json_schema()
