"""The command line in this process, with runs that are played instead of run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serialfix.cli.main import end_of
from serialfix.model import RunResult
from serialfix.playbook.load import LoadedPlaybook
from serialfix.remediation.events import Observer
from serialfix.remediation.run import RunOptions
from tests.report.examples import RESULT


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
