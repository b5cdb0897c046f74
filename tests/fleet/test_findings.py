from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from serialfix.fleet.findings import drift, few, next_steps, slug, troubles
from serialfix.fleet.standing import Kind, Target
from serialfix.model import Outcome, StepResult
from serialfix.result import run_json
from tests.fleet.standings import ended, fleet_run, waiting
from tests.report.examples import EARLY, RESULT


def in_(location: str, targets: list[Target]) -> list[Target]:
    return [replace(each, location=location) for each in targets]


def test_a_storm_in_a_region_is_one_line() -> None:
    vms = waiting(100)
    storm = [ended(each, Outcome.UNREACHABLE) for each in in_("westeurope", vms[:37])]
    well = [ended(each, Outcome.CHANGED) for each in in_("westeurope", vms[37:60])]
    down = [
        ended(each, Outcome.UNREACHABLE, slug="transport.gateway_unreachable", message="no answer")
        for each in in_("eastus2", vms[60:80])
    ]
    found = troubles([*storm, *well, *down])
    assert [str(each) for each in found] == [
        "37 VMs in westeurope: unreachable, transport.azure_unreachable",
        "all 20 VMs in eastus2: unreachable, transport.gateway_unreachable",
    ]
    assert "429" in found[0].message
    assert found[1].message == "no answer"
    assert found[0].remedy.startswith("Try again")


def test_what_most_say_is_told_and_that_others_say_something_else() -> None:
    vms = in_("x", waiting(10))
    other = ended(vms[0], Outcome.UNREACHABLE, message="no route")
    (found,) = troubles([other, *(ended(each, Outcome.UNREACHABLE) for each in vms[1:])])
    assert found.message == "Azure answered 429 Too Many Requests for 10 min (9 of 10 say so)"


def test_what_was_never_started_has_no_place_and_comes_last() -> None:
    vms = waiting(30)
    targets = [ended(each, Outcome.NOT_STARTED) for each in vms[:29]]
    found = troubles([*targets, ended(vms[29], Outcome.FAILED)])
    assert [str(each) for each in found] == [
        "1 VM in westeurope: failed, step.verify_mismatch",
        "29 VMs: not_started",
    ]


def test_outcomes_of_one_slug_are_both_named() -> None:
    one, other = in_("x", waiting(2))
    (found,) = troubles(
        [ended(one, Outcome.FAILED, slug="s"), ended(other, Outcome.UNKNOWN, slug="s")]
    )
    assert str(found) == "all 2 VMs in x: failed, unknown, s"


def test_what_is_well_or_not_yet_ended_is_no_trouble() -> None:
    well = [
        ended(each, outcome)
        for each in waiting(1)
        for outcome in (Outcome.OK, Outcome.WOULD_CHANGE)
    ]
    assert troubles([*well, *waiting(3)]) == ()


def test_an_end_without_an_error_is_named_by_its_outcome() -> None:
    (target,) = waiting(1)
    assert slug(replace(target, outcome=Outcome.REFUSED)) == "refused"


def test_drift_is_told_by_vm_and_by_step() -> None:
    ok, would = Outcome.OK, Outcome.WOULD_CHANGE

    def steps(*outcomes: Outcome) -> tuple[StepResult, ...]:
        return tuple(
            StepResult(f"s{n}", "registry", "t", outcome) for n, outcome in enumerate(outcomes)
        )

    results = {
        1: run_json(replace(RESULT, steps=steps(ok, would))),
        2: run_json(replace(RESULT, steps=steps(would, would))),
        3: run_json(replace(RESULT, steps=steps(ok, ok))),
        4: run_json(EARLY),
    }
    run, targets = fleet_run(5, kind=Kind.CHECK), waiting(5)
    found = drift(run, targets, results)
    assert found is not None
    assert [(each.number, which) for each, which in found.differing] == [
        (1, ("s1",)),
        (2, ("s0", "s1")),
    ]
    assert found.steps == Counter(s1=2, s0=1)
    assert str(found) == ("2 of 3 VMs differ from the playbook; 2 VMs could not be looked at")
    assert drift(fleet_run(5), targets, results) is None
    assert drift(run, targets, {}) is None


@pytest.mark.parametrize(
    ("outcomes", "kind", "steps"),
    [
        ({"changed": 3}, Kind.RUN, ["serialfix fleet undo R"]),
        ({"changed": 3}, Kind.CHECK, []),
        (
            {"failed": 1, "not_started": 2, "unknown": 1, "refused": 1},
            Kind.RUN,
            ["serialfix fleet retry R --only failed,not_started"],
        ),
        ({"unknown": 1}, Kind.RUN, []),  # for a person, never tried again blindly
    ],
)
def test_what_is_next(outcomes: dict[str, int], kind: Kind, steps: list[str]) -> None:
    counted = Counter({Outcome(name): number for name, number in outcomes.items()})
    assert list(next_steps(fleet_run(9, id="R", kind=kind), counted)) == steps


def test_the_first_few() -> None:
    assert few(["a", "b", "c", "d"], 3) == "a, b, c and 1 more"
    assert few(["a", "b", "c"], 3) == "a, b, c"


def test_that_each_names_itself_makes_no_difference() -> None:
    vms = in_("westeurope", waiting(3))
    targets = [ended(each, Outcome.UNREACHABLE, message=f"no way to {each.name}") for each in vms]
    (found,) = troubles(targets)
    assert found.message == f"no way to {targets[0].name}"
