from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from serialfix.errors import UsageError
from serialfix.fleet.cron import Cron


def ticks(cron: Cron, after: datetime, number: int) -> list[str]:
    found = []
    for _ in range(number):
        after = cron.after(after)
        found.append(after.isoformat())
    return found


def test_by_the_clock_on_a_wall_there() -> None:
    saturday = Cron.parse(" 0  2 * *  Sat", "Europe/Berlin")
    assert saturday == Cron("0 2 * * Sat", "Europe/Berlin")
    assert ticks(saturday, datetime(2027, 3, 20, 0, 59, tzinfo=UTC), 3) == [
        "2027-03-20T02:00:00+01:00",
        "2027-03-27T02:00:00+01:00",
        "2027-04-03T02:00:00+02:00",
    ]
    assert ticks(
        Cron.parse("30 9 * * 1-5", "utc"), datetime(2026, 11, 27, 9, 30, tzinfo=UTC), 1
    ) == ["2026-11-30T09:30:00+00:00"]
    assert Cron.parse("0 0 * * *", "utc").zone == "UTC"  # as the engine writes it


def test_summer_time() -> None:
    night = Cron.parse("30 2 * * *", "Europe/Berlin")
    left_out = datetime(2027, 3, 28, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert ticks(night, left_out, 2) == ["2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]
    twice = datetime(2026, 10, 25, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert ticks(night, twice, 3) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_with_six_fields_the_first_is_the_second() -> None:
    start = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
    assert ticks(Cron.parse("*/20 * * * * *", "UTC"), start, 2) == [
        "2026-11-26T12:00:20+00:00",
        "2026-11-26T12:00:40+00:00",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 0 fields, not 5"),
        ("0 2 * *", "has 4 fields, not 5"),
        ("0 0 1 1 * 0 2020", "has 7 fields, not 5"),
        ("@daily", "has 1 fields, not 5"),
        ("60 * * * *", "cannot be read"),
        ("0 2 * * Caturday", "cannot be read"),
        ("R 2 * * *", "cannot be read"),  # every worker would draw another minute
        ("0 h(1-3) * * *", "cannot be read"),
        ("0 0 30 2 *", "never comes"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        Cron.parse(text, "UTC")
    assert str(refused.value).startswith("--cron: ")
    assert "--cron '0 2 * * Sat'" in refused.value.remedy


def test_a_zone_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="--time-zone: europe/berlin is no time zone") as refused:
        Cron.parse("0 2 * * Sat", "europe/berlin")
    assert "is Europe/Berlin meant?" in str(refused.value)
    assert "--time-zone Europe/Berlin" in refused.value.remedy
