from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import UsageError
from serialfix.fleet.share import Share


@given(st.integers(0, 100), st.integers(0, 100_000))
def test_percentages_are_of_all_and_exact(percent: int, total: int) -> None:
    share = Share.parse(f"{percent}%", option="--x")
    exact = Fraction(percent * total, 100)
    assert (share.up(total), share.down(total)) == (ceil(exact), floor(exact))
    assert str(share) == f"{percent}%"


@given(st.integers(0, 999_999_999), st.integers(0, 100_000))
def test_numbers_do_not_depend_on_the_total(number: int, total: int) -> None:
    share = Share.parse(f" {number} ", option="--x")
    assert share.up(total) == share.down(total) == number


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1.5%", "101%", "%", "1 %", "٣", "1e3"])
def test_anything_else_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(UsageError, match="--some-option"):
        Share.parse(text, option="--some-option")


def test_too_little() -> None:
    for text in ("0", "0%"):
        with pytest.raises(UsageError, match="the least is 1"):
            Share.parse(text, option="--x", least=1)
