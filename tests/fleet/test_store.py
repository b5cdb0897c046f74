"""What is done to many rows at once, on both databases: VMs are claimed, and let go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serialfix.fleet import store
from serialfix.fleet.database import Database, open_database
from serialfix.fleet.policy import Policy
from serialfix.fleet.standing import Target, TargetState
from serialfix.lab.vm import SUBSCRIPTION
from serialfix.model import Outcome
from tests.fleet.standings import REGIONS, fleet_run, waiting


NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
EVERYWHERE = {(SUBSCRIPTION, region): 4 for region in REGIONS}
TEN = waiting(10, Policy(waves="rest"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    where = str(tmp_path / "fleet.db")
    if request.param == "postgresql":
        where = request.getfixturevalue("postgres_url")
    database = open_database(where)
    yield database
    database.close()


def begin(database: Database, fleet: str, targets: list[Target]) -> None:
    with database.engine.begin() as connection:
        store.create(connection, fleet_run(len(targets), id=fleet), targets, "")


def admit(database: Database, fleet: str, numbers: dict[tuple[str, str], int]) -> list[int]:
    with database.engine.begin() as connection:
        admitted = store.admit(connection, database.insert, fleet, numbers, NOW)
    return [each.number for each in admitted]


def test_as_many_of_each_place_as_is_said_the_first_ones_first(database: Database) -> None:
    later = replace(TEN[0], not_before=NOW + timedelta(seconds=1))
    begin(database, "one", [later, *TEN[1:]])
    assert sorted(admit(database, "one", {(SUBSCRIPTION, REGIONS[1]): 2})) == [4, 7]  # not 1 yet
    assert sorted(admit(database, "one", EVERYWHERE)) == [2, 3, 5, 6, 8, 9, 10]
    assert admit(database, "one", EVERYWHERE) == []
    with database.engine.begin() as connection:
        two = store.one(connection, "one", 2)
        under_way = {each.number for each in store.under_way(connection, "one")}
    assert under_way == set(range(2, 11))
    assert two.state is TargetState.RUNNING
    assert (two.attempt, two.run_id, two.started) == (1, "one.2", NOW)


def test_a_vm_is_worked_on_by_one_run_at_a_time(database: Database) -> None:
    """Whatever the case of its id; and it is free again when its turn has ended."""
    begin(database, "one", TEN[:5])
    begin(database, "two", [replace(each, vm_id=each.vm_id.upper()) for each in TEN])
    assert sorted(admit(database, "one", EVERYWHERE)) == [1, 2, 3, 4, 5]
    assert sorted(admit(database, "two", EVERYWHERE)) == [6, 7, 8, 9, 10]
    with database.engine.begin() as connection:
        store.finish(connection, "one", 3, 1, now=NOW, outcome=Outcome.CHANGED, exit_code=0)
    assert admit(database, "two", EVERYWHERE) == [3]


def test_a_vm_that_is_named_twice_is_worked_on_once(database: Database) -> None:
    begin(database, "one", [TEN[0], replace(TEN[0], number=2)])
    assert len(admit(database, "one", EVERYWHERE)) == 1


def test_an_attempt_after_another_keeps_its_run(database: Database) -> None:
    begin(database, "one", [TEN[0]])
    for attempt in (1, 2):
        assert admit(database, "one", EVERYWHERE) == [1]
        with database.engine.begin() as connection:
            assert store.one(connection, "one", 1).attempt == attempt
            store.renamed(connection, "one", 1, "one.1.2")
            store.phase(connection, "one", 1, "attach")
            assert store.one(connection, "one", 1).phase == "attach"
            store.finish(
                connection,
                *("one", 1, attempt),
                now=NOW,
                outcome=Outcome.UNREACHABLE,
                exit_code=6,
                not_before=NOW,
            )
            assert store.one(connection, "one", 1).run_id == "one.1.2"
            assert store.one(connection, "one", 1).state is TargetState.WAITING
