"""The engine's database: SQLite in a file for one engineer, PostgreSQL for a team; the same tables.

The engine keeps its own tables beside ours and shares our connections, so that a target's admission
and the work that follows from it are one transaction.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, TimeoutError

from serialfix.errors import ConfigError, RecordError


SCHEMA = "serialfix"
VERSION = 1
"""Of our tables; a database of another version is refused."""
SQLITE_LEAST = (3, 35)  # RETURNING, which tells what of an insert was there already
REMEDY = "--database, or SERIALFIX_DATABASE, names another: postgresql://… or a file."
LOOK = "See whether the server runs and takes this user from here (`psql` with the same URL)."
ESCAPE = (
    "Write what is special in a user or password as %XX: @ is %40, : is %3A, / is %2F, % is %25."
)


class _Moment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC as seconds: SQLite has no type for it, and it sorts as time does."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> float | None:
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)


KEEP_ALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""A host that is gone is known within some ten seconds, at both ends (libpq's names)."""
DURABLE = "-c synchronous_commit=on"
"""Whatever the server's default: what was committed has to be there after a crash."""
FROZEN = "-c idle_in_transaction_session_timeout=20s"
"""A process that was frozen between two statements does not keep its rows from all the others."""

_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PASSING = ("08", "40", "53300", "55P03", "57P", "25006")
"""How the SQLSTATEs of what passes begin: connection lost, transaction to be done again, too many
connections, a lock, shut down or starting, a standby that is not yet the primary."""

metadata = sa.MetaData(schema=SCHEMA)

version = sa.Table("version", metadata, sa.Column("number", sa.Integer, primary_key=True))

fleet_run = sa.Table(
    "fleet_run",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("created", _Moment, nullable=False),
    sa.Column("ended", _Moment),
    sa.Column("approved", sa.Integer, nullable=False, default=0),
    sa.Column("why", sa.String, nullable=False, default=""),
    sa.Column("waiting_for", sa.String, nullable=False, default=""),
    sa.Column("over_budget", sa.Boolean, nullable=False, default=False),
    sa.Column("schedule", sa.String),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("playbook_text", sa.Text, nullable=False),
)
"""`facts`: what is frozen at the start, by the names of FleetRun, and the settings of its runs."""

target = sa.Table(
    "target",
    metadata,
    sa.Column("fleet", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("vm_id", sa.String, nullable=False),
    sa.Column("vm_key", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("resource_group", sa.String, nullable=False),
    sa.Column("subscription_id", sa.String, nullable=False),
    sa.Column("location", sa.String, nullable=False),
    sa.Column("wave", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False, default="waiting"),
    sa.Column("outcome", sa.String),
    sa.Column("exit_code", sa.Integer),
    sa.Column("touched", sa.String, nullable=False, default="no"),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("run_id", sa.String),
    sa.Column("worker", sa.String),
    sa.Column("phase", sa.String, nullable=False, default=""),
    sa.Column("started", _Moment),
    sa.Column("ended", _Moment),
    sa.Column("not_before", _Moment),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("undoes", sa.String),
)
"""`vm_key` is what the VM is claimed by. `outcome` and all that ended are the last attempt's, also
while another is waited for; `result` is its serialfix.run/1. `undoes` is the run whose way back the
target goes."""
sa.Index("target_by_wave", target.c.fleet, target.c.wave, target.c.state, target.c.outcome)
sa.Index(
    "target_by_place",  # with all that a look at a run, and the choice of who is next, ask for
    *(target.c.fleet, target.c.subscription_id, target.c.location),
    *(target.c.state, target.c.wave, target.c.number, target.c.not_before),
)
sa.Index("target_by_end", target.c.fleet, target.c.ended)

claim = sa.Table(
    "claim",
    metadata,
    sa.Column("vm_key", sa.String, primary_key=True),
    sa.Column("fleet", sa.String, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
)
"""A VM that is worked on, by its id in lower case: one row at most, over all fleet runs."""

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("writer", sa.String, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)

document = sa.Table(
    "document",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.BigInteger, nullable=False),
    sa.Column("started", _Moment, nullable=False),
    sa.Column("seen", _Moment, nullable=False),
    sa.Column("version", sa.String, nullable=False),
)
"""`owner` is the token of the process whose name this is, 0 when it was left in order."""

schedule = sa.Table(
    "schedule",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("cron", sa.String, nullable=False),
    sa.Column("time_zone", sa.String, nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False, default=False),
    sa.Column("created", _Moment, nullable=False),
    sa.Column("since", _Moment, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("playbook_text", sa.Text, nullable=False),
    sa.Column("last_tick", _Moment),
    sa.Column("last_came_to", sa.String),
    sa.Column("last_words", sa.String, nullable=False, default=""),
)
"""`since`: ticks are due from then on. The `last_` ones are about the tick of `last_tick`."""


class Database:
    """An open database. `url` has no password in it and may be shown."""

    def __init__(self, engine: sa.Engine, url: str) -> None:
        self.engine = engine
        self.url = url
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.threads = ThreadPoolExecutor(8, thread_name_prefix="serialfix-database")
        self.closing = threading.Event()

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that may meet what is there already (`on_conflict_do_nothing`)."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Close all connections; who waits for a database that is away waits no longer."""
        self.closing.set()
        self.threads.shutdown(wait=False)
        self.engine.dispose()


def open_database(where: str, *, pool: int = 10) -> Database:
    """Connect, and make our tables where there are none.

    `where` is a URL, or the path of a SQLite file. Raises ConfigError for what cannot be one, and
    RecordError when it cannot be reached or is of another version.
    """
    engine = _engine(where, pool)
    database = Database(engine, _shown(engine.url))
    try:
        _make_tables(database)
    except DBAPIError as error:
        database.close()
        raise unreachable(database, error) from None
    except BaseException:
        database.close()
        raise
    return database


def unreachable(database: Database, error: DBAPIError | TimeoutError) -> RecordError:
    """In our words: what SQLAlchemy says has the statement and what was in it."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).splitlines()
    # one host name of several addresses: the first line says only that there were several
    told = [line.strip(" \t-") for line in said if not line.startswith("Multiple connection")]
    why = next(filter(None, told), type(error).__name__)
    remedy = REMEDY if database.is_sqlite else f"{LOOK} {REMEDY}"
    return RecordError(f"the database {database.url} cannot be used: {why}", remedy=remedy)


def is_away(error: DBAPIError | TimeoutError) -> bool:
    """Whether it may be there again in a moment."""
    if isinstance(error, TimeoutError) or error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_BUSY
    code = getattr(error.orig, "sqlstate", None)
    # without a code the connection was not made, or has broken
    return code.startswith(_PASSING) if code else isinstance(error, OperationalError)


def _engine(where: str, pool: int) -> sa.Engine:
    if re.match(r"\s*(host(addr)?|port|dbname|user|password|service)\s*=", where):
        raise ConfigError(
            "--database is no URL that can be read",
            remedy="Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
        )
    if "://" not in where:
        return _sqlite(where, pool)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):  # both show the URL, or a piece of it
        raise ConfigError("--database is no URL that can be read", remedy=ESCAPE) from None
    match url.get_backend_name():
        case "postgresql" | "postgres":
            return _postgresql(url, pool)
        case "sqlite":
            return _sqlite(url.database or "", pool)
        case other:
            raise ConfigError(
                f"--database: {other} is neither postgresql nor sqlite", remedy=REMEDY
            )


def _postgresql(url: sa.URL, pool: int) -> sa.Engine:
    if "@" in (url.host or ""):
        raise ConfigError("--database: there is an @ too many in the URL", remedy=ESCAPE)
    ours = {"connect_timeout": 10, "application_name": "serialfix", **KEEP_ALIVE}
    theirs = url.query.get("options", "")
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool,
        max_overflow=pool,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            **{name: value for name, value in ours.items() if name not in url.query},
            "options": f"{DURABLE} {FROZEN} {theirs}".strip(),
        },
    )


def _sqlite(where: str, pool: int) -> sa.Engine:
    if sqlite3.sqlite_version_info < SQLITE_LEAST:
        raise ConfigError(
            f"SQLite {sqlite3.sqlite_version} is too old: fleets need 3.35 or newer",
            remedy="Use a newer Python or PostgreSQL (--database postgresql://…).",
        )
    if where in ("", ":memory:"):
        raise ConfigError("--database names no file", remedy=REMEDY)
    try:
        path = Path(where).expanduser().resolve()  # one file, one name: its worker's lock has it
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home
        why = getattr(error, "strerror", None) or error
        raise RecordError(f"the database {where} cannot be made: {why}", remedy=REMEDY) from None
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        pool_size=pool,
        max_overflow=pool,
        hide_parameters=True,
        execution_options={"schema_translate_map": {SCHEMA: None}},
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    # writers one after the other from their first write on, as the engine wants it
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a journal must survive a power cut
    # SQLite before 3.42 has not all forms of it that the engine uses (notes.md A.4)
    if sqlite3.sqlite_version_info < (3, 42):
        connection.create_function("unixepoch", -1, _unixepoch)


def _unixepoch(*args: str) -> float | int:
    """Now, as SQLite's own: whole seconds, or with their fraction when `subsec` is asked for."""
    return time.time() if "subsec" in args or "subsecond" in args else int(time.time())


def _make_tables(database: Database) -> None:
    with database.engine.begin() as connection:
        # several workers may come first at once
        if database.is_sqlite:
            connection.execute(sa.text("BEGIN IMMEDIATE"))
        else:
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtext('serialfix.tables'))")
            )
        schema = None if database.is_sqlite else SCHEMA
        if not sa.inspect(connection).has_table(version.name, schema):
            if schema:
                connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            metadata.create_all(connection)
            connection.execute(sa.insert(version).values(number=VERSION))
        found = connection.execute(sa.select(version.c.number)).scalar()
    if found != VERSION:
        raise RecordError(
            f"the database {database.url} is of version {found}, and this serialfix knows "
            f"version {VERSION}",
            remedy="Use the same version of serialfix everywhere, or another database.",
        )


def _shown(url: sa.URL) -> str:
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    shown = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return shown.render_as_string()
