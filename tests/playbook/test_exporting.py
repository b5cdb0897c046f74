from __future__ import annotations

from serialfix.playbook.exporting import LeftOut, heading, restart_note, steps
from serialfix.playbook.load import LoadedPlaybook, bind, dump_playbook, parse_playbook
from tests.playbook.everything import everything


def test_conditions_on_parameters_are_decided_here() -> None:
    assert "forced" not in [step.id for step in steps(everything())]
    loaded: LoadedPlaybook = parse_playbook(dump_playbook(everything()))
    forced = bind(loaded, {"force": "true"}).playbook
    assert "forced" in [step.id for step in steps(forced)]
    assert "conditional" in [step.id for step in steps(forced)]


def test_what_a_person_should_know() -> None:
    assert "LOWERS SECURITY: It lowers something." in heading(everything())
    assert "if something was changed" in restart_note(everything())
    assert str(LeftOut("a", "the thing", "no way")) == "step a, the thing: no way"
