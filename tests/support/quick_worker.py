"""`fleet worker` as a process of its own, with deadlines shrunk for a lab that answers at once."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
from pathlib import Path

from serialfix.azure.identity import AzurePatience
from serialfix.console.machine import Patience
from serialfix.fleet.database import open_database
from serialfix.fleet.worker import Worker, WorkerOptions
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.options import RunPatience
from serialfix.remediation.work import WorkPatience
from serialfix.transport.gateway import GatewayPatience


# what is waited for although all goes well is short; what ends a run is not: the machine is busy
PATIENCE = RunPatience(
    console=Patience(backlog_none=0.2, reveal=0.3, login=8),
    gateway=GatewayPatience(attempts=4, delays=(0.2,), verdict=0.3, notice=0.2, close_timeout=1),
    azure=AzurePatience(retries=3, backoff=0.05, retry_after_max=5, poll=0.1),
    guest=GuestPatience(proof=20, proof_pause=0.1),
    work=WorkPatience(boot=30, look=0.2, reboot=0.3, reboot_looks=1),
    restart=60,
)


async def work(where: str, host: str, state_dir: str, *, takeover: float) -> int:
    """Until SIGTERM."""
    database = open_database(where)
    options = WorkerOptions(
        host=host,
        state_dir=Path(state_dir),
        environ=dict(os.environ),
        takeover=takeover,
        drain=30,
        patience=PATIENCE,
    )
    worker = Worker(database, options, lambda text: print(text, flush=True))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    loop.add_signal_handler(signal.SIGUSR1, _where)
    return await worker.work()


def _where() -> None:
    """For who wonders what it waits for."""
    faulthandler.dump_traceback(all_threads=True)
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(asyncio.run(work(*sys.argv[1:4], takeover=float(sys.argv[4]))))
