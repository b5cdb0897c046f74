"""The shipped playbooks whose programs Wine has, over a real cmd.exe and reg.exe, in real time.

Those that do not touch the same values are played as one, because starting a Windows and leaving it
takes longer than their steps.
"""

from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.broken import BROKEN
from serialfix.lab.wineprefix import missing
from serialfix.model import Outcome
from serialfix.playbook.library import playbook_files
from serialfix.playbook.schema import Playbook, Step
from tests.remediation.test_library import CASES, book
from tests.remediation.test_wine_guest import QUICK
from tests.support.rig import Rig


KINDS = {"registry", "registry_removal"}
"""What Wine has programs for; it has no netsh, bcdedit, wevtutil, and hardly a net or an sc."""
NOT_THERE = {
    "rdp-reset",  # has a test of its own
    "memory-dump-config",  # Wine expands %^NAME%, and what `for /f` reads; Windows does neither
}


def on_wine() -> dict[str, Playbook]:
    found = {}
    for name in playbook_files({}):
        playbook = book(name, CASES[name].given)
        if {step.kind for step in playbook.steps} <= KINDS and name not in NOT_THERE:
            found[name] = playbook
    return found


def ends(playbook: Playbook) -> set[str]:
    """What two playbooks must not share."""
    values = (value for step in playbook.steps for value in step.wish.stored)
    return {f"{value.key}\\{value.name}".casefold() for value in values} | {
        fact.id for fact in playbook.facts
    }


def groups() -> list[list[str]]:
    """Names of playbooks that can be played as one."""
    found: list[list[str]] = []
    playbooks = on_wine()
    for name, playbook in playbooks.items():
        for group in found:
            if not any(ends(playbook) & ends(playbooks[other]) for other in group):
                group.append(name)
                break
        else:
            found.append([name])
    return found


def together(names: list[str]) -> Playbook:
    playbooks = on_wine()
    steps: list[Step] = []
    for name in names:
        for step in playbooks[name].steps:
            holds = step.when is None or step.when.fact is not None
            if holds or playbooks[name].applies(step, {}):
                kept = {} if step.when is None or step.when.fact else {"when": None}
                steps.append(step.model_copy(update={"id": f"{name}.{step.id}", **kept}))
    facts = tuple(fact for name in names for fact in playbooks[name].facts)
    return playbooks[names[0]].model_copy(
        update={"steps": tuple(steps), "facts": facts, "parameters": {}, "proofs": ()}
    )


async def there_and_back(names: list[str]) -> list[str]:
    """What is wrong."""
    playbook = together(names)
    ways = {CASES[name].broken for name in names} - {"listener"}
    stage = Rig("conpty", program="wine", delays=QUICK)  # the listener's first: it has many values
    for way in sorted(ways):
        BROKEN[way](stage.guest)
    await stage.boot(0.5)
    before = stage.guest.registry.dump()
    done = await stage.apply(playbook=playbook)
    again = await stage.apply(playbook=playbook)
    back = await stage.apply(playbook=stage.way_back(done))
    stage.guest.power_off()  # Wine writes its files
    wrong = [f"{each.error}" for each in (done, again, back) if each.slug != "ok"]
    wrong += [
        f"{name}: nothing was changed"
        for name in names
        if not any(
            step.outcome is Outcome.CHANGED and step.id.startswith(f"{name}.")
            for step in done.work.steps.values()
        )
    ]
    if set(again.outcomes()) != {Outcome.OK}:
        wrong.append(f"found again: {again.outcomes()}")
    if stage.guest.registry.dump() != before:
        wrong.append("not what there was before")
    return wrong


async def test_there_and_back_on_wine() -> None:
    """Several guests at once: what takes its time is their programs."""
    if reason := missing("en"):
        pytest.skip(f"{reason}: not shown are {', '.join(on_wine())} over a real cmd.exe")
    assert len(on_wine()) >= 12
    found = await asyncio.gather(*map(there_and_back, groups()))
    assert [each for wrong in found for each in wrong] == []
