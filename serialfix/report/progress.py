"""What happens, while it happens, on stderr: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.status import Status
from rich.text import Text

from serialfix.model import StepResult
from serialfix.printable import printable
from serialfix.report.states import shown
from serialfix.report.tables import outcome_text, plan_view
from serialfix.report.text import seconds


if TYPE_CHECKING:
    from serialfix.playbook.plan import Plan


class TerminalObserver:
    """Shows a run to a person.

    `ask` puts a question and says whether the answer was yes; without it all is agreed to.
    """

    def __init__(
        self,
        console: Console,
        *,
        ask: Callable[[str], bool] | None,
        quiet: bool = False,
        show_plan: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._ask = ask
        self._quiet = quiet
        self._show_plan = show_plan
        self._clock = clock
        self._start = clock()
        self._phase = ""
        self._phase_start = self._start
        self._status: Status | None = None

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins, and with it the one before has ended."""
        self.finish()
        self._phase, self._phase_start = name, self._clock()
        if self._quiet:
            return
        self._line(Text.assemble((name, "bold"), f"  {printable(detail)}" if detail else ""))
        if self._console.is_terminal:
            self._status = self._console.status(Text(name))
            self._status.start()

    def progress(self, text: str) -> None:
        """Something went on within the phase."""
        if self._status is not None:
            elapsed = seconds(self._clock() - self._phase_start)
            self._status.update(Text(f"{self._phase}  {printable(text)}  {elapsed}"))
        elif not self._quiet:
            self._line(Text(f"  {printable(text)}"))

    def warning(self, text: str) -> None:
        """Something to know that does not stop the run."""
        if not self._quiet:
            self._line(Text(f"warning: {printable(text)}", style="yellow"))

    def plan(self, plan: Plan) -> None:
        """The plan is known."""
        if self._show_plan and not self._quiet:
            self._console.print(Text())
            self._console.print(plan_view(plan))
            self._console.print(Text())

    def step(self, number: int, total: int, result: StepResult) -> None:
        """A step has ended."""
        if not self._quiet:
            change = f"{shown(result.before)} to {shown(result.after)}"
            self._line(
                Text.assemble(
                    f"  {number:>{len(str(total))}}/{total} ",
                    outcome_text(result.outcome),
                    f" {printable(result.id)}",
                    f"  {change}" if result.outcome == "changed" else "",
                )
            )

    def confirm(self, plan: Plan) -> bool:
        """Ask, once, before the first change. Shows the plan when it was not shown before."""
        if self._ask is None:
            return True
        if self._quiet:
            self._console.print(plan_view(plan))
        self._stop()
        restart = " and restart the VM" if plan.restart else ""
        return self._ask(f"Make these changes{restart}?")

    def finish(self) -> None:
        """The last phase has ended."""
        self._stop()
        if self._phase and not self._quiet:
            took = seconds(self._clock() - self._phase_start)
            self._line(Text(f"{self._phase} took {took}", style="dim"))
        self._phase = ""

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _line(self, text: Text) -> None:
        stamp = f"[{self._clock() - self._start:7.1f} s] "
        self._console.print(Text.assemble((stamp, "dim"), text), soft_wrap=True)
