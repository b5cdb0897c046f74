from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from serialfix.errors import FleetError
from serialfix.fleet.background import TRIES, Background
from serialfix.fleet.database import open_database
from serialfix.fleet.presence import FilePresence, alive
from tests.support.postgres import until


def test_a_worker_that_does_not_stay_is_told_with_its_last_words(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "fleet.db"))
    no_python = {"PYTHONHOME": "/nonexistent"}
    background = Background(database, tmp_path / "state", no_python)

    def given_up() -> bool:
        background.ensure()
        return False

    with pytest.raises(FleetError) as caught:
        until(given_up, "the end of the patience")
    said = background.log.read_text()
    assert said.count("PYTHONHOME = ") == TRIES
    assert said.strip().splitlines()[-1] in str(caught.value)
    assert str(background.log) in caught.value.remedy
    database.close()


def test_one_is_started_when_there_is_none_and_lives_on_without_us(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "fleet.db"))
    background = Background(database, tmp_path, os.environ)
    held = FilePresence(database)
    background.ensure()
    assert not background.log.exists()  # somebody works already
    held.close()
    for _ in range(3):
        background.ensure()
    until(lambda: alive(database) == 1, "a worker")
    process = background._process
    assert process is not None
    assert os.getsid(process.pid) == process.pid  # no terminal ends it
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert background.log.read_text().count("works on") == 1
    database.close()
