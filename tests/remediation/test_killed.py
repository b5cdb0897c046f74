"""kill -9 at every record of the journal, then `resume`: the end of a run that was not killed.

In virtual time: the process's connection breaks, and nothing of it acts any more. That a real
process leaves no more behind than this is shown in tests/e2e/test_interrupted.py.
"""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Literal

import jsonschema
import pytest

from serialfix.lab.profiles import Renderer
from serialfix.model import Outcome, RunResult
from serialfix.record.journal import Journal, RunStore
from serialfix.remediation.looking_back import last_result
from serialfix.report.machine import run_schema
from serialfix.result import run_json
from serialfix.virtual_time import run_virtual
from tests.support.judge import Judge, flat
from tests.support.matrix import playbook
from tests.support.rig import RENDERERS
from tests.support.world import Killed, Mishap, World, kill


_PROFILE = {"scraper": "ws2019", "conpty": "ws2022"}
NOBODY_KNOWS = {("after", "restart_requested"), ("before", "restart_accepted")}
"""Between asking for the restart and its answer in the journal: it is never asked for again."""


def world(renderer: Renderer, folder: Path, *mishaps: Mishap) -> World:
    there = World(folder, mishaps=mishaps, profile=_PROFILE[renderer])
    there.transcripts = False
    return there


@cache
def kinds(renderer: Renderer) -> list[str]:
    """The records of a run that nothing happens to."""
    import tempfile

    async def whole(folder: Path) -> list[str]:
        calm = world(renderer, folder)
        await calm.boot()
        result = await calm.run(playbook(whole=False))
        assert result.exit_code == 0, result.error
        return [record["kind"] for record in Journal.read(calm.journal)]

    with tempfile.TemporaryDirectory() as folder:
        return run_virtual(whole(Path(folder)))


def test_every_kind_of_record_is_among_them() -> None:
    assert set(kinds("conpty")) >= {
        *("run_started", "target", "channel_opened", "planned", "confirmed", "step_entering"),
        *("step_verified", "left", "restart_requested", "restart_accepted", "restart_done"),
        *("proof", "run_ended"),
    }
    assert kinds("conpty") == kinds("scraper")


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_record(
    renderer: Renderer, when: Literal["before", "after"], tmp_path: Path
) -> None:
    found = {}
    for number, kind in enumerate(kinds(renderer), start=1):
        if (when, number) == ("before", 1):
            continue  # there is no run yet
        folder = tmp_path / str(number)
        wrong, result = run_virtual(killed(renderer, when, number, folder))
        unknown = (when, kind) in NOBODY_KNOWS
        if (when, kind) == ("after", "run_ended"):
            good = result is None  # it is complete: nothing is left to resume
        else:
            ended = (8, "unknown") if unknown else (0, "changed")
            good = result is not None and ended == (result.exit_code, result.outcome)
            good &= result is None or {step.outcome for step in result.steps} == {"changed"}
        if wrong or not good:
            found[number, kind] = (wrong, result and (result.outcome, result.error))
    assert not found


def report_lies(there: World, judge: Judge) -> list[str]:
    """What `serialfix runs show` says of a killed run, held against the guest itself."""
    told = last_result(RunStore(there.state).open(there.run_id))
    jsonschema.Draft7Validator(run_schema()).validate(run_json(told))
    same = flat(there.guest.registry.dump()) == judge.before
    lies = []
    if told.touched == "no" and not same:
        lies.append("it says that nothing was touched")
    if told.outcome is Outcome.CHANGED and told.error:
        lies.append("it says that all is well")
    if [step.id for step in told.steps] != [
        step.id for step in playbook(whole=False).playbook.steps
    ]:
        lies.append("it does not know all steps")
    proven = [step for step in told.steps if step.outcome is Outcome.CHANGED]
    if any(step.after != step.wanted or step.after is None for step in proven):
        lies.append("a proven step is not as wanted")
    if not same and not any(
        step.outcome in (Outcome.CHANGED, Outcome.UNKNOWN) for step in told.steps
    ):
        lies.append("it knows of no step that changed anything")
    if told.restart is None and any(there.restarts):
        lies.append("it knows of no restart")
    return lies


async def killed(
    renderer: Renderer, when: Literal["before", "after"], number: int, folder: Path
) -> tuple[list[str], RunResult | None]:
    """Killed at one record, resumed, undone; what is wrong, and how the resumed run ended."""
    there = world(renderer, folder, Mishap("a kill", kill, when, number))
    await there.boot()
    judge = Judge(there, playbook(whole=False).playbook)
    with pytest.raises(Killed):
        await there.run(playbook(whole=False))
    await asyncio.sleep(1.0)
    judge.look(None)
    judge.wrong += report_lies(there, judge)
    result = None
    records = Journal.read(there.journal)
    if not records or records[-1]["kind"] != "run_ended":
        there.mishaps = ()
        result = await there.resume()
        judge.look(result, healed=True)
    if there.restarts[0] > 1:
        judge.wrong.append(f"{there.restarts[0]} restarts")
    undone = await there.undo(restart=False)
    if undone.exit_code or flat(there.guest.registry.dump()) != judge.before:
        judge.wrong.append(f"not undone: {undone.error}")
    return judge.wrong, result
