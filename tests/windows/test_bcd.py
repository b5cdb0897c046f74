"""bcdedit's answers."""

from __future__ import annotations

import pytest

from serialfix.windows import bcd


ROWS = ["Windows Boot Loader", "-------", "safeboot                Network", "debug    Nein"]


def test_elements_are_found_by_their_names() -> None:
    assert bcd.element(ROWS, "SafeBoot") == "Network"
    assert bcd.element(ROWS, "debug") == "no"
    assert bcd.element(ROWS, "timeout") is None


@pytest.mark.parametrize(("word", "value"), [("on", "yes"), ("Off", "no"), ("Oui", "yes")])
def test_truth_in_english(word: str, value: str) -> None:
    assert bcd.english("debug", word) == value
    assert bcd.english("description", word) == word
