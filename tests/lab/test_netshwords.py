from __future__ import annotations

from serialfix.lab.netshwords import split_fields, usage
from serialfix.lab.shell import Call, Streams
from tests.lab.terminal import Prompt


def test_fields_are_found_in_any_case_and_values_are_kept() -> None:
    fields, rest = split_fields(["Name=Remote = x", "dir=in", "new", "=odd"])
    assert fields == {"name": "Remote = x", "dir": "in"}
    assert rest == ["new", "=odd"]


def test_a_wrong_line_is_1_and_says_so() -> None:
    said: list[str] = []
    shell = Prompt().shell
    assert usage(Call(shell, "netsh", "", Streams(said.append, said.append))) == 1
    assert "syntax supplied for this command is not valid" in "".join(said)
