"""fleet worker: a process that works on the fleet runs of a database."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

from serialfix.cli import options as o
from serialfix.cli.fleet_options import DatabaseOptions
from serialfix.printable import printable


if TYPE_CHECKING:
    from serialfix.fleet.database import Database
    from serialfix.fleet.worker import WorkerOptions

Name = Annotated[str | None, o.option("--worker-name", help="Instead of this host's name.")]
Concurrency = Annotated[
    int | None,
    o.option(
        "--worker-concurrency",
        min=1,
        help="So many VMs at once on one worker; it holds for all until one says otherwise.",
    ),
]
TakeoverAfter = Annotated[
    float,
    o.option("--takeover-after", min=1, help="Seconds until a dead worker's VMs are taken over."),
]
Drain = Annotated[
    float, o.option("--drain", min=0, help="Seconds for what is under way when it is to end.")
]
UntilIdle = Annotated[bool, o.option("--until-idle", help="End when no fleet run is left.")]


def worker(
    *,
    where: DatabaseOptions,
    worker_name: Name = None,
    worker_concurrency: Concurrency = None,
    takeover_after: TakeoverAfter = 15,
    drain: Drain = 900,
    until_idle: UntilIdle = False,
) -> int:
    """Work on the fleet runs of a database until it is stopped (SIGTERM: in order)."""
    import asyncio

    from serialfix.fleet.worker import WorkerOptions

    options = WorkerOptions(
        host=worker_name or socket.gethostname(),
        state_dir=where.folder,
        environ=dict(os.environ),
        per_worker=worker_concurrency,
        takeover=takeover_after,
        drain=drain,
        until_idle=until_idle,
    )
    with closing(where.open()) as database:
        return asyncio.run(_work(database, options))


async def _work(database: Database, options: WorkerOptions) -> int:
    import asyncio

    from serialfix.fleet.worker import Worker

    worker = Worker(database, options, _tell)
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _: object) -> None:
        signal.signal(number, lambda *_: os._exit(128 + number))
        loop.call_soon_threadsafe(worker.stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return await worker.work()


def _tell(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
