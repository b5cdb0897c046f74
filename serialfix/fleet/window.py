"""The maintenance window: when targets may be started, by the clock on a wall somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Self

from serialfix.errors import UsageError


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OPTION = "--window"
_EXAMPLE = "For example --window '22:00-04:00 Europe/Berlin' or 'Sat,Sun 01:00-05:00 UTC'."
_ENTRY = re.compile(
    r"(?:(?P<days>[A-Za-z]+(?:\s*[-,]\s*[A-Za-z]+)*)\s+)?"
    r"(?P<start>\d{1,2}:\d\d)\s*-\s*(?P<end>\d{1,2}:\d\d)(?:\s+(?P<zone>\S+))?"
)
_DAY = timedelta(days=1)
_HORIZON = 16
"""Days within which a window opens or closes if ever: an hour of a Sunday that summer time leaves
out is there the Sunday after."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The same hours on some days; past midnight they belong to the day on which they begin.

    What counts is what the clock on the wall shows: an hour that summer time leaves out does not
    open, one that comes twice opens twice.
    """

    days: frozenset[int]
    start: timedelta
    end: timedelta
    """Since midnight; not after `start` when it is on the next day."""
    zone: tzinfo

    def open_at(self, now: datetime) -> bool:
        """Whether the clock there shows a time within them."""
        wall = now.astimezone(self.zone)
        clock = timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second)
        today = wall.weekday() in self.days
        if self.start < self.end:
            return today and self.start <= clock < self.end
        yesterday = (wall.weekday() - 1) % 7 in self.days
        return (today and clock >= self.start) or (yesterday and clock < self.end)

    def changes(self, since: datetime) -> Iterator[datetime]:
        """Every later moment at which they may begin or end, and some at which they do not.

        That is when the clock shows a bound, by any offset that it has in these days, and when it
        is put on or back.
        """
        midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
        quarters = [midnight + n * _DAY / 4 for n in range(-4, 4 * _HORIZON)]
        for before, after in pairwise(quarters):
            if self._offset(before) != self._offset(after):
                yield self._put_on(before, after)
        for offset in {self._offset(each) for each in quarters}:
            for n in range(-1, _HORIZON):
                for bound in (timedelta(), self.start, self.end):
                    yield midnight + n * _DAY + bound - offset

    def _put_on(self, before: datetime, after: datetime) -> datetime:
        """The first second between the two by which the clock was put on or back."""
        old = self._offset(before)
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            if self._offset(middle) == old:
                before = middle
            else:
                after = middle
        return after

    def _offset(self, at: datetime) -> timedelta:
        return at.astimezone(self.zone).utcoffset() or timedelta()


@dataclass(frozen=True, slots=True)
class Window:
    """Open whenever one of its hours is. All moments have a time zone; those given are in UTC.

    (Python compares two moments of one zone by their clocks alone, wrongly where these are put
    back.)
    """

    text: str
    hours: tuple[Hours, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `Mon-Fri 22:00-04:00 Europe/Berlin; Sat,Sun 00:00-24:00 UTC`. Raises UsageError."""
        entries = [entry.strip() for entry in text.split(";")]
        return cls("; ".join(entries), tuple(_hours(entry) for entry in entries))

    def open_at(self, now: datetime) -> bool:
        """Whether targets may be started."""
        if now.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return any(each.open_at(now) for each in self.hours)

    def opens(self, now: datetime) -> datetime | None:
        """When it is open next: now if it is. None: not within the next two weeks."""
        return self._first(now, is_open=True)

    def closes(self, now: datetime) -> datetime | None:
        """When it is closed next: now if it is. None: not within the next two weeks."""
        return self._first(now, is_open=False)

    def told(self, at: datetime) -> str:
        """A moment as people read it where the window is: `Fri 27 Nov 22:00 CET`."""
        there = next((each for each in self.hours if each.open_at(at)), self.hours[0])
        wall = at.astimezone(there.zone)
        return f"{DAYS[wall.weekday()]} {wall.day} {wall:%b} {wall:%H:%M} {wall.tzname()}"

    def __str__(self) -> str:
        return self.text

    def _first(self, now: datetime, *, is_open: bool) -> datetime | None:
        if self.open_at(now) is is_open:
            return now.astimezone(UTC)
        now = now.astimezone(UTC)
        moments = {at for each in self.hours for at in each.changes(now) if at > now}
        return next((at for at in sorted(moments) if self.open_at(at) is is_open), None)


def _hours(entry: str) -> Hours:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise _wrong(f"takes hours such as 22:00-04:00, not {entry!r}")
    start, end = _clock(found["start"]), _clock(found["end"])
    if start in (end, _DAY):
        raise _wrong(f"{entry!r} lasts no time; a whole day is 00:00-24:00")
    return Hours(_days(found["days"]), start, end, time_zone(found["zone"] or "UTC"))


def _clock(text: str) -> timedelta:
    hours, minutes = (int(part) for part in text.split(":"))
    at = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or at > _DAY:
        raise _wrong(f"{text} is no time of a day")
    return at


def _days(text: str | None) -> frozenset[int]:
    """`Sat,Sun`, `Mon-Fri`, `Fri-Mon`; nothing is every day."""
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = (word.strip().capitalize() for word in part.partition("-"))
        for word in (first, last) if dash else (first,):
            if word not in DAYS:
                raise _wrong(f"{word} is no day; days are {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        days |= {(begin + n) % 7 for n in range((end - begin) % 7 + 1)}
    return frozenset(days)


def time_zone(name: str, *, option: str = _OPTION, example: str = _EXAMPLE) -> tzinfo:
    """The time zone of that name. Raises UsageError, which names the option."""
    if name.upper() == "UTC":
        return UTC  # there also without a database
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        if not known:
            raise UsageError(
                f"{option}: this machine has no database of time zones",
                remedy="Install the package tzdata (pip or the system's), or give hours in UTC.",
            ) from error
        meant = next((each for each in known if each.casefold() == name.casefold()), None)
        hint = f"; is {meant} meant?" if meant else ""
        raise UsageError(f"{option}: {name} is no time zone{hint}", remedy=example) from error


def _wrong(what: str) -> UsageError:
    return UsageError(f"{_OPTION}: {what}", remedy=_EXAMPLE)
