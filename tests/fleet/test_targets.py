from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import UsageError
from serialfix.fleet.targets import (
    Reason,
    Wish,
    choose,
    decode_list,
    parse_ids,
    parse_location,
    parse_tags,
)
from tests.fleet.vms import found


def test_each_that_is_skipped_has_its_reason() -> None:
    vms = [
        found("zulu"),
        found("alpha"),
        found("linux", not_server="Linux"),
        found("client", not_server="Windows 11 Pro"),
        found("dark", boot_diagnostics=False),
        found("never", boot_diagnostics=None),
        found("set", instance="3", boot_diagnostics=None),
        found("off", power="deallocated"),
    ]
    chosen = choose(vms, Wish(everything=True, power="running"))
    assert [vm.name for vm in chosen.targets] == ["alpha", "zulu", "set_3"]  # by id
    assert {s.id.rpartition("/")[2]: (s.reason, s.text) for s in chosen.skipped} == {
        "linux": (Reason.LINUX, "it is Linux"),
        "client": (Reason.CLIENT, "it is Windows 11 Pro"),
        "dark": (Reason.BOOT_DIAGNOSTICS, "boot diagnostics are off"),
        "never": (Reason.BOOT_DIAGNOSTICS, "boot diagnostics were never switched on"),
        "off": (Reason.NOT_RUNNING, "it is deallocated"),
    }
    assert "off" in [vm.name for vm in choose(vms, Wish(everything=True)).targets]


def test_what_an_id_names_is_accounted_for_whatever_becomes_of_it() -> None:
    web, other = found("web-1"), found("other", location="northeurope")
    ids = (web.id, web.id.upper(), other.id, found("gone").id)
    chosen = choose([web, other], Wish(ids=ids, name="WEB-*", location="westeurope"))
    assert chosen.targets == (web,)
    assert {(s.reason, s.id) for s in chosen.skipped} == {
        (Reason.DUPLICATE, web.id.upper()),
        (Reason.NOT_FOUND, ids[3]),
        (Reason.NOT_ASKED, other.id),
    }
    assert len(chosen.targets) + len(chosen.skipped) == len(ids)


def test_what_a_search_comes_across_is_not_asked_for() -> None:
    assert choose([found("web"), found("db")], Wish(name="web")).skipped == ()


@pytest.mark.parametrize(
    ("wish", "matches"),
    [
        ({"name": "SRV-?1"}, True),
        ({"name": "srv"}, False),
        ({"name": "*[ab]1"}, True),
        ({"resource_group": "RG1"}, True),
        ({"resource_group": "rg"}, False),
        ({"location": "westeurope"}, True),
        ({"location": "westus"}, False),
        ({"tags": (("ENV", "prod"),)}, True),
        ({"tags": (("env", "Prod"),)}, False),  # values are what they are
        ({"tags": (("env", "prod"), ("team", "x"))}, False),
        ({"tags": (("env", "prod"), ("o'k", "a=b"))}, True),
    ],
)
def test_everything_given_must_hold(wish: dict[str, Any], matches: bool) -> None:
    vm = found("Srv-A1", tags={"Env": "prod", "o'k": "a=b"})
    assert bool(choose([vm], Wish(**wish)).targets) is matches


@pytest.mark.parametrize(
    "wish", [{}, {"power": "running"}, {"everything": True, "name": "*"}], ids=str
)
def test_whom_it_hits_must_be_said_and_said_once(wish: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--all|nothing says"):
        Wish(**wish).check()


def test_each_narrowing_is_enough() -> None:
    for wish in (
        *({"name": "a"}, {"resource_group": "a"}, {"location": "a"}),
        *({"tags": (("a", "b"),)}, {"ids": ()}, {"everything": True}),
    ):
        Wish(**wish).check()


def test_every_match_begins_with_the_prefix() -> None:
    assert [Wish(name=n).name_prefix for n in ("web-*", "a?b", "x[12]", "*", None)] == [
        *("web-", "a", "x", "", "")
    ]


@given(st.lists(st.sampled_from("abcdefghij"), unique=True), st.randoms())
def test_the_set_is_known_by_its_ids_alone(names: list[str], rng: random.Random) -> None:
    vms = [found(name) for name in names]
    first = choose(vms, Wish(everything=True))
    rng.shuffle(vms)
    again = choose([*vms, *vms], Wish(everything=True))
    assert again == first
    lines = "".join(f"{found(name).id.lower()}\n" for name in sorted(names))
    assert first.sha256 == hashlib.sha256(lines.encode()).hexdigest()


ONE, TWO = found("one").id, found("two", instance="0").id


@pytest.mark.parametrize(
    "data",
    [
        f"{ONE}\n{TWO}\n".encode(),
        f"\r\n# all of them\r\n{ONE}\r\n  {TWO}/  # the second\r\n\r\n".encode("utf-8-sig"),
        f"{ONE}\r\n{TWO}".encode("utf-16"),
    ],
    ids=["plain", "windows", "powershell"],
)
def test_a_list_of_ids(data: bytes) -> None:
    assert parse_ids(decode_list(data, source="x"), source="x") == (ONE, TWO)


def test_every_bad_line_is_named() -> None:
    disk = ONE.replace("virtualMachines", "disks")
    with pytest.raises(UsageError) as caught:
        parse_ids(f"myvm\n\n{ONE}\n{disk}", source="ids.txt")
    assert "2 of 3 lines" in str(caught.value)
    assert "ids.txt:1: 'myvm'" in str(caught.value)
    assert f"ids.txt:4: '{disk}'" in str(caught.value)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(UsageError, match=r"^x is no text"):
        decode_list(b"\xff\xff\x00", source="x")


def test_tags_and_places() -> None:
    assert parse_tags(["a=b", " c =d=e", "f="]) == (("a", "b"), ("c", "d=e"), ("f", ""))
    for text in ("a", "=b"):
        with pytest.raises(UsageError, match="NAME=VALUE"):
            parse_tags([text])
    assert parse_location("West Europe") == "westeurope"
