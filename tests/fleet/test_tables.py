from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from serialfix.fleet.pace import Eta
from serialfix.fleet.standing import Kind, State
from serialfix.fleet.tables import label, list_view, show_view
from serialfix.model import Outcome, StepResult
from serialfix.result import run_json
from tests.fleet.standings import (
    HOSTILE,
    at_its_end,
    ended,
    fleet_run,
    over,
    standing_of,
    under_way,
    waiting,
)
from tests.report.examples import RESULT


def shown(view: RenderableType, *, width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False, emoji=False, highlight=False)
    console.print(view, crop=False)
    return stream.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("total", [0, 1, 40, 10_000])
def test_nothing_is_wider_than_the_terminal(total: int, width: int) -> None:
    run = fleet_run(total, user=HOSTILE, playbook="p" * 64, id="i" * 64)
    targets = at_its_end(total, name="n" * 60 + "{:04}")
    done = over(run, skipped=({"id": HOSTILE, "reason": "other", "text": HOSTILE},), why=HOSTILE)
    views = {
        "show": show_view(standing_of(done, targets), targets),
        "list": list_view([standing_of(run, under_way(total)), standing_of(done, targets)]),
        "going": show_view(standing_of(run, under_way(total)), under_way(total), eta=Eta(60)),
    }
    if total <= 40:
        views["all"] = show_view(standing_of(done, targets), targets, everybody=True)
    for name, view in views.items():
        text = shown(view, width=width)
        assert max(map(cell_len, text.splitlines()), default=0) <= width, name
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        if name != "all":
            assert len(text.splitlines()) < 250  # however many there are


def test_the_list() -> None:
    done = standing_of(over(fleet_run(40, kind=Kind.CHECK)), at_its_end(40))
    assert shown(list_view([done, standing_of(fleet_run(40), under_way(40))])) == (
        "20261121-084500-rdp-reset-1a2b  ended  2026-11-21 08:45\n"
        "  check of rdp-reset 1.0 on 40 VMs: all ended, 1 would change, 16 not well\n"
        "20261121-084500-rdp-reset-1a2b  running  2026-11-21 08:45\n"
        "  rdp-reset 1.0 on 40 VMs: 20 of 40 ended, 2 would change, 7 not well\n"
    )


def test_many_that_went_wrong_alike_are_told_by_the_first_few() -> None:
    vms = [replace(each, location="westeurope") for each in waiting(100)]
    targets = [
        *(ended(each, Outcome.UNREACHABLE) for each in vms[:37]),
        *(ended(each, Outcome.CHANGED) for each in vms[37:]),
    ]
    run = over(fleet_run(100))
    text = shown(show_view(standing_of(run, targets), targets))
    for part in (
        "37 VMs in westeurope: unreachable, transport.azure_unreachable",
        "  Azure answered 429 Too Many Requests for 10 min",
        "  Next: Try again when less else works there.",
        "  web-0001, web-0002, web-0003 and 34 more",
        f"All of them: serialfix fleet report {run.id} -o csv",
        f"  serialfix fleet show {run.id} --vm NAME --evidence FILE",
        f"  serialfix fleet retry {run.id} --only unreachable",
        f"  serialfix fleet undo {run.id}",
        "by         ada, 2026-11-21 08:45 UTC",
    ):
        assert part in text.splitlines()
    assert "web-0004" not in text
    everybody = shown(show_view(standing_of(run, targets), targets, everybody=True))
    assert all(each.name in everybody for each in targets[:37])


def test_waves_with_their_outcomes() -> None:
    targets = at_its_end(40)
    text = words(shown(show_view(standing_of(over(fleet_run(40)), targets), targets)))
    assert "wave VMs waiting running ended" in text
    assert "2 4 1 failed, 2 not_started, 1 unknown" in text


def test_of_many_kinds_of_trouble_the_greatest_are_told() -> None:
    targets = [
        ended(replace(each, location=f"r{each.number % 20}"), Outcome.FAILED)
        for each in waiting(100)
    ]
    text = shown(show_view(standing_of(over(fleet_run(100)), targets), targets))
    assert "and 60 more VMs in 12 other groups" in text


def test_a_run_that_goes_on_has_no_next_step_yet() -> None:
    targets = under_way(40)
    text = shown(show_view(standing_of(fleet_run(40), targets), targets, eta=Eta(90)))
    assert "About 90 s to go." in text
    assert "next" not in text


def test_drift() -> None:
    ok, would = Outcome.OK, Outcome.WOULD_CHANGE
    steps = [StepResult(f"step-{n}", "registry", "t", would if n else ok) for n in range(3)]
    differs = run_json(replace(RESULT, steps=tuple(steps)))
    run = over(fleet_run(40, kind=Kind.CHECK))
    targets = [ended(each, would) for each in waiting(40)]
    results: dict[int, Any] = {each.number: differs for each in targets[:30]}
    standing = standing_of(run, targets)
    text = shown(show_view(standing, targets, results=results))
    assert "30 of 30 VMs differ from the playbook; 10 VMs could not be looked at." in text
    assert "step-1 30 web-0001, web-0002, web-0003 and 27 more" in words(text)
    assert "web-0006 rg1 2 step-1, step-2" in words(text)
    assert "and 24 more: serialfix fleet report" in text
    assert "web-0030" in shown(show_view(standing, targets, results=results, everybody=True))


def test_what_was_skipped_is_grouped_by_its_reason() -> None:
    ids = [each.vm_id for each in waiting(9)]
    skipped = tuple({"id": each, "reason": "linux", "text": "it is Linux"} for each in ids)
    other = {"id": ids[0], "reason": "new_reason", "text": "?"}
    run = over(fleet_run(0, skipped=(*skipped, other)))
    text = words(shown(show_view(standing_of(run, []), [])))
    assert "Linux 9 web-0001, web-0002, web-0003 and 6 more" in text
    assert "new_reason 1 web-0001" in text
    assert label("no id") == "no id"


def test_why_it_was_stopped_stands_at_the_top() -> None:
    run = replace(over(fleet_run(40)), state=State.ENDED, why="cancelled by ada")
    targets = at_its_end(40)
    assert "cancelled by ada" in shown(show_view(standing_of(run, targets), targets)).splitlines()
