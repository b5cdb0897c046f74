"""What leaves a run towards people and programs: timed, and without secrets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from serialfix.model import RegistryValue, RunResult, StepResult
from serialfix.playbook.plan import Plan
from serialfix.remediation.events import Observer
from serialfix.secrets import Redactor


class Teller:
    """An observer in front of another: measures the phases, and lets no secret through."""

    def __init__(self, inner: Observer, redactor: Redactor) -> None:
        self._inner = inner
        self._redactor = redactor
        self._start = self._phase_start = asyncio.get_running_loop().time()
        self._phase = ""
        self.phases: dict[str, float] = {}
        """Seconds by phase, of those that have ended."""

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return asyncio.get_running_loop().time() - self._start

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins; the time of the former one is kept."""
        now = asyncio.get_running_loop().time()
        if self._phase:
            self.phases[self._phase] = self.phases.get(self._phase, 0.0) + now - self._phase_start
        self._phase, self._phase_start = name, now
        self._inner.phase(name, self._redactor.redact(detail))

    def progress(self, text: str) -> None:
        """Something went on within the phase."""
        self._inner.progress(self._redactor.redact(text))

    def warning(self, text: str) -> None:
        """Something to know that does not stop the run."""
        self._inner.warning(self._redactor.redact(text))

    def plan(self, plan: Plan) -> None:
        """The plan is known."""
        self._inner.plan(self._shown(plan))

    def step(self, number: int, total: int, result: StepResult) -> None:
        """A step has ended."""
        self._inner.step(number, total, _step(result, self._redactor))

    def confirm(self, plan: Plan) -> bool:
        """Asked once, before the first change."""
        return self._inner.confirm(self._shown(plan))

    def _shown(self, plan: Plan) -> Plan:
        redactor = self._redactor
        steps = (
            replace(
                step,
                before=_value(step.before, redactor),
                wanted=_value(step.wanted, redactor),
                note=redactor.redact_data(step.note),
            )
            for step in plan.steps
        )
        return replace(plan, steps=tuple(steps))


def redacted(result: RunResult, redactor: Redactor) -> RunResult:
    """The result without secrets in what came from the guest."""
    return replace(
        result,
        steps=tuple(_step(step, redactor) for step in result.steps),
        proof=tuple(replace(each, text=redactor.redact(each.text)) for each in result.proof),
        warnings=tuple(map(redactor.redact, result.warnings)),
        error=redactor.redact_data(result.error),
    )


def _step(step: StepResult, redactor: Redactor) -> StepResult:
    return replace(
        step,
        before=_value(step.before, redactor),
        after=_value(step.after, redactor),
        wanted=_value(step.wanted, redactor),
        error=redactor.redact_data(step.error),
        note=redactor.redact_data(step.note),
    )


def _value(value: Any, redactor: Redactor) -> Any:
    if not isinstance(value, RegistryValue):
        return redactor.redact_data(value)
    match value.data:
        case str(text):
            return replace(value, data=redactor.redact(text))
        case tuple(texts):
            return replace(value, data=tuple(map(redactor.redact, texts)))
        case _:
            return value
