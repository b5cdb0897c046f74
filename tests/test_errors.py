from __future__ import annotations

import re
from pathlib import Path

from serialfix import errors
from serialfix.errors import Interrupted, SerialfixError


DOCUMENT = Path(__file__).parents[1] / "docs" / "errors.md"


def tree(kind: type[SerialfixError] = SerialfixError) -> list[type[SerialfixError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]


def test_each_error_has_a_name_of_its_own_that_begins_as_its_parent_s() -> None:
    named = {kind.slug: kind for kind in tree()}
    assert len(named) == len(tree())
    for kind in tree():
        for parent in kind.__mro__:
            if parent in (kind, SerialfixError) or not issubclass(parent, SerialfixError):
                continue
            # a record is not usage, and a recording not a step; but they end as those do
            records = issubclass(kind, errors.RecordError) and parent is not errors.RecordError
            if "." in kind.slug and kind is not errors.ReplayMismatch and not records:
                assert kind.slug.split(".")[0] == parent.slug.split(".")[0]
            assert kind.exit_code == parent.exit_code


def test_the_document_has_each_name_with_its_exit_code() -> None:
    rows = re.findall(r"(?m)^\| `([a-z_.]+)` \| ([0-9, ]+) \| \S", DOCUMENT.read_text("utf-8"))
    told = {slug: codes for slug, codes in rows}
    assert len(told) == len(rows)
    assert told == {
        kind.slug: "130, 143" if kind is Interrupted else str(kind.exit_code) for kind in tree()
    }


def test_the_drawing_has_each_error() -> None:
    drawn = re.findall(r"[├└]── (\w+)", str(errors.__doc__))
    assert {*drawn, "SerialfixError"} == {kind.__name__ for kind in tree()}
