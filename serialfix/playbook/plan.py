"""The plan: a playbook held against the present state of a guest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from serialfix.model import Outcome, PlanFacts, RegistryValue
from serialfix.playbook.schema import Playbook, Step
from serialfix.playbook.steps.wish import Policy, State


ValueId = tuple[str, str]


def value_id(key: str, name: str) -> ValueId:
    """What a value is known by: key and name, without regard to case."""
    return key.lower(), name.lower()


@dataclass(frozen=True, slots=True)
class Present:
    """What was read from the guest.

    Attributes:
        states: by step; a step whose condition does not hold has none.
        facts: by their ids.
        values: registry values by `value_id` (None: absent), those of policies among them.
        keys: whether a registry key exists, by its path in lower case.
    """

    states: Mapping[str, State]
    facts: Mapping[str, State] = field(default_factory=dict)
    values: Mapping[ValueId, RegistryValue | None] = field(default_factory=dict)
    keys: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step: what is there, what is wanted, and whether it would change (or is `ok`).

    `restart` tells that its service restarts, `note` why a step does not apply.
    """

    id: str
    kind: str
    title: str
    why: str
    before: State
    wanted: State
    outcome: Outcome
    note: str | None = None
    restart: bool = False


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
    earlier: Mapping[str, State] | None = None,
) -> Plan:
    """Hold the playbook against what was read.

    `earlier` has the former states of the steps that an earlier process of the run entered: what
    depends on them still has to follow.
    """
    steps: list[PlannedStep] = []
    changing: set[str] = set(earlier or ())
    for step in playbook.steps:
        planned = _planned(playbook, step, present, changing, earlier or {})
        if planned.outcome is Outcome.WOULD_CHANGE:
            changing.add(step.id)
        steps.append(planned)
    changes = sum(step.outcome is Outcome.WOULD_CHANGE for step in steps)
    restart = playbook.restart == "always" or (playbook.restart == "if_changed" and changes > 0)
    return Plan(
        playbook=playbook,
        steps=tuple(steps),
        warnings=tuple(_policy_warnings(playbook, present)),
        restart=restart and restart_allowed,
        seconds=changes * seconds_per_change,
    )


def _planned(
    playbook: Playbook,
    step: Step,
    present: Present,
    changing: Collection[str],
    earlier: Mapping[str, State],
) -> PlannedStep:
    note, restart = None, False
    before: State = None
    wanted: State = None
    outcome = Outcome.OK
    if not playbook.applies(step, present.facts):
        assert step.when is not None  # noqa: S101 - it does not hold
        found = playbook.compared(step.when, present.facts)
        note = f"does not apply: {step.when.fact or step.when.parameter} is {found}"
    else:
        wish, before = step.wish, present.states[step.id]
        if step.service is not None:
            restart = any(each in changing for each in step.service.restart_if_changed)
            wish = wish.prepared(earlier.get(step.id, before), restart=restart)
        wanted = wish.wanted
        outcome = Outcome.WOULD_CHANGE if wish.distance(before) else Outcome.OK
    return PlannedStep(
        id=step.id,
        kind=step.kind,
        title=step.title,
        why=step.why,
        before=before,
        wanted=wanted,
        outcome=outcome,
        note=note,
        restart=restart,
    )


def active_policies(
    playbook: Playbook, facts: Mapping[str, State]
) -> Iterator[tuple[Step, Policy]]:
    """The policy values that could override the steps that apply."""
    for step in playbook.steps:
        if playbook.applies(step, facts):
            yield from ((step, policy) for policy in step.wish.policies)


def _policy_warnings(playbook: Playbook, present: Present) -> list[str]:
    """Policies that will override a local value (catalogue.md §3.5)."""
    warnings = []
    for step, policy in active_policies(playbook, present.facts):
        found = present.values.get(value_id(policy.key, policy.name))
        if found is not None and found != policy.harmless:
            warnings.append(
                f"policy {policy.key}, {policy.name} is {found}: it overrides step {step.id}"
            )
    return warnings
