from __future__ import annotations

import pytest

from serialfix.lab.bcd import BOOTMGR, LOADER, BadData, Bcd
from serialfix.lab.profiles import PROFILES


def test_aliases() -> None:
    bcd = Bcd(PROFILES["ws2022"])
    assert bcd.resolve("{CURRENT}") == bcd.resolve("{default}") == LOADER
    assert bcd.resolve("{bootmgr}") == BOOTMGR
    assert bcd.alias(LOADER, default=True) == "{default}"
    assert bcd.alias("{other}") == "{other}"


def test_an_element_holds_what_its_type_allows_and_keeps_its_place() -> None:
    bcd = Bcd(PROFILES["ws2022"])
    loader = bcd.entries[LOADER]
    loader.set("safeboot", ["DSREPAIR"])
    assert bcd.get("{current}", "safeboot") == "DsRepair"
    assert list(loader.elements).index("safeboot") < list(loader.elements).index("ems")
    loader.set("ems", ["0"])
    assert not bcd.is_on("{default}", "ems")
    with pytest.raises(BadData):
        loader.set("ems", ["perhaps"])
    assert not loader.applies("timeout")


def test_the_menu_stands_only_where_it_is_shown() -> None:
    bcd = Bcd(PROFILES["ws2022"])
    assert bcd.menu_seconds == 0
    bcd.entries[BOOTMGR].set("displaybootmenu", ["on"])
    bcd.entries[BOOTMGR].set("timeout", ["7"])
    assert bcd.menu_seconds == 7
