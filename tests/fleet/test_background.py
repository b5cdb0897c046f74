"""The worker in the background of a SQLite file, as a process: one, whoever starts it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from serialfix.errors import FleetError
from serialfix.fleet import background as module
from serialfix.fleet.background import LOG, Background
from serialfix.fleet.database import Database, open_database
from serialfix.fleet.presence import alive
from tests.fleet.frozen import frozen
from tests.support.postgres import until


pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(str(tmp_path / "fleet.db"))
    yield database
    database.close()


@pytest.fixture
def started() -> Iterator[list[Background]]:
    """Those whose processes are ended with the test."""
    all_of_them: list[Background] = []
    yield all_of_them
    for each in all_of_them:
        if each._process is not None:
            with suppress(ProcessLookupError):
                each._process.send_signal(signal.SIGKILL)
            each._process.wait()


def test_two_at_the_same_moment_have_one_worker(
    database: Database, tmp_path: Path, started: list[Background]
) -> None:
    frozen(database)  # else it ends
    here, there = (Background(database, tmp_path, os.environ) for _ in range(2))
    started += [here, there]
    assert (here.ensure(), there.ensure()) == (False, False)
    first, second = here._process, there._process
    assert first is not None
    assert second is not None
    until(lambda: (first.poll() is None) != (second.poll() is None), "the end of one of them")
    for each in (here, there):
        until(each.ensure, "a worker")
        assert each.ensure()
    assert alive(database) == 1
    assert {first.poll(), second.poll()} == {None, 2}
    text = (tmp_path / LOG).read_text()
    assert "another process works on" in text
    assert f"works on {database.url}" in text
    started[:] = [each for each in started if each._process is not None]
    survivor = first if first.poll() is None else second
    survivor.kill()
    survivor.wait()
    assert not here.ensure()  # and it is started anew
    until(here.ensure, "a worker")
    assert alive(database) == 1


def test_a_worker_that_cannot_start_is_told_with_what_it_said_last(
    database: Database, tmp_path: Path, started: list[Background]
) -> None:
    environ = {**os.environ, "SERIALFIX_DRAIN": "long"}
    here = Background(database, tmp_path, environ)
    started.append(here)
    with pytest.raises(FleetError, match=r"does not work: .*Invalid value for '--drain'") as told:
        until(here.ensure, "a worker")
    assert LOG in told.value.remedy


def test_the_log_begins_anew_when_it_is_long(
    database: Database,
    tmp_path: Path,
    started: list[Background],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONG", 100)
    (tmp_path / LOG).write_text("x" * 101)
    here = Background(database, tmp_path, os.environ)
    started.append(here)
    until(here.ensure, "a worker")
    assert (tmp_path / f"{LOG}.1").read_text() == "x" * 101
    assert "x" not in (tmp_path / LOG).read_text().partition("worker")[0]
    assert (tmp_path / LOG).stat().st_mode & 0o077 == 0


def test_a_server_has_workers_of_its_own(postgres_url: str, tmp_path: Path) -> None:
    database = open_database(postgres_url)
    assert Background(database, tmp_path, os.environ).ensure()
    assert not (tmp_path / LOG).exists()
    database.close()
