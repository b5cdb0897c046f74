"""Which workers are alive, told by locks and never by a clock alone.

A worker has a name. While it lives it holds the PostgreSQL advisory lock of that name on a direct
connection, and bears witness of itself every beat: it changes `seen` of the name's row, which says
by its token whose the name is. Who takes a name over becomes its owner in the same way.

Two never believe at once that a name is theirs:
- An owner believes it until STOPS of the time `takeover` after it *sent* the last beat that was
  answered. Both are read from its own clock, which goes on while the machine sleeps, and no thread
  is needed for it: one that hangs in a query, or a process that was frozen, has lost the name.
- Another owner is set by one statement only, which demands the lock and the row just as it was seen
  a whole `takeover` earlier by the taker's clock. So the last beat was sent before that, and the
  former owner has stopped believing, with the rest of the time for leaving the consoles. From then
  on its beats change nothing, since the token in the row is another's.
- A name that was left in order (its owner is 0) may be had at once, with the same statement.
- A restarted worker is no exception: that the former process of its host is dead cannot be known.
It takes the next number, and what the former one left is taken over like everybody's.

The clock alone would do for that. The lock is what keeps a frozen worker's work from being taken
over while its connection lives (notes.md A.2): its consoles are still attached.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

import serialfix
from serialfix.errors import ConfigError, RecordError
from serialfix.fleet.database import KEEP_ALIVE, REMEDY, Database, worker
from serialfix.fleet.engine import FLOW, NAME
from serialfix.fleet.writer import patiently
from serialfix.record.locks import lock_file


if TYPE_CHECKING:
    import psycopg

_LOG = logging.getLogger(__name__)
TAKEOVER = 15.0
"""Seconds for which a worker must not have been seen before its work is taken over."""
BEATS = 8
"""So many beats in that time."""
STOPS = 0.6
"""The part of that time after which a worker that is not heard stops; the rest is for leaving."""
LEFT = 0
"""The owner of a name that was left in order."""
_CLAIM = """
INSERT INTO serialfix.worker AS w (id, owner, started, seen, version)
VALUES (%s, %s, extract(epoch FROM clock_timestamp()), extract(epoch FROM clock_timestamp()), %s)
ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, started = excluded.started,
seen = excluded.seen, version = excluded.version WHERE w.owner = 0"""
_BEAT = """
UPDATE serialfix.worker SET seen = extract(epoch FROM clock_timestamp())
WHERE owner = %s RETURNING id"""
_TAKE = """
UPDATE serialfix.worker SET owner = %s, seen = extract(epoch FROM clock_timestamp())
WHERE id = %s AND owner = %s AND seen = %s"""
_LEAVE = "UPDATE serialfix.worker SET owner = 0 WHERE id = %s AND owner = %s"
_NOBODYS = """
INSERT INTO serialfix.worker (id, owner, started, seen, version)
SELECT DISTINCT executor_id, -1, extract(epoch FROM clock_timestamp()),
extract(epoch FROM clock_timestamp()), '' FROM dbos.workflow_status
WHERE status = 'PENDING' AND application_version = %s AND application_name = %s
AND executor_id NOT IN (SELECT id FROM serialfix.worker)
ON CONFLICT (id) DO NOTHING"""
"""A worker that thawed may have taken work after its own was taken over and its name forgotten.

The name gets a row again, of an owner who never beats: it is taken over like that of the dead, a
whole `takeover` later, when whoever thawed has left the consoles."""
_FORGET = "DELETE FROM serialfix.worker WHERE id = %s AND owner = %s"
_SETTINGS = {  # the server must miss us in time, too; a failed beat is tried again soon
    **{"tcp_keepalives_idle": 5, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3},
    **{"statement_timeout": 5000, "idle_session_timeout": 0, "synchronous_commit": "on"},
}


class Presence(Protocol):
    """A worker's being alive."""

    @property
    def id(self) -> str:
        """The worker's name: stable over its restarts on a host, and nobody else's."""

    @property
    def lost(self) -> bool:
        """Whether it must stop: nobody can know any more that it is alive."""

    def watch(self, take_over: Callable[[str], None]) -> None:
        """Begin to look for the dead, whose names are given to `take_over`, in a thread.

        What it raises is logged, and tried again by somebody. It must bear being done again.
        """

    def close(self) -> None:
        """The worker is gone, and has nothing more to do with what it leaves."""


class FilePresence:
    """The one worker of a SQLite file. Raises ConfigError when there is one already."""

    id = "embedded"
    lost = False

    def __init__(self, database: Database) -> None:
        for _ in range(10):
            with suppress(BlockingIOError):
                self._file = _lock_file(database)
                return
            time.sleep(0.05)  # somebody who only looks (`alive`) has it for a moment
        raise ConfigError(
            f"another process works on {database.url}",
            remedy="A SQLite file has one worker. Several need PostgreSQL (--database).",
        )

    def watch(self, take_over: Callable[[str], None]) -> None:
        """Nobody else can be dead."""

    def close(self) -> None:
        """Let the file go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class ServerPresence:
    """A worker on PostgreSQL, kept alive by a thread from the beginning.

    Its name is that of the host with the first number that is free. Raises RecordError when the
    server cannot be reached, and ConfigError when something that pools connections is before it.
    """

    def __init__(self, database: Database, host: str, *, takeover: float = TAKEOVER) -> None:
        import psycopg

        self._database = database
        self._takeover = takeover
        self._token = secrets.randbits(62) + 1
        self._session: psycopg.Connection[Any] | None = None
        self._former: tuple[int, Any] = (0, None)
        self._gone = False
        self._stop = threading.Event()
        self._unchanged: dict[str, tuple[list[Any], float]] = {}
        self._take_over: Callable[[str], None] | None = None
        self._taking: tuple[str, Future[None]] | None = None
        try:
            self._connect()
            self._good = _clock()
            self.id = next(name for n in count(1) if self._claim(name := f"{host}-{n}"))
        except psycopg.Error as error:
            self._disconnect()
            why = str(error).splitlines()[0]
            raise RecordError(
                f"the database {database.url} cannot be used: {why}", remedy=REMEDY
            ) from None
        except BaseException:
            self._disconnect()
            raise
        self._thread = threading.Thread(target=self._run, name="serialfix-presence", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """After a time without an answered beat, or when somebody has taken over; then for ever."""
        if _clock() - self._good > self._takeover * STOPS:
            self._gone = True
        return self._gone

    def watch(self, take_over: Callable[[str], None]) -> None:
        """Begin to look for the dead."""
        self._take_over = take_over

    def close(self) -> None:
        """Leave the name. What is left behind is taken over at once."""
        self._stop.set()
        self._thread.join(self._takeover)  # if it hangs, all goes with the process

    # --- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        import psycopg

        while not self._stop.wait(self._takeover / BEATS):
            if self.lost:
                continue  # the lock stays as long as we do: the consoles are still attached
            try:
                if self._session is None:
                    self._return()
                self._beat()
                self._settle()
                self._look()
            except psycopg.Error:
                self._disconnect()
        with suppress(psycopg.Error):  # else it is taken over a little later
            if self._session is not None and not self.lost:
                self._execute(_LEAVE, self.id, self._token)
        self._disconnect()

    def _beat(self) -> None:
        sent = _clock()
        rows = self._execute(_BEAT, self._token).fetchall()
        if (self.id,) not in rows:
            self._gone = True
        elif not self.lost:
            self._good = sent

    def _look(self) -> None:
        """For a name that nobody owns any more; one after the other is enough."""
        self._find()
        rows = self._execute("SELECT id, owner, seen FROM serialfix.worker").fetchall()
        now, before = _clock(), self._unchanged
        self._unchanged = {
            name: before[name] if name in before and before[name][0] == row else (row, now)
            for name, *row in rows
        }
        for name, ((owner, seen), since) in self._unchanged.items():
            if self._taking is not None or self._take_over is None or self.lost:
                return
            if owner == self._token or (owner != LEFT and now - since < self._takeover):
                continue
            if self._lock(name):
                taken = self._execute(_TAKE, self._token, name, owner, seen).rowcount == 1
                self._unlock(name)  # from here on the row keeps it ours
                if taken:  # it may take long, and we are alive meanwhile
                    self._taking = name, self._database.threads.submit(self._take_over, name)

    def _find(self) -> None:
        """Names without a row in which there is work all the same."""
        there = self._execute("SELECT to_regclass('dbos.workflow_status')").fetchone()
        if there and there[0] and self._take_over is not None and not self.lost:
            self._execute(_NOBODYS, FLOW, NAME)

    def _settle(self) -> None:
        """What was taken over is done with; or somebody tries again."""
        if self._taking is None or not self._taking[1].done():
            return
        name, done = self._taking
        if error := done.exception():
            _LOG.error("the work of %s could not be taken over", name, exc_info=error)
        self._execute(_LEAVE if error else _FORGET, name, self._token)
        self._taking = None

    def _return(self) -> None:
        """After a connection broke: its lock went with it, or will."""
        former = self._former
        self._connect()
        # the server may not have missed it yet; its number alone may be another's by now
        self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid = %s AND backend_start = %s",
            *former,
        )
        if not self._lock(self.id):
            raise _not_connected("the lock is not free yet")

    # --- the connection ---------------------------------------------------------------------------

    def _connect(self) -> None:
        """A connection of its own, whose end is noticed at both ends within some ten seconds."""
        import psycopg

        url = self._database.engine.url
        (_, options) = self._database.engine.dialect.create_connect_args(url)
        settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        own = {
            "connect_timeout": 3,
            "tcp_user_timeout": 8000,
            "application_name": "serialfix worker",
            "options": f"{options.get('options', '')} {settings}",
        }
        self._session = psycopg.connect(**{**KEEP_ALIVE, **options, **own}, autocommit=True)
        pid, since = self._execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchall()[0]
        if pid != self._session.info.backend_pid:  # then a lock is whose? (notes.md A.10)
            raise ConfigError(
                f"a pool of connections is before the database {self._database.url}",
                remedy="Workers need the server itself, no PgBouncer: in Azure, port 5432.",
            )
        self._former = pid, since

    def _disconnect(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _execute(self, query: str, *values: Any) -> psycopg.Cursor[Any]:
        if self._session is None:
            raise _not_connected("there is no connection")
        return self._session.execute(query.encode(), values)

    def _claim(self, name: str) -> bool:
        """Make a name ours that is new, or was left in order."""
        if not self._lock(name):
            return False
        made = self._execute(_CLAIM, name, self._token, serialfix.__version__).rowcount == 1
        if not made:
            self._unlock(name)
        return made

    def _lock(self, name: str) -> bool:
        row = self._execute("SELECT pg_try_advisory_lock(%s)", _key(name)).fetchone()
        return bool(row and row[0])

    def _unlock(self, name: str) -> None:
        self._execute("SELECT pg_advisory_unlock(%s)", _key(name))


def make_presence(database: Database, host: str, *, takeover: float = TAKEOVER) -> Presence:
    """A worker of this database. Raises ConfigError, RecordError."""
    if database.is_sqlite:
        return FilePresence(database)
    return ServerPresence(database, host, takeover=takeover)


def alive(database: Database) -> int:
    """How many workers are alive now. Raises RecordError when the database cannot be reached."""
    if database.is_sqlite:
        try:
            os.close(_lock_file(database))
        except BlockingIOError:
            return 1
        return 0
    held = sa.text(
        "SELECT classid::bigint << 32 | objid::bigint FROM pg_locks l JOIN pg_database d "
        "ON d.oid = l.database WHERE d.datname = current_database() "
        "AND locktype = 'advisory' AND objsubid = 1 AND granted"
    )

    def count_them(connection: sa.Connection) -> int:
        names = connection.execute(sa.select(worker.c.id)).scalars().all()
        numbers = set(connection.execute(held).scalars())
        return sum(_key(name) in numbers for name in names)

    return int(patiently(database, count_them, away=0))


def _not_connected(why: str) -> psycopg.Error:
    import psycopg

    return psycopg.OperationalError(why)


def _lock_file(database: Database) -> int:
    """Raises BlockingIOError, RecordError."""
    path = Path(f"{database.url}.worker")
    try:
        return lock_file(path)
    except BlockingIOError:
        raise
    except OSError as error:
        raise RecordError(f"the file {path} cannot be made: {error.strerror}") from None


def _key(name: str) -> int:
    """The number of the lock of this name."""
    digest = hashlib.sha256(f"serialfix.worker {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _clock() -> float:
    """Seconds, also those for which the machine sleeps."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
