"""bcdedit's answers."""

from __future__ import annotations

import pytest

from serialfix.windows import bcd


ROWS = ["Windows Boot Loader", "-------", "safeboot                Network", "debug    Nein"]


def test_elements_are_found_by_their_names() -> None:
    assert bcd.element(ROWS, "SafeBoot") == "Network"
    assert bcd.element(ROWS, "debug") == "no"
    assert bcd.element(ROWS, "timeout") is None


def test_a_list_is_not_taken_for_its_first_entry() -> None:
    """It would be put back as that alone."""
    rows = ["displayorder            {current}", "                        {other}", "timeout    5"]
    with pytest.raises(ValueError, match="is a list"):
        bcd.element(rows, "displayorder")
    assert bcd.element(rows, "timeout") == "5"
    assert bcd.element([*rows[2:], "", "    x"], "timeout") == "5"


@pytest.mark.parametrize(("word", "value"), [("on", "yes"), ("Off", "no"), ("Oui", "yes")])
def test_truth_in_english(word: str, value: str) -> None:
    assert bcd.english("debug", word) == value
    assert bcd.english("description", word) == word
