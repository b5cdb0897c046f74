from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import UsageError
from serialfix.fleet.policy import Policy, seconds


def test_it_is_kept_as_json() -> None:
    policy = Policy(waves="1,rest", approve_after=1, window="22:00-04:00", retry_delay_s=0.5)
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"waves": "1,5,rest", "approve_after": 2},
        {"waves": "1,50%,50%", "approve_after": 2},
        {"max_per_region": "1"},
        {"max_per_region": "100%"},
        {"window": "Sat,Sun 01:00-05:00 Europe/Berlin"},
        {"retries": 10, "retry_delay_s": 0},
    ],
)
def test_what_is_right(good: dict[str, Any]) -> None:
    Policy(**good).check()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"waves": "x"}, "--waves"),
        ({"max_errors": "-1"}, "--max-errors"),
        ({"max_concurrency": "0"}, "--max-concurrency"),
        ({"max_per_region": "0"}, "--max-per-region"),
        ({"max_per_region": "101%"}, "--max-per-region"),
        ({"approve_after": 0}, "--approve-after 0"),
        ({"approve_after": 3}, "no wave of 1,10%,rest comes after"),
        ({"waves": "rest", "approve_after": 1}, "no wave of rest comes after"),
        ({"window": "at night"}, "--window"),
        ({"retries": 11}, "--retries"),
        ({"retries": -1}, "--retries"),
        ({"retry_delay_s": -1.0}, "--retry-delay"),
        ({"retry_delay_s": 86_401.0}, "--retry-delay"),
        ({"retry_delay_s": float("nan")}, "--retry-delay"),
    ],
)
def test_what_is_wrong_is_seen_before_any_vm(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Policy(**bad).check()


@given(st.integers(1, 100), st.integers(1, 1000))
def test_a_region_may_have_at_least_one_at_once(number: int, total: int) -> None:
    assert Policy(max_per_region=f"{number}%").most_of_region(total) == max(
        1, total * number // 100
    )
    assert Policy(max_per_region=str(number)).most_of_region(total) == min(number, total)
    assert Policy().most_of_region(total) is None


def test_durations() -> None:
    texts = ("30s", "5m", "1h", "90", "0", " 2 M ", "1.5h", "0.25s")
    assert [seconds(text, option="--x") for text in texts] == [
        *(30, 300, 3600, 90, 0, 120, 5400, 0.25)
    ]


@pytest.mark.parametrize("text", ["", "s", "-1s", "5 days", "1h30m", "1e3", "٣s", "inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="--x takes a duration such as 30s"):
        seconds(text, option="--x")
