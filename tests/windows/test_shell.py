"""Quoting: what Windows programs get is what was meant, or it is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import UnsafeStep
from serialfix.windows.shell import LINE_LIMIT, line, quoted


def arguments(text: str) -> list[str]:
    """How the C runtime splits a command line, by Microsoft's published rules."""
    found, at = [], 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        word, inside = "", False
        while at < len(text) and (inside or text[at] not in " \t"):
            if (slashes := re.match(r"\\+", text[at:])) is not None:
                count = len(slashes[0])
                at += count
                if at < len(text) and text[at] == '"':
                    word += "\\" * (count // 2)
                    if count % 2:
                        word += '"'
                        at += 1
                else:
                    word += slashes[0]
            elif text[at] == '"':
                inside = not inside
                at += 1
            else:
                word += text[at]
                at += 1
        found.append(word)
    return found


@given(st.text(st.characters(min_codepoint=0x20, blacklist_characters='"%\x7f'), min_size=1))
def test_a_program_gets_the_text(text: str) -> None:
    assert arguments(f"reg {quoted(text)} /f") == ["reg", text, "/f"]


@given(st.text(st.sampled_from('ab &|<>^()!,;="\\'), min_size=1, max_size=12))
def test_nothing_that_the_shell_would_act_on_stands_outside_quotes(text: str) -> None:
    if '"' in text:
        with pytest.raises(UnsafeStep):
            quoted(text)
        return
    outside = "".join(quoted(text).split('"')[::2])
    assert not set(outside) & set("&|<>^()!,;= ")


@pytest.mark.parametrize("bad", ['"', "%", "\n", "\r", "\t", "\0", "\x1b", "\x7f"])
def test_what_does_not_arrive_as_written_is_refused(bad: str) -> None:
    with pytest.raises(UnsafeStep, match="cannot be typed"):
        quoted(f"a{bad}b")


def test_plain_words_stay_plain() -> None:
    assert quoted("fInheritMaxIdleTime") == "fInheritMaxIdleTime"
    assert quoted("HKLM\\SOFTWARE\\A") == "HKLM\\SOFTWARE\\A"
    assert quoted("end\\") == '"end\\\\"'


def test_a_line_is_bounded() -> None:
    assert line("x" * LINE_LIMIT) == "x" * LINE_LIMIT
    with pytest.raises(UnsafeStep, match="too long"):
        line("x" * (LINE_LIMIT + 1))
