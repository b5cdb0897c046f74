"""What a run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol

from serialfix.model import StepResult
from serialfix.playbook.plan import Plan


class Observer(Protocol):
    """Hears of a run while it happens; `report.progress` has one for terminals."""

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins, and with it the one before has ended."""

    def progress(self, text: str) -> None:
        """Something went on within the phase."""

    def warning(self, text: str) -> None:
        """Something to know that does not stop the run."""

    def plan(self, plan: Plan) -> None:
        """The plan is known."""

    def step(self, number: int, total: int, result: StepResult) -> None:
        """A step has ended."""

    def confirm(self, plan: Plan) -> bool:
        """Asked once, before the first change."""


class Silence:
    """An observer that says yes and tells nobody: for replays."""

    def phase(self, name: str, detail: str = "") -> None:
        """Nothing."""

    def progress(self, text: str) -> None:
        """Nothing."""

    def warning(self, text: str) -> None:
        """Nothing."""

    def plan(self, plan: Plan) -> None:
        """Nothing."""

    def step(self, number: int, total: int, result: StepResult) -> None:
        """Nothing."""

    def confirm(self, plan: Plan) -> bool:
        """Yes."""
        return True
