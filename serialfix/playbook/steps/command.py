"""Command lines: the last resort for what no other kind can say, and looks that change nothing."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from serialfix.errors import CommandFailed
from serialfix.playbook.steps.wish import Ask, Reading, State, Wish
from serialfix.playbook.values import CommandLine, Sentence
from serialfix.windows import shell


class CommandStep(Wish):
    """What `check` shows with its exit code; `run` brings it about, `undo` takes it back."""

    check: CommandLine
    right_when: Annotated[
        Literal["zero", "nonzero"], Field(description="The exit code of check when all is right.")
    ] = "zero"
    run: CommandLine
    undo: CommandLine | None = None
    no_undo: Annotated[Sentence | None, Field(description="Why it cannot be taken back.")] = None
    succeeds_with: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    minutes: Annotated[float, Field(strict=False, gt=0, le=60)] = 2

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.undo is None) == (self.no_undo is None):
            raise ValueError("say how it is taken back (undo), or why it cannot be (no_undo)")
        for each in (self.check, self.run, self.undo):
            if each is not None:
                shell.line(each)
        return self

    @property
    def title(self) -> str:
        """The command."""
        return self.run

    @property
    def wanted(self) -> State:
        """`right`."""
        return "right"

    @property
    def seconds(self) -> float | None:
        """As the playbook says."""
        return 60.0 * self.minutes

    def read(self) -> Reading:
        """`right` or `not right`."""
        answer = yield Ask(self.check, within=self.seconds)
        if not answer.complete:  # it may be the exit code of a line with a key too many
            answer = yield Ask(self.check, exit_code_only=True, within=self.seconds)
        return "right" if (answer.exit_code == 0) == (self.right_when == "zero") else "not right"

    def distance(self, state: State) -> int:
        """0 or 1."""
        return int(state != "right")

    def line(self, state: State) -> str:
        """The command."""
        return self.run

    def accepts(self, exit_code: int) -> bool:
        """Whether an exit code of the command is no failure."""
        return exit_code in self.succeeds_with

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """The command that takes it back, if there is one."""
        if self.undo is None:
            return ()
        other: Literal["zero", "nonzero"] = "nonzero" if self.right_when == "zero" else "zero"
        return (
            CommandStep(
                check=self.check,
                right_when=other,
                run=self.undo,
                undo=self.run,
                minutes=self.minutes,
            ),
        )


class LookStep(Wish):
    """A command that changes nothing; its output goes to the report and the evidence."""

    command: CommandLine
    minutes: Annotated[float, Field(strict=False, gt=0, le=60)] = 2

    @model_validator(mode="after")
    def _check(self) -> Self:
        shell.line(self.command)
        return self

    @property
    def title(self) -> str:
        """The command."""
        return self.command

    @property
    def wanted(self) -> State:
        """Nothing."""
        return None

    @property
    def changes(self) -> bool:
        """It changes nothing."""
        return False

    @property
    def lasts(self) -> bool:
        """There is nothing to prove."""
        return False

    def read(self) -> Reading:
        """The output, by lines."""
        try:
            answer = yield Ask(self.command, within=60.0 * self.minutes)
        except CommandFailed as error:
            return (f"not shown: {error}",)
        if not answer.complete:
            return (
                'not shown: more than the screen holds; one command is shown whole: cmd /c "…"',
            )
        rows = [row.rstrip() for row in answer.output]
        filled = [at for at, row in enumerate(rows) if row]
        return tuple(rows[filled[0] : filled[-1] + 1]) if filled else ()

    def distance(self, state: State) -> int:
        """0."""
        return 0

    def line(self, state: State) -> str:
        """There is nothing to bring about."""
        raise CommandFailed("a look changes nothing")

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """Nothing."""
        return ()
