from __future__ import annotations

from pathlib import Path

import pytest

from serialfix.errors import ConfigError
from serialfix.offline import libhivex
from serialfix.offline.libhivex import HiveError, Hivex
from tests.offline.small_hive import empty


def test_keys_and_values(tmp_path: Path) -> None:
    path = tmp_path / "hive"
    path.write_bytes(empty())
    with Hivex(path, write=True) as hive:
        key = hive.add_child(hive.root(), "Überall 東")
        hive.set_values(key, [("", 1, b"a\0\0\0"), ("Name", 4, b"\1\0\0\0")])
        hive.commit()
    with Hivex(path) as hive:
        (key,) = hive.children(hive.root())
        assert hive.name(key) == "Überall 東"
        assert hive.child(hive.root(), "nope") is None
        assert list(hive.values(key)) == [("", 1, b"a\0\0\0"), ("Name", 4, b"\1\0\0\0")]


def test_without_commit_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "hive"
    path.write_bytes(empty())
    with Hivex(path, write=True) as hive:
        hive.add_child(hive.root(), "Key")
    assert path.read_bytes() == empty()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(HiveError, match="No such file"):
        Hivex(tmp_path / "nope")
    (tmp_path / "bad").write_bytes(b"regf" + bytes(5000))
    with pytest.raises(HiveError, match="cannot be opened"):
        Hivex(tmp_path / "bad")


def test_where_the_library_is_missing_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libhivex, "_NAMES", ("libhivex-that-is-not-there.so",))
    libhivex.library.cache_clear()
    try:
        with pytest.raises(ConfigError, match="libhivex is not installed") as caught:
            libhivex.library()
    finally:
        libhivex.library.cache_clear()
    assert "apt install libhivex0" in caught.value.remedy
