from __future__ import annotations

import json

import pytest
import yaml

from serialfix.playbook.schema import json_schema
from tests.cli.conftest import Stage


def test_list(stage: Stage) -> None:
    code, out, _ = stage.run("playbook", "list")
    assert code == 0
    assert "rdp-reset" in out
    (row,) = (row for row in json.loads(stage.run("playbook", "list", "-o", "json")[1]))
    assert (row["name"], row["steps"], row["restart"]) == ("rdp-reset", 16, "if_changed")
    assert stage.run("playbook", "list", "-o", "tsv")[1].startswith("rdp-reset\t1.0\t16\t")


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


def test_schema(stage: Stage) -> None:
    assert json.loads(stage.run("playbook", "schema")[1]) == json_schema()
