"""What a run amounts to."""

from __future__ import annotations

import pytest

from serialfix.errors import (
    AccessError,
    AzureRefused,
    CommandFailed,
    ExpectTimeout,
    GatewayClosed,
    GuestPasswordMissing,
    GuestRebooted,
    Interrupted,
    RestartError,
    SerialfixError,
    Touched,
    UsageError,
    VmNotRunning,
)
from serialfix.lab.profiles import dword
from serialfix.model import Outcome, RestartResult
from serialfix.remediation.history import Standing
from serialfix.remediation.outcomes import outcome, steps, touched
from tests.support.rig import small


PLAYBOOK = small({"value": "MaxIdleTime", "data": 0}, {"value": "Shadow", "data": 1})


@pytest.mark.parametrize(
    ("error", "how", "expected"),
    [
        (None, Touched.YES, Outcome.CHANGED),
        (None, Touched.NO, Outcome.OK),
        (VmNotRunning("off"), Touched.NO, Outcome.REFUSED),
        (AzureRefused("409"), Touched.NO, Outcome.REFUSED),
        (GuestPasswordMissing("no secret"), Touched.NO, Outcome.REFUSED),
        (GuestPasswordMissing("no secret"), Touched.MAYBE, Outcome.UNKNOWN),
        (VmNotRunning("off"), Touched.YES, Outcome.FAILED),
        (AccessError("403"), Touched.NO, Outcome.FAILED),
        (UsageError("declined"), Touched.NO, Outcome.NOT_STARTED),
        (GatewayClosed("gone"), Touched.NO, Outcome.UNREACHABLE),
        (ExpectTimeout("late"), Touched.NO, Outcome.UNREACHABLE),
        (GuestRebooted("down"), Touched.MAYBE, Outcome.UNKNOWN),
        (GatewayClosed("gone"), Touched.YES, Outcome.FAILED),
        (CommandFailed("denied"), Touched.NO, Outcome.FAILED),
        (RestartError("refused"), Touched.YES, Outcome.FAILED),
    ],
)
def test_outcomes(error: SerialfixError | None, how: Touched, expected: Outcome) -> None:
    assert outcome(error, how, restart=None, plan=None) is expected


def test_a_restart_whose_answer_was_lost_is_unknown() -> None:
    lost = RestartResult(Outcome.UNKNOWN)
    assert outcome(RestartError("?"), Touched.YES, restart=lost, plan=None) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("verified", "error", "expected"),
    [
        (set[str](), None, Touched.NO),
        ({"a"}, None, Touched.YES),
        ({"a"}, CommandFailed("x", touched=Touched.NO), Touched.YES),
        (set[str](), GatewayClosed("x", touched=Touched.MAYBE), Touched.MAYBE),
    ],
)
def test_touched(verified: set[str], error: SerialfixError | None, expected: Touched) -> None:
    assert touched(Standing(verified=verified), error) is expected


def test_what_a_former_process_entered_may_have_changed_the_guest() -> None:
    """An error before anybody looked again knows nothing of it."""
    before, error = Standing(former={"a": 1}), ExpectTimeout("no prompt")
    assert touched(Standing(former={"a": 1}), error, before) is Touched.MAYBE
    assert touched(Standing(), error, before) is Touched.NO  # read back since: untouched
    assert touched(Standing(former={"b": 1}), error, before) is Touched.NO
    assert touched(Standing(former={"a": 1}, verified={"a"}), error, before) is Touched.YES
    assert touched(Standing(former={"a": 1}), None, before) is Touched.NO


def test_an_interruption_does_not_know_whether_enter_was_pressed() -> None:
    error = Interrupted("interrupted")
    assert touched(Standing(former={"a": 1}), error, Standing()) is Touched.MAYBE
    assert touched(Standing(), error, Standing()) is Touched.NO


def test_steps_that_were_not_reached_are_told() -> None:
    results = steps(PLAYBOOK, None, {}, check=False)
    assert [result.outcome for result in results] == [Outcome.NOT_STARTED] * 2
    assert [result.wanted for result in results] == [dword(0), dword(1)]


def test_what_a_former_process_changed_is_told() -> None:
    results = steps(PLAYBOOK, None, {"step-1": dword(5)}, check=False)
    assert (results[0].outcome, results[0].before, results[0].after) == (
        Outcome.CHANGED,
        dword(5),
        dword(0),
    )
    assert results[1].outcome is Outcome.NOT_STARTED
