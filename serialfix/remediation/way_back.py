"""The way back: a playbook that puts every former value in its place again."""

from __future__ import annotations

from collections.abc import Iterable

from serialfix.model import Outcome
from serialfix.playbook.plan import Plan
from serialfix.playbook.schema import Playbook, RegistryKeyStep, RegistryStep, Step
from serialfix.windows import registry


def undo_playbook(
    playbook: Playbook,
    plan: Plan,
    *,
    run_id: str,
    absent_keys: Iterable[str],
    kept: Playbook | None = None,
) -> Playbook:
    """What undoes a plan: former values in reverse order, then the keys that it will create.

    `absent_keys` are the keys that do not exist before. `kept` is the way back that a former
    process of the same run wrote: what it saw was there first, so its steps stay as they are.
    Raises UnsafeStep when a former value could not be typed again.
    """
    steps: list[Step] = []
    created: set[str] = set()
    absent = {key.lower() for key in absent_keys}
    for step, planned in reversed(list(zip(playbook.steps, plan.steps, strict=True))):
        wish = step.registry
        if wish is None or planned.outcome is not Outcome.WOULD_CHANGE:
            continue
        if planned.before is not None:
            registry.add(wish.key, wish.value, planned.before)  # may refuse: now, not at the undo
        steps.append(
            Step(
                id=step.id,
                why=f"{wish.value} as it was before run {run_id}.",
                registry=RegistryStep.restoring(wish.key, wish.value, planned.before),
            )
        )
        if wish.wanted is not None:
            parts = wish.key.split("\\")
            paths = ("\\".join(parts[:depth]) for depth in range(2, len(parts) + 1))
            created |= {path for path in paths if path.lower() in absent}
    for number, key in enumerate(sorted(created, key=lambda path: -path.count("\\")), start=1):
        steps.append(
            Step(
                id=f"created-key-{number}",
                why="The key was not there before; it goes when nothing else is in it.",
                registry_key=RegistryKeyStep(key=key, state="absent"),
            )
        )
    if kept is not None:
        known = {step.id for step in kept.steps}
        steps = [*(step for step in steps if step.id not in known), *kept.steps]
    return playbook.model_copy(
        update={
            "name": f"undo-{playbook.name}"[:80],
            "title": f"Undo of run {run_id}",
            "description": f"Puts back what run {run_id} changed.",
            "security": (),
            "steps": tuple(steps),
        }
    )
