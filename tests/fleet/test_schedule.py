from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serialfix.azure.discovery import Scope
from serialfix.errors import TargetError, UsageError
from serialfix.fleet.database import Database, open_database
from serialfix.fleet.engine import FLOW, Queue
from serialfix.fleet.policy import Policy
from serialfix.fleet.schedule import CameTo, Schedules, came_to
from serialfix.fleet.standing import Kind
from serialfix.fleet.targets import Wish
from serialfix.lab.vm import SUBSCRIPTION
from tests.fleet.schedules import NAME, made, prepared


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("template") / "fleet.db")


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Iterator[Database]:
    database = open_database(str(shutil.copy(template, tmp_path / "fleet.db")))
    yield database
    database.close()


def fires(database: Database) -> list[tuple[str, ...]]:
    """What the engine itself would fire."""
    queue = Queue(database)
    try:
        return [
            (
                each["schedule_name"],
                each["schedule"],
                str(each["cron_timezone"]),
                each["status"],
                each["context"],
                str(each["application_name"]),
            )
            for each in queue._client.list_schedules()
        ]
    finally:
        queue.close()


def test_what_is_kept_is_what_was_frozen(database: Database) -> None:
    ids = (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/x/y/z",)
    for schedule in (
        made(),
        made(name="ids", wish=Wish(ids=ids), scope=Scope(), policy=Policy(), kind=Kind.CHECK),
        made(name="groups", wish=Wish(everything=True), scope=Scope(management_groups=("mg",))),
    ):
        Schedules(database).add(schedule)
        assert Schedules(database).find(schedule.name).schedule == schedule
    names = [each.schedule.name for each in Schedules(database).all()]
    assert names == ["groups", "ids", NAME]
    assert ("2" in made().playbook_text, made().playbook_sha256) == (
        True,
        made(parameters={"level": "3"}).playbook_sha256,  # of the text with no values
    )


def test_the_engine_fires_what_we_keep(database: Database) -> None:
    schedules = Schedules(database)
    kept = schedules.add(made())
    fired = (NAME, "0 2 * * Sat", "Europe/Berlin", "ACTIVE", NAME, "serialfix")
    assert fires(database) == [fired]
    with pytest.raises(UsageError, match="there is a schedule nightly"):
        schedules.add(made(cron="0 3 * * *"))
    assert fires(database) == [fired]

    schedules.pause(NAME)
    schedules.pause(NAME)
    assert [each[3] for each in fires(database)] == ["PAUSED"]
    changed = schedules.add(made(cron="0 3 * * *", zone="UTC"), again=True)
    assert (changed.paused, changed.created) == (True, kept.created)  # it stays as it was
    assert fires(database) == [(NAME, "0 3 * * *", "UTC", "PAUSED", NAME, "serialfix")]
    gone_on = schedules.resume(NAME)
    assert gone_on.since > changed.since
    assert [each[3] for each in fires(database)] == ["ACTIVE"]

    schedules.remove(NAME)
    assert (fires(database), schedules.all()) == ([], [])
    for act in (schedules.pause, schedules.resume, schedules.remove, schedules.tick):
        with pytest.raises(TargetError, match="no schedule 'nightly'"):
            act(NAME)


def test_a_tick_by_hand_is_work_for_a_worker(database: Database) -> None:
    schedules = Schedules(database)
    schedules.add(made())
    at = schedules.tick(NAME)
    queue = Queue(database)
    (work,) = queue._client.list_workflows()
    assert (work.name, work.status, work.app_version) == ("tick", "ENQUEUED", FLOW)
    assert work.input is not None
    assert list(work.input["args"]) == [at.isoformat(), NAME, True]
    queue.close()


def test_a_name_that_is_near_is_told(database: Database) -> None:
    Schedules(database).add(made())
    with pytest.raises(TargetError, match="no schedule 'nigthly'; near: nightly"):
        Schedules(database).find("nigthly")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 65, "a\x1b"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a schedule"):
        made(name=name)


def test_what_no_worker_was_there_for_is_missed() -> None:
    begun = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    due = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)
    schedule = replace(made(), since=begun)
    assert schedule.due() == due
    assert schedule.missed(due) is None
    assert schedule.missed(due + timedelta(seconds=59)) is None
    assert schedule.missed(due + timedelta(days=30)) == due
    assert replace(schedule, paused=True).missed(due + timedelta(days=30)) is None
    came = replace(schedule, last_tick=due)
    assert came.missed(due + timedelta(days=1)) is None
    assert came.missed(due + timedelta(days=8)) == due + timedelta(days=7)
    again = replace(came, since=due + timedelta(days=20))  # it was paused: nothing was due
    assert again.missed(due + timedelta(days=20, hours=1)) is None


def test_an_older_tick_does_not_hide_a_newer_one(database: Database) -> None:
    Schedules(database).add(made())
    first = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)
    for at, what in ((first, CameTo.BEGAN), (first - timedelta(days=7), CameTo.FAILED)):
        with database.engine.begin() as connection:
            came_to(connection, NAME, at, what, str(what))
    found = Schedules(database).find(NAME).schedule
    assert (found.last_tick, found.last_came_to, found.last_words) == (first, CameTo.BEGAN, "began")
