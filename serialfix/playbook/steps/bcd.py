"""Elements of the boot configuration."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from serialfix.errors import CommandFailed
from serialfix.playbook.steps.wish import Ask, Reading, State, Wish, unclear
from serialfix.playbook.values import Name
from serialfix.windows import bcd


Entry = Annotated[str, StringConstraints(pattern=r"^\{[a-z]+\}$")]
Element = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]


class BcdStep(Wish):
    """An element of an entry with this value, or (`state: absent`) no such element."""

    entry: Entry
    element: Element
    value: Name | None = None
    state: Literal["present", "absent"] = "present"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.state == "present") != (self.value is not None):
            raise ValueError("a present element needs a value, an absent one has none")
        if self.value is not None:
            if self.value.startswith("/"):
                raise ValueError(f"bcdedit would read {self.value} as a switch")
            bcd.english(self.element, self.value)
        return self

    @property
    def title(self) -> str:
        """`boot entry {current}, safeboot`."""
        return f"boot entry {self.entry}, {self.element}"

    @property
    def wanted(self) -> str | None:
        """The value; None means that the element must not exist."""
        return None if self.value is None else bcd.english(self.element, self.value)

    def read(self) -> Reading:
        """The value, or None."""
        answer = yield Ask(bcd.enumerate_entry(self.entry))
        if answer.exit_code:
            raise unclear(answer, f"the boot configuration does not show {self.entry}")
        try:
            return bcd.element(answer.output, self.element)
        except ValueError as error:
            raise CommandFailed(
                f"the boot configuration cannot be read: {error}",
                screen="\n".join(answer.output),
                remedy="Nothing was typed for this step. Change it by hand.",
            ) from error

    def distance(self, state: State) -> int:
        """0 or 1."""
        wanted = self.wanted
        if isinstance(state, str) and wanted is not None:
            return int(state.casefold() != wanted.casefold())
        return int(state != wanted)

    def line(self, state: State) -> str:
        """`/set` or `/deletevalue`."""
        if self.wanted is None:
            return bcd.delete_element(self.entry, self.element)
        return bcd.set_element(self.entry, self.element, self.wanted)

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """The former value, or none."""
        if former is None:
            return (BcdStep(entry=self.entry, element=self.element, state="absent"),)
        return (BcdStep(entry=self.entry, element=self.element, value=str(former)),)
