"""A worker of this host's SQLite file, started by whoever needs one and ended when nothing is left.

It is a process of its own: closing the terminal, or Ctrl-C, ends the watching and not the work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from serialfix.errors import FleetError
from serialfix.fleet.database import Database
from serialfix.fleet.presence import alive
from serialfix.printable import printable


LOG = "fleet-worker.log"
LONG = 1_000_000
"""Bytes after which the log begins anew; the one before is kept."""
TRIES = 3
QUICK = 10.0
"""A worker that ends within so many seconds, three times in a row, will not work at all."""


class Background:
    """Keeps one worker alive while somebody watches. Nothing to do where a server has workers."""

    def __init__(self, database: Database, state_dir: Path, environ: Mapping[str, str]) -> None:
        self._database = database
        self._state_dir = state_dir
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failed = 0

    @property
    def log(self) -> Path:
        """What the worker says."""
        return self._state_dir / LOG

    def ensure(self) -> bool:
        """Start one when there is none; whether there is one that works.

        Raises FleetError when none stays.
        """
        if not self._database.is_sqlite:
            return True
        ended = self._process is not None and self._process.poll() is not None
        if alive(self._database):
            self._failed = 0
            if ended:  # another one was quicker
                self._process = None
            return True
        if self._process is not None and not ended:
            return False  # on its way
        if self._process is not None:
            quick = time.monotonic() - self._started < QUICK
            self._failed = self._failed + 1 if self._process.returncode and quick else 0
            if self._failed >= TRIES:
                raise FleetError(
                    f"the worker in the background does not work: {_last_line(self.log)}",
                    remedy=f"{self.log} has all that it said.",
                )
        self._started = time.monotonic()
        self._process = self._start()
        return False

    def _start(self) -> subprocess.Popen[bytes]:
        self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # the file may lie elsewhere
        if self.log.exists() and self.log.stat().st_size > LONG:
            self.log.replace(self.log.with_name(f"{LOG}.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "serialfix", "fleet", "worker", "--until-idle"),
                    *("--database", self._database.url, "--state-dir", str(self._state_dir)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self._environ),
                start_new_session=True,
            )
        finally:
            os.close(log)


def _last_line(log: Path) -> str:
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
        if lines:
            return printable(lines[-1])
    return "it says nothing"
