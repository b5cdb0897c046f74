from __future__ import annotations

import os
from pathlib import Path

import pytest

from serialfix.playbook.library import playbook_files
from serialfix.playbook.load import find_playbook


def test_the_first_folder_that_has_a_name_wins(tmp_path: Path) -> None:
    for folder, names in (("a", ("x", "rdp-reset")), ("b", ("x", "y"))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.yaml").touch()
    path = os.pathsep.join(("", str(tmp_path / "a"), str(tmp_path / "none"), str(tmp_path / "b")))
    found = playbook_files({"SERIALFIX_PLAYBOOK_PATH": path})
    assert list(found) == sorted(found)
    assert {name: found[name].parent.name for name in ("x", "y", "rdp-reset")} == {
        "x": "a",
        "y": "b",
        "rdp-reset": "a",
    }


@pytest.mark.parametrize("name", playbook_files({}))
def test_every_shipped_playbook_loads_under_its_name(name: str) -> None:
    assert find_playbook(name, environ={}).playbook.name == name
