"""Fleet runs in a database, as they are at their start, for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from serialfix.azure.discovery import FoundVm, Scope
from serialfix.fleet import start, store
from serialfix.fleet.database import Database, claim
from serialfix.fleet.plan import FleetPlan, make_plan
from serialfix.fleet.policy import Policy
from serialfix.fleet.standing import FleetRun, Kind, Settings, Target
from serialfix.fleet.targets import Wish, choose
from serialfix.playbook.load import parse_playbook
from tests.e2e.conftest import THREE
from tests.fleet.vms import found


T = TypeVar("T")
NOW = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)


def plan_of(vms: int | Sequence[FoundVm] = 3, **policy: Any) -> FleetPlan:
    """A plan for so many VMs, or for these."""
    if isinstance(vms, int):
        vms = [found(f"vm-{number:03}") for number in range(1, vms + 1)]
    wish = Wish(everything=True)
    return make_plan(
        parse_playbook(THREE, file="three.yaml"),
        choose(tuple(vms), wish),
        Policy(**{"waves": "rest", "max_errors": "100%", **policy}),
        scope=Scope(),
        wish=wish,
    )


def frozen(
    database: Database,
    vms: int | Sequence[FoundVm] = 3,
    *,
    kind: Kind = Kind.RUN,
    settings: Settings | None = None,
    **policy: Any,
) -> FleetRun:
    """A fleet run in the database, of which no worker knows."""
    plan = plan_of(vms, **policy)
    run, targets = start.freeze(plan, kind, settings or Settings(), NOW)
    do(database, lambda c: store.create(c, run, targets, plan.loaded.text))
    return run


def do(database: Database, act: Callable[[sa.Connection], T]) -> T:
    """One transaction."""
    with database.engine.begin() as connection:
        return act(connection)


def admit(database: Database, run: FleetRun, number: int = 99, now: datetime = NOW) -> list[int]:
    """Admit so many of each place; their numbers."""

    def act(connection: sa.Connection) -> list[Target]:
        store.hold(connection, run.id)
        places = store.situation(connection, run.id, now).places
        numbers = {each.key: number for each in places}
        return store.admit(connection, database.insert, run.id, numbers, now)

    return sorted(each.number for each in do(database, act))


def one(database: Database, run: FleetRun, number: int = 1) -> Target:
    return do(database, lambda c: store.one(c, run.id, number))


def claims(database: Database) -> list[str]:
    return do(database, lambda c: sorted(c.execute(sa.select(claim.c.vm_key)).scalars()))
