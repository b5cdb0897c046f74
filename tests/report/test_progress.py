from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from serialfix.report.progress import TerminalObserver
from tests.report.examples import RESULT, rdp_plan


class Clock:
    now = 100.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


class Watch:
    """An observer with what it printed."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        show_plan: bool = True,
        terminal: bool = False,
        yes: bool = True,
    ) -> None:
        self.stream = io.StringIO()
        self.questions: list[str] = []

        def ask(question: str) -> bool:
            self.questions.append(question)
            return yes

        self.observer = TerminalObserver(
            Console(file=self.stream, force_terminal=terminal, width=80),
            ask=ask,
            quiet=quiet,
            show_plan=show_plan,
            clock=Clock(),
        )

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def a_run(observer: TerminalObserver) -> None:
    observer.phase("find", "myvm")
    observer.progress("looking \x1b[2J")
    observer.phase("apply")
    observer.warning("careful \x1b[2J")
    observer.step(2, 16, RESULT.steps[1])
    observer.step(3, 16, RESULT.steps[0])
    observer.finish()


def test_plain_lines_with_the_time_each_phase_took() -> None:
    watch = Watch()
    a_run(watch.observer)
    assert "\x1b" not in watch.text
    lines = [line.split("] ", 1)[1] for line in watch.text.splitlines()]
    assert lines == [
        "find  myvm",
        "  looking \\x1b[2J",
        "find took 1.5 s",
        "apply",
        "warning: careful \\x1b[2J",
        "   2/16 changed keep-alive-enable  (absent) to 1",
        "   3/16 ok security-layer",
        "apply took 2.5 s",
    ]


def test_a_terminal_gets_the_same_lines() -> None:
    watch = Watch(terminal=True)
    a_run(watch.observer)
    for part in ("find", "apply", "careful", "keep-alive-enable"):
        assert part in watch.text
    assert "[2J" in watch.text.replace("\\x1b[2J", "[2J")
    assert "\x1b[2J" not in watch.text


def test_quiet_says_nothing_but_asks() -> None:
    watch = Watch(quiet=True)
    a_run(watch.observer)
    watch.observer.plan(rdp_plan())
    assert watch.text == ""
    assert watch.observer.confirm(rdp_plan())
    assert "KeepAliveTimeout" in watch.text  # nobody confirms what was not shown


def test_what_was_agreed_to_beforehand_is_not_asked() -> None:
    stream = io.StringIO()
    observer = TerminalObserver(Console(file=stream), ask=None, quiet=True)
    assert observer.confirm(rdp_plan())
    assert stream.getvalue() == ""


@pytest.mark.parametrize("yes", [True, False])
def test_the_question_names_the_restart(yes: bool) -> None:
    watch = Watch(yes=yes)
    watch.observer.plan(rdp_plan())
    assert watch.observer.confirm(rdp_plan()) is yes
    assert watch.questions == ["Make these changes and restart the VM?"]
    assert watch.text.count("KeepAliveTimeout") == 1


def test_a_check_leaves_the_plan_to_its_result() -> None:
    watch = Watch(show_plan=False)
    watch.observer.plan(rdp_plan())
    assert watch.text == ""


def test_it_is_the_observer_that_runs_expect() -> None:
    from serialfix.remediation.events import Observer

    accepts: Callable[[Observer], None] = lambda observer: observer.phase("find")  # noqa: E731
    accepts(Watch().observer)
