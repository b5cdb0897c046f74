from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from serialfix.lab.errortexts import ERRORS, Row
from serialfix.lab.netshtexts import NETSH
from serialfix.lab.nettexts import NET
from serialfix.lab.profiles import Language
from serialfix.lab.texts import Texts
from serialfix.lab.tooltexts import TOOLS


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


@pytest.mark.parametrize("texts", [ERRORS, NET, NETSH, TOOLS])
def test_every_text_is_there_in_five_languages_with_the_same_parts(
    texts: Mapping[object, Row],
) -> None:
    for name, row in texts.items():
        parts = {tuple(sorted(re.findall(r"\{\d\}", text))) for text in row}
        assert (all(row), len(row), len(parts)) == (True, 5, 1), name
