from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.record.cast import Cast, Event
from serialfix.record.transcript import transcript, transcripts
from serialfix.secrets import Redactor, Secret


REDACTOR = Redactor([Secret("hunter2", "guest_password")])


def cast(*events: tuple[str, str]) -> Cast:
    return Cast({}, tuple(Event(n, code, data, n + 2) for n, (code, data) in enumerate(events)))


def lines(*events: tuple[str, str]) -> list[str]:
    return [line[12:] for line in transcript(cast(*events)).splitlines()]


class TestTranscript:
    def test_what_was_typed_and_shown(self) -> None:
        text = transcript(
            cast(
                ("m", "connect"),
                ("o", "\r\nSAC>"),
                ("i", "c"),
                ("o", "c"),
                ("i", "md"),
                ("o", "md"),
                ("i", "\r"),
                ("o", "\r\nThe Command Prompt session was successfully launched.\r\nSAC>"),
                ("i", "<redacted:guest_password:7>"),
            )
        )
        assert text == (
            "[    0.000] -- connect --\n"
            "[    2.000] typed: cmd\\r\n"
            "            | SAC>cmd\n"
            "            | The Command Prompt session was successfully launched.\n"
            "[    8.000] typed: <redacted:guest_password:7>\n"
            "            | SAC>\n"
        )

    def test_a_scraper_that_sends_only_changes(self) -> None:
        assert lines(
            ("o", "\x1b[2J\x1b[1;1HC:\\>echo 1\x1b[2;1H1\x1b[4;1HC:\\>"),
            ("o", "\x1b[1;10H2\x1b[2;1H2\x1b[4;5H"),
        ) == ["| C:\\>echo 1", "| 1", "| C:\\>echo 2", "| 2", "| C:\\>"]

    def test_more_than_a_screen_in_one_piece(self) -> None:
        shown = lines(("o", "".join(f"line {n}\r\n" for n in range(60))))
        assert shown == [f"| line {n}" for n in range(60)]

    def test_what_is_wiped_at_once_is_shown(self) -> None:
        assert lines(("o", "first\x1b[2J\x1b[1;1Hsecond")) == ["| first", "| second"]

    def test_titles_and_nul_bytes_are_no_text(self) -> None:
        assert lines(("o", "\x1b]0;Administrator: reg add\x07C:\\Win\0dows>")) == ["| C:\\Windows>"]

    def test_a_marker_cannot_forge_a_line(self) -> None:
        assert lines(("m", "step\n[ 9.9] \x1b[2J")) == [r"-- step\n[ 9.9] \x1b[2J --"]

    def test_a_row_of_backspaces_is_counted(self) -> None:
        keys = "\x1b\t0" + "\b" * 80 + "\r"
        assert lines(("i", keys)) == [r"typed: \x1b\t0\x08 (80 times)\r"]

    def test_redacted_again(self) -> None:
        text = transcript(cast(("o", "hunt\x1b[0mer2\r\n")), redactor=REDACTOR)
        assert "| <redacted:guest_password>" in text

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from("oimrx"),
                st.lists(
                    st.sampled_from(["\x1b", "[", "]", "2J", "H", "?", "9", "\x9b", "\n", "\u202e"])
                    | st.characters(),
                    max_size=12,
                ).map("".join),
            ),
            max_size=8,
        )
    )
    def test_nothing_reaches_the_readers_terminal(self, events: Sequence[tuple[str, str]]) -> None:
        text = transcript(cast(*events))
        assert {unicodedata.category(char) for char in text if char != "\n"}.isdisjoint(
            {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        )


def test_the_sessions_of_a_run_one_after_the_other(tmp_path: Path) -> None:
    """A recording that cannot be read takes nothing away from the others."""
    header = json.dumps({"version": 2, "width": 80, "height": 24})
    whole, torn, bad = (tmp_path / f"session-{n}.cast" for n in (1, 2, 3))
    whole.write_text(header + '\n[0.5, "o", "hunter2 is here\\r\\n"]\n')
    torn.write_text(header + '\n[0.5, "o", "and here\\r\\n"]\n[0.7, "o", "no')
    bad.write_text("no cast")
    text = transcripts([whole, torn, bad], redactor=REDACTOR)
    assert text.splitlines()[:2] == [
        "===== session-1.cast =====",
        "            | <redacted:guest_password> is here",
    ]
    assert "            | and here\n" in text
    assert text.splitlines()[-2] == "===== session-3.cast ====="
    assert text.splitlines()[-1].startswith("(cannot be read: ")
