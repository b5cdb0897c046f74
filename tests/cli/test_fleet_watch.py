from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from serialfix.cli.fleet_watch import is_read
from serialfix.fleet.desk import Desk
from serialfix.lab.server import LabThread
from tests.cli.conftest import Stage


RUN = ("fleet", "run", "-p", "rdp-reset", "--yes", "--name", "web-*")


def test_an_interruption_while_it_begins_does_not_hide_that_it_began(
    stage: Stage, lab: LabThread, nobody_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Desk.begin

    def interrupted(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return begin(*args)

    monkeypatch.setattr(Desk, "begin", interrupted)
    code, out, err = stage.run(*RUN)
    assert (code, out) == (130, "")
    listed = stage.run("fleet", "list", "-o", "tsv")[1]
    assert len(listed.splitlines()) == 1
    run = next(word for word in listed.split("\t") if word.startswith("20"))
    assert "the run goes on in the background, while this machine is up.\n  serialfix fleet" in err
    assert f"  serialfix fleet watch {run}\n" in err


def test_what_did_not_begin_is_no_detaching(
    stage: Stage, lab: LabThread, nobody_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError

    monkeypatch.setattr(Desk, "begin", interrupted)
    code, _, err = stage.run(*RUN)
    assert (code, "Detached" in err) == (130, False)
    assert stage.run("fleet", "list", "-o", "json")[1] == "[]\n"


def test_that_nobody_reads_a_pipe_any_more_is_seen_without_writing() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        assert is_read(stream)
        os.close(reader)
        assert not is_read(stream)
    with open(os.devnull, "w") as nothing:
        assert is_read(nothing)
