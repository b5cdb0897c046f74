from __future__ import annotations

import pytest

from serialfix.lab.profiles import Language
from serialfix.lab.texts import Texts


def test_line_ends_are_those_of_a_console() -> None:
    assert Texts("en").get("reg.syntax", "ADD") == (
        'ERROR: Invalid syntax.\r\nType "REG ADD /?" for usage.'
    )


@pytest.mark.parametrize(
    ("language", "yes", "no"),
    [("en", "y", "No"), ("fr", "OUI", "n"), ("de", "j", "nein"), ("nl", "Ja", "nee")],
)
def test_answers_are_in_the_language_of_the_question(language: Language, yes: str, no: str) -> None:
    texts = Texts(language)
    assert (texts.agreed(yes), texts.agreed(no)) == (True, False)
    assert texts.agreed("") is None
    assert texts.agreed("maybe") is None
