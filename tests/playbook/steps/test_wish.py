"""What every kind of step has in common."""

from __future__ import annotations

import typing

import pytest

from serialfix.playbook.schema import Step
from serialfix.playbook.steps.account import AccountStep
from serialfix.playbook.steps.bcd import BcdStep
from serialfix.playbook.steps.wish import Wish, differing


def test_texts_differ_without_regard_to_case() -> None:
    assert differing({"a": "Minimal", "b": 1, "c": True}, {"a": "minimal", "b": 2}) == ["b", "c"]
    assert differing({"a": 1}, None) == ["a"]


def kinds() -> dict[str, type[Wish]]:
    found = {}
    for name, field in Step.model_fields.items():
        for member in typing.get_args(field.annotation):
            if isinstance(member, type) and issubclass(member, Wish):
                found[name] = member
    return found


def test_each_kind_of_step_is_a_wish_of_its_own() -> None:
    assert len(kinds()) == len(set(kinds().values())) == 12


@pytest.mark.parametrize("name", sorted(kinds()))
def test_each_kind_says_what_it_does(name: str) -> None:
    for method in ("title", "wanted", "read", "distance", "line", "restoring"):
        assert getattr(kinds()[name], method) is not getattr(Wish, method), method


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        (BcdStep(entry="{current}", element="safeboot", state="absent"), "bcd"),
        (AccountStep(name="bob", enabled=True), "account"),
    ],
)
def test_a_step_is_made_of_a_wish(wish: Wish, kind: str) -> None:
    step = Step.of(wish, id="a", why="b")
    assert (step.kind, step.wish) == (kind, wish)
