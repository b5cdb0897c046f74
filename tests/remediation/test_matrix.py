"""Whatever goes wrong on the console or in Azure, alone or in pairs: no silent wrong change.

300 scenarios of the matrix; `make soak` plays as many as one likes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from serialfix.lab.faults import Faults
from serialfix.lab.guest import PASSWORD
from serialfix.lab.profiles import LST, dword
from serialfix.virtual_time import run_virtual
from tests.support import matrix
from tests.support.matrix import FAULTS, PAIRS, SINGLES, Fault, Scenario, perform, scenario
from tests.support.world import Place, World


EACH_ONCE = 2 * len(FAULTS)
"""The first seeds: every fault once on each renderer."""
SEEDS = [*range(EACH_ONCE), *range(len(SINGLES), len(SINGLES) + 300 - EACH_ONCE)]
BLOCK = 25
AT_A_LINE = {"unsolicited_switch_after", "noise_after", "murmur_after"} | {
    "reboot_after",
    "reboot_after_seconds",
    "bugcheck_after",
}
"""Switches that do at the n-th line what the matrix does at any place."""
ELSEWHERE = {"sac_restart_fails", "kms_unreachable", "export_fails"}
"""A run in Azure never has SAC restart the system: tests/console/test_sac_restart.py. The playbook
of the matrix activates and exports nothing: tests/lab/test_licensing.py, test_guest.py."""


@pytest.mark.parametrize("first", range(0, len(SEEDS), BLOCK))
def test_no_fault_makes_a_run_lie(first: int) -> None:
    found = {
        str(scenario(seed)): wrong
        for seed in SEEDS[first : first + BLOCK]
        if (wrong := matrix.play(seed, quick=True))
    }
    assert not found


# --- the matrix itself --------------------------------------------------------------------------


def test_no_switch_of_the_guest_is_forgotten() -> None:
    used = {name for fault in FAULTS for name in fault.faults}
    assert used == {field.name for field in fields(Faults)} - AT_A_LINE - ELSEWHERE


def test_singles_come_first_then_all_pairs() -> None:
    assert [len(scenario(seed).faults) for seed in (0, len(SINGLES) - 1)] == [1, 1]
    pairs = [scenario(len(SINGLES) + at) for at in range(len(PAIRS))]
    named = {(frozenset(fault.name for fault, *_ in each.faults), each.renderer) for each in pairs}
    assert len(named) == len(PAIRS) == len(FAULTS) * (len(FAULTS) + 1)
    assert {place for each in pairs for _, place, _ in each.faults} == {
        *("start", "key", "line", "byte")
    }


def test_a_seed_is_one_scenario(tmp_path: Path) -> None:
    def told(seed: int, folder: str) -> object:
        wrong, world, results = run_virtual(perform(scenario(seed), tmp_path / folder, quick=True))
        return wrong, world.lines, world.count, [result.warnings for result in results]

    for seed in (9, len(SINGLES) + 40):
        assert told(seed, f"{seed}-1") == told(seed, f"{seed}-2")


def _somebody_writes(world: World) -> None:
    world.guest.registry.set(LST, "PortNumber", dword(4000))


def _somebody_types(world: World) -> None:
    world.guest.write(b"ver\r")


def _journal_holds_it(world: World) -> None:
    world.state.joinpath("leak.txt").write_text(PASSWORD[2:11])


def _value_is_put_back(world: World) -> None:
    world.guest.registry.set(LST, "SecurityLayer", dword(2))


@pytest.mark.parametrize(
    ("act", "place", "nth", "seen"),
    [
        (_somebody_writes, "line", 20, "portnumber"),
        (_somebody_types, "line", 14, "entered at Cmd0001"),
        (lambda world: world.guest.restart(), "line", 20, "restarts: "),
        (_journal_holds_it, "line", 20, "a piece of the password is in leak.txt"),
        (_value_is_put_back, "line", 43, "success, and "),
    ],
)
def test_the_judge_sees_what_must_not_be(
    act: Callable[[World], None], place: Place, nth: int, seen: str, tmp_path: Path
) -> None:
    planted = (Fault("planted", act), place, nth)
    what = Scenario(0, (planted,), "conpty", "ws2022", "en", whole=False)
    wrong, _, _ = run_virtual(perform(what, tmp_path, quick=True))
    assert any(seen in text for text in wrong), wrong
