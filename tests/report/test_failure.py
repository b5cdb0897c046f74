from __future__ import annotations

from serialfix.errors import EchoMismatch, PlaybookError, Touched
from serialfix.report.failure import lines
from tests.report.examples import FAILURE


def test_an_error_tells_all_it_knows() -> None:
    error = EchoMismatch(
        FAILURE["message"],
        touched=Touched.MAYBE,
        state="typing",
        expected="reg add",
        screen=FAILURE["screen"],
        remedy="Try again.",
    )
    assert error.facts() == FAILURE
    text = "\n".join(lines(error.facts()))
    assert text == (
        "Error: the line could not be typed right\n"
        "  state: typing\n"
        "  expected: reg add\n"
        "  last screen:\n"
        "  | C:\\>reg \\x1b[2Jadd\n"
        "  | C:\\>\n"
        "  Try again.\n"
        "  The VM may have been changed: a line was entered and its end is not known.\n"
        "  [console.echo_mismatch]"
    )


def test_a_wrong_playbook_says_nothing_of_vms() -> None:
    error = PlaybookError("a\nb", file="f", line=1, column=2)
    assert list(lines(error.facts())) == ["Error: f:1:2: a\n  b", "  [usage.playbook]"]
