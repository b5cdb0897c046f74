from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from rich.cells import cell_len

from serialfix.azure.discovery import Scope
from serialfix.fleet.cron import Cron
from serialfix.fleet.schedule import CameTo, Schedule, Shown
from serialfix.fleet.schedule_view import list_view, next_tick, row, schedule_json, show_view
from serialfix.fleet.standing import Kind, Standing
from serialfix.fleet.targets import Wish
from serialfix.report.machine import shipped_schema
from tests.fleet.schedules import made
from tests.fleet.standings import HOSTILE, at_its_end, fleet_run, over, standing_of
from tests.fleet.test_tables import shown, words


NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
AT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
BEGAN = {"last_tick": AT, "last_came_to": CameTo.BEGAN, "last_words": "fleet run RUN on 3 VMs"}


def schedule(**more: Any) -> Schedule:
    return replace(made(), created=AT, since=AT, user="ann", **more)


def runs(*ids: str) -> tuple[Standing, ...]:
    return tuple(
        standing_of(over(fleet_run(3, id=each, schedule="nightly")), at_its_end(3)) for each in ids
    )


def as_json(of: Schedule, made: Sequence[Standing] = ()) -> dict[str, Any]:
    data = schedule_json(Shown(of, tuple(made)), NOW)
    jsonschema.Draft7Validator(shipped_schema("fleet-schedule-1")).validate(data)
    return data


def test_the_next_tick_in_its_zone_and_in_utc_and_what_the_last_one_came_to() -> None:
    text = words(shown(list_view([Shown(schedule(**BEGAN), runs("RUN"))], NOW)))
    for part in (
        "does small (sha256 ",
        "to named web-*, env=prod, running, subscription ",
        "at 0 2 * * Sat Europe/Berlin",
        "next Sat 2026-11-28 02:00 Europe/Berlin (2026-11-28 01:00 UTC)",
        "last 2026-11-21 01:00 UTC fleet run RUN on 3 VMs (ended)",
    ):
        assert part in text
    assert "missed" not in text
    data = as_json(schedule(**BEGAN), runs("RUN"))
    assert data["next"] == {"utc": "2026-11-28T01:00:00Z", "local": "2026-11-28T02:00:00+01:00"}
    assert data["last"] == {
        "at": "2026-11-21T01:00:00Z",
        "came_to": "began",
        "words": "fleet run RUN on 3 VMs",
    }
    assert [each["run_id"] for each in data["runs"]] == ["RUN"]
    assert row(data)["next"] == "2026-11-28T01:00:00Z"


def test_what_was_missed_and_what_was_skipped_or_failed() -> None:
    missed = schedule(last_tick=None, cron=Cron("0 3 * * *", "UTC"))
    text = words(shown(list_view([Shown(missed, ())], NOW)))
    assert "missed 2026-11-21 03:00 UTC: no worker was alive; it is not caught up" in text
    assert (as_json(missed)["missed"], as_json(missed)["last"]) == ("2026-11-21T03:00:00Z", None)
    for came in (CameTo.SKIPPED, CameTo.FAILED, CameTo.MISSED, CameTo.LOOKS):
        of = schedule(**BEGAN | {"last_came_to": came, "last_words": "why"})
        assert f"last 2026-11-21 01:00 UTC {came}: why" in words(
            shown(list_view([Shown(of, ())], NOW))
        )
        assert as_json(of)["last"]["came_to"] == came


def test_one_that_is_paused() -> None:
    paused = schedule(paused=True, kind=Kind.CHECK)
    text = words(shown(show_view(Shown(paused, ()), NOW)))
    assert text.startswith("nightly paused does check small")
    assert "next" not in text
    assert (next_tick(paused, NOW), as_json(paused)["next"], as_json(paused)["missed"]) == (
        None,
        None,
        None,
    )


def test_one_in_full() -> None:
    text = words(shown(show_view(Shown(schedule(**BEGAN), runs("RUN-2", "RUN-1")), NOW)))
    for part in (
        "by ann, 2026-11-21 01:00 UTC",
        "set level=2",
        "waves 1,rest, max errors 5%",
        "window 22:00-04:00",
        "guest adm-{vm}, keyvault:v/{vm}",
        "with snapshot",
        "the last fleet runs RUN-2 ended",
        "RUN-1 ended",
        "by schedule nightly",
    ):
        assert part in text, part


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_wider_than_the_terminal_and_nothing_acts_on_it(width: int) -> None:
    wish = Wish(name=HOSTILE, tags=((HOSTILE, "v" * 90),), ids=("x",) * 1000)
    scope = Scope(management_groups=(HOSTILE, "b", "c"))
    of = schedule(**BEGAN | {"last_words": HOSTILE * 3}, wish=wish, scope=scope, playbook="p" * 90)
    for view in (list_view, show_view):
        text = shown(
            view([Shown(of, runs("R"))], NOW) if view is list_view else view(Shown(of, ()), NOW),  # type: ignore[arg-type]
            width=width,
        )
        assert max(map(cell_len, text.splitlines())) <= width
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert "1000 VMs by their ids" in words(text)
