"""What all forms of an export share: which steps are meant, and what is left out, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from serialfix.playbook.schema import Playbook, Step


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A step, or a part of one, that a form does not carry; `matters` when it changes something."""

    step: str
    what: str
    reason: str
    matters: bool = True

    def __str__(self) -> str:
        return f"step {self.step}, {self.what}: {self.reason}"


Written = tuple[str, list[LeftOut]]
"""The text of a file, and what is not in it."""


def steps(playbook: Playbook) -> Iterator[Step]:
    """The steps whose conditions on parameters hold; those on facts are for the guest to decide."""
    for step in playbook.steps:
        if step.when is None or step.when.fact is not None or playbook.applies(step, {}):
            yield step


def heading(playbook: Playbook) -> list[str]:
    """What a person should know before using the file, one sentence each."""
    lines = [f"{playbook.name} {playbook.version}: {playbook.title}"]
    lines += [f"Source: {source}" for source in playbook.sources]
    lines += [f"LOWERS SECURITY: {text}" for text in playbook.security]
    if playbook.undo:
        lines.append(f"Undo: {playbook.undo}")
    return lines


def restart_note(playbook: Playbook) -> str:
    """What is to be said about the restart, "" for nothing."""
    return {
        "never": "",
        "if_changed": "Restart Windows if something was changed: only then it takes effect.",
        "always": "Restart Windows: only then it takes effect.",
    }[playbook.restart]
