from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import RecordError
from serialfix.record.cast import CONNECT, Cast, CastWriter, Event, read_cast, sections
from serialfix.secrets import Redactor, Secret


PASSWORD = Secret("hunter2", "guest_password")


def ticking(step: float = 0.25) -> Callable[[], float]:
    ticks = count(100)
    return lambda: next(ticks) * step


def writer(path: Path, *secrets: Secret) -> CastWriter:
    return CastWriter(
        path, header={"vm": "myvm"}, redactor=Redactor(secrets or [PASSWORD]), clock=ticking()
    )


def told(cast: Cast) -> list[tuple[str, str]]:
    return [(event.code, event.data) for event in cast.events]


class TestWriter:
    def test_round_trip(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cast"
        with writer(path) as cast:
            cast.marker(CONNECT)
            cast.output(b"SAC>\0\x1b[2J")
            cast.input(b"cmd\r")
        lines = path.read_text("ascii").splitlines()
        assert json.loads(lines[0]) == {
            "version": 2,
            "width": 80,
            "height": 24,
            "serialfix": {"vm": "myvm"},
        }
        assert lines[2] == '[0.5, "o", "SAC>\\u0000\\u001b[2J"]'
        read = read_cast(path)
        assert read.about == {"vm": "myvm"}
        assert read.events == (
            Event(0.25, "m", "connect", 2),
            Event(0.5, "o", "SAC>\0\x1b[2J", 3),
            Event(0.75, "i", "cmd\r", 4),
        )
        assert not read.torn

    def test_only_the_owner_reads_it_and_nothing_is_overwritten(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cast"
        writer(path).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(RecordError, match=r"a\.cast.*exists"):
            writer(path)

    def test_readable_while_it_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cast"
        with writer(path) as cast:
            cast.output(b"SAC>")
            assert told(read_cast(path)) == [("o", "SAC>")]

    def test_utf8_over_pieces(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a.cast") as cast:
            for byte in "Schlüssel".encode():
                cast.output(bytes([byte]))
            cast.output(b"\xff\xc3")
        text = "".join(data for _, data in told(read_cast(tmp_path / "a.cast")))
        assert text == "Schlüssel��"

    @pytest.mark.parametrize("value", ["hunter2", "guest", "redacted", "i", "<"])
    def test_a_typed_secret_is_only_counted(self, tmp_path: Path, value: str) -> None:
        secret = Secret(value, "guest_password")
        with writer(tmp_path / "a.cast", secret) as cast:
            cast.input(value.encode(), secret=True)
            cast.input(b"\r")
            cast.input(value.encode(), secret=Secret(value, "other"))
            for key in value.encode():
                cast.input(bytes([key]), secret=secret)
        read = read_cast(tmp_path / "a.cast")
        assert told(read)[:3] == [
            ("i", f"<redacted:guest_password:{len(value)}>"),
            ("i", "\r"),
            ("i", f"<redacted:other:{len(value)}>"),
        ]
        assert read.secrets == (len(value), 2 * len(value))

    def test_header_and_markers_are_redacted(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cast"
        with CastWriter(
            path,
            header={"oops": "hunter2", "secret": PASSWORD},
            redactor=Redactor([PASSWORD]),
            clock=ticking(),
        ) as cast:
            cast.marker("typed hunter2")
        assert "hunter2" not in path.read_text()
        assert read_cast(path).about["secret"] == "<redacted:guest_password>"

    @settings(deadline=None)
    @given(cuts=st.lists(st.integers(0, 40)), typed=st.integers(0, 40))
    def test_no_cutting_lets_a_secret_through(
        self, tmp_path_factory: pytest.TempPathFactory, cuts: list[int], typed: int
    ) -> None:
        path = tmp_path_factory.mktemp("cast") / "a.cast"
        stream = b"Password: hun\0ter2\r\nhunter2hunter hunter2"
        edges = [0, *sorted(cuts), len(stream)]
        with writer(path) as cast:
            for start, end in pairwise(edges):
                cast.output(stream[start:end])
                if start <= typed < end:
                    cast.input(b"k")
        read = read_cast(path)
        shown = "".join(data for code, data in told(read) if code == "o")
        marker = "<redacted:guest_password>"
        assert shown == f"Password: {marker}\r\n{marker}hunter {marker}"
        assert [data for code, data in told(read) if code == "i"] == (
            ["k"] if typed < len(stream) else []
        )

    def test_close_twice(self, tmp_path: Path) -> None:
        cast = writer(tmp_path / "a.cast")
        cast.output(b"hunt")
        cast.close()
        cast.close()
        assert told(read_cast(tmp_path / "a.cast")) == [("o", "hunt")]

    def test_a_full_disk_ends_the_recording_only(self, tmp_path: Path) -> None:
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("no /dev/full here")
        cast = writer(tmp_path / "a.cast")
        cast._file.close()
        cast._file = full.open("w", encoding="ascii")
        cast.output(b"the rest is missing")
        cast.output(b"and asks nobody any more")
        cast.marker("nor this")
        cast.close()
        assert re.search(r"a\.cast.*No space left", cast.error)

    def test_a_full_disk_at_the_beginning_is_a_record_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here")
        opened = os.open
        monkeypatch.setattr(
            "serialfix.record.cast.os.open", lambda *_: opened("/dev/full", os.O_WRONLY)
        )
        with pytest.raises(RecordError, match=r"a\.cast.*No space left") as caught:
            writer(tmp_path / "a.cast")
        assert "--state-dir" in caught.value.remedy

    def test_a_missing_folder_is_a_record_error(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match="No such file"):
            writer(tmp_path / "no" / "a.cast")


V2 = '{"version": 2, "width": 80, "height": 24}\n'


class TestReader:
    def test_v3(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cast"
        path.write_text(
            '{"version": 3, "term": {"cols": 80, "rows": 24}}\n'
            '[0.5, "o", "a"]\n# a comment\n\n[0.25, "i", "b"]\n[1, "x", "0"]\n'
        )
        assert read_cast(path).events == (
            Event(0.5, "o", "a", 2),
            Event(0.75, "i", "b", 5),
            Event(1.75, "x", "0", 6),
        )

    def test_a_torn_last_line_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cast"
        path.write_text(V2 + '[0.5, "o", "a"]\n[0.75, "o", "b')
        read = read_cast(path)
        assert read.torn
        assert told(read) == [("o", "a")]
        path.write_text(V2 + '[0.5, "o", "a"]')
        assert not read_cast(path).torn
        assert told(read_cast(path)) == [("o", "a")]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", r"a\.cast:1: not JSON"),
            ("[]\n", r"a\.cast:1: not the header"),
            ('{"version": 1}\n', r"a\.cast:1: not the header"),
            (V2 + "[\n", r"a\.cast:2: not JSON"),
            (V2 + '[1, "o"]\n', r"a\.cast:2: not an event"),
            (V2 + '["1", "o", "x"]\n', r"a\.cast:2: not an event"),
            (V2 + '[1, "o", 5]\n', r"a\.cast:2: not an event"),
            (V2 + '[NaN, "o", "x"]\n', r"a\.cast:2: not an event"),
            (V2 + '[-1, "o", "x"]\n', r"a\.cast:2: not an event"),
            (V2 + f'[1{"0" * 400}, "o", "x"]\n', r"a\.cast:2: not an event"),
            (V2 + '[2, "o", "x"]\n[1, "o", "x"]\n', r"a\.cast:3: time goes back"),
            (V2 + "[" * 100_000 + "\n", r"a\.cast:2: not JSON"),
        ],
    )
    def test_damage_is_located(self, tmp_path: Path, content: str, message: str) -> None:
        path = tmp_path / "a.cast"
        path.write_text(content)
        with pytest.raises(RecordError, match=message) as caught:
            read_cast(path)
        assert caught.value.exit_code == 2
        assert "asciicast" in caught.value.remedy

    def test_what_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.cast").write_bytes(b"\xff\xfe")
        with pytest.raises(RecordError, match="not UTF-8"):
            read_cast(tmp_path / "a.cast")
        with pytest.raises(RecordError, match="No such file"):
            read_cast(tmp_path / "b.cast")

    @settings(deadline=None)
    @given(st.binary(max_size=60))
    def test_any_bytes_give_a_cast_or_a_record_error(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        path = tmp_path_factory.mktemp("cast") / "a.cast"
        path.write_bytes(V2.encode() + content)
        try:
            read_cast(path)
        except RecordError as error:
            assert "a.cast:" in str(error)  # noqa: PT017


def test_somebody_elses_header() -> None:
    assert Cast({"version": 2, "serialfix": "no"}, ()).about == {}


def test_sections() -> None:
    def events(*texts: str) -> tuple[Event, ...]:
        return tuple(
            Event(n, "m" if text == CONNECT else "o", text, n) for n, text in enumerate(texts)
        )

    def split(*texts: str) -> list[list[str]]:
        return [[event.data for event in each] for each in sections(events(*texts))]

    assert split("a", CONNECT, "b", CONNECT, "c") == [["a", CONNECT, "b"], [CONNECT, "c"]]
    assert split("a") == [["a"]]
    assert split() == [[]]
