from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.byhand.keys import Keys, control_key
from serialfix.errors import ConfigError


def test_a_sequence_is_one_keystroke() -> None:
    keys = Keys()
    assert keys.feed(b"a\x1b[A\x1b[3~\x1bOPb\x1b[1;5C") == [
        *("a", "\x1b[A", "\x1b[3~", "\x1bOP", "b", "\x1b[1;5C"),
    ]
    assert not keys.waiting


def test_escape_tab_are_two_keys_that_both_count() -> None:
    assert Keys().feed(b"\x1b\t0") == ["\x1b", "\t", "0"]


def test_a_lone_escape_waits_for_a_moment() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.waiting
    assert keys.flush() == ["\x1b"]
    assert keys.feed(b"[A") == ["[", "A"]


def test_a_sequence_without_end_is_let_go() -> None:
    keys = Keys()
    assert "".join(keys.feed(b"\x1b[" + b"1" * 40 + b"x")) == "\x1b[" + "1" * 40 + "x"


def test_a_pasted_line_end_is_one_enter() -> None:
    assert Keys().feed(b"a\r\nb\rc\n") == ["a", "\r", "b", "\r", "c", "\n"]


@given(
    st.lists(st.sampled_from(["a", "é", "東", "\r", "\t", "\x03", "\x1b[A", "\x1b[20~", "\x1bOQ"])),
    st.data(),
)
def test_any_chunking_gives_the_same(strokes: list[str], data: st.DataObject) -> None:
    sent = "".join(strokes).encode()
    keys = Keys()
    found: list[str] = []
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        found += keys.feed(sent[:size])
        sent = sent[size:]
    assert found == strokes


@pytest.mark.parametrize(("name", "key"), [("^]", "\x1d"), ("^t", "\x14"), ("^\\", "\x1c")])
def test_control_keys(name: str, key: str) -> None:
    assert control_key(name) == key


@pytest.mark.parametrize("name", ["^M", "^[", "^I", "^H", "^J", "", "^", "^AB", "^1", "é"])
def test_keys_that_cannot_open_a_menu(name: str) -> None:
    with pytest.raises(ConfigError, match="not a key"):
        control_key(name)
