"""When a schedule is due: the fields of cron, by the clock on a wall somewhere.

They are read by the package that the engine fires by, so that what is shown is what comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from serialfix.errors import UsageError
from serialfix.fleet.window import time_zone


_CRON, _ZONE = "--cron", "--time-zone"
_EXAMPLE = (
    "For example --cron '0 2 * * Sat': minute, hour, day, month, day of the week. "
    "With six fields the first is the second."
)
_ZONE_EXAMPLE = "For example --time-zone Europe/Berlin, or UTC."
_FIELDS = (5, 6)
_RANDOM = re.compile(r"[hr]($|[(/])", re.IGNORECASE)
"""A value that is drawn anew by whoever reads it: every worker would have another."""


@dataclass(frozen=True, slots=True)
class Cron:
    """`0 2 * * Sat` in `Europe/Berlin`.

    An hour that summer time leaves out ticks at its end, one that comes twice ticks twice.
    """

    text: str
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str) -> Self:
        """Read both. Raises UsageError, also for what never comes."""
        from croniter import croniter

        cron = cls(" ".join(text.split()), "UTC" if zone.upper() == "UTC" else zone)
        fields = cron.text.split()
        if len(fields) not in _FIELDS:
            raise _wrong(f"{cron.text!r} has {len(fields)} fields, not 5")
        if any(map(_RANDOM.match, fields)) or not croniter.is_valid(
            cron.text, second_at_beginning=True
        ):
            raise _wrong(f"{cron.text!r} cannot be read")
        cron.after(datetime.now(UTC))
        return cron

    def after(self, moment: datetime) -> datetime:
        """The first tick after that, by the clock there. Raises UsageError when there is none."""
        from croniter import CroniterBadDateError, croniter

        there = moment.astimezone(time_zone(self.zone, option=_ZONE, example=_ZONE_EXAMPLE))
        try:
            found = croniter(self.text, there, second_at_beginning=True).get_next(datetime)
        except CroniterBadDateError:
            raise _wrong(f"{self.text!r} never comes") from None
        assert isinstance(found, datetime)  # noqa: S101 - as it was asked for
        return found


def _wrong(what: str) -> UsageError:
    return UsageError(f"{_CRON}: {what}", remedy=_EXAMPLE)
