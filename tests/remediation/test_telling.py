"""No secret passes the teller, in whatever it stands."""

from __future__ import annotations

from typing import Any

from serialfix.model import Outcome, ProofResult, RegistryType, RegistryValue, StepResult
from serialfix.playbook.plan import make_plan, value_id
from serialfix.remediation.events import Silence
from serialfix.remediation.telling import Teller, redacted
from serialfix.secrets import Redactor, Secret
from tests.report.examples import RESULT
from tests.support.present import present
from tests.support.rig import LST, small


REDACTOR = Redactor([Secret("hunter2", "pw")])
TEXT = RegistryValue(RegistryType.SZ, "a hunter2 b")
TEXTS = RegistryValue(RegistryType.MULTI_SZ, ("x", "hunter2"))
BYTES = RegistryValue(RegistryType.BINARY, b"\x00\x01")
STEP = StepResult(
    id="a",
    kind="registry",
    title="t",
    outcome=Outcome.FAILED,
    before=TEXT,
    after=TEXTS,
    wanted=BYTES,
    error="not hunter2",
)


class Listener(Silence):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.heard.append(detail)

    def progress(self, text: str) -> None:
        self.heard.append(text)

    def warning(self, text: str) -> None:
        self.heard.append(text)

    def plan(self, plan: Any) -> None:
        self.heard.append(plan.steps)

    def step(self, number: int, total: int, result: StepResult) -> None:
        self.heard.append(result)

    def confirm(self, plan: Any) -> bool:
        self.heard.append(plan.steps)
        return False


async def test_every_word_passes_the_redactor() -> None:
    playbook = small({"value": "Comment", "type": "REG_SZ", "data": "x"})
    plan = make_plan(playbook, present(playbook, {value_id(LST, "Comment"): TEXT}))
    teller = Teller(listener := Listener(), REDACTOR)
    teller.phase("find", "hunter2")
    teller.progress("hunter2")
    teller.warning("hunter2")
    teller.plan(plan)
    teller.step(1, 1, STEP)
    assert not teller.confirm(plan)
    assert len(listener.heard) == 6
    for each in listener.heard:
        assert "hunter2" not in repr(each)
        assert "<redacted:pw>" in repr(each)
    assert listener.heard[4].wanted == BYTES


async def test_phases_are_measured_and_added_up() -> None:
    teller = Teller(Silence(), REDACTOR)
    for name in ("attach", "login", "attach", "report"):
        teller.phase(name)
    assert list(teller.phases) == ["attach", "login"]
    assert 0 <= sum(teller.phases.values()) <= teller.elapsed


def test_a_result_is_told_without_secrets() -> None:
    from dataclasses import replace

    told = redacted(
        replace(
            RESULT,
            steps=(STEP,),
            proof=(ProofResult("registry", Outcome.FAILED, "Comment is hunter2"),),
            warnings=("hunter2",),
            error={"screen": "hunter2"},
        ),
        REDACTOR,
    )
    assert "hunter2" not in repr(told)
    assert told.steps[0].after == RegistryValue(RegistryType.MULTI_SZ, ("x", "<redacted:pw>"))
    assert redacted(RESULT, REDACTOR) == RESULT
