"""A real PostgreSQL on loopback, started by the tests; it can crash, and come back."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql


DEADLINE = 30.0
PORTS = range(15000, 32000)
"""Below Linux's ephemeral ports: nobody is given the port while the server is down, and a client
that knocks meanwhile cannot be connected to itself."""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "fsync": "on",  # what was committed has to be there after `kill`
    "dynamic_shared_memory_type": "mmap",  # in the data folder: a kill leaves nothing in /dev/shm
}

# Ends the server and removes its folder when the tests were killed: it then reads an end of file.
# The number in postmaster.pid may be another process's by now.
_GUARD = """
read -r _
pid=$(head -n 1 data/postmaster.pid 2>/dev/null)
ours() { [ "$(readlink "/proc/$pid/cwd")" = "$PWD/data" ]; }
ours && kill -QUIT "$pid"
while ours; do sleep 0.05; done
rm -rf "$PWD"
"""


def _programs() -> Path | None:
    """The folder of the newest server, which Debian keeps away from PATH."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    if found := max(debian, key=lambda path: float(path.parts[-3]), default=None):
        return found.parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root, as whom it refuses to run."""
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known.get("nobody")


def missing() -> str:
    """What keeps PostgreSQL from being started here; nothing if it can be."""
    if _programs() is None:
        return "no PostgreSQL server here"
    if os.getuid() == 0 and _account() is None:
        return "no user here whom PostgreSQL may run as"
    return "" if Path("/proc/self/cwd").exists() else "no /proc here"


def _free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port for PostgreSQL")


def until(
    happened: Callable[[], bool], what: str, *, seconds: float = DEADLINE, every: float = 0.02
) -> None:
    """Wait for a condition, looking at it every so many seconds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {what} within {seconds:.0f} s")
        time.sleep(every)


class Postgres:
    """One cluster of its own: started when entered, gone with all its data when left."""

    def __init__(self) -> None:
        programs, account = _programs(), _account() if os.getuid() == 0 else None
        assert programs, missing()
        self._programs = programs
        self._as: dict[str, Any] = {}
        if account:
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.port = _free_port()
        self._password = secrets.token_hex(16)
        self.folder = self._make_folder()
        self._data = self.folder / "data"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._make_cluster()
        self.start()
        self.database("serialfix")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.running:  # killed: the next start gives back its shared memory
            self.start()
        self.stop()
        self._guard.communicate()

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    @property
    def url(self) -> str:
        return self.url_of("serialfix")

    def url_of(self, database: str) -> str:
        return f"postgresql://serialfix:{self._password}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str, template: str = "template1") -> str:
        """The URL of a fresh database: a copy of the template, to which nobody may be connected."""
        self.drop(name)
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Away with the database, and with whoever is still connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def start(self) -> None:
        """On the same port and data, also after `kill`; it answers when this returns."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *settings],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it
                **self._as,
            )
        until(self._answers, "up")

    def stop(self) -> None:
        """As an administrator does: clients are cut off, all is written down."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As in a crash: nobody in it has time for a last word.

        A server that is started while a child of the former one lives refuses to ("pre-existing
        shared memory block is still in use"), so this returns when all of them are gone.
        """
        self._end(signal.SIGKILL)

        def gone() -> bool:
            children = self.processes()
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not children

        until(gone, "gone")

    def _end(self, how: signal.Signals) -> None:
        assert self._server
        self._server.send_signal(how)
        self._server.wait(DEADLINE)

    def processes(self) -> list[int]:
        """All of the server: it works in its data folder, and nobody else does."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if entry.readlink() == self._data:
                    found.append(int(entry.parts[2]))
            except OSError:  # ended meanwhile, or somebody else's
                continue
        return found

    def _answers(self) -> bool:
        if not self.running:
            raise RuntimeError("PostgreSQL does not start: " + self._log.read_text("utf-8")[-2000:])
        try:
            psycopg.connect(self.url_of("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: str, *names: str) -> None:
        command = sql.SQL(statement).format(*map(sql.Identifier, names))
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(command)

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _make_folder(self) -> Path:
        """One that the server's user can reach; pytest's own are root's alone."""
        for parent in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")):
            open_to_all = all(path.stat().st_mode & 0o1 for path in (parent, *parent.parents))
            if open_to_all or not self._as:
                folder = Path(tempfile.mkdtemp(prefix="serialfix-postgres-", dir=parent)).resolve()
                if self._as:
                    os.chown(folder, self._as["user"], self._as["group"])
                return folder
        raise RuntimeError("no temporary folder that PostgreSQL's user can reach")

    def _make_cluster(self) -> None:
        password = self.folder / "password"
        password.write_text(self._password, "utf-8")
        if self._as:
            os.chown(password, self._as["user"], self._as["group"])
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", self._data, "-U", "serialfix"),
                *("-A", "scram-sha-256", "--pwfile", password),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **self._as,
        )
        password.unlink()
