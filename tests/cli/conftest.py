"""The command line in this process, with runs that are played instead of run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serialfix.cli.main import end_of
from serialfix.fleet.database import open_database
from serialfix.fleet.presence import FilePresence
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.switches import ArmDelays
from serialfix.lab.vm import LINUX, LabVm
from serialfix.model import RunResult
from serialfix.playbook.load import LoadedPlaybook
from serialfix.remediation.events import Observer
from serialfix.remediation.run import RunOptions
from tests.lab.doubles import FakeGuest
from tests.report.examples import RESULT


OTHER = "00000000-0000-0000-0000-0000000000aa"


@dataclass
class Stage:
    """What the commands asked for, and what they get."""

    run: Callable[..., tuple[int, str, str]]
    state: Path
    result: RunResult = RESULT
    error: BaseException | None = None
    calls: list[tuple[str, Any, RunOptions]] = field(default_factory=list)
    script: Callable[[Observer], None] = lambda observer: None

    @property
    def options(self) -> RunOptions:
        """Those of the only call."""
        ((_, _, options),) = self.calls
        return options

    def play(self, what: str) -> Callable[..., Any]:
        async def act(
            subject: LoadedPlaybook | str, options: RunOptions, observer: Observer
        ) -> RunResult:
            self.calls.append((what, subject, options))
            self.script(observer)
            if self.error is not None:
                raise self.error
            return self.result

        return act


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Stage:
    monkeypatch.setenv("SERIALFIX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SERIALFIX_GUEST_USERNAME", "azureadmin")
    monkeypatch.setenv("SERIALFIX_GUEST_PASSWORD", "s3cret!")
    monkeypatch.setenv("COLUMNS", "80")

    def run(*args: str) -> tuple[int, str, str]:
        code = end_of(args)
        return code, *capfd.readouterr()

    played = Stage(run, tmp_path / "state")
    for what in ("run", "undo", "resume"):
        monkeypatch.setattr(f"serialfix.remediation.run.{what}", played.play(what))
    return played


def make_lab() -> Lab:
    vms = [
        *(LabVm(guest=FakeGuest(), name=f"web-{n}", tags={"env": "prod"}) for n in range(12)),
        LabVm(guest=FakeGuest(), name="lin", image=LINUX),
        LabVm(guest=FakeGuest(), name="off", power="deallocated"),
        LabVm(guest=FakeGuest(), name="far", subscription=OTHER),
    ]
    return Lab(vms, delays=ArmDelays.instant())


@pytest.fixture
def lab(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabThread]:
    """Fifteen VMs, of which twelve are `web-*`, and the command line signed in there."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    with LabThread(make_lab) as thread:
        for name, value in thread.env.items():
            monkeypatch.setenv(name, value)
        yield thread


@pytest.fixture
def nobody_works(stage: Stage) -> Iterator[None]:
    """The lock of the file's worker is ours: what is begun waits, and no worker is started."""
    database = open_database(str(stage.state / "fleet.db"))
    presence = FilePresence(database)
    yield
    presence.close()
    database.close()
