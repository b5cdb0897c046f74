from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serialfix.errors import UsageError
from serialfix.fleet.budget import ErrorBudget, concurrency
from serialfix.model import Outcome


COUNTS = st.dictionaries(st.sampled_from(Outcome), st.integers(0, 50))
BAD = {Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNKNOWN}


@given(COUNTS, st.integers(0, 200), st.integers(0, 100))
def test_one_more_than_allowed_stops(counts: dict[Outcome, int], extra: int, percent: int) -> None:
    total = sum(counts.values()) + extra
    bad = sum(number for outcome, number in counts.items() if outcome in BAD)
    for text, allowed in ((str(percent), percent), (f"{percent}%", total * percent // 100)):
        budget = ErrorBudget.of(text, total)
        assert budget.spent(counts) == bad
        assert bool(budget.stop(counts)) == (bad > allowed)


@given(COUNTS, st.integers(0, 100))
def test_refused_and_not_started_never_count(counts: dict[Outcome, int], more: int) -> None:
    budget = ErrorBudget.of("3", 1000)
    padded = {**counts, Outcome.REFUSED: more, Outcome.NOT_STARTED: more}
    assert budget.spent(padded) == budget.spent(counts)
    assert bool(budget.stop(padded, padded)) == bool(budget.stop(counts, counts))


@given(COUNTS)
def test_errors_never_make_it_go_on_again(counts: dict[Outcome, int]) -> None:
    budget = ErrorBudget.of("5%", 600)
    assume(budget.stop(counts))
    for bad in BAD:
        assert budget.stop({**counts, bad: counts.get(bad, 0) + 1})


def test_a_canary_that_fails_stops_within_the_budget() -> None:
    budget = ErrorBudget.of("5%", 1000)
    for bad in BAD:
        assert "wave" in budget.stop({bad: 1}, {bad: 1})
        assert not budget.stop({bad: 1})  # its wave has not ended
    assert "wave" in budget.stop({Outcome.FAILED: 1}, {Outcome.FAILED: 1, Outcome.REFUSED: 2})
    assert not budget.stop({Outcome.FAILED: 2}, {Outcome.FAILED: 1, Outcome.OK: 1})
    assert not budget.stop({Outcome.REFUSED: 1}, {Outcome.REFUSED: 1})


def test_a_budget_of_all_never_stops() -> None:
    budget = ErrorBudget.of("100%", 3)
    assert not budget.stop({Outcome.UNREACHABLE: 3}, {Outcome.UNREACHABLE: 3})
    assert ErrorBudget.of("7", 3).allowed == 3


def test_a_fraction_is_left_out_and_the_denominator_is_told() -> None:
    assert [ErrorBudget.of("5%", total).allowed for total in (10, 19, 20, 30, 1000)] == [
        *(0, 0, 1, 1, 50)
    ]
    assert "2 of 20 targets" in ErrorBudget.of("5%", 20).stop({Outcome.UNREACHABLE: 2})


@given(st.integers(1, 100), st.integers(0, 5000))
def test_at_least_one_at_once(number: int, total: int) -> None:
    for text in (str(number), f"{number}%"):
        assert 1 <= concurrency(text, total) <= max(total, 1)
    assert concurrency("50%", 9) == 4


def test_none_at_once_is_refused() -> None:
    with pytest.raises(UsageError, match="--max-concurrency"):
        concurrency("0", 10)
