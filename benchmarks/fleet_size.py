"""A fleet run on 50,000 VMs: how long it takes to begin it, and to decide what is next.

The VMs are made up, and nobody works on them: only the database is asked. Each figure is held
against that of a tenth as many, in the same run: what grows with the fleet must not do so faster.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks._shared import report
from benchmarks.fleet_run import found, planned
from serialfix.azure.discovery import FoundVm
from serialfix.fleet import store
from serialfix.fleet.conductor import Conductor
from serialfix.fleet.database import Database, open_database
from serialfix.fleet.desk import Desk
from serialfix.fleet.engine import Queue
from serialfix.fleet.standing import Kind, Settings
from serialfix.playbook.load import find_playbook
from tests.support import postgres


MANY, FEW = 50_000, 5_000
AT_ONCE = 500
LOOKS = 10
ID = (
    "/subscriptions/00000000-0000-0000-0000-{:012}/resourceGroups/rg-{}"
    "/providers/Microsoft.Compute/virtualMachines/vm-{}"
)


def vms(number: int) -> list[FoundVm]:
    """In ten subscriptions."""
    return [found(ID.format(each % 10, each % 300, each)) for each in range(number)]


def measure(database: Database, number: int) -> tuple[float, float, float]:
    """Seconds for beginning, for one look, and for the admission of those that come first."""
    desk, queue = Desk(database), Queue(database)
    queue.prepare(per_worker=AT_ONCE)
    plan = planned(find_playbook("rdp-reset"), vms(number), AT_ONCE)
    gc.collect()
    start = time.perf_counter()
    run = desk.begin(plan, Kind.RUN, Settings())
    begun = time.perf_counter() - start
    conductor = Conductor(database, queue)
    looks = []
    for _ in range(LOOKS):
        start = time.perf_counter()
        with database.engine.begin() as connection:
            assert conductor._decision(connection, run.id)
        looks.append(time.perf_counter() - start)
    start = time.perf_counter()
    with database.engine.begin() as connection:
        conductor._carry_out(connection, run.id)
    admitted = time.perf_counter() - start
    with database.engine.begin() as connection:
        assert len(store.under_way(connection, run.id)) == min(number, AT_ONCE)
        store.stop(connection, run.id, "measured", over_budget=False)
        store.end(connection, run.id, datetime.now(UTC))
    queue.close()
    return begun, statistics.median(looks), admitted


def main(name: str, where: str) -> None:
    """The figures of one database."""
    database = open_database(where)
    try:
        measure(database, 10)  # what is made but once
        few, many = measure(database, FEW), measure(database, MANY)
    finally:
        database.close()
    for figure, one, other in zip(("begin", "look", "admit"), few, many, strict=True):
        report(
            f"fleet_of_50000_{figure}_over_5000",
            other / one,
            limit="<= 20",
            database=name,
            few_s=round(one, 4),
            many_s=round(other, 4),
            **({"at_once": AT_ONCE} if figure == "admit" else {}),
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        main("sqlite", str(Path(made, "fleet.db")))
    if why := postgres.missing():
        print(f"not measured with PostgreSQL: {why}", flush=True)
    else:
        with postgres.Postgres() as server:
            main("postgresql", server.url)
