from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from serialfix.model import Outcome, PlanFacts, RunResult, StepResult
from serialfix.report.tables import console, outcome_text, plan_view, result_view
from tests.report.examples import EARLY, FAILED, RESULT, rdp_plan


def shown(view: RenderableType, *, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False, emoji=False).print(view, crop=False)
    return stream.getvalue()


def test_the_plan_shows_before_and_after_key_by_key() -> None:
    text = shown(plan_view(rdp_plan()))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "KeepAliveTimeout 0 1 would_change" in lines
    assert "KeepAliveEnable (absent) 1 would_change" in lines
    assert "MaxInstanceCount 0xffffffff 0xffffffff ok" in lines
    assert r"WinStations\RDP-Tcp" in text
    assert "2 of 16 steps would change something. Typing takes about 8.0 s." in " ".join(lines)
    assert "The VM will restart." in " ".join(lines)
    assert "switches TLS off" in text


def test_a_plan_without_changes_frightens_nobody() -> None:
    plan = rdp_plan()
    steps = tuple(replace(step, outcome=Outcome.OK) for step in plan.steps)
    text = shown(plan_view(replace(plan, steps=steps, restart=False)))
    assert "0 of 16" in text
    assert "No restart." in text
    assert "TLS" not in text
    assert "throws out" not in text
    assert "Typing" not in text


def test_the_result_says_where_everything_lies_and_what_is_next() -> None:
    text = shown(result_view(RESULT))
    for part in (
        "/s/evidence",
        "/s/1.cast",
        "/s/2.cast",
        RESULT.run_id,
        "port 3389",
        "1 min 03 s",
        "wins",
    ):
        assert part in text
    assert "serialfix undo " + RESULT.run_id in " ".join(text.split())
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text


def test_the_way_back_of_a_vm_in_a_fleet_is_the_fleets() -> None:
    text = shown(result_view(replace(RESULT, run_id="20260101-000000-abcde.7.2")))
    assert "`serialfix fleet undo 20260101-000000-abcde --vm 7`" in " ".join(text.split())


@pytest.mark.parametrize("result", [RESULT, FAILED, EARLY], ids=lambda each: each.outcome)
def test_eighty_columns_are_enough(result: RunResult) -> None:
    assert max(map(len, shown(result_view(result)).splitlines())) <= 80
    assert result.outcome in shown(result_view(result))


def test_a_check_shows_what_would_be() -> None:
    step = replace(RESULT.steps[1], outcome=Outcome.WOULD_CHANGE, after=None)
    text = shown(result_view(replace(RESULT, outcome=Outcome.WOULD_CHANGE, steps=(step,))))
    assert "would_change" in text
    assert "(absent)" in text
    assert " 1 " in text


def test_a_check_says_what_follows() -> None:
    """Before and after, the time, the restart, security, and why a step does not apply."""
    step = replace(RESULT.steps[1], outcome=Outcome.WOULD_CHANGE, after=None)
    other = replace(RESULT.steps[0], note="level is 2, not 4\x1b")
    plan = PlanFacts(2, 1, 42.0, restart=True, security=("TLS is off.\x1b",))
    check = replace(
        RESULT, outcome=Outcome.WOULD_CHANGE, steps=(step, other), plan=plan, restart=None
    )
    text = shown(result_view(check))
    words = " ".join(text.split())
    assert "1 of 2 steps would change something. Typing takes about 42.0 s." in words
    assert "The VM will restart. That throws out everybody who works on it" in words
    assert "Lowers security: TLS is off.\\x1b" in words
    assert "security-layer: level is 2, not 4\\x1b" in words
    assert max(map(len, text.splitlines())) <= 80
    done = " ".join(shown(result_view(replace(check, outcome=Outcome.CHANGED))).split())
    assert "would change" not in done


def test_the_plan_says_why_a_step_does_not_apply() -> None:
    plan = rdp_plan()
    noted = replace(plan.steps[0], note="level is 2, not 4\x1b")
    text = shown(plan_view(replace(plan, steps=(noted, *plan.steps[1:]))))
    assert f"{noted.id}: level is 2, not 4\\x1b" in " ".join(text.split())


def test_states_of_any_kind_are_readable() -> None:
    before = {"start": "disabled", "state": "stopped"}
    after = {"start": "auto", "state": "running"}
    step = StepResult("service", "service", "s", Outcome.CHANGED, before, after, after)
    text = shown(result_view(replace(RESULT, steps=(step,))))
    assert "start disabled, stopped   start auto, running" in text


def test_what_a_look_saw_stands_below_the_table_in_full() -> None:
    lines = [f"line {n} \x1b[2J" for n in range(40)] + ["x" * 200]
    step = StepResult("who", "look", "who", Outcome.OK, None, lines, None)
    text = shown(result_view(replace(RESULT, steps=(step,))))
    assert "41 lines, see below" in text
    assert [line for line in text.splitlines() if "[2J" in line] == [
        f"  | line {n} \\x1b[2J" for n in range(40)
    ]
    assert text.count("x" * 70) >= 2  # folded, and nothing of it lost
    assert max(map(len, text.splitlines())) <= 80


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    stream = Terminal()
    console(stream).print(outcome_text("ok"))
    assert "\x1b[" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    console(stream).print(outcome_text("ok"))
    assert "\x1b[32m" not in stream.getvalue()


def test_a_long_path_stays_in_one_piece() -> None:
    path = "/a" * 60
    text = shown(result_view(replace(RESULT, evidence=path, warnings=("word " * 40,))))
    assert path in text
    assert [line for line in text.splitlines() if len(line) > 80] == [f"evidence   {path}"]
