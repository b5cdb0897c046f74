"""The way back: a playbook that puts every former state in its place again."""

from __future__ import annotations

from collections.abc import Iterable

from serialfix.model import Outcome
from serialfix.playbook.plan import Plan, PlannedStep
from serialfix.playbook.schema import Playbook, Step
from serialfix.playbook.steps.registry import RegistryKeyStep
from serialfix.playbook.steps.wish import Wish


def undo_playbook(
    playbook: Playbook,
    plan: Plan,
    *,
    run_id: str,
    absent_keys: Iterable[str],
    kept: Playbook | None = None,
) -> Playbook | None:
    """What undoes a plan: former states in reverse order, then the keys that it will create, then
    the services that have to restart to see all of it. None when nothing can be put back.

    Nothing but its steps is proven: what the playbook proves at its end need not have held before.
    `absent_keys` are the keys that do not exist before. `kept` is the way back that a former
    process of the same run wrote: what it saw was there first, so its steps stay as they are.
    Raises UnsafeStep when a former state could not be put back.
    """
    steps: list[Step] = []
    restarts: list[Step] = []
    created: set[str] = set()
    absent = {key.lower() for key in absent_keys}
    for step, planned in reversed(list(zip(playbook.steps, plan.steps, strict=True))):
        if planned.outcome is not Outcome.WOULD_CHANGE:
            continue
        (restarts if planned.restart else steps).extend(_back(step, planned, run_id))
        if step.registry is not None and step.registry.wanted is not None:
            parts = step.registry.key.split("\\")
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
    steps += restarts
    if kept is not None:
        known = {step.id for step in kept.steps}
        steps = [*(step for step in steps if step.id not in known), *kept.steps]
    if not steps:
        return None
    steps = _unique(steps)
    known_ids = {step.id for step in steps}
    return playbook.model_copy(
        update={
            "name": f"undo-{playbook.name}"[:80],
            "title": f"Undo of run {run_id}",
            "description": f"Puts back what run {run_id} changed.",
            "security": (),
            "undo": None,
            "facts": (),
            "proofs": (),
            "parameters": {},
            "steps": tuple(_known_restarts(step, known_ids) for step in steps),
        }
    )


def _back(step: Step, planned: PlannedStep, run_id: str) -> list[Step]:
    """The steps that put back what one step finds; they have its id, the second with a number."""
    wishes = step.wish.restoring(planned.before)
    return [
        Step.of(
            wish,
            id=step.id if number == 1 else _numbered(step.id, number),
            why=f"{_what(wish)} as it was before run {run_id}.",
        )
        for number, wish in enumerate(wishes, start=1)
    ]


def _numbered(name: str, number: int) -> str:
    """An id with a number at its end, which is no longer than ids may be."""
    end = f"-{number}"
    return f"{name[: 80 - len(end)]}{end}"


def _unique(steps: Iterable[Step]) -> list[Step]:
    """Steps no two of which have one id: a playbook's `a-2` is not the second step of its `a`."""
    found: dict[str, Step] = {}
    for step in steps:
        name, number = step.id, 2
        while name in found:
            name, number = _numbered(step.id, number), number + 1
        found[name] = step if name == step.id else step.model_copy(update={"id": name})
    return list(found.values())


def _what(wish: Wish) -> str:
    name = getattr(wish, "value", None)
    return name if isinstance(name, str) and name else wish.title


def _known_restarts(step: Step, ids: set[str]) -> Step:
    """A service restarts for the steps that are among those that are undone."""
    if step.service is None or not step.service.restart_if_changed:
        return step
    known = tuple(each for each in step.service.restart_if_changed if each in ids)
    service = step.service.model_copy(update={"restart_if_changed": known})
    return step.model_copy(update={"service": service})
