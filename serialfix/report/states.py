"""States in words: what was there, what is wanted, whatever kind of step it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from serialfix.model import RegistryType, RegistryValue, StepResult
from serialfix.printable import printable


if TYPE_CHECKING:
    from serialfix.playbook.plan import PlannedStep


ABSENT = "(absent)"
LOOK = "look"
"""The kind of step that only reads: its state is the lines that it saw."""


def shown(state: Any, *, typed: bool = False) -> str:
    """A step's before, after or wanted, as short as it can be read without mistake.

    `state` is a registry value, as an object or in its JSON form, or any JSON. With `typed` a
    number of the registry is shown with its type, and in both notations.

    >>> shown({"start": "auto", "state": "running"})
    'start auto, running'
    """
    match state:
        case None:
            return ABSENT
        case RegistryValue(type=RegistryType.DWORD, data=int(number)) if not typed:
            return str(number) if number < 10 else f"{number:#x}"
        case RegistryValue():
            return printable(str(state))
        case bool():
            return "yes" if state else "no"
        case Mapping():
            value = _registry_value(state)
            return shown(value, typed=typed) if value else _together(map(_named, state.items()))
        case list() | tuple():
            return _together(map(_within, state))
        case _:
            return printable(str(state))


def saw(step: StepResult) -> tuple[str, ...]:
    """What a step has looked up, line by line; none of a step that states an end."""
    seen = step.before if step.after is None else step.after  # a check has no after
    if step.kind != LOOK or step.note or not isinstance(seen, list | tuple):
        return ()
    return tuple(printable(str(line)) for line in seen)


def in_short(step: StepResult | PlannedStep, state: Any, *, typed: bool = False) -> str:
    """One of the states of a step, for a table.

    Empty for a step that does not apply, of which nothing was read, and for a look: what it saw
    has no room there.
    """
    return "" if step.note or step.kind == LOOK else shown(state, typed=typed)


def after_in_short(step: StepResult, *, typed: bool = False) -> str:
    """The state after a step, for a table."""
    if lines := saw(step):
        return f"{len(lines)} line{'s' if len(lines) > 1 else ''}, see below"
    return in_short(step, step.after, typed=typed)


def _registry_value(state: Mapping[str, Any]) -> RegistryValue | None:
    """The registry value of which this is the JSON form, if it is."""
    if state.keys() != {"type", "data"}:
        return None
    try:
        return RegistryValue.from_json(dict(state))
    except (ValueError, TypeError):
        return None


def _together(parts: Any) -> str:
    return ", ".join(parts) or "(nothing)"


def _named(item: tuple[object, Any]) -> str:
    """`start auto`; a state needs no name."""
    name, value = item
    return _within(value) if name == "state" else f"{printable(str(name))} {_within(value)}"


def _within(value: Any) -> str:
    """A part of a state; what could be taken for more than one part is held together."""
    if isinstance(value, str):
        plain = printable(value)
        whole = value == plain.strip() and value and not set(value) & set(',"()')
        return plain if whole else printable(json.dumps(value, ensure_ascii=False))
    text = shown(value)
    return f"({text})" if isinstance(value, Mapping | list | tuple) else text
