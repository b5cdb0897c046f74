from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import UsageError
from serialfix.fleet.waves import DEFAULT, Waves


SHARES = st.lists(
    st.one_of(st.integers(1, 300).map(str), st.integers(1, 100).map("{}%".format)), max_size=6
)


@given(SHARES, st.integers(0, 2000))
def test_each_target_is_in_exactly_one_wave_in_its_place(shares: list[str], total: int) -> None:
    targets = list(range(total))
    waves = Waves.parse(",".join([*shares, "rest"])).split(targets)
    assert [target for wave in waves for target in wave] == targets
    assert all(waves), "a wave of none"
    assert len(waves) <= len(shares) + 1
    # no wave but the last two is smaller than what was asked for
    for text, wave in zip(shares, waves[:-2], strict=False):
        asked = -(-total * int(text[:-1]) // 100) if text.endswith("%") else int(text)
        assert len(wave) == asked


@given(SHARES.filter(bool), st.integers(0, 2000))
def test_without_rest_nobody_is_forgotten_silently(shares: list[str], total: int) -> None:
    waves = Waves.parse(",".join(shares))
    whole = Waves.parse(f"{waves},rest").sizes(total)
    assert sum(whole) == total
    asked = sum(share.up(total) for share in waves.shares)
    if asked >= total:
        assert waves.sizes(total) == whole
        return
    with pytest.raises(UsageError, match=f"of {total} targets") as caught:
        waves.sizes(total)
    assert f"{waves},rest" in caught.value.remedy


def test_as_the_documents_say() -> None:
    assert Waves.parse("1,10,25%,rest").sizes(1000) == (1, 10, 250, 739)
    assert Waves.parse(DEFAULT).sizes(1000) == (1, 100, 899)
    assert Waves.parse(DEFAULT).sizes(1) == (1,)
    assert Waves.parse("1%,100%").sizes(7) == (1, 6)
    assert str(Waves.parse(" 1, 10% ,REST")) == "1,10%,rest"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "takes a number"),
        ("1,,rest", "takes a number"),
        ("rest,1", "is the last wave"),
        ("rest,rest", "is the last wave"),
        ("0,rest", "the least is 1"),
        ("0%,rest", "the least is 1"),
        ("110%", "more than all"),
        ("half", "'half'"),
    ],
)
def test_what_is_no_list_of_waves(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Waves.parse(text)
