from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import UsageError
from serialfix.fleet.window import DAYS, Window


MINUTE = timedelta(minutes=1)
# summer time begins and ends, by half an hour too, at midnight, and a day that was left out
PUT_ON_OR_BACK = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 4, 5, 3, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
    ("UTC", datetime(2026, 12, 31, 23, tzinfo=UTC)),
]
CLOCK = st.tuples(st.integers(0, 23), st.sampled_from((0, 1, 15, 30, 59)))
HOURS = st.tuples(st.sets(st.integers(0, 6), min_size=1), CLOCK, CLOCK).filter(
    lambda hours: hours[1] != hours[2]
)


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> datetime:
    there = UTC if zone == "UTC" else ZoneInfo(zone)
    return datetime.fromisoformat(text).replace(tzinfo=there, fold=fold)


def within(wall: datetime, days: set[int], start: tuple[int, int], end: tuple[int, int]) -> bool:
    """By the words of the format alone: the hours of yesterday that go on, or those of today."""
    shown = (wall.hour, wall.minute)
    if start < end:
        return wall.weekday() in days and start <= shown < end
    return (wall.weekday() if shown >= start else (wall.weekday() - 1) % 7) in days and not (
        end <= shown < start
    )


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(PUT_ON_OR_BACK),
    st.lists(HOURS, min_size=1, max_size=2),
    st.integers(-24 * 60, 6 * 60),
)
def test_it_opens_and_closes_as_a_walk_minute_by_minute_finds(
    place: tuple[str, datetime],
    hours: list[tuple[set[int], tuple[int, int], tuple[int, int]]],
    begin: int,
) -> None:
    name, around = place
    zone, now = ZoneInfo(name), around + begin * MINUTE
    text = ";".join(
        f"{','.join(DAYS[day] for day in days)} {a[0]:02}:{a[1]:02}-{b[0]:02}:{b[1]:02} {name}"
        for days, a, b in hours
    )
    window = Window.parse(text)
    walked = [now + n * MINUTE for n in range(36 * 60)]
    walls = [moment.astimezone(zone) for moment in walked]
    found = [any(within(wall, *each) for each in hours) for wall in walls]
    assert window.open_at(now.astimezone(zone)) is found[0]
    for wanted, given_ in ((True, window.opens(now)), (False, window.closes(now))):
        expected = walked[found.index(wanted)] if wanted in found else None
        if expected is None:
            assert given_ is None or given_ > walked[-1]
        else:
            assert given_ == expected
    for n in range(0, len(walked), 97):
        assert window.open_at(walked[n]) is found[n]


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(PUT_ON_OR_BACK),
    HOURS,
    st.timedeltas(timedelta(days=-3), timedelta(days=3)),
)
def test_opening_and_closing_are_the_seconds_at_which_it_changes(
    place: tuple[str, datetime],
    hours: tuple[set[int], tuple[int, int], tuple[int, int]],
    begin: timedelta,
) -> None:
    days, a, b = hours
    window = Window.parse(
        f"{','.join(DAYS[day] for day in days)} {a[0]}:{a[1]:02}-{b[0]}:{b[1]:02} {place[0]}"
    )
    now = place[1] + begin
    opens = window.opens(now)
    assert opens is not None
    assert opens >= now
    assert window.open_at(opens)
    assert opens == now or not window.open_at(opens - timedelta(microseconds=1))
    closes = window.closes(opens)
    assert closes is not None
    assert closes > opens
    assert not window.open_at(closes)
    assert window.open_at(closes - timedelta(microseconds=1))


def test_over_midnight_belongs_to_the_day_it_begins() -> None:
    window = Window.parse("Mon-Fri 22:00-04:00")
    assert window.open_at(at("2026-11-27T23:00"))  # a Friday
    assert window.open_at(at("2026-11-28T03:59"))
    assert not window.open_at(at("2026-11-28T04:00"))
    assert not window.open_at(at("2026-11-28T22:00"))
    assert not window.open_at(at("2026-11-30T03:00"))  # it began on no Sunday
    assert window.opens(at("2026-11-28T04:00")) == at("2026-11-30T22:00")
    assert window.closes(at("2026-11-27T23:00")) == at("2026-11-28T04:00")


def test_an_hour_left_out_does_not_open_and_one_that_comes_twice_opens_twice() -> None:
    berlin = "Europe/Berlin"
    window = Window.parse(f"Sun 02:15-02:45 {berlin}")
    assert window.opens(at("2026-03-28T12:00", berlin)) == at("2026-04-05T02:15", berlin)
    first, second = (at("2026-10-25T02:15", berlin, fold=fold) for fold in (0, 1))
    assert window.opens(at("2026-10-24T12:00", berlin)) == first.astimezone(UTC)
    closed = window.closes(first)
    assert closed is not None
    assert closed == first.astimezone(UTC) + 30 * MINUTE
    assert window.opens(closed) == second.astimezone(UTC) == closed + 30 * MINUTE
    # half of it is left out: it opens with the clock that is put on
    assert Window.parse(f"02:30-04:00 {berlin}").opens(at("2026-03-29T01:00", berlin)) == at(
        "2026-03-29T03:00", berlin
    )


def test_hours_of_several_zones_are_one_window() -> None:
    window = Window.parse("22:00-23:00 Europe/Berlin ; 22:00-23:00 America/New_York; 21:30-22:15")
    now = at("2026-11-26T12:00")
    assert (window.opens(now), window.closes(at("2026-11-26T21:00"))) == (
        at("2026-11-26T21:00"),
        at("2026-11-26T22:15"),
    )
    assert window.opens(at("2026-11-26T22:15")) == at("2026-11-27T03:00")
    assert window.told(at("2026-11-26T21:00")) == "Thu 26 Nov 22:00 CET"
    assert window.told(at("2026-11-27T03:00")) == "Thu 26 Nov 22:00 EST"
    assert str(window).count("; ") == 2


def test_days_may_go_over_the_end_of_the_week_and_a_day_be_whole() -> None:
    window = Window.parse("fri-MON, Wed 00:00-24:00")
    assert {day for day in range(7) if window.open_at(at(f"2026-11-{23 + day}T12:00"))} == {
        *(0, 2, 4, 5, 6)
    }
    assert window.closes(at("2026-11-27T00:00")) == at("2026-12-01T00:00")
    always = Window.parse("00:00-24:00")
    assert always.closes(at("2026-11-27T00:00")) is None


def test_a_moment_without_a_zone_is_a_bug() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Window.parse("22:00-04:00").opens(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "takes hours"),
        ("22:00-04:00;", "takes hours"),
        ("22-04", "takes hours"),
        ("22:00-25:00", "25:00 is no time"),
        ("22:60-23:00", "22:60 is no time"),
        ("24:00-01:00", "lasts no time"),
        ("22:00-22:00 UTC", "00:00-24:00"),
        ("Sat-Foo 22:00-04:00", "Foo is no day"),
        ("22:00-04:00 europe/berlin", "is Europe/Berlin meant"),
        ("22:00-04:00 Europe/Bärlin", "is no time zone"),
        ("22:00-04:00 ../passwd", "is no time zone"),
        ("22:00-04:00 Europe", "is no time zone"),
    ],
)
def test_what_is_wrong_is_told_with_an_example(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Window.parse(text)
    assert "--window" in str(caught.value)
    assert "--window '" in caught.value.remedy


def test_a_machine_without_time_zones_knows_utc(tmp_path: Path) -> None:
    names = [name for name in sys.modules if name.partition(".")[0] == "tzdata"]
    kept = {name: sys.modules.pop(name) for name in names}
    sys.modules["tzdata"] = None  # type: ignore[assignment]  # installed or not, it is not found
    reset_tzpath([str(tmp_path)])
    ZoneInfo.clear_cache()
    try:
        assert Window.parse("22:00-04:00 UTC").open_at(at("2026-01-01T23:00"))
        with pytest.raises(UsageError, match="no database") as caught:
            Window.parse("22:00-04:00 Europe/Berlin")
        assert "tzdata" in caught.value.remedy
    finally:
        del sys.modules["tzdata"]
        sys.modules.update(kept)
        reset_tzpath()
        ZoneInfo.clear_cache()
