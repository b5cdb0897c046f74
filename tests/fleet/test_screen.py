from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from serialfix.fleet.pace import Eta
from serialfix.fleet.policy import Policy
from serialfix.fleet.screen import ROWS, Screen, error_words, status_view
from serialfix.fleet.standing import Kind, Standing, State, WaveStanding
from serialfix.model import Outcome
from tests.fleet.standings import (
    BEGUN,
    HOSTILE,
    at_its_end,
    ended,
    fleet_run,
    over,
    running,
    standing_of,
    under_way,
    waiting,
)


LONG = "n" * 60 + "{:04}"  # Azure's longest name


def drawn(
    standing: Standing, left: Eta | None = None, *, width: int = 80, height: int = 24, **more: Any
) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, markup=False, emoji=False)
    console.print(Screen(standing, left, rows=height, **more), crop=False)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [12, 24, 50])
def test_any_fleet_fits_any_screen(width: int, height: int) -> None:
    for total in (0, 1, 40, 10_000):
        run = fleet_run(total, why=HOSTILE)
        for targets in (under_way(total), waiting(total), at_its_end(total)):
            standing = standing_of(run, targets, waiting_for=HOSTILE)
            rows = drawn(standing, Eta(600), width=width, height=height)
            assert len(rows) <= height
            assert max(map(cell_len, rows)) <= width
            assert "\x1b" not in "".join(rows)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_long_names_and_what_guests_say_are_folded_and_plain(width: int) -> None:
    vms = waiting(9, name=LONG)
    said = [ended(each, Outcome.FAILED, message=HOSTILE + "語" * 300) for each in vms[:3]]
    targets = [*said, *(running(each) for each in vms[3:])]
    rows = drawn(standing_of(fleet_run(9), targets), width=width, height=60)
    text = "".join(rows)
    assert max(map(cell_len, rows)) <= width
    assert all(each.name in text for each in vms)
    assert "[bold]see[/]" in text or width < 80
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_the_screen_of_a_thousand() -> None:
    vms = waiting(1000)
    targets = [
        ended(vms[0], Outcome.CHANGED),
        *(ended(each, Outcome.CHANGED) for each in vms[1:41]),
        *(ended(each, Outcome.UNREACHABLE) for each in vms[41:43]),
        *(
            running(each, "restart", since=BEGUN + timedelta(seconds=7 * n))
            for n, each in enumerate(vms[43:93])
        ),
        *vms[93:],
    ]
    standing = standing_of(fleet_run(1000), targets)
    rows = drawn(standing, Eta(1500), since=3)
    assert rows[:9] == [
        "20261121-084500-rdp-reset-1a2b: running",
        "rdp-reset 1.0 on 1000 VMs, 50 at once, 2 workers, 12 min so far",
        "About 25 min to go.",
        "",
        "wave 1 ████████████████████████ 1 of 1",
        "wave 2 ███████████░░░░░░░░░░░░░ 42 of 100  50 running  2 not well",
        "wave 3 ░░░░░░░░░░░░░░░░░░░░░░░░ 0 of 899",
        "43 of 1000 ended; 41 changed, 2 unreachable; 50 running, 907 waiting; 2 errors",
        "of 50 allowed",
    ]
    assert "web-0044  restart  12 min 03 s  eastus2" in rows
    assert "and 45 more" in rows
    errors = rows[rows.index("last errors") + 1 :]
    assert errors[0].startswith("web-0043 in germanywestcentral: unreachable, transport.azure")
    assert "429 Too Many Requests for 10 min" in " ".join(errors)


def test_what_it_waits_for_and_that_nobody_works_is_said() -> None:
    run = replace(fleet_run(40), state=State.PAUSED)
    text = "\n".join(drawn(standing_of(run, waiting(40), workers=0, waiting_for="approval")))
    assert "paused, nothing is started" in text
    assert "No worker is alive; `serialfix fleet worker` goes on." in text
    assert "Waiting: approval." in text
    assert f"To go on: serialfix fleet resume {run.id}" in text
    stopping = replace(run, state=State.STOPPING, why="6 of 100 targets went wrong, 5 may")
    text = "\n".join(drawn(standing_of(stopping, waiting(40))))
    assert "stopping, what runs is let to its end" in text
    assert "6 of 100 targets went wrong, 5 may" in text
    done = over(run, kind=Kind.UNDO, of="r0")
    rows = drawn(standing_of(done, at_its_end(40), workers=0, waiting_for="x"))
    assert rows[1] == "undo of r0 (rdp-reset 1.0) on 40 VMs, 40 at once, 20 min"
    assert "worker" not in "\n".join(rows)


def test_that_nothing_waits_any_more_is_no_news() -> None:
    told = "wave 1: 1 VM runs, nothing of it waits any more"
    alone, two = [running(waiting(1)[0])], [running(waiting(2)[0]), waiting(2)[1]]
    assert not any(
        "Waiting" in row for row in drawn(standing_of(fleet_run(1), alone, waiting_for=told))
    )
    assert f"Waiting: {told}." in drawn(standing_of(fleet_run(2), two, waiting_for=told))


def test_the_way_past_an_approval_is_said_when_it_is_due() -> None:
    run = fleet_run(3, policy=Policy(waves="1,rest", approve_after=1))
    vms, words = waiting(3, run.policy), f"To go on: serialfix fleet resume {run.id}"
    due = standing_of(run, [ended(vms[0], Outcome.CHANGED), *vms[1:]], waiting_for="approval")
    assert words in drawn(due)
    given = replace(due, run=replace(run, approved=1))
    assert words not in drawn(given)
    assert "Waiting: approval." in drawn(due)
    assert "Waiting: approval." not in drawn(given)
    assert words not in drawn(replace(due, run=replace(run, state=State.STOPPING)))
    assert words not in drawn(standing_of(run, [running(vms[0]), *vms[1:]]))


def test_of_many_waves_those_around_the_one_under_way_are_shown() -> None:
    ended_ = [WaveStanding(n, 10, 0, 0, Counter({Outcome.CHANGED: 10})) for n in range(1, 21)]
    waves = (
        *ended_,
        WaveStanding(21, 10, 5, 5),
        *(WaveStanding(n, 10, 10, 0) for n in range(22, 51)),
    )
    standing = Standing(run=fleet_run(500), waves=waves, workers=1, at=BEGUN)
    rows = drawn(standing)
    assert "19 waves before: ended" in rows
    assert any(row.startswith("wave 21 ") and "5 running" in row for row in rows)
    assert any(row.endswith(" VMs") and "waves more: " in row for row in rows)
    assert len(rows) <= 24
    last = replace(standing, waves=tuple(replace(each, running=0) for each in ended_ * 2))
    assert not any("more" in row for row in drawn(last))


def test_a_bar_is_full_only_at_the_end_and_not_empty_after_the_first() -> None:
    def bar(done: int) -> str:
        outcomes = Counter({Outcome.OK: done})
        wave = WaveStanding(1, 1000, 1000 - done, 0, outcomes)
        standing = Standing(run=fleet_run(1000), waves=(wave,), workers=1, at=BEGUN)
        return next(row for row in drawn(standing) if row.startswith("wave")).split()[2]

    assert bar(0) == "░" * 24
    assert bar(1) == "█" + "░" * 23
    assert bar(999) == "█" * 23 + "░"
    assert bar(1000) == "█" * 24


def test_a_terminal_without_unicode_has_bars_too() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=stream, width=80, height=24)
    console.print(Screen(standing_of(fleet_run(40), under_way(40))))
    stream.seek(0)
    assert "wave 3 ##########" in stream.read()


def test_an_estimate_says_what_it_hangs_on() -> None:
    run = fleet_run(40, policy=Policy(window="22:00-04:00"))
    standing = standing_of(run, under_way(40))
    assert "About 10 min to go, if the window stays open." in drawn(standing, Eta(600))
    approval = standing_of(fleet_run(40), under_way(40))
    assert "About 40 s to the approval after wave 2." in drawn(approval, Eta(40, 2))


def test_the_status_leaves_room_for_the_command_and_the_prompt() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80, height=50)
    console.print(status_view(standing_of(fleet_run(10_000), under_way(10_000)), Eta(60)))
    assert 18 < len(stream.getvalue().splitlines()) <= ROWS == 24 - 2


def test_a_reason_is_whole_unless_there_is_a_width() -> None:
    target = ended(waiting(1)[0], Outcome.FAILED, message="x" * 500)
    assert error_words(target).plain.endswith("x" * 500)
    short = error_words(target, width=80)
    assert short.plain.endswith(" ...")
    assert short.cell_len <= 160
