from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serialfix.fleet.pace import ENOUGH, Eta, Pace, approval_ahead, eta
from serialfix.fleet.policy import Policy
from serialfix.fleet.standing import FleetRun, Standing, State, WaveStanding
from serialfix.model import Outcome
from tests.fleet.standings import BEGUN, at_its_end, ended, fleet_run, waiting


def a_run(total: int = 101, **policy: Any) -> FleetRun:
    return fleet_run(total, policy=Policy(**{"max_concurrency": "10", "waves": "1,rest", **policy}))


def at(seconds: float, run: FleetRun, done: int, busy: int, **more: Any) -> Standing:
    """A canary and a second wave of all the others, of which so many are done and busy."""
    rest = run.total - 1
    first = min(done, 1)
    waves = (
        WaveStanding(1, 1, 0, 1 - first, Counter({Outcome.CHANGED: first})),
        WaveStanding(
            *(2, rest, rest - (done - first) - busy, busy),
            Counter({Outcome.CHANGED: done - first}),
        ),
    )
    return Standing(
        **{
            "run": run,
            "waves": waves,
            "workers": 1,
            "at": BEGUN + timedelta(seconds=seconds),
            **more,
        }
    )


def steady(run: FleetRun, seconds: int, *, each: int = 100) -> tuple[Standing, Pace]:
    """The canary takes `each` seconds, then ten VMs at once take as long, batch after batch."""
    pace = Pace()
    for now in range(0, seconds + 1, 10):
        batches = max(0, now - each) // each
        done = min(run.total, (now >= each) + 10 * batches)
        busy = min(10, run.total - done) if now >= each else 0
        standing = at(now, run, done, busy)
        pace = pace.after(standing)
    return standing, pace


def test_ten_at_once_of_a_hundred_seconds_each() -> None:
    run = a_run()
    for now in (300, 500, 700):
        left = eta(*steady(run, now))
        assert left is not None
        assert left.wave is None
        truth = 1100 - now
        assert truth * 0.75 <= left.seconds <= truth * 1.3


def test_nothing_is_said_before_enough_is_known() -> None:
    run = a_run()
    standing, pace = steady(run, 190)
    assert pace.ended == 1 < ENOUGH
    assert eta(standing, pace) is None
    assert eta(standing, Pace()) is None


@pytest.mark.parametrize(
    "more",
    [
        {"workers": 0},
        {"run": replace(a_run(), state=State.PAUSED)},
        {"run": replace(a_run(), state=State.ENDED)},
    ],
)
def test_nor_when_nothing_goes_on_by_itself(more: dict[str, Any]) -> None:
    standing, pace = steady(a_run(), 500)
    assert eta(standing, pace) is not None
    assert eta(replace(standing, **more), pace) is None


def test_nor_while_it_waits_for_somebody() -> None:
    run = a_run()
    _, pace = steady(run, 500)
    idle = at(510, run, 41, 0, waiting_for="approval of wave 1")
    assert eta(idle, pace) is None
    still = at(510, run, 41, 3, waiting_for="the window, open from 22:00")
    assert eta(still, pace) is not None


def test_it_is_told_to_the_next_approval_and_no_further() -> None:
    run = a_run(total=1000, waves="20,rest", approve_after=1)
    done = Counter({Outcome.CHANGED: 10})
    waves = (WaveStanding(1, 20, 0, 10, done), WaveStanding(2, 980, 980, 0))
    standing = Standing(run=run, waves=waves, workers=1, at=BEGUN)
    pace = Pace(ended=10, vm_seconds=1000)
    assert eta(standing, pace) == Eta(50.0, 1)
    approved = eta(replace(standing, run=replace(run, approved=1)), pace)
    assert approved is not None
    assert approved.wave is None
    assert approved.seconds == 50 + 9800
    assert approval_ahead(run, 1) is None  # nothing comes after it


def test_a_pause_is_no_work() -> None:
    run = a_run()
    standing, pace = steady(run, 500)
    night = replace(standing, at=standing.at + timedelta(hours=8))
    idle = [replace(wave, running=0, waiting=wave.waiting + wave.running) for wave in night.waves]
    stopped = replace(standing, waves=tuple(idle))
    slept = pace.after(stopped).after(replace(stopped, at=night.at))
    assert slept.vm_seconds == pace.vm_seconds
    assert eta(standing, slept) == eta(standing, pace)


def test_stopping_lets_only_those_at_work_end() -> None:
    standing, pace = steady(a_run(), 500)
    stopping = replace(standing, run=replace(standing.run, state=State.STOPPING))
    left, whole = eta(stopping, pace), eta(standing, pace)
    assert left is not None
    assert whole is not None
    assert left.seconds <= 100 < whole.seconds


def test_fewer_at_once_than_allowed_take_longer() -> None:
    run = a_run(max_concurrency="100")
    standing = at(0, run, 21, 5)
    pace = Pace(ended=20, vm_seconds=2000)
    wide, narrow = eta(standing, pace), eta(standing, pace.after(standing))
    assert wide is not None
    assert narrow is not None
    assert narrow.seconds > 5 * wide.seconds


def test_the_pace_of_a_run_that_nobody_watched() -> None:
    targets = [*at_its_end(40), *waiting(3)]
    tried = [each for each in at_its_end(40) if each.outcome is not Outcome.NOT_STARTED]
    assert Pace.of(targets) == Pace(ended=len(tried), vm_seconds=60.0 * len(tried))
    assert Pace.of([ended(each, Outcome.NOT_STARTED) for each in waiting(5)]) == Pace()


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    standing, pace = steady(a_run(), 500)
    back = pace.after(replace(standing, at=BEGUN))
    assert (back.ended, back.vm_seconds) == (pace.ended, pace.vm_seconds)
