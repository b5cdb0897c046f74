"""The plan: a playbook held against the present state of a guest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serialfix.model import Outcome, PlanFacts, RegistryValue
from serialfix.playbook.schema import Playbook, RegistryStep, Step


ValueId = tuple[str, str]


def value_id(key: str, name: str) -> ValueId:
    """What a value is known by: key and name, without regard to case."""
    return key.lower(), name.lower()


@dataclass(frozen=True, slots=True)
class Present:
    """What was read from the guest: values by `value_id` (None: absent), and keys by path."""

    values: Mapping[ValueId, RegistryValue | None]
    keys: Mapping[str, bool]

    def value(self, step: RegistryStep) -> RegistryValue | None:
        """The value that a step names."""
        return self.values[value_id(step.key, step.value)]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step: what is there, what is wanted, and whether it would change (or is `ok`).

    `note` says why it does not apply.
    """

    id: str
    kind: str
    title: str
    why: str
    before: Any
    wanted: Any
    outcome: Outcome
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. `seconds` estimates the typing, by this guest's measured pace."""

    playbook: Playbook
    steps: tuple[PlannedStep, ...]
    warnings: tuple[str, ...]
    restart: bool
    seconds: float

    @property
    def changes(self) -> int:
        """How many steps would change something."""
        return sum(step.outcome is Outcome.WOULD_CHANGE for step in self.steps)

    @property
    def facts(self) -> PlanFacts:
        """What it comes to. A plan that changes nothing lowers nothing in security."""
        return PlanFacts(
            steps=len(self.steps),
            changes=self.changes,
            seconds=self.seconds,
            restart=self.restart,
            security=self.playbook.security if self.changes else (),
        )


def make_plan(
    playbook: Playbook,
    present: Present,
    *,
    restart_allowed: bool = True,
    seconds_per_change: float = 0.0,
) -> Plan:
    """Hold the playbook against what was read."""
    steps = tuple(_planned(step, present) for step in playbook.steps)
    changes = sum(step.outcome is Outcome.WOULD_CHANGE for step in steps)
    restart = playbook.restart == "always" or (playbook.restart == "if_changed" and changes > 0)
    return Plan(
        playbook=playbook,
        steps=steps,
        warnings=tuple(_policy_warnings(playbook, present)),
        restart=restart and restart_allowed,
        seconds=changes * seconds_per_change,
    )


def _planned(step: Step, present: Present) -> PlannedStep:
    if step.registry is not None:
        before: Any = present.value(step.registry)
        wanted: Any = step.registry.wanted
        right = before == wanted
    else:
        key = step.registry_key.key if step.registry_key else ""
        before = "present" if present.keys[key.lower()] else "absent"
        wanted = "absent"
        right = before == wanted
    return PlannedStep(
        id=step.id,
        kind=step.kind,
        title=step.title,
        why=step.why,
        before=before,
        wanted=wanted,
        outcome=Outcome.OK if right else Outcome.WOULD_CHANGE,
    )


def _policy_warnings(playbook: Playbook, present: Present) -> list[str]:
    """Policies that will override a local value (catalogue.md §3.5)."""
    warnings = []
    for step in playbook.steps:
        if (wish := step.registry) is None or wish.policy_twin is None:
            continue
        twin = present.values.get(value_id(wish.policy_twin, wish.value))
        if twin is not None and twin != wish.wanted:
            warnings.append(
                f"policy {wish.policy_twin}, {wish.value} is {twin}: it overrides step {step.id}"
            )
    return warnings
