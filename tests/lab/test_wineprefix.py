from __future__ import annotations

import gc
from pathlib import Path

import pytest

from serialfix.errors import ConfigError
from serialfix.lab import wineprefix
from serialfix.lab.guest import Guest
from serialfix.lab.profiles import LST, PROFILES, default_registry, dword
from serialfix.lab.wineprefix import Prefix, missing


KEY = r"HKLM\SOFTWARE\Lab"

needs_wine = pytest.mark.skipif(
    bool(missing()),
    reason=f"{missing()}: not shown is that a Wine guest keeps its registry on disk",
)


def test_a_machine_without_wine_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wineprefix, "WINE", tmp_path / "wine64")
    with pytest.raises(ConfigError, match="wine64 is not installed") as caught:
        Guest(profile=PROFILES["ws2022"], program="wine")
    assert "apt-get install --no-install-recommends wine64" in str(caught.value.remedy)


@needs_wine
def test_a_language_without_its_locale_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locale").write_text("#!/bin/sh\necho C.utf8\n")
    (tmp_path / "locale").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"the locale ja_JP.UTF-8 is not generated"):
        wineprefix.require("ja")
    wineprefix.require("en")


@needs_wine
def test_what_is_in_the_registry_outlives_wine() -> None:
    prefix = Prefix("en")
    try:
        before = default_registry(PROFILES["ws2022"], "WIN-LAB01")
        prefix.write(before)
        assert prefix.registry().get(LST, "SecurityLayer") == dword(2)
        prefix.boot()
        assert prefix.run("reg", "add", KEY, "/v", "X", "/t", "REG_DWORD", "/d", "7", "/f") == 0
        assert prefix.registry().get(KEY, "x") == dword(7)  # while it runs
        prefix.stop()
        assert prefix.registry().get(KEY, "x") == dword(7)  # out of the file
        kept = prefix.registry().dump()
        prefix.boot()
        assert prefix.run("reg", "query", KEY, "/v", "X") == 0
        assert prefix.run("reg", "delete", KEY, "/f") == 0
        prefix.stop()
        after = prefix.registry()
        assert after.key(KEY) is None
        after.set(KEY, "X", dword(7))
        assert after.dump() == kept
    finally:
        prefix.remove()
    assert not prefix.folder.exists()


@needs_wine
def test_two_guests_have_nothing_in_common() -> None:
    one, other = Prefix("en"), Prefix("en")
    try:
        for prefix in (one, other):
            prefix.boot()
        assert one.run("cmd", "/c", "echo x>C:\\windows\\system32\\own.txt") == 0
        assert one.run("reg", "add", KEY, "/f") == 0
        assert one.run("cmd", "/c", "if not exist own.txt exit 5") == 0
        assert other.run("cmd", "/c", "if not exist own.txt exit 5") == 5
        assert other.run("reg", "query", KEY) == 1
    finally:
        one.remove()
        other.remove()


@needs_wine
def test_the_folder_goes_with_the_guest() -> None:
    guest = Guest(profile=PROFILES["ws2022"], program="wine")
    prefix = guest._prefix
    assert prefix is not None
    folder = prefix.folder
    assert folder.is_dir()
    del guest, prefix
    gc.collect()
    assert not folder.exists()


@needs_wine
def test_the_template_is_small() -> None:
    files = [path for path in wineprefix.template().rglob("*") if not path.is_symlink()]
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert size < 40_000_000  # a prefix has 700 MB
