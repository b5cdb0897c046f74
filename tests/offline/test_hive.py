from __future__ import annotations

import struct
from pathlib import Path

import pytest
from Registry.Registry import Registry

from serialfix.errors import ConfigError, HiveRefused
from serialfix.model import RegistryType, RegistryValue
from serialfix.offline.hive import Hive, Stored, examine
from serialfix.offline.libhivex import Hivex
from tests.offline.small_hive import dword, empty, headed, make, software, system, text


VALUES = {
    "Number": dword(0xFFFFFFFF),
    "Big": RegistryValue(RegistryType.QWORD, (1 << 64) - 1),
    "Größe 東": text("Größe 東京 😀"),
    "lätin": text(""),
    "Path": RegistryValue(RegistryType.EXPAND_SZ, r"%SystemRoot%\x"),
    "List": RegistryValue(RegistryType.MULTI_SZ, ("a", "Ü")),
    "Bytes": RegistryValue(RegistryType.BINARY, bytes(range(256)) * 4),
    "None": RegistryValue(RegistryType.NONE, b"\1\2\3\4\5"),
}
KEY = r"Microsoft\New (1)\Deep"


def written(path: Path) -> Path:
    return make(path, {("Microsoft", "x"): dword(1), **{(KEY, n): v for n, v in VALUES.items()}})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with Hive(written(tmp_path / "SOFTWARE")) as hive:
        for name, value in VALUES.items():
            found = hive.get(KEY.upper(), name.upper() if name.isascii() else name)
            assert found is not None
            assert found.typed == value
        assert hive.get(KEY, "nope") is None
        assert hive.get(r"No\Such", "x") is None


def test_another_library_reads_the_same(tmp_path: Path) -> None:
    key = Registry(str(written(tmp_path / "SOFTWARE"))).open(KEY)
    found = {value.name(): value for value in key.values()}
    assert set(found) == set(VALUES)
    for name, value in VALUES.items():
        stored = Stored.of(value)
        assert found[name].value_type() == stored.number
        if len(stored.data) > 4:  # shorter data it pads
            assert found[name].raw_data() == stored.data


def test_values_beside_it_stay_as_they_are_and_where_they_are(tmp_path: Path) -> None:
    path = written(tmp_path / "SOFTWARE")
    with Hive(path) as hive:
        before = hive.tree()
    with Hive(path, write=True) as hive:
        hive.set(KEY, "NUMBER", Stored.of(dword(5)))
        hive.set(KEY, "Path", None)
        hive.set(KEY, "never there", None)
        hive.set(r"No\Such", "x", None)
        hive.commit()
    with Hive(path) as hive:
        after = hive.tree()
    wanted = dict(before[KEY.lower()]) | {"number": Stored.of(dword(5))}
    del wanted["path"]
    assert after == {**before, KEY.lower(): wanted}
    assert list(after[KEY.lower()]) == [name for name in before[KEY.lower()] if name != "path"]


def test_a_hive_that_was_not_closed_is_refused(tmp_path: Path) -> None:
    body = empty()[4096:]
    with pytest.raises(HiveRefused, match="not closed properly") as caught:
        examine(headed(body, first=3, second=2), tmp_path / "SYSTEM")
    assert "reg load" in caught.value.remedy
    broken = bytearray(empty())
    broken[508] ^= 1
    with pytest.raises(HiveRefused, match="not closed properly"):
        examine(bytes(broken), tmp_path / "SYSTEM")


@pytest.mark.parametrize("length", [0, 3, 100, 4095, 4096, 8191])
def test_a_hive_that_is_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(HiveRefused, match=r"cut off|no registry hive"):
        examine(empty()[:length], tmp_path / "SYSTEM")


def test_a_damaged_bin_and_an_unknown_format_are_refused(tmp_path: Path) -> None:
    damaged = bytearray(empty())
    damaged[4096:4100] = b"xxxx"
    with pytest.raises(HiveRefused, match="damaged at byte 4096"):
        examine(bytes(damaged), tmp_path / "SYSTEM")
    other = bytearray(empty())
    other[20] = 2
    with pytest.raises(HiveRefused, match=r"format 2\.5"):
        examine(bytes(other), tmp_path / "SYSTEM")


def log(*sequences: int, kind: int = 6, first: int = 1) -> bytes:
    head = struct.pack("<4sII16xI", b"regf", first, first, kind).ljust(512, b"\0")
    entries = (
        struct.pack("<4sIIII", b"HvLE", 512, 0, n, 4096).ljust(512, b"\0") for n in sequences
    )
    return head + b"".join(entries)


def test_what_is_in_a_log_only_is_not_written_over(tmp_path: Path) -> None:
    hive = tmp_path / "SYSTEM"
    content = headed(empty()[4096:], first=7, second=7)
    (tmp_path / "system.LOG1").write_bytes(log(4, 5, 6))  # what was worked in before
    (tmp_path / "SYSTEM.LOG2").write_bytes(b"")
    (tmp_path / "SOFTWARE.LOG1").write_bytes(log(9))
    examine(content, hive)
    (tmp_path / "SYSTEM.LOG2").write_bytes(log(6, 7))
    with pytest.raises(HiveRefused, match=r"SYSTEM\.LOG2 holds changes"):
        examine(content, hive)
    (tmp_path / "SYSTEM.LOG2").write_bytes(log(kind=1, first=7))  # Windows before 8.1
    examine(content, hive)
    (tmp_path / "SYSTEM.LOG2").write_bytes(log(kind=1, first=8))
    with pytest.raises(HiveRefused, match=r"SYSTEM\.LOG2 holds changes"):
        examine(content, hive)


def test_the_wrong_hive_is_told(tmp_path: Path) -> None:
    with Hive(software(tmp_path / "SOFTWARE")) as hive:
        hive.require_kind("SOFTWARE")
        with pytest.raises(ConfigError, match="is a SOFTWARE hive, not SYSTEM"):
            hive.require_kind("SYSTEM")
    with Hive(system(tmp_path / "SYSTEM")) as hive:
        hive.require_kind("SYSTEM")
        with pytest.raises(ConfigError, match="is a SYSTEM hive, not SOFTWARE"):
            hive.require_kind("SOFTWARE")


def test_what_the_library_cannot_write_is_refused(tmp_path: Path) -> None:
    large = RegistryValue(RegistryType.BINARY, bytes(20_000))
    path = make(tmp_path / "SOFTWARE", {("A_B", "x"): dword(1)})
    with Hivex(path, write=True) as raw:
        raw.set_values(raw.add_child(raw.root(), "A"), [("Large", 3, Stored.of(large).data)])
        raw.commit()
    with Hive(path, write=True) as hive:
        with pytest.raises(HiveRefused, match="would not survive"):
            hive.set("A", "other", Stored.of(dword(1)))
        with pytest.raises(HiveRefused, match="would not survive"):
            hive.set("B", "large", Stored.of(large))
        with pytest.raises(HiveRefused, match="Windows would find it"):
            hive.set("Größe", "x", Stored.of(dword(1)))
        hive.set("A", "Large", None)


def test_keys_are_filed_where_windows_searches_them(tmp_path: Path) -> None:
    names = ["b", "A_B", "AA", "A", "a[", "AZ", "A^", "a`"]
    path = make(tmp_path / "hive", {(name, "x"): dword(1) for name in names})
    with Hive(path) as hive:
        assert hive.keys() == sorted(names, key=str.upper)
