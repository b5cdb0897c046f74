from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, dataclass
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.secrets import Piece, RedactedStream, Redactor, Secret


PASSWORD = Secret("P@ss \"w'ör\\d/1%", "guest_password")
# Secrets and texts over few characters meet often; none of them stands in a marker.
LETTERS = "xy"
VALUES = st.lists(st.text(LETTERS, min_size=1, max_size=4), min_size=1, max_size=3)
TEXT = st.text(LETTERS + "Z\0", max_size=25)


def redactor_of(values: list[str]) -> Redactor:
    return Redactor(Secret(value, f"S{n}") for n, value in enumerate(values))


class TestSecret:
    def test_prints_only_its_name(self) -> None:
        shown = (str(PASSWORD), repr(PASSWORD), f"{PASSWORD}", f"{PASSWORD!r}", "%s" % PASSWORD)  # noqa: UP031
        assert set(shown) == {"<redacted:guest_password>"}
        assert f"{PASSWORD:>30}" == "<redacted:guest_password>".rjust(30)
        assert PASSWORD.reveal() == "P@ss \"w'ör\\d/1%"
        assert len(PASSWORD) == 15

    def test_does_not_leak_through_copies(self) -> None:
        @dataclass
        class Holder:
            secret: Secret

        assert copy.deepcopy(PASSWORD) is copy.copy(PASSWORD) is PASSWORD
        assert "P@ss" not in str(asdict(Holder(PASSWORD)))
        with pytest.raises(TypeError, match="redacted:guest_password"):
            pickle.dumps(PASSWORD)
        with pytest.raises(TypeError):
            json.dumps(PASSWORD)
        with pytest.raises(TypeError):
            vars(PASSWORD)


class TestRedactor:
    @pytest.mark.parametrize(
        "written",
        [
            PASSWORD.reveal(),
            repr(PASSWORD.reveal())[1:-1],
            json.dumps(PASSWORD.reveal())[1:-1],
            json.dumps(PASSWORD.reveal(), ensure_ascii=False)[1:-1],
            quote(PASSWORD.reveal(), safe=""),
            quote(PASSWORD.reveal()),
            quote_plus(PASSWORD.reveal()),
            quote(PASSWORD.reveal(), safe="").lower().replace("p", "P", 1),
            "\0".join(PASSWORD.reveal()),
        ],
    )
    def test_variants(self, written: str) -> None:
        assert Redactor([PASSWORD]).redact(f"a{written}b") == "a<redacted:guest_password>b"

    def test_overlaps_leave_no_rest(self) -> None:
        redactor = Redactor([Secret("abc", "one"), Secret("cde", "two"), Secret("abcd", "long")])
        assert redactor.redact("_abcde_") == "_<redacted:long>_"
        assert redactor.redact("abcabc") == "<redacted:one><redacted:one>"
        assert Redactor([Secret("aa", "a")]).redact("aaaaa") == "<redacted:a>"

    def test_an_empty_secret_is_none(self) -> None:
        assert Redactor([Secret("", "x"), Secret("\0", "y")]).redact("a\0b") == "a\0b"

    def test_add(self) -> None:
        redactor = Redactor()
        assert redactor.redact("token") == "token"
        redactor.add(Secret("token", "arm_token"))
        assert redactor.redact("token") == "<redacted:arm_token>"

    def test_data_stays_data(self) -> None:
        redactor = Redactor([Secret('"', "quote"), Secret("pw", "pw")])
        data = {"a pw": ["x", ('y"', 1, None, True)], "s": Secret("pw", "pw")}
        redacted = redactor.redact_data(data)
        assert redacted == {
            "a <redacted:pw>": ["x", ["y<redacted:quote>", 1, None, True]],
            "s": "<redacted:pw>",
        }
        assert json.loads(json.dumps(redacted)) == redacted

    @settings(deadline=None)
    @given(VALUES, TEXT)
    def test_no_secret_is_left(self, values: list[str], text: str) -> None:
        redacted = redactor_of(values).redact(text)
        clean = redacted.replace("\0", "")
        assert not any(value in clean for value in values)
        if not any(value in text.replace("\0", "") for value in values):
            assert redacted == text


def pieces_of(stream: RedactedStream, pieces: list[tuple[str, str]]) -> list[Piece]:
    out = [each for n, (kind, text) in enumerate(pieces) for each in stream.feed(kind, text, n)]
    return out + stream.flush()


class TestRedactedStream:
    def test_a_secret_in_many_pieces(self) -> None:
        stream = RedactedStream(Redactor([Secret("hunter2", "pw")]))
        assert stream.feed("o", "say hun", 1.0) == []
        assert stream.feed("m", "step:1", 2.0) == []
        assert stream.feed("o", "te\0", 3.0) == []
        assert stream.feed("o", "r2 now", 4.0) == [
            Piece("o", "say <redacted:pw>", 1.0),
            Piece("m", "step:1", 2.0),
            Piece("o", " now", 4.0),
        ]

    def test_a_false_alarm_keeps_order(self) -> None:
        stream = RedactedStream(Redactor([Secret("hunter2", "pw")]))
        assert stream.feed("o", "hun") == []
        assert stream.feed("i", "k") == []
        assert stream.feed("o", "gry") == [Piece("o", "hun"), Piece("i", "k"), Piece("o", "gry")]

    def test_flush_gives_the_tail(self) -> None:
        stream = RedactedStream(Redactor([Secret("hunter2", "pw")]))
        assert stream.feed("o", "hunter") == []
        assert stream.feed("m", "") == []
        assert stream.flush() == [Piece("o", "hunter"), Piece("m", "")]
        assert stream.flush() == []

    def test_nothing_is_held_without_need(self) -> None:
        stream = RedactedStream(Redactor([PASSWORD]))
        assert stream.feed("o", "Password: ") == [Piece("o", "Password: ")]

    def test_a_flood_does_not_stop_it(self) -> None:
        stream = RedactedStream(Redactor([Secret("hunter2", "pw")]))
        stream.feed("o", "h")
        out = [each for _ in range(100) for each in stream.feed("o", "\0" * 100)]
        assert "".join(each.text for each in out).startswith("h" + "\0" * 4096)

    @settings(deadline=None)
    @given(
        VALUES, st.lists(st.tuples(st.sampled_from("oim"), st.text(LETTERS + "Z\0", max_size=4)))
    )
    def test_equals_redaction_of_the_whole(
        self, values: list[str], pieces: list[tuple[str, str]]
    ) -> None:
        redactor = redactor_of(values)
        out = pieces_of(RedactedStream(redactor), pieces)
        for kind in "oim":
            whole = "".join(text for k, text in pieces if k == kind)
            joined = "".join(each.text for each in out if each.kind == kind)
            assert joined == redactor.redact(whole)
            assert not any(value in joined.replace("\0", "") for value in values)
        assert [each.at for each in out] == sorted(each.at for each in out)

    @settings(deadline=None)
    @given(
        VALUES, st.lists(st.tuples(st.sampled_from("oim"), st.text(LETTERS + "Z\0", max_size=4)))
    )
    def test_pieces_without_secrets_are_untouched(
        self, values: list[str], pieces: list[tuple[str, str]]
    ) -> None:
        redactor = redactor_of([value + "!" for value in values])  # never complete, often begun
        out = pieces_of(RedactedStream(redactor), pieces)
        assert [(each.kind, each.text) for each in out] == pieces
