"""The durable engine, dbos: it keeps what is under way, and gives it to another when a worker dies.

It knows three pieces of work: `conduct` leads one fleet run, `remediate` works on one VM, `tick` is
a moment of a schedule. Each may be begun again at any moment by another worker; what was done is in
our own tables.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from serialfix.fleet.database import Database, unreachable


if TYPE_CHECKING:
    from dbos import DBOSClient
    from dbos._sys_db import SystemDatabase

_LOG = logging.getLogger(__name__)
NAME = "serialfix"
FLOW = "fleet-1"
"""Of the work itself: what another version of it began is not gone on with (notes.md A.5)."""
CONDUCT, REMEDIATE, TICK = "conduct", "remediate", "tick"
RUNS, VMS = "serialfix-runs", "serialfix-vms"
POLL = 0.25
"""Seconds between two looks for work."""
PER_WORKER = 50
"""VMs that one worker works on at once, when nobody has said how many."""
RECOVERIES = 20
"""A VM whose work ended so many workers is left alone: its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the engine calls; each must bear being begun again."""

    conduct: Callable[[str], Awaitable[None]]
    remediate: Callable[[str, int, int], Awaitable[None]]
    tick: Callable[[datetime, str, bool], Awaitable[None]]
    """A moment of a schedule has come, by the clock or, with True, by hand."""


class Queue:
    """Gives work to whichever worker is free; for workers, and for commands that are none."""

    def __init__(self, database: Database) -> None:
        from dbos import DBOSClient, DBOSPortableJSONSerializer

        _quiet()
        self._database = database
        self._client: DBOSClient = DBOSClient(
            system_database_engine=database.engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=NAME,
            lazy=True,
        )

    def prepare(self, *, per_worker: int | None = None) -> None:
        """Make the engine's tables and queues where there are none. Raises RecordError.

        `per_worker` is how many VMs one worker works on at once; it holds for all workers. Who does
        not say it leaves what another one said.
        """
        try:
            self._client._sys_db.run_migrations()
            self._client.register_queue(RUNS, polling_interval_sec=POLL)
            self._client.register_queue(
                VMS,
                polling_interval_sec=POLL,
                worker_concurrency=per_worker or PER_WORKER,
                on_conflict="always_update" if per_worker else "never_update",
            )
        except DBAPIError as error:
            raise unreachable(self._database, error) from None

    def conduct(self, connection: sa.Connection, fleet: str) -> None:
        """Let a worker lead this fleet run, once this transaction is committed."""
        self._add(connection, CONDUCT, RUNS, fleet, fleet)

    def remediate(self, connection: sa.Connection, fleet: str, number: int, attempt: int) -> None:
        """Let a worker work on this target, once this transaction is committed."""
        key = f"{fleet}/{number}/{attempt}"
        self._add(connection, REMEDIATE, VMS, key, fleet, number, attempt)

    def lost(self, fleet: str, number: int, attempt: int) -> bool:
        """Whether the engine does nothing any more for this attempt."""
        status = self._client._sys_db.get_workflow_status(f"{fleet}/{number}/{attempt}")
        return status is not None and status["status"] in (
            "ERROR",
            "SUCCESS",
            "CANCELLED",
            "MAX_RECOVERY_ATTEMPTS_EXCEEDED",
        )

    # Schedules: with a connection, which the engine's public methods do not take, so that its row
    # and ours are never at odds.

    def schedule(self, connection: sa.Connection, name: str, cron: str, zone: str) -> None:
        """Tick from now on; a schedule of this name that is there already ticks so from now on."""
        system = self._system(connection)
        system.upsert_schedule(
            {
                "schedule_id": str(uuid4()),
                "schedule_name": name,
                "workflow_name": TICK,
                "workflow_class_name": None,
                "schedule": cron,
                "status": "ACTIVE",
                "context": system.serializer.serialize(name),
                "last_fired_at": None,
                "automatic_backfill": False,
                "cron_timezone": zone,
                "queue_name": RUNS,
                "application_name": NAME,
                "shard_key": None,
            },
            connection,
        )

    def ticking(self, connection: sa.Connection, name: str, on: bool) -> None:
        """Let a schedule tick, or not."""
        system = self._system(connection)
        (system.resume_schedule if on else system.pause_schedule)(name, connection)

    def unschedule(self, connection: sa.Connection, name: str) -> None:
        """Tick no more, for good."""
        self._system(connection).delete_schedule(name, connection)

    def tick(self, connection: sa.Connection, at: datetime, name: str) -> None:
        """One tick by hand, once this transaction is committed."""
        moment = at.isoformat()
        self._add(connection, TICK, RUNS, f"tick-{name}-{moment}", moment, name, True)

    def close(self) -> None:
        """The connections are the database's."""
        self._client.destroy()

    def _system(self, connection: sa.Connection) -> SystemDatabase:
        """The engine's tables, and the connection told where they are."""
        system = self._client._sys_db
        system._apply_caller_schema(connection)
        return system

    def _add(
        self, connection: sa.Connection, name: str, queue: str, key: str, *arguments: Any
    ) -> None:
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": name,
                "queue_name": queue,
                "workflow_id": key,
                "app_version": FLOW,
            },
            *arguments,
        )


class Engine:
    """Takes work from the queues of a database, in the running loop, until it is closed."""

    def __init__(self, database: Database, executor: str, work: Work) -> None:
        self._database = database
        self._executor = executor
        self._work = work
        self._at: set[str] = set()
        self._strays: set[str] = set()

    def launch(self) -> None:
        """Begin, first with what this executor left behind. Call it within the running loop."""
        from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer

        _quiet()
        config: DBOSConfig = {
            "name": NAME,
            "system_database_engine": self._database.engine,
            "executor_id": self._executor,
            "application_version": FLOW,
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": 32,
            "log_level": "ERROR",
            "use_listen_notify": False,
            "run_migrations": False,
            "scheduler_polling_interval_sec": 5.0,
        }
        DBOS(config=config)

        @DBOS.workflow(name=CONDUCT, max_recovery_attempts=None)
        async def conduct(fleet: str) -> None:
            with self._doing(fleet):
                await self._work.conduct(fleet)

        @DBOS.workflow(name=REMEDIATE, max_recovery_attempts=RECOVERIES)
        async def remediate(fleet: str, number: int, attempt: int) -> None:
            with self._doing(f"{fleet}/{number}"):
                await self._work.remediate(fleet, number, attempt)

        @DBOS.workflow(name=TICK)
        async def tick(at: str, schedule: str, by_hand: bool = False) -> None:
            with self._doing(schedule):
                await self._work.tick(datetime.fromisoformat(at), schedule, by_hand)

        DBOS.launch()

    def recover(self, executor: str) -> None:
        """Put what a dead executor was at back into the queues; blocks for that long."""
        from dbos import DBOS

        # private, and right: the public way loses the queue and the attempts (notes.md A.2)
        DBOS._recover_pending_workflows([executor])

    def sweep(self) -> None:
        """Put back what this executor took and does not do; blocks for that long.

        The engine takes work in one transaction and asks in another what it is. When the database
        is away between the two it only says so, and the work would wait as long as we live. What is
        found so in two calls is no longer on its way.
        """
        from dbos._dbos import _get_dbos_instance
        from dbos._recovery import _recover_workflow

        dbos = _get_dbos_instance()
        pending = dbos._sys_db.get_pending_workflows(self._executor, FLOW)
        strays = {each.workflow_id: each for each in pending if each.workflow_id not in self._at}
        again = strays.keys() & self._strays
        self._strays = set(strays) - again
        for key in again:
            _LOG.warning("%s was taken and not begun: it is put back", key)
            _recover_workflow(dbos, strays[key], [self._executor])

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Remember what is being done, by the engine's id of it."""
        from dbos import DBOS

        key = str(DBOS.workflow_id)
        self._at.add(key)
        try:
            with _seen(what):
                yield
        finally:
            self._at.discard(key)

    async def close(self) -> None:
        """Take nothing more; what is under way stays for whoever comes next."""
        from dbos import DBOS

        try:
            await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        except Exception:  # noqa: BLE001 - of the engine, whatever it is: the worker ends anyway
            _LOG.exception("the engine did not end in order")


@contextmanager
def _seen(what: str) -> Iterator[None]:
    """The engine keeps an exception to itself; here it is told once."""
    try:
        yield
    except Exception:
        _LOG.exception("the work on %s ended with a bug", what)
        raise


def _quiet() -> None:
    """Its own words are for its developers; ours are told where they are known."""
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
