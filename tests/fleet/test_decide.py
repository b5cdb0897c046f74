from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import (
    AzureRefused,
    ConsoleError,
    MachineMisuse,
    SerialfixError,
    TransportError,
)
from serialfix.fleet.budget import ErrorBudget, concurrency
from serialfix.fleet.decide import (
    Decision,
    End,
    Place,
    PlaceKey,
    Situation,
    Start,
    Stop,
    Wait,
    decide,
    exit_code,
    retry,
)
from serialfix.fleet.policy import Policy
from serialfix.fleet.standing import FleetRun, Kind, State, WaveStanding
from serialfix.fleet.waves import Waves
from serialfix.fleet.window import Window
from serialfix.model import Outcome


NOW = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)  # a Thursday
WRONG = (Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNKNOWN)
O = Outcome  # noqa: E741


def every(kind: type[SerialfixError]) -> list[type[SerialfixError]]:
    """The exception and all that derive from it."""
    return [kind, *(each for sub in kind.__subclasses__() for each in every(sub))]


def run_of(total: int, policy: Policy | None = None, **more: Any) -> FleetRun:
    policy = policy or Policy()
    return FleetRun(
        **{
            **{"id": "f1", "kind": Kind.RUN, "playbook": "rdp-reset", "playbook_version": "1"},
            **{"playbook_sha256": "0" * 64, "parameters": {}, "targets_sha256": "0" * 64},
            **{"policy": policy, "created": NOW, "user": "me", "total": total},
            "at_once": concurrency(policy.max_concurrency, total),
            "errors_allowed": ErrorBudget.of(policy.max_errors, total).allowed,
            **more,
        }
    )


def place(location: str = "west", **more: Any) -> Place:
    known = {"waiting": 0, "running": 0, "total": 100, **more}
    return Place(subscription_id="s", location=location, **known)


def wave(number: int, total: int, *, running: int = 0, **outcomes: int) -> WaveStanding:
    counted = Counter({Outcome(name): n for name, n in outcomes.items()})
    return WaveStanding(number, total, total - running - counted.total(), running, counted)


def asked(run: FleetRun, *waves: WaveStanding, places: Any = None, now: datetime = NOW) -> Decision:
    waiting = next((each.waiting for each in waves if not each.ended), 0)
    running = sum(each.running for each in waves)
    given = (place(waiting=waiting, running=running),) if places is None else tuple(places)
    return decide(Situation(run=run, waves=waves, places=given, now=now))


def waits(decision: Decision) -> Wait:
    assert isinstance(decision, Wait)
    return decision


# --- whole fleet runs ---------------------------------------------------------------------------


@dataclass
class Vm:
    place: PlaceKey
    wave: int
    state: str = "waiting"
    outcome: Outcome | None = None
    attempt: int = 0
    not_before: datetime | None = None


@dataclass
class Fleet:
    """Keeps what a database would; asks anew each time, as one does who was just started."""

    run: FleetRun
    vms: list[Vm]
    random: Random
    wrong: float
    """How likely a target goes wrong."""
    calm: bool
    """Nobody pauses or cancels."""
    now: datetime = NOW
    cancelled: bool = False
    order: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, sizes: dict[PlaceKey, int], policy: Policy, random: Random, **more: Any) -> Fleet:
        keys = [key for key, number in sizes.items() for _ in range(number)]
        random.shuffle(keys)
        waves = Waves.parse(policy.waves).split(keys)
        vms = [Vm(key, number) for number, keys in enumerate(waves, 1) for key in keys]
        return cls(run_of(len(vms), policy), vms, random, **more)

    def number(self, **wanted: Any) -> int:
        return sum(all(getattr(vm, k) == v for k, v in wanted.items()) for vm in self.vms)

    def ready(self, wave: int) -> list[Vm]:
        return [
            vm
            for vm in self.vms
            if vm.wave == wave
            and vm.state == "waiting"
            and (vm.not_before is None or vm.not_before <= self.now)
        ]

    def outcomes(self, wave: int | None = None) -> Counter[Outcome]:
        return Counter(vm.outcome for vm in self.vms if vm.outcome and wave in (None, vm.wave))

    def situation(self) -> Situation:
        waves = tuple(
            WaveStanding(
                number,
                self.number(wave=number),
                self.number(wave=number, state="waiting"),
                self.number(wave=number, state="running"),
                self.outcomes(number),
            )
            for number in sorted({vm.wave for vm in self.vms})
        )
        current = next((each.number for each in waves if not each.ended), 0)
        places = []
        left = [vm for vm in self.vms if vm.wave == current and vm.state == "waiting"]
        for key in sorted({vm.place for vm in left}):
            ready = [vm for vm in self.ready(current) if vm.place == key]
            later = [
                vm.not_before
                for vm in left
                if vm.place == key and vm.not_before is not None and vm.not_before > self.now
            ]
            places.append(
                Place(
                    subscription_id=key[0],
                    location=key[1],
                    waiting=len(ready),
                    retry_at=min(later, default=None),
                    running=self.number(place=key, state="running"),
                    total=self.number(place=key),
                )
            )
        return Situation(run=self.run, waves=waves, places=tuple(places), now=self.now)

    def must_stop(self) -> bool:
        """By the words of the documentation, counted target by target."""
        bad = [vm for vm in self.vms if vm.outcome in WRONG]
        if len(bad) > self.run.errors_allowed:
            return True
        if self.run.errors_allowed >= len(self.vms):
            return False
        for number in {vm.wave for vm in self.vms}:
            wave = [vm for vm in self.vms if vm.wave == number]
            tried = [vm for vm in wave if vm.outcome not in (O.REFUSED, O.NOT_STARTED, None)]
            if (
                all(vm.state == "ended" for vm in wave)
                and tried
                and all(vm.outcome in WRONG for vm in tried)
            ):
                return True
        return False

    def play(self) -> None:
        for _ in range(40 * len(self.vms) + 400):
            decision = decide(self.situation())
            assert decision == decide(self.situation())
            if self.run.state != State.STOPPING:
                assert isinstance(decision, Stop) is self.must_stop()
            if isinstance(decision, End):
                return
            if self.random.random() < 0.1:
                continue  # killed before anything was done: the next one asks again
            self.act(decision)
            self.happen(decision)
        raise AssertionError("it does not end")

    def act(self, decision: Decision) -> None:
        if isinstance(decision, Stop):
            self.run = replace(
                self.run, state=State.STOPPING, why=decision.why, over_budget=decision.over_budget
            )
        if not isinstance(decision, Start):
            return
        current = min(vm.wave for vm in self.vms if vm.state != "ended")
        assert self.run.state is State.RUNNING
        window = self.run.policy.opening()
        assert window is None or window.open_at(self.now)
        after = self.run.policy.approve_after
        assert after is None or current <= after or self.run.approved >= after
        assert decision.numbers
        assert all(number > 0 for number in decision.numbers.values())
        whole = self.random.random() < 0.9  # else killed half way
        for key, number in decision.numbers.items():
            chosen = [vm for vm in self.ready(current) if vm.place == key][:number]
            assert len(chosen) == number
            for vm in chosen if whole else chosen[: number // 2]:
                assert all(v.state == "ended" for v in self.vms if v.wave < vm.wave)
                vm.state, vm.attempt, vm.not_before = "running", vm.attempt + 1, None
            most = self.run.policy.most_of_region(self.number(place=key))
            assert most is None or self.number(place=key, state="running") <= most
        assert self.number(state="running") <= self.run.at_once

    def happen(self, decision: Decision) -> None:
        """What goes on outside: a target ends, time passes, somebody pauses, approves, cancels."""
        running = [vm for vm in self.vms if vm.state == "running"]
        if not self.calm and self.run.state is not State.STOPPING:
            if self.random.random() < 0.05:
                paused = self.run.state is State.PAUSED
                self.run = replace(self.run, state=State.RUNNING if paused else State.PAUSED)
            elif self.random.random() < 0.004:
                self.cancelled = True
                self.run = replace(self.run, state=State.STOPPING, why="cancelled by me")
        if running and self.random.random() < 0.8:
            self.now += timedelta(seconds=self.random.randint(1, 400))
            for vm in self.random.sample(running, self.random.randint(1, len(running))):
                self.end(vm)
        elif isinstance(decision, Wait) and not running:
            self.unlock(decision)

    def unlock(self, wait: Wait) -> None:
        """Nothing runs, so what is waited for must be something that can come."""
        if wait.why.startswith("approval"):
            assert self.run.policy.approve_after is not None
            self.run = replace(self.run, approved=self.run.policy.approve_after)
        elif wait.why.startswith("paused"):
            self.run = replace(self.run, state=State.RUNNING)
        elif self.run.state is State.RUNNING:
            assert wait.until is not None, wait.why
            assert wait.until > self.now
            self.now = wait.until

    def end(self, vm: Vm) -> None:
        bad = self.random.random() < self.wrong
        outcome = self.random.choice(WRONG if bad else (O.OK, O.CHANGED, O.REFUSED))
        again = retry(
            self.run.policy,
            outcome,
            "no",
            "transport",
            attempt=vm.attempt,
            now=self.now,
            jitter=self.random.random(),
        )
        if again is not None:
            vm.state, vm.not_before = "waiting", again
        else:
            vm.state, vm.outcome = "ended", outcome


POLICIES = st.builds(
    Policy,
    waves=st.sampled_from(("rest", "1,rest", "1,10%,rest", "2,30%,30%,rest")),
    max_errors=st.sampled_from(("0", "1", "4", "5%", "30%", "100%")),
    max_concurrency=st.sampled_from(("1", "3", "10", "40%", "100%")),
    max_per_region=st.sampled_from((None, "1", "2", "30%", "100%")),
    approve_after=st.sampled_from((None, 1)),
    window=st.sampled_from((None, "22:00-04:00 Europe/Berlin", "Sat 01:00-02:00;Sun 22:00-22:20")),
    retries=st.integers(0, 3),
    retry_delay_s=st.sampled_from((0.0, 30.0, 3600.0)),
)
SIZES = st.dictionaries(
    st.tuples(st.sampled_from("ab"), st.sampled_from(("west", "north", "far"))),
    st.integers(1, 12),
    min_size=1,
)


@settings(deadline=None, max_examples=150)
@given(
    SIZES,
    POLICIES,
    st.sampled_from((0.0, 0.05, 0.3, 1.0)),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_a_whole_fleet_run(
    sizes: dict[PlaceKey, int], policy: Policy, wrong: float, calm: bool, seed: int
) -> None:
    """Its bounds hold at every step (`act`), it stops when it must (`play`), and it ends."""
    fleet = Fleet.of(sizes, policy, Random(seed), wrong=wrong, calm=calm)
    fleet.play()
    assert not fleet.number(state="running")
    assert max(vm.attempt for vm in fleet.vms) <= 1 + policy.retries
    stopped = fleet.run.state is State.STOPPING
    assert fleet.run.over_budget is (stopped and not fleet.cancelled)
    if not stopped:
        assert fleet.number(state="ended") == len(fleet.vms)
    left = [vm for vm in fleet.vms if vm.state == "waiting"]
    assert all(vm.outcome is None for vm in left)
    outcomes = fleet.outcomes() + Counter({O.NOT_STARTED: len(left)})
    well = all(vm.outcome in (O.OK, O.CHANGED) for vm in fleet.vms)
    assert exit_code(fleet.run, outcomes) == (10 if fleet.run.over_budget else 0 if well else 9)


# --- one decision -------------------------------------------------------------------------------


def test_a_wave_begins_when_the_one_before_has_ended() -> None:
    run = run_of(30, Policy(waves="1,10%,rest"))
    assert asked(run, wave(1, 1), wave(2, 3), wave(3, 26)) == Start({("s", "west"): 1})
    still = waits(asked(run, wave(1, 1, running=1), wave(2, 3), wave(3, 26)))
    assert still == Wait("wave 1: 1 VM runs, nothing of it waits any more")
    assert asked(run, wave(1, 1, ok=1), wave(2, 3), wave(3, 26)) == Start({("s", "west"): 3})
    assert asked(run, wave(1, 1, ok=1), wave(2, 3, changed=3), wave(3, 26, ok=26)) == End()


def test_the_budget_stops_while_others_run_also_when_paused() -> None:
    for state in (State.RUNNING, State.PAUSED):
        run = run_of(30, state=state)
        assert not isinstance(asked(run, wave(1, 30, running=5, ok=1, failed=1, refused=20)), Stop)
        assert asked(run, wave(1, 30, running=5, unknown=1, unreachable=1)) == Stop(
            "2 of 30 targets went wrong, 1 may", over_budget=True
        )


def test_a_wave_that_went_wrong_stops_even_when_nobody_asked_at_once() -> None:
    run = run_of(200)
    assert asked(run, wave(1, 1, unreachable=1), wave(2, 20, running=3), wave(3, 179)) == Stop(
        "wave 1: nothing that was tried in the wave went well (1 went wrong)", over_budget=True
    )
    assert isinstance(asked(run, wave(1, 2, refused=1, ok=1), wave(2, 198)), Start)


def test_a_run_that_is_stopping_lets_the_running_end() -> None:
    run = run_of(9, state=State.STOPPING, why="cancelled by ann")
    assert asked(run, wave(1, 9, running=2)) == Wait(
        "2 VMs are let to the end, nothing else is started: cancelled by ann"
    )
    assert asked(run, wave(1, 9, failed=9)) == End()
    with pytest.raises(MachineMisuse, match="f1 has ended"):
        asked(run_of(9, state=State.ENDED), wave(1, 9))


def test_approval_is_asked_for_once_and_before_anything_of_the_next_wave() -> None:
    policy = Policy(waves="2,10%,rest", approve_after=1)
    waves = (wave(1, 2, changed=1, refused=1), wave(2, 10), wave(3, 88))
    assert asked(run_of(100, policy), *waves) == Wait(
        "approval of wave 1 (1 changed, 1 refused); wave 2 has 10 VMs"
    )
    assert isinstance(asked(run_of(100, policy), wave(1, 2), *waves[1:]), Start)
    for approved in (1, 2):
        run = run_of(100, policy, approved=approved)
        assert isinstance(asked(run, *waves), Start)
        assert isinstance(asked(run, waves[0], wave(2, 10, ok=10), waves[2]), Start)


def test_paused_nothing_is_started() -> None:
    run = run_of(9, state=State.PAUSED)
    assert asked(run, wave(1, 9, running=1, ok=2)) == Wait("paused: 1 VM runs, 6 VMs wait")
    assert asked(run, wave(1, 9, ok=9)) == End()


def test_a_closed_window_says_when_it_opens() -> None:
    text = "22:30-04:00 Europe/Berlin"
    run = run_of(9, Policy(window=text))
    opens = Window.parse(text).opens(NOW)
    assert opens == NOW + timedelta(minutes=30)
    assert asked(run, wave(1, 9)) == Wait(
        f"the window {text} is closed, 9 VMs wait: it opens Thu 26 Nov 22:30 CET", opens
    )
    assert isinstance(asked(run, wave(1, 9), now=opens), Start)
    # what runs when it closes is let to its end, and is waited for, not for the window
    assert "window" not in waits(asked(run, wave(1, 9, running=9))).why


def test_room_is_that_of_all_and_that_of_a_region() -> None:
    run = run_of(100, Policy(waves="rest", max_concurrency="10", max_per_region="3%"))
    places = [
        place("a", waiting=40, running=1, total=100),
        place("b", waiting=9, running=3, total=100),
        place("c", waiting=30, running=4, total=200),
    ]
    assert asked(run, wave(1, 100, running=8), places=places) == Start(
        {("s", "a"): 1, ("s", "c"): 1}
    )
    assert asked(run, wave(1, 100, running=10), places=places) == Wait(
        "wave 1: all 10 that may run at once do, 90 VMs wait"
    )
    told = waits(asked(run, wave(1, 100, running=3), places=[places[1]]))
    assert told.why == "wave 1: 97 VMs wait for room in their region: s b (3 of 3) running"


def test_regions_take_turns_those_with_most_left_first() -> None:
    run = run_of(100, Policy(waves="rest", max_concurrency="7"))
    places = [place("a", waiting=2), place("b", waiting=50), place("c", waiting=50)]
    assert asked(run, wave(1, 100), places=places) == Start(
        {("s", "b"): 3, ("s", "c"): 2, ("s", "a"): 2}
    )


def test_a_target_that_is_tried_again_is_waited_for() -> None:
    due = NOW + timedelta(seconds=70)
    places = [place("a", retry_at=due), place("b", retry_at=due + timedelta(hours=1))]
    waves = (wave(1, 5, ok=3), wave(2, 95))
    assert asked(run_of(100), *waves, places=places) == Wait(
        "wave 1: 2 VMs wait to be tried again, the first at 21:01:10 UTC", due
    )
    assert asked(run_of(100), *waves, places=[place("a", waiting=1, retry_at=due)]) == Start(
        {("s", "a"): 1}
    )
    nobody = waits(asked(run_of(100), *waves, places=()))
    assert nobody == Wait("wave 1: 2 VMs wait that cannot be started yet, 0 VMs run")


def test_only_what_was_never_touched_is_tried_again_and_later_each_time() -> None:
    policy = Policy(retries=3, retry_delay_s=60)

    def after(attempt: int, jitter: float = 0, outcome: Outcome = O.UNREACHABLE) -> float | None:
        at = retry(policy, outcome, "no", "preflight", attempt=attempt, now=NOW, jitter=jitter)
        return None if at is None else (at - NOW).total_seconds()

    assert [after(attempt) for attempt in (1, 2, 3, 4)] == [60, 120, 240, None]
    assert after(2, 0.5) == 180
    assert {after(1, outcome=each) for each in Outcome if each is not O.UNREACHABLE} == {None}
    for touched in ("maybe", "yes"):
        assert retry(policy, O.UNREACHABLE, touched, "", attempt=1, now=NOW, jitter=0) is None
    longest = Policy(retries=10, retry_delay_s=86_400)
    at = retry(longest, O.UNREACHABLE, "no", "", attempt=10, now=NOW, jitter=0)
    assert at == NOW + timedelta(days=1)


SLUGS = {each.slug for each in every(TransportError) + every(ConsoleError) + [AzureRefused]}


@pytest.mark.parametrize("touched", ["no", "maybe", "yes"])
@pytest.mark.parametrize("outcome", [O.FAILED, O.UNKNOWN])
def test_what_lost_its_console_is_gone_on_with_and_a_step_or_restart_that_failed_is_not(
    outcome: Outcome, touched: str
) -> None:
    def again(slug: str) -> bool:
        at = retry(Policy(retries=1), outcome, touched, slug, attempt=1, now=NOW, jitter=0)
        return at is not None

    others = {each.slug for each in every(SerialfixError)} - SLUGS
    assert {slug for slug in SLUGS if again(slug)} == SLUGS - {"console.login_rejected"}
    assert {slug for slug in others if again(slug)} == set()


def test_a_rejected_login_is_never_tried_again() -> None:
    policy = Policy(retries=10)
    slug = "console.login_rejected"
    assert retry(policy, O.UNREACHABLE, "no", slug, attempt=1, now=NOW, jitter=0) is None


def test_what_other_fleet_runs_work_on_is_waited_for_and_leaves_its_room_to_others() -> None:
    taken = place("a", busy=2)
    told = waits(asked(run_of(100), wave(1, 2), places=[taken]))
    assert told.why == "wave 1: 2 VMs wait for other fleet runs that work on them"
    both = asked(run_of(100), wave(1, 3), places=[taken, place("b", waiting=1)])
    assert both == Start({("s", "b"): 1})


@pytest.mark.parametrize(
    ("kind", "over", "outcomes", "code"),
    [
        (Kind.RUN, False, {O.OK: 1, O.CHANGED: 2}, 0),
        (Kind.CHECK, False, {O.OK: 1, O.WOULD_CHANGE: 2}, 0),
        (Kind.RUN, False, {O.OK: 1, O.WOULD_CHANGE: 2}, 9),
        (Kind.RUN, False, {O.OK: 2, O.REFUSED: 1}, 9),
        (Kind.RUN, False, {O.OK: 2, O.NOT_STARTED: 1}, 9),
        (Kind.RUN, False, {O.OK: 2}, 9),
        (Kind.UNDO, False, {O.CHANGED: 2, O.UNKNOWN: 1}, 9),
        (Kind.RUN, True, {O.FAILED: 1, O.NOT_STARTED: 2}, 10),
    ],
)
def test_exit_codes(kind: Kind, over: bool, outcomes: dict[Outcome, int], code: int) -> None:
    assert exit_code(run_of(3, kind=kind, over_budget=over), outcomes) == code
