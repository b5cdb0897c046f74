from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from serialfix.lab.server import LabThread
from serialfix.report.machine import shipped_schema
from tests.cli.conftest import Stage


RUN = ("fleet", "run", "-p", "rdp-reset", "--yes", "--detach")


@pytest.fixture
def run(stage: Stage, lab: LabThread, nobody_works: None) -> str:
    """The id of a fleet run on twelve VMs, of which none is started."""
    code, out, err = stage.run(*RUN, "--name", "web-*", "-o", "json")
    assert code == 0, err
    data = json.loads(out)
    jsonschema.Draft7Validator(shipped_schema("fleet-status-1")).validate(data)
    for verb in ("watch", "pause", "cancel"):
        assert f"  serialfix fleet {verb} {data['run_id']}\n" in err
    return str(data["run_id"])


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("run", "-p", "rdp-reset", "--all"), 2, "nobody is there to confirm it"),
        (("run", "-p", "rdp-reset", "--all", "--yes", "--set", "no=1"), 2, "no parameter no"),
        (("run", "-p", "rdp-reset", "--yes"), 2, "nothing says which VMs are meant"),
        (("run", "-p", "nosuch", "--yes", "--all"), 2, "nosuch"),
        (("check", "-p", "rdp-reset"), 2, "nothing says which VMs are meant"),
        (("check", "-p", "rdp-reset", "--all", "--credential", "hm:x"), 2, "--credential"),
        (("undo", "2026"), 2, "nobody is there to confirm it"),
        (("undo", "2026", "--yes"), 3, "no fleet run '2026'"),
        (("retry", "2026", "--yes", "--only", "broken"), 2, "--only takes outcomes, not broken"),
        (("retry", "2026", "--yes", "--only", " ,"), 2, "--only takes outcomes, not nothing"),
        (("watch", "2026"), 3, "no fleet run '2026'"),
        (("status", ""), 3, "no fleet run ''"),
        (("pause", "2026"), 3, "no fleet run '2026'"),
        (("list", "--database", "mysql://x/y"), 2, "mysql is neither postgresql nor sqlite"),
        (("list", "--database", "postgresql://127.0.0.1:1/x"), 2, "cannot be used"),
    ],
)
def test_wrong_usage_touches_nothing(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("SERIALFIX_ARM_ENDPOINT", "http://127.0.0.1:1")  # nobody is asked
    ended, out, err = stage.run("fleet", *args)
    assert (ended, out) == (code, ""), err
    assert said in " ".join(err.split())


def test_a_file_that_is_no_database(stage: Stage, tmp_path: Path) -> None:
    (path := tmp_path / "notes").write_text("not a database " * 100)
    code, _, err = stage.run("fleet", "list", "--database", str(path))
    assert (code, f"the database {path} cannot be used" in err) == (2, True)
    assert path.read_text() == "not a database " * 100


@pytest.mark.parametrize("what", ["run", "check"])
def test_an_account_has_to_be_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.delenv("SERIALFIX_GUEST_USERNAME")
    yes = ("--yes",) if what == "run" else ()
    code, _, err = stage.run("fleet", what, "-p", "rdp-reset", "--all", *yes)
    assert (code, "--guest-username" in err) == (2, True)


def test_no_runs_yet(stage: Stage) -> None:
    code, out, err = stage.run("fleet", "list")
    assert (code, out, "No fleet runs yet" in err) == (0, "", True)
    assert stage.run("fleet", "list", "-o", "json")[1] == "[]\n"


def test_pause_resume_cancel(stage: Stage, run: str) -> None:
    def state() -> str:
        code, out, _ = stage.run("fleet", "status", run[:-3], "-o", "json")  # enough of the id
        data = json.loads(out)
        jsonschema.Draft7Validator(shipped_schema("fleet-status-1")).validate(data)
        assert code == 0
        return str(data["state"])

    assert state() == "running"
    assert stage.run("fleet", "pause", run)[0] == 0
    assert state() == "paused"
    assert stage.run("fleet", "pause", run)[0] == 0  # as it is
    assert stage.run("fleet", "resume", run)[0] == 0
    assert state() == "running"
    assert stage.run("fleet", "cancel", run)[0] == 0
    assert state() == "stopping"
    for verb in ("pause", "resume"):
        code, _, err = stage.run("fleet", verb, run)
        assert (code, f"fleet run {run} is stopping: cancelled by" in err) == (2, True)


def test_what_has_not_ended_is_not_followed(stage: Stage, run: str) -> None:
    for verb, words in (("retry", "tried again"), ("undo", "taken back")):
        code, _, err = stage.run("fleet", verb, run, "--yes")
        assert (code, f"it can be {words} when it has ended" in err) == (2, True)
    assert len(json.loads(stage.run("fleet", "list", "-o", "json")[1])) == 1


def test_one_vm(stage: Stage, run: str, tmp_path: Path) -> None:
    for vm in ("web-0", "WEB-0", "1"):
        code, _, err = stage.run("fleet", "show", run, "--vm", vm)
        assert (code, "web-0 is waiting: there is no result yet" in err) == (2, True)
    packed = tmp_path / "x.zip"
    code, _, err = stage.run("fleet", "show", run, "--vm", "web-0", "--evidence", str(packed))
    assert (code, "there is no evidence of web-0" in err, packed.exists()) == (2, True, False)
    code, _, err = stage.run("fleet", "show", run, "--vm", "lin")
    assert (code, f"fleet run {run} has no VM 'lin'" in err) == (3, True)
    assert f"`serialfix fleet report {run} -o csv`" in err
    code, _, err = stage.run("fleet", "show", run, "--evidence", str(packed))
    assert (code, "--evidence goes with --vm" in err) == (2, True)


def test_evidence_is_written_where_it_can_be(stage: Stage, run: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(stage.state / "fleet.db")) as database, database:
        database.execute("UPDATE target SET run_id = 'one' WHERE number = 1")
        row = ("one", "evidence.zip", b"PK")
        database.execute("INSERT INTO document (run_id, name, content) VALUES (?, ?, ?)", row)
    show = ("fleet", "show", run, "--vm", "web-0", "--evidence")
    code, _, err = stage.run(*show, str(tmp_path / "nowhere" / "x.zip"))
    assert (code, "x.zip cannot be written: No such file" in err) == (2, True)
    stage.run(*show, str(tmp_path / "x.zip"))
    assert (tmp_path / "x.zip").read_bytes() == b"PK"
    code, _, err = stage.run(*show, str(tmp_path / "x.zip"))
    assert (code, "x.zip exists; it is not overwritten" in err) == (2, True)


def test_nothing_is_clipped_and_programs_get_their_formats(stage: Stage, run: str) -> None:
    for what in (("status", run), ("show", run), ("report", run), ("list",)):
        code, out, _ = stage.run("fleet", *what)
        assert (code, run in out, "…" in out) == (0, True, False)
        assert max(map(len, out.splitlines())) <= 80
    code, out, _ = stage.run("fleet", "report", run, "-o", "json")
    jsonschema.Draft7Validator(shipped_schema("fleet-1")).validate(json.loads(out))
    _, out, _ = stage.run("fleet", "report", run, "-o", "csv")
    assert [row["name"] for row in csv.DictReader(io.StringIO(out))][:2] == ["web-0", "web-1"]
    assert stage.run("fleet", "show", run, "-o", "junit")[1].startswith("<?xml")
    assert stage.run("fleet", "status", run, "-o", "none") == (0, "", "")
