from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.printable import printable


@given(st.text())
def test_nothing_is_left_that_a_terminal_or_an_editor_would_obey(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not set(shown) & set("\x1b\x9b\u202e\u200b\u2066\u3164\ufe0f\xa0\u2028\r\n\ud800")


@given(st.text(alphabet=st.characters(exclude_characters="\\'")))
def test_every_escape_says_which_character_it_is(text: str) -> None:
    assert ast.literal_eval(f"'{printable(text)}'") == text


@pytest.mark.parametrize(
    "text",
    [
        "reg add",
        "REG_SZ “été” 操作 \\x1b",
        "Schlüssel キー",
        "e\u0301",
        "🙂",
        "TCP [::]:3389",
        "fe80::a",
        "a::b",
        "## x",
        "",
    ],
)
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b31m", r"\x9b31m"),
        ("\x1b]52;c;bHM=\x07", r"\x1b]52;c;bHM=\x07"),
        ("a\r\n", r"a\r\n"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200bb\u2028", r"a\u200bb\u2028"),
        ("Erreur\xa0:", r"Erreur\xa0:"),
        ("a\u3000b", r"a\u3000b"),
        ("x\u3164y\ufe0f", r"x\u3164y\ufe0f"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("x ##vso[task.setvariable variable=a]b", r"x \x23#vso[task.setvariable variable=a]b"),
        ("##VSO[x]", r"\x23#VSO[x]"),
        ("###[add-mask]x", r"#\x23#[add-mask]x"),
        ("::error file=a.py,line=1::x", r"\x3a:error file=a.py,line=1::x"),
        ("  ::add-mask::::stop-commands::t", r"  \x3a:add-mask::\x3a:stop-commands::t"),
    ],
)
def test_what_acts_or_hides_is_an_escape(text: str, safe: str) -> None:
    assert printable(text) == safe


def test_what_is_kept() -> None:
    assert printable("a\nb\t\x1b\r", keep="\n\t") == "a\nb\t\\x1b\\r"
