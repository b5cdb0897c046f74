"""Schedules for people and for programs: when, what, and what the last tick came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from serialfix.errors import UsageError
from serialfix.fleet.plan import asked_json
from serialfix.fleet.result import iso, list_json
from serialfix.fleet.schedule import CameTo, Schedule, Shown
from serialfix.fleet.standing import Kind
from serialfix.fleet.tables import list_view as runs_view
from serialfix.printable import printable
from serialfix.result import plain


SCHEMA = "serialfix.fleet-schedule/1"
SHORT = 12
"""Digits of a hash that tell playbooks apart."""
_STYLES = {CameTo.FAILED: "red", CameTo.MISSED: "red", CameTo.SKIPPED: "yellow"}
_DOES = {Kind.RUN: "", Kind.CHECK: "check "}


def schedule_json(shown: Shown, now: datetime) -> dict[str, Any]:
    """A schedule as `serialfix.fleet-schedule/1`."""
    schedule = shown.schedule
    upcoming = next_tick(schedule, now)
    done: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "name": schedule.name,
            "paused": schedule.paused,
            "cron": schedule.cron.text,
            "time_zone": schedule.cron.zone,
            "next": upcoming and {"utc": iso(upcoming), "local": upcoming.isoformat()},
            "last": schedule.last_tick
            and {
                "at": iso(schedule.last_tick),
                "came_to": schedule.last_came_to,
                "words": schedule.last_words,
            },
            "missed": iso(schedule.missed(now)),
            "kind": str(schedule.kind),
            "playbook": {
                "name": schedule.playbook,
                "version": schedule.playbook_version,
                "sha256": schedule.playbook_sha256,
            },
            "parameters": schedule.parameters,
            "asked": asked_json(schedule.scope, schedule.wish),
            "policy": schedule.policy.to_json(),
            "settings": schedule.settings.to_json(),
            "user": schedule.user,
            "created": iso(schedule.created),
            "runs": list_json(shown.runs),
        }
    )
    return done


def row(data: dict[str, Any]) -> dict[str, Any]:
    """The same in one line of few columns."""
    last = data["last"] or {"at": None, "came_to": None, "words": ""}
    return {
        "name": data["name"],
        "paused": data["paused"],
        "next": data["next"] and data["next"]["utc"],
        "last": last["at"],
        "came_to": last["came_to"],
        "words": last["words"],
        "missed": data["missed"],
    }


def next_tick(schedule: Schedule, now: datetime) -> datetime | None:
    """By the clock of its time zone; None while it is paused."""
    try:
        return None if schedule.paused else schedule.cron.after(now)
    except UsageError:  # it has a year, say, and the last one is over
        return None


def list_view(shown: Iterable[Shown], now: datetime) -> RenderableType:
    """Some lines for each."""
    return Group(*(part for each in shown for part in _in_short(each, now)))


def show_view(shown: Shown, now: datetime) -> RenderableType:
    """One in full, with the fleet runs that it made."""
    schedule = shown.schedule
    parts = [*_in_short(shown, now), Text(), *_in_full(schedule)]
    if shown.runs:
        parts += [Text(), Text("the last fleet runs"), runs_view(shown.runs)]
    return Group(*parts)


def _in_short(shown: Shown, now: datetime) -> Iterator[RenderableType]:
    schedule = shown.schedule
    head = Text.assemble((schedule.name, "bold"), overflow="fold")
    if schedule.paused:
        head.append("  paused", "yellow")
    yield head
    yield _line("does", f"{_DOES[schedule.kind]}{schedule.playbook} ({_hash(schedule)})")
    yield _line("to", ", ".join(asked_words(schedule)))
    yield _line("at", f"{schedule.cron.text}  {schedule.cron.zone}")
    if upcoming := next_tick(schedule, now):
        yield _line("next", f"{_minute(upcoming, schedule)}  ({_minute(upcoming)})")
    if schedule.last_tick and schedule.last_came_to:
        style = _STYLES.get(schedule.last_came_to, "")
        yield _line("last", f"{_minute(schedule.last_tick)}  {_last(shown)}", style)
    if missed := schedule.missed(now):
        words = f"{_minute(missed)}: no worker was alive; it is not caught up"
        yield _line("missed", words, "red")


def _last(shown: Shown) -> str:
    schedule = shown.schedule
    if schedule.last_came_to is not CameTo.BEGAN:
        return f"{schedule.last_came_to}: {schedule.last_words}"
    states = [f" ({each.run.state})" for each in shown.runs if each.run.id in schedule.last_words]
    return "".join((schedule.last_words, *states))


def _in_full(schedule: Schedule) -> Iterator[RenderableType]:
    given = ", ".join(f"{name}={value}" for name, value in schedule.parameters.items())
    policy, settings = schedule.policy, schedule.settings
    does = (("no restart", not settings.restart), ("snapshot", settings.snapshot))
    facts = {
        "by": f"{schedule.user}, {_minute(schedule.created)}",
        "playbook": schedule.playbook_sha256,
        "set": given,
        "policy": ", ".join(
            f"{name.removesuffix('_s').replace('_', ' ')} {value}"
            for name, value in policy.to_json().items()
            if value is not None
        ),
        "guest": f"{settings.username}, {settings.credential}",
        "with": ", ".join(
            word
            for word, on in (*does, ("take over", settings.take_over))
            if on and schedule.kind is Kind.RUN
        ),
    }
    for name, value in facts.items():
        if value:
            yield _line(name, value)


def asked_words(schedule: Schedule) -> Iterator[str]:
    """Which VMs are looked for, in few words."""
    wish, scope = schedule.wish, schedule.scope
    if wish.everything:
        yield "all VMs"
    if wish.ids is not None:
        yield f"{len(wish.ids)} VMs by their ids"
    for word, value in (("named", wish.name), ("in", wish.resource_group), ("in", wish.location)):
        if value:
            yield f"{word} {value}"
    yield from (f"{name}={value}" for name, value in wish.tags)
    if wish.power:
        yield wish.power
    places = {"subscription": scope.subscriptions, "management group": scope.management_groups}
    for word, names in places.items():
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"{word} {names[0]}{more}"


def _hash(schedule: Schedule) -> str:
    return f"sha256 {schedule.playbook_sha256[:SHORT]}"


def _minute(moment: datetime, schedule: Schedule | None = None) -> str:
    """By the clock of the schedule, or in UTC."""
    if schedule is None:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{moment:%a %Y-%m-%d %H:%M} {schedule.cron.zone}"


def _line(name: str, words: str, style: str = "") -> RenderableType:
    text = Text.assemble(f"{name:<9}", (printable(words), style), overflow="fold")
    return Padding(text, (0, 0, 0, 2), expand=False)
