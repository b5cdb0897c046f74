"""What would be read from a guest, out of registry values."""

from __future__ import annotations

from collections.abc import Mapping

from serialfix.model import RegistryValue
from serialfix.playbook.plan import Present, ValueId, value_id
from serialfix.playbook.schema import Playbook
from serialfix.playbook.steps.wish import State


def present(
    playbook: Playbook,
    values: Mapping[ValueId, RegistryValue | None],
    keys: Mapping[str, bool] | None = None,
    **states: State,
) -> Present:
    """The states of registry steps by their values; those of others are given."""
    found: dict[str, State] = dict(states)
    for step in playbook.steps:
        if step.registry is not None:
            found[step.id] = values[value_id(step.registry.key, step.registry.value)]
    return Present(found, {}, values, keys or {})
