"""What every kind of step has in common.

A wish is sans-I/O. It is read by a generator, `read`, which yields questions and is sent their
answers; what is to be typed next follows from the state that was read, `line`. Nothing is ever
typed because of what was typed before: after a dropped connection the state is read again, so a
write is never repeated blindly.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from serialfix.console.cmd import CommandResult
from serialfix.errors import CommandFailed
from serialfix.model import RegistryValue
from serialfix.playbook.values import Model


State = RegistryValue | str | Mapping[str, Any] | Sequence[str] | None
"""What is there, as data that the journal can keep. None: there is no such thing."""


@dataclass(frozen=True, slots=True)
class Value:
    """The question for a registry value; answered by it, or by None."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The question of a command line; answered by its CommandResult.

    With `exit_code_only` the output does not matter, and must fit on the screen.
    """

    line: str
    exit_code_only: bool = False
    within: float | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """The question for the name of a new file in the guest that survives a restart."""


Question = Value | Ask | NewFile
Reading = Generator[Question, Any, State]


@dataclass(frozen=True, slots=True)
class Policy:
    """A group policy value that overrides a wish when it is there and is not `harmless`."""

    key: str
    name: str
    harmless: RegistryValue | None


class Wish(Model):
    """A wanted end."""

    @property
    def title(self) -> str:
        """The wish in one line, as plans and reports show it."""
        raise NotImplementedError

    @property
    def wanted(self) -> State:
        """What must be there in the end."""
        raise NotImplementedError

    @property
    def stored(self) -> tuple[Value, ...]:
        """The registry values that `read` asks for, so that they can be asked for together."""
        return ()

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Policy values that would override it (catalogue.md §3.5)."""
        return ()

    @property
    def changes(self) -> bool:
        """Whether it changes anything at all."""
        return True

    @property
    def lasts(self) -> bool:
        """Whether it must still hold after a restart."""
        return True

    @property
    def seconds(self) -> float | None:
        """How long one of its lines may take; None for the usual time."""
        return None

    def read(self) -> Reading:
        """Ask for what is there. Raises CommandFailed when that cannot be told."""
        raise NotImplementedError

    def distance(self, state: State) -> int:
        """How many things differ; 0 when all is as wanted."""
        raise NotImplementedError

    def line(self, state: State) -> str:
        """What brings a state that differs nearer. Raises UnsafeStep."""
        raise NotImplementedError

    def accepts(self, exit_code: int) -> bool:
        """Whether a line that ended with this exit code has done its work."""
        return exit_code == 0

    def pending(self, state: State) -> bool:
        """Whether the guest is still on its way to another state."""
        return False

    def prepared(self, former: State, *, restart: bool = False) -> Self:
        """The wish for a guest whose state was `former`; `restart` when what it depends on
        changes."""
        return self

    def seen(self, state: State) -> Self:
        """The wish once this state was seen on the way: what it does not have to reach any more."""
        return self

    def otherwise(self, state: State, exit_code: int) -> Wish | None:
        """Another way when a line failed; None when there is none."""
        return None

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """What puts `former` back. Raises UnsafeStep when that cannot be done."""
        raise NotImplementedError


def differing(wanted: Mapping[str, Any], state: State) -> list[str]:
    """The names whose values in the state are not the wanted ones; texts without regard to case."""
    there = state if isinstance(state, Mapping) else {}
    return [name for name, value in wanted.items() if _folded(there.get(name)) != _folded(value)]


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def unclear(result: CommandResult, what: str, remedy: str = "") -> CommandFailed:
    """The error for an answer that tells nothing certain."""
    return CommandFailed(
        f"{what}: {result.line} (exit code {result.exit_code})",
        screen="\n".join(result.rows or result.output),
        remedy=remedy or "Look at the answer above. Nothing was typed for this step.",
    )
