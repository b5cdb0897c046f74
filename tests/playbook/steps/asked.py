"""A wish is read: its questions are answered as a guest would."""

from __future__ import annotations

from collections.abc import Mapping

from serialfix.console.cmd import CommandResult
from serialfix.model import RegistryValue
from serialfix.playbook.steps.wish import Ask, NewFile, State, Value, Wish


FILE = r"%SystemRoot%\Temp\serialfix-abc1.reg"


def read(
    wish: Wish,
    values: Mapping[str, RegistryValue] | None = None,
    answers: Mapping[str, tuple[str, int]] | None = None,
) -> tuple[State, list[str]]:
    """The state, and the lines that were asked. Values are known by name; an answer, with its exit
    code, by what its line holds. What is not known is absent, and ends with exit code 1."""
    asked: list[str] = []
    reading = wish.read()
    try:
        question = next(reading)
        while True:
            match question:
                case Value(_, name):
                    question = reading.send((values or {}).get(name))
                case NewFile():
                    question = reading.send(FILE)
                case Ask(line):
                    asked.append(line)
                    known = [each for part, each in (answers or {}).items() if part in line]
                    text, code = known[0] if known else ("", 1)
                    rows = tuple(text.splitlines())
                    question = reading.send(
                        CommandResult(line, rows, code, complete=True, rows=rows)
                    )
    except StopIteration as end:
        state: State = end.value
        return state, asked
