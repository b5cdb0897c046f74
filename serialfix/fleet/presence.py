"""Which workers are alive, told by locks and never by a clock alone.

A worker holds a lock of its own name for as long as its process lives and reaches the database. Who
loses it stops within the time for which another would wait before it takes the work over (notes.md
A.2): a worker that only seems dead must not meet its successor on a console.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import serialfix
from serialfix.errors import ConfigError, RecordError
from serialfix.fleet.database import KEEP_ALIVE, Database
from serialfix.record.locks import lock_file


if TYPE_CHECKING:
    import psycopg

_LOG = logging.getLogger(__name__)
TAKEOVER = 15.0
"""Seconds for which a lock must be free before the work of its worker is taken over."""
BEATS = 8
"""So many looks in that time."""
STOPS = 0.6
"""The part of that time after which a worker without its lock stops; the rest is for leaving."""


class Presence(Protocol):
    """A worker's being alive."""

    @property
    def id(self) -> str:
        """The worker's name: stable over its restarts on a host, and nobody else's."""

    @property
    def lost(self) -> bool:
        """Whether it must stop: nobody can know any more that it is alive."""

    def watch(self, take_over: Callable[[str], None]) -> None:
        """Begin to beat, and to look for the dead, whose names are given to `take_over`."""

    def close(self) -> None:
        """The worker is gone."""


class FilePresence:
    """The one worker of a SQLite file. Raises ConfigError when there is one already."""

    id = "embedded"
    lost = False

    def __init__(self, database: Database) -> None:
        try:
            self._file = lock_file(_lock_path(database))
        except BlockingIOError:
            raise ConfigError(
                f"another process works on {database.url}",
                remedy="A SQLite file has one worker. Several need PostgreSQL (--database).",
            ) from None

    def watch(self, take_over: Callable[[str], None]) -> None:
        """Nobody else can be dead."""

    def close(self) -> None:
        """Let the file go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class ServerPresence:
    """A worker on PostgreSQL: an advisory lock on a connection of its own, pinged by a thread.

    Its name is that of the host with the first number that is free, so that a worker which starts
    again finds what it left. Raises RecordError when the server cannot be reached.
    """

    def __init__(self, database: Database, host: str, *, takeover: float = TAKEOVER) -> None:
        self._database = database
        self._takeover = takeover
        self._beat = takeover / BEATS
        self._free_since: dict[str, float] = {}
        self._stop = threading.Event()
        self._gone = False
        self._thread: threading.Thread | None = None
        self._connection: psycopg.Connection[Any] | None = None
        self._connect()
        self.id = next(name for number in count(1) if self._lock(name := f"{host}-{number}"))
        self._epoch = self._begin()
        self._good = time.monotonic()

    @property
    def lost(self) -> bool:
        """After a time without the lock, or when somebody has taken over."""
        return self._gone or time.monotonic() - self._good > self._takeover * STOPS

    def watch(self, take_over: Callable[[str], None]) -> None:
        """Begin to beat, and to look for the dead."""
        self._thread = threading.Thread(
            target=self._run, args=(take_over,), name="serialfix-presence", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Let the lock go. What is left behind is taken over at once."""
        import psycopg

        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._takeover)
        if self._connection is not None:
            with suppress(psycopg.Error):  # then its lock is found free, a little later
                self._connection.execute(
                    "UPDATE serialfix.worker SET epoch = -epoch WHERE id = %s AND epoch = %s",
                    (self.id, self._epoch),
                )
            self._connection.close()

    # --- the thread -------------------------------------------------------------------------------

    def _run(self, take_over: Callable[[str], None]) -> None:
        import psycopg

        while not self._stop.wait(self._beat) and not self._gone:
            try:
                if self._connection is None and not self._return():
                    continue
                self._gone = not self._still_ours()
                if not self._gone:
                    self._good = time.monotonic()
                    self._look(take_over)
            except psycopg.Error:
                self._disconnect()

    def _return(self) -> bool:
        """After the server was away: the lock went with the connection, and may be free still."""
        self._connect()
        if self._lock(self.id):
            return True
        self._disconnect()  # our successor has it, or the server has not missed us yet
        return False

    def _still_ours(self) -> bool:
        return self._change(
            "UPDATE serialfix.worker SET seen = %s WHERE id = %s AND epoch = %s",
            *(datetime.now(UTC).timestamp(), self.id, self._epoch),
        )

    def _look(self, take_over: Callable[[str], None]) -> None:
        rows = self._open.execute("SELECT id, epoch FROM serialfix.worker").fetchall()
        held = _held(self._open)
        now = time.monotonic()
        free = {name: epoch for name, epoch in rows if _key(name) not in held}
        self._free_since = {name: self._free_since.get(name, now) for name in free}
        for name, epoch in free.items():
            gone = epoch < 0  # it said so itself, or somebody did not end with taking over
            if gone or now - self._free_since[name] >= self._takeover:
                self._bury(name, epoch, take_over)

    def _bury(self, name: str, epoch: int, take_over: Callable[[str], None]) -> None:
        """Take over, with the lock in our hands, after its owner was fenced off by the epoch."""
        import psycopg

        if not self._lock(name):
            return  # it is back, or another of us was quicker
        buried = -abs(epoch) - 1
        try:
            if self._change(
                "UPDATE serialfix.worker SET epoch = %s WHERE id = %s AND epoch = %s",
                *(buried, name, epoch),
            ):
                take_over(name)
                self._change(
                    "DELETE FROM serialfix.worker WHERE id = %s AND epoch = %s", name, buried
                )
        except psycopg.Error:
            raise
        except Exception:  # noqa: BLE001 - of the engine, whatever it is
            _LOG.exception("the work of %s could not be taken over", name)  # looked at again
        finally:
            self._change("SELECT pg_advisory_unlock(%s)", _key(name))

    # --- the connection ---------------------------------------------------------------------------

    @property
    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise RecordError("the worker has no connection to its database")
        return self._connection

    def _connect(self) -> None:
        self._connection = _connect(self._database)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _change(self, query: str, *values: Any) -> bool:
        return self._open.execute(query, values).rowcount == 1

    def _lock(self, name: str) -> bool:
        row = self._open.execute("SELECT pg_try_advisory_lock(%s)", (_key(name),)).fetchone()
        return bool(row and row[0])

    def _begin(self) -> int:
        now = datetime.now(UTC).timestamp()
        (row,) = self._open.execute(
            "INSERT INTO serialfix.worker AS w (id, epoch, started, seen, version) "
            "VALUES (%s, 1, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET epoch = abs(w.epoch) + 1, "
            "started = excluded.started, seen = excluded.seen, version = excluded.version "
            "RETURNING epoch",
            (self.id, now, now, serialfix.__version__),
        ).fetchall()
        return int(row[0])


def make_presence(database: Database, host: str, *, takeover: float = TAKEOVER) -> Presence:
    """A worker of this database. Raises ConfigError, RecordError."""
    if database.is_sqlite:
        return FilePresence(database)
    return ServerPresence(database, host, takeover=takeover)


def alive(database: Database) -> int:
    """How many workers are alive now. Raises RecordError when the database cannot be reached."""
    if database.is_sqlite:
        try:
            os.close(lock_file(_lock_path(database)))
        except BlockingIOError:
            return 1
        return 0
    import psycopg

    try:
        with _connect(database) as connection:
            names = connection.execute("SELECT id FROM serialfix.worker").fetchall()
            held = _held(connection)
    except psycopg.Error as error:
        raise RecordError(f"the database {database.url} cannot be used: {error}") from None
    return sum(_key(name) in held for (name,) in names)


def _lock_path(database: Database) -> Path:
    return Path(f"{database.url}.worker")


def _key(name: str) -> int:
    """The number of the lock of this name."""
    digest = hashlib.sha256(f"serialfix.worker {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _held(connection: psycopg.Connection[Any]) -> set[int]:
    """The numbers of all locks that somebody holds in this database."""
    rows = connection.execute(
        "SELECT classid::bigint << 32 | objid::bigint FROM pg_locks l JOIN pg_database d "
        "ON d.oid = l.database WHERE d.datname = current_database() "
        "AND locktype = 'advisory' AND objsubid = 1 AND granted"
    ).fetchall()
    return {number for (number,) in rows}


def _connect(database: Database) -> psycopg.Connection[Any]:
    """A connection whose end is noticed at both ends within some ten seconds."""
    import psycopg

    url = database.engine.url.set(drivername="postgresql")
    conninfo = psycopg.conninfo.make_conninfo(
        url.render_as_string(hide_password=False),
        **{**KEEP_ALIVE, "connect_timeout": 3, "tcp_user_timeout": 8000},
        options="-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 "
        "-c statement_timeout=5000 -c idle_session_timeout=0",
        application_name="serialfix worker",
    )
    return psycopg.connect(conninfo, autocommit=True)
