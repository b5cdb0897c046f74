from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import RecordError
from serialfix.record.cast import Cast, Event
from serialfix.record.evidence import transcript, write_evidence
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


RESULT: dict[str, Any] = {
    "schema": "serialfix.run/1",
    "run_id": "20300101-abc",
    "vm": {"id": "/subscriptions/s", "name": "myvm"},
    "playbook": {"name": "rdp-reset"},
    "outcome": "changed",
    "steps": [
        {
            "id": "security-layer",
            "outcome": "changed",
            "before": {"type": "REG_DWORD", "data": 2},
            "after": {"type": "REG_DWORD", "data": 0},
            "wanted": {"type": "REG_DWORD", "data": 0},
        },
        {
            "id": "a|b",
            "outcome": "failed",
            "before": {"type": "REG_SZ", "data": "hunter2 \x1b[31m"},
            "wanted": ["x"],
        },
    ],
}


class TestWriteEvidence:
    def test_all_parts(self, tmp_path: Path) -> None:
        (tmp_path / "session-1.cast").write_text("recording")
        (tmp_path / "journal.jsonl").write_text("journal")
        folder = write_evidence(
            tmp_path / "evidence",
            redactor=REDACTOR,
            result=RESULT,
            journal=tmp_path / "journal.jsonl",
            transcript_text="typed hunter2\n",
            recordings=[tmp_path / "session-1.cast"],
            playbook_text="schema: 1\n",
            undo_text="schema: 1\n# hunter2\n",
        )
        assert folder == tmp_path / "evidence"
        files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file()
        }
        assert set(files) == {
            "result.json",
            "before-after.md",
            "transcript.txt",
            "playbook.yaml",
            "undo.yaml",
            "journal.jsonl",
            "recordings/session-1.cast",
            "SHA256SUMS",
        }
        assert not any("hunter2" in path.read_text() for path in files.values())
        assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert json.loads(files["result.json"].read_text())["steps"][0] == RESULT["steps"][0]
        rows = [line.split("  ") for line in files["SHA256SUMS"].read_text().splitlines()]
        sums = {name: digest for digest, name in rows}
        assert sums == {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in files.items()
            if name != "SHA256SUMS"
        }
        assert list(sums) == sorted(sums)

    def test_the_table(self, tmp_path: Path) -> None:
        folder = write_evidence(tmp_path / "evidence", redactor=REDACTOR, result=RESULT)
        table = (folder / "before-after.md").read_text().splitlines()
        assert table[0] == "# rdp-reset on myvm"
        assert table[4:] == [
            "| step | outcome | before | after | wanted |",
            "| --- | --- | --- | --- | --- |",
            r"| security-layer | changed | REG\_DWORD 2 (0x2) | REG\_DWORD 0 (0x0) "
            r"| REG\_DWORD 0 (0x0) |",
            r"| a\|b | failed | REG\_SZ "
            r'"\<redacted:guest\_password\> \\u001b\[31m" | absent | \["x"\] |',
        ]

    def test_a_run_that_failed_early(self, tmp_path: Path) -> None:
        folder = write_evidence(
            tmp_path / "evidence",
            redactor=REDACTOR,
            result={"run_id": "x", "steps": None},
            recordings=[tmp_path / "gone.cast"],
        )
        assert {path.name for path in folder.iterdir()} == {
            "result.json",
            "before-after.md",
            "MISSING.txt",
            "SHA256SUMS",
        }
        assert (folder / "MISSING.txt").read_text() == "gone.cast: No such file or directory\n"

    def test_nothing_at_all(self, tmp_path: Path) -> None:
        folder = write_evidence(tmp_path / "evidence", redactor=REDACTOR)
        assert [path.name for path in folder.iterdir()] == ["SHA256SUMS"]

    def test_the_token_of_a_restart_stays_at_home(self, tmp_path: Path) -> None:
        line = '{"kind": "restart_accepted", "operation": "o-1", "continuation_token": "eyJzaWdu"}'
        (tmp_path / "journal.jsonl").write_text(line + "\n")
        folder = write_evidence(
            tmp_path / "evidence", redactor=REDACTOR, journal=tmp_path / "journal.jsonl"
        )
        kept = (folder / "journal.jsonl").read_text()
        assert "eyJzaWdu" not in kept
        assert '"operation": "o-1"' in kept

    def test_sums_are_checkable(self, tmp_path: Path) -> None:
        folder = write_evidence(tmp_path / "e", redactor=REDACTOR, playbook_text="x")
        done = subprocess.run(
            ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=True
        )
        assert done.stdout == b"playbook.yaml: OK\n"

    def test_written_again_after_a_resume(self, tmp_path: Path) -> None:
        write_evidence(tmp_path / "e", redactor=REDACTOR, undo_text="x")
        (tmp_path / "e.new").mkdir()  # left by a process that was killed while writing
        folder = write_evidence(tmp_path / "e", redactor=REDACTOR, playbook_text="x")
        assert {path.name for path in folder.iterdir()} == {"playbook.yaml", "SHA256SUMS"}
        assert [path.name for path in tmp_path.iterdir()] == ["e"]

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RecordError, match="cannot write the evidence") as caught:
            write_evidence(tmp_path / "file" / "e", redactor=REDACTOR)
        assert "--state-dir" in caught.value.remedy
