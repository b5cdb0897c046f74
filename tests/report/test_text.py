from __future__ import annotations

import pytest

from serialfix.model import PlanFacts
from serialfix.report.text import plan_words, seconds


@pytest.mark.parametrize(
    ("elapsed", "shown"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (187.4, "3 min 07 s")],
)
def test_seconds(elapsed: float, shown: str) -> None:
    assert seconds(elapsed) == shown


def test_a_plan_with_a_restart_says_what_it_means_for_people() -> None:
    text = " ".join(plan_words(PlanFacts(16, 3, 42.0, restart=True)))
    assert text == (
        "3 of 16 steps would change something. Typing takes about 42.0 s. The VM will restart. "
        "That throws out everybody who works on it, and usually takes 2 to 5 minutes."
    )


def test_a_plan_that_changes_nothing_takes_no_time() -> None:
    text = " ".join(plan_words(PlanFacts(16, 0, 0.0, restart=False)))
    assert text == "0 of 16 steps would change something. No restart."
