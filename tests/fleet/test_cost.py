from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from serialfix.fleet import cost
from serialfix.fleet.cost import Span
from serialfix.playbook.load import find_playbook
from tests.fleet.vms import found


QUICK = Span(60, 120)


def unbound(_: int) -> None:
    return None


def test_waves_come_one_after_the_other() -> None:
    waves = [[found(f"v{n}") for n in range(size)] for size in (1, 10, 21)]
    in_all = partial(cost.seconds_in_all, at_once=10, most_of=unbound, per_vm=QUICK)
    assert in_all(waves) == QUICK.times(1 + 1 + 3)
    assert in_all([]) == Span(0, 0)


def test_a_region_with_a_bound_of_its_own_may_take_longest() -> None:
    wave = [found(f"v{n}", location="far" if n < 6 else "near") for n in range(20)]
    in_all = partial(cost.seconds_in_all, [wave], at_once=10, per_vm=QUICK)
    assert in_all(most_of=lambda total: 2) == QUICK.times(7)  # of the 14 that are near
    assert in_all(most_of=lambda total: total // 2) == QUICK.times(2)
    regions = cost.regions(
        wave, restart=True, at_once=10, most_of=lambda total: total // 2, per_vm=QUICK
    )
    assert [region.needs[0].at_once for region in regions] == [3, 7]


def test_a_restart_costs_time_and_calls() -> None:
    still = find_playbook("rdp-listener-check", environ={}).playbook
    reset = find_playbook("rdp-reset", environ={}).playbook
    assert (cost.restarts(still), cost.restarts(reset)) == (False, True)
    longer = cost.seconds_per_vm(reset)
    assert longer.least > cost.RESTART.least
    assert cost.seconds_per_vm(still).most < longer.most
    without, with_it = (sum(cost.calls_per_vm(restart=r).values()) for r in (False, True))
    assert (without, with_it) == (3, 6 + cost.POLLS)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), max_size=60),
    st.integers(1, 80),
    st.booleans(),
)
def test_each_target_is_counted_once_in_its_region(
    places: list[tuple[str, str]], at_once: int, restart: bool
) -> None:
    vms = [found(f"v{n}", subscription_id=s, location=place) for n, (s, place) in enumerate(places)]
    regions = cost.regions(vms, restart=restart, at_once=at_once, most_of=unbound, per_vm=QUICK)
    assert sum(region.targets for region in regions) == len(vms)
    assert len({(r.subscription_id, r.location) for r in regions}) == len(regions)
    for region in regions:
        for need in region.needs:
            assert need.at_once == min(region.targets, at_once)
            assert 0 < need.per_minute <= region.calls


def test_the_budgets_of_azure_are_held_against_the_worst_minute() -> None:
    vms = [found(f"v{n}") for n in range(2000)]
    for at_once, fits in ((50, True), (2000, False)):
        (region,) = cost.regions(
            vms, restart=True, at_once=at_once, most_of=unbound, per_vm=Span(240, 600)
        )
        assert region.fits is fits
    (update,) = (need for need in region.needs if need.budget == "UpdateVM")
    # 2,000 VMs of four minutes each are 500 restarts a minute, but all 2,000 start together
    assert (update.per_minute, update.limit_per_minute) == (500, 500)
    assert (update.at_once, update.limit_at_once, update.fits) == (2000, 1500, False)
