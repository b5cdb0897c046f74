"""The budget by itself, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.azure.budget import Allowance, ArmBudget, remaining
from serialfix.azure.limits import Key, Limit
from serialfix.errors import AzureRefused
from serialfix.virtual_time import run_virtual


LIMITS = {"reads": Limit(120, 10), "UpdateVM": Limit(60, 5), "writes": Limit(60, 8)}
READS = (Key("s", "r", "reads"),)
WRITES = (Key("s", "r", "writes"),)
UPDATE = (*WRITES, Key("s", "r", "UpdateVM"))
MANY = {"x-ms-ratelimit-remaining-subscription-reads": "10"}


class Stage:
    """Callers of one budget, and when each was let go."""

    def __init__(self, **options: Any) -> None:
        more: dict[str, Any] = {"headroom": 0.0, "limits": LIMITS} | options
        self.budget = ArmBudget(**more)
        self.served: list[tuple[float, str]] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def call(self, name: str, keys: tuple[Key, ...] = READS) -> None:
        self.tasks[name] = asyncio.create_task(self._call(name, keys))

    async def _call(self, name: str, keys: tuple[Key, ...]) -> None:
        await self.budget.acquire(keys)
        self.served.append((asyncio.get_running_loop().time(), name))

    async def all(self) -> None:
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.served]

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.served]


def play(script: Coroutine[Any, Any, Any]) -> None:
    run_virtual(script)


def most_in_any_interval(times: list[float], *, size: float, rate: float) -> bool:
    """Never more than `size` and what was refilled meanwhile."""
    return all(
        later - earlier + 1 <= size + rate * (times[later] - times[earlier]) + 1e-3
        for earlier, later in itertools.combinations_with_replacement(range(len(times)), 2)
    )


@settings(max_examples=60, deadline=None)
@given(
    arrivals=st.lists(
        st.tuples(
            st.floats(0, 8) | st.just(8.0), st.sampled_from([READS, WRITES, UPDATE, READS + WRITES])
        ),
        min_size=1,
        max_size=60,
    ),
    shares=st.lists(st.tuples(st.floats(0, 8), st.floats(0.2, 1)), max_size=3),
    cancelled=st.sets(st.integers(0, 59), max_size=15),
    headroom=st.sampled_from([0.0, 0.2]),
)
def test_never_more_than_the_bucket_holds_and_all_are_served(
    arrivals: list[tuple[float, tuple[Key, ...]]],
    shares: list[tuple[float, float]],
    cancelled: set[int],
    headroom: float,
) -> None:
    async def script() -> None:
        stage, loop = Stage(headroom=headroom), asyncio.get_running_loop()
        for number, (when, keys) in enumerate(arrivals):
            loop.call_at(when, stage.call, str(number), keys)
            if number in cancelled:
                loop.call_at(when + 0.3, lambda n: stage.tasks[n].cancel(), str(number))
        for when, share in shares:
            loop.call_at(when, setattr, stage.budget, "share", share)
        await asyncio.sleep(9)
        await stage.all()
        # whoever was not cancelled was served, and nobody is forgotten in a line
        kept = {str(n) for n in range(len(arrivals)) if n not in cancelled}
        assert kept <= set(stage.names)
        assert stage.budget._lines == {}
        assert stage.budget._timer is None
        for budget, limit in LIMITS.items():
            times = [
                time
                for time, name in stage.served
                if budget in {key.budget for key in arrivals[int(name)][1]}
            ]
            rate = limit.per_minute / 60 * (1 - headroom)
            assert most_in_any_interval(times, size=limit.size * (1 - headroom), rate=rate)

    play(script())


def test_the_interval_rule_can_fail() -> None:
    assert most_in_any_interval([0, 0, 1.0], size=2, rate=1)
    assert not most_in_any_interval([0, 0, 0.5], size=2, rate=1)


def test_a_burst_goes_at_once_and_the_rest_at_the_rate_of_azure() -> None:
    async def script() -> None:
        stage = Stage()
        for number in range(16):
            stage.call(str(number))
        await stage.all()
        assert stage.names == [str(number) for number in range(16)]
        assert stage.times == pytest.approx([0.0] * 10 + [0.5, 1, 1.5, 2, 2.5, 3], abs=0.01)

    play(script())


def test_a_bucket_that_nobody_uses_holds_no_more_for_that() -> None:
    async def script() -> None:
        stage = Stage()
        stage.call("first")
        await asyncio.sleep(1000)
        for number in range(12):
            stage.call(str(number))
        await stage.all()
        assert stage.times[1:] == pytest.approx([1000.0] * 10 + [1000.5, 1001], abs=0.01)

    play(script())


@pytest.mark.parametrize(("share", "at_once", "pause"), [(1.0, 8, 0.625), (0.5, 4, 1.25)])
def test_a_share_and_the_headroom_make_it_smaller(share: float, at_once: int, pause: float) -> None:
    async def script() -> None:
        stage = Stage(share=share, headroom=0.2)
        for number in range(at_once + 1):
            stage.call(str(number))
        await stage.all()
        assert stage.times == pytest.approx([0.0] * at_once + [pause], abs=0.01)

    play(script())


def test_a_share_that_changes_holds_for_those_who_wait() -> None:
    async def script() -> None:
        stage = Stage(share=0.1)  # one at once, one in five seconds
        for number in range(4):
            stage.call(str(number))
        await asyncio.sleep(5.5)
        assert stage.names == ["0", "1"]
        stage.budget.share = 1.0  # two a second
        await stage.all()
        assert stage.times[2:] == pytest.approx([5.95, 6.45], abs=0.01)
        stage.budget.share = 0.1  # what there was is lost
        for number in range(4, 6):
            stage.call(str(number))
        await stage.all()
        assert stage.times[5] - stage.times[4] == pytest.approx(5, abs=0.01)

    play(script())


@pytest.mark.parametrize("share", [0, -1, 1.01])
def test_a_share_is_a_part(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        ArmBudget(share=share)
    budget = ArmBudget()
    with pytest.raises(ValueError, match="share"):
        budget.share = share


def test_nobody_overtakes_on_a_bucket_that_somebody_waits_for() -> None:
    async def script() -> None:
        stage = Stage()
        for number in range(5):
            stage.call(f"u{number}", UPDATE)
        stage.call("u5", UPDATE)  # UpdateVM is empty, three writes are left
        stage.call("w0", WRITES)
        stage.call("r0", READS)  # another bucket is another line
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert stage.names[5:] == ["r0"]
        await stage.all()
        assert stage.names[6:] == ["u5", "w0"]

    play(script())


def test_other_buckets_are_not_closed_with_one() -> None:
    async def script() -> None:
        stage = Stage()
        left = {
            "x-ms-ratelimit-remaining-subscription-writes": "7",
            "x-ms-ratelimit-remaining-resource": "Microsoft.Compute/UpdateVMSubscriptionMaximum;0,"
            "Microsoft.Compute/UpdateVMResource;9",
        }
        stage.budget.answered(UPDATE, 429, left, retry_after=300)
        for number in range(3):
            stage.call(f"u{number}", UPDATE)
        for number in range(3):
            stage.call(f"w{number}", WRITES)
        await asyncio.sleep(1)
        assert stage.names == ["w0", "w1", "w2"]  # they let go by whoever waits for a closed one
        await stage.all()
        # it fills again from nothing: 50 runs do not all come back at once
        assert stage.times[3:] == pytest.approx([301, 302, 303], abs=0.01)

    play(script())


def test_one_refusal_closes_the_bucket_for_everybody_until_its_time() -> None:
    async def script() -> None:
        stage = Stage()
        for number in range(3):
            stage.call(str(number))
        await stage.all()
        stage.budget.answered(READS, 429, {}, retry_after=20)
        for number in range(3, 40):
            stage.call(str(number))
        stage.budget.answered(READS, 429, {}, retry_after=5)  # came later, ends sooner
        await stage.all()
        assert min(stage.times[3:]) == pytest.approx(20.5, abs=0.01)
        assert stage.times[-1] == pytest.approx(20 + 37 / 2, abs=0.01)
        assert stage.names == [str(number) for number in range(40)]

    play(script())


def test_a_vm_that_was_asked_too_often_closes_nothing() -> None:
    async def script() -> None:
        stage = Stage()
        left = {
            "x-ms-ratelimit-remaining-resource": "Microsoft.Compute/UpdateVMSubscriptionMaximum;3,"
            "Microsoft.Compute/UpdateVMResource;0"
        }
        stage.budget.answered(UPDATE, 429, left, retry_after=300)
        stage.call("another VM", UPDATE)
        await stage.all()
        assert stage.times == [0]

    play(script())


def test_what_somebody_else_uses_up_is_not_ours() -> None:
    async def script() -> None:
        stage = Stage(headroom=0.2)
        stage.budget.answered(READS, 200, {"x-ms-ratelimit-remaining-subscription-reads": "4"})
        for number in range(4):
            stage.call(str(number))
        await stage.all()
        # ten in all, two are for others: of four left, and one more meanwhile, three are ours
        assert stage.times == pytest.approx([0, 0, 0, 0.625], abs=0.01)
        stage.budget.answered(READS, 200, {"x-ms-ratelimit-remaining-subscription-reads": "0"})
        began = asyncio.get_running_loop().time()
        stage.call("late")
        await stage.all()
        # nothing is left: the part of the others fills first
        assert stage.times[-1] - began == pytest.approx(2 / 1.6, abs=0.02)

    play(script())


def test_that_much_is_left_gives_nobody_more() -> None:
    async def script() -> None:
        stage = Stage()
        for number in range(10):
            stage.call(str(number))
        await stage.all()
        stage.budget.answered(READS, 200, MANY)
        stage.call("late")
        await stage.all()
        assert stage.times[-1] == pytest.approx(0.5, abs=0.01)

    play(script())


@pytest.mark.parametrize("served", [False, True])
def test_the_token_of_somebody_who_is_gone_is_another_ones(served: bool) -> None:
    async def script() -> None:
        stage, loop = Stage(), asyncio.get_running_loop()
        for number in range(10):
            stage.call(str(number))
        await stage.all()
        stage.call("gone")
        stage.call("next")
        await asyncio.sleep(0)
        timer = stage.budget._timer
        assert timer is not None
        # in the very turn of the loop in which it gets its token, or before
        when = timer.when() + 5e-10 if served else 0.4
        loop.call_at(when, stage.tasks["gone"].cancel)
        await stage.all()
        assert stage.tasks["gone"].cancelled()
        assert stage.names[10:] == ["next"]
        assert stage.times[-1] == pytest.approx(0.5, abs=0.01)

    play(script())


def test_regions_and_subscriptions_have_buckets_of_their_own() -> None:
    async def script() -> None:
        stage = Stage()
        for number in range(10):
            stage.call(str(number))
            stage.call(f"there {number}", (Key("s", "there", "reads"),))
            stage.call(f"other {number}", (Key("other", "r", "reads"),))
        await stage.all()
        assert stage.times == [0] * 30

    play(script())


VM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"


def test_room_that_was_made_is_used_once() -> None:
    async def script() -> None:
        budget = ArmBudget(headroom=0, limits=LIMITS)
        allowance = Allowance(budget, "r", longest=60)
        for _ in range(2):
            await allowance.reserve("POST", f"{VM}/restart")
        level = budget._buckets[UPDATE[1]].level
        assert level == 4
        keys = await allowance.room("POST", f"https://management.azure.com{VM}/restart?a=b")
        assert set(keys) == set(UPDATE)
        assert budget._buckets[UPDATE[1]].level == 4
        await allowance.room("POST", f"{VM}/restart")
        assert budget._buckets[UPDATE[1]].level == 3

    play(script())


def test_a_storm_is_waited_for_so_long_and_no_longer() -> None:
    async def script() -> None:
        budget = ArmBudget(headroom=0, limits=LIMITS)
        allowance = Allowance(budget, "r", longest=60)
        budget.answered(UPDATE, 429, {}, retry_after=58)
        await allowance.room("POST", f"{VM}/restart")
        budget.answered(UPDATE, 429, {}, retry_after=300)
        with pytest.raises(AzureRefused, match="UpdateVM and writes had no room within 60") as one:
            await allowance.room("POST", f"{VM}/restart")
        assert one.value.passing
        assert budget._lines == {}

    play(script())


def test_what_is_left_is_read_from_the_headers() -> None:
    assert remaining({}) == ({}, False)
    headers = {
        "x-ms-ratelimit-remaining-subscription-writes": "799",
        "x-ms-ratelimit-remaining-subscription-global-writes": "11999",
        "x-ms-ratelimit-remaining-resource": "Microsoft.Compute/UpdateVMSubscriptionMaximum;1499,"
        "Microsoft.Compute/UpdateVMResource;0",
    }
    assert remaining(headers) == ({"writes": 799, "UpdateVM": 1499}, True)
    assert remaining({"x-ms-ratelimit-remaining-subscription-reads": "many"}) == ({}, False)
