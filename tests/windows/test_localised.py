"""Yes and no in the languages of Windows."""

from __future__ import annotations

import pytest

from serialfix.windows.localised import truth


@pytest.mark.parametrize(
    ("word", "means"), [("Yes", True), ("はい", True), ("Nee", False), ("", None), ("y", None)]
)
def test_only_known_words_decide(word: str, means: bool | None) -> None:
    assert truth(word) is means
