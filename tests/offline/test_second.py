from __future__ import annotations

from pathlib import Path

from serialfix.offline.second import reader
from tests.offline.small_hive import dword, make
from tests.offline.test_hive import KEY, VALUES


def test_a_reader_that_shares_no_code_reads_the_same(tmp_path: Path) -> None:
    path = make(tmp_path / "hive", {(KEY, name): value for name, value in VALUES.items()})
    second = reader(path)
    assert second is not None
    names = [name for name in VALUES if second.reads(name)]
    assert len(names) == len(VALUES) - 2
    assert {name: second.get(KEY, name) for name in names} == {name: VALUES[name] for name in names}
    assert second.get(KEY, "nope") is None
    assert second.get(r"No\Such", "x") is None


def test_a_key_without_values(tmp_path: Path) -> None:
    second = reader(make(tmp_path / "hive", {(r"A\B", "x"): dword(1)}))
    assert second is not None
    assert second.get("A", "x") is None
