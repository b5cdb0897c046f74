"""The Markdown is read back by a parser that nobody here wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from serialfix.model import Outcome, PlanFacts, ProofResult, RestartResult, RunResult, StepResult
from serialfix.printable import printable
from serialfix.report.markdown import before_after, block, code, report, table
from tests.report.examples import EARLY, FAILED, RESULT


PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {
    *("heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th"),
    *("td", "inline", "text", "code_inline", "softbreak", "fence"),
}
"""What a report is made of: no link, no image, no HTML, no emphasis."""

ATTACKS = st.lists(
    st.sampled_from(
        [
            *("`", "``", "```\n", "~~~\n", "|", "\\", "\n", "\n\n", "\r\n", "* ", "# ", "> ", "- "),
            *("<script>alert(1)</script>", "<!--", "-->", "<img src=x onerror=y>", "&lt;", "[a]("),
            *(
                "javascript:x)",
                "![a](http://x)",
                "https://evil.example",
                "www.evil.example",
                "@all",
            ),
            *(
                "#1",
                "**",
                "__",
                "~~",
                "| --- |",
                "\x1b]52;c;eA==\x07",
                "\u202e",
                "\u200b",
                " ",
                "a",
            ),
            *("::error::x", "##vso[task.complete]", "\t", "<https://x.y>", ":tada:", "$x$", "\x00"),
        ]
    )
    | st.characters(),
    max_size=12,
).map("".join)


def tokens(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def kinds(text: str) -> set[str]:
    return {token.type.removesuffix("_open").removesuffix("_close") for token in tokens(text)}


def cells(text: str) -> list[list[str]]:
    """The tables, as a reader sees them."""
    rows: list[list[str]] = []
    for token in PARSER.parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level == 4 + (token.level > 4):
            rows[-1].append("".join(child.content for child in token.children or ()))
    return rows


@settings(deadline=None, max_examples=60)
@given(ATTACKS)
@example("`")
@example(" `` ")
@example("a\\")
@example("\\|")
def test_a_code_span_shows_it_letter_for_letter(text: str) -> None:
    (inline,) = (token for token in PARSER.parse(code(text)) if token.type == "inline")
    children = inline.children or []
    if not printable(text).strip():
        assert [child.content for child in children] == ["(empty)"]
        return
    assert [child.type for child in children] == ["code_inline"]
    assert children[0].content == printable(text)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(ATTACKS, ATTACKS), min_size=1, max_size=3))
def test_a_cell_keeps_what_is_in_it(rows: list[tuple[str, str]]) -> None:
    text = "\n".join(table(("a", "b"), [(code(one), code(two)) for one, two in rows]))
    expected = [
        [printable(each) if printable(each).strip() else "(empty)" for each in row] for row in rows
    ]
    assert cells(text)[1:] == expected
    assert kinds(text) <= OURS


@settings(deadline=None, max_examples=60)
@given(st.lists(ATTACKS, min_size=1, max_size=5))
def test_nothing_ends_a_code_block_but_its_end(lines: list[str]) -> None:
    text = "\n".join([*block(lines), "", "after"])
    fence, *rest = PARSER.parse(text)
    assert (fence.type, fence.info) == ("fence", "text")
    assert fence.content == "".join(printable(line) + "\n" for line in lines)
    assert [token.content for token in rest if token.type == "inline"] == ["after"]


def attacked(text: str) -> RunResult:
    """A run in which everything that is not ours is this text."""
    state: dict[str, Any] = {text: text, "state": [text]}
    return RunResult(
        run_id=text,
        vm_id=text,
        vm_name=text,
        playbook=text,
        playbook_version=text,
        playbook_sha256=text,
        outcome=Outcome.WOULD_CHANGE,
        exit_code=7,
        touched="maybe",
        steps=(
            StepResult(text, text, text, Outcome.CHANGED, state, [text], text, text),
            StepResult(text, text, text, Outcome.OK, note=text),
            StepResult(text, "look", text, Outcome.OK, text, [text, text], [text]),
        ),
        restart=RestartResult(Outcome.UNKNOWN, text or "x", 1.0),
        proof=(ProofResult(text, Outcome.FAILED, text),),
        warnings=(text,),
        error={
            **dict.fromkeys(("slug", "message", "state", "expected", "remedy"), text),
            "screen": f"C:\\>{text}",
        },
        journal=text,
        recordings=(text,),
        evidence=text,
        undo=text,
        plan=PlanFacts(1, 1, 1.0, restart=True, security=(text,)),
        started=text,
        user=text,
        version=text,
    )


def shape(text: str) -> list[str]:
    """The bones of a document, which no content may change."""
    return [
        f"{token.type} {token.tag}" for token in PARSER.parse(text) if token.type.endswith("_open")
    ]


@settings(deadline=None, max_examples=30)
@given(ATTACKS.filter(lambda text: printable(text).strip()))
def test_no_text_of_a_guest_becomes_markup_anywhere(text: str) -> None:
    for make in (report, before_after):
        made = make(attacked(text))
        assert kinds(made) <= OURS
        assert shape(made) == shape(make(attacked("plain")))
        assert all(char.isprintable() or char == "\n" for char in made)
        outside = [token.content for token in tokens(made) if token.type == "text"]
        assert outside == [
            token.content for token in tokens(make(attacked("plain"))) if token.type == "text"
        ]


@pytest.mark.parametrize("result", [RESULT, FAILED, EARLY], ids=lambda each: each.outcome)
def test_it_is_made_of_our_own_bones_only(result: RunResult) -> None:
    assert kinds(report(result)) <= OURS
    assert str(result.outcome) in report(result).splitlines()[0]


def test_what_a_ticket_needs() -> None:
    text = report(replace(RESULT, user="ada", started="2026-11-21T08:45:00.000+00:00"))
    rows = cells(text)
    assert ["by", "ada"] in rows
    assert ["step", "outcome", "before", "after", "wanted"] in rows
    assert [
        "keep-alive-enable",
        "changed",
        "(absent)",
        "REG_DWORD 0x1 (1)",
        "REG_DWORD 0x1 (1)",
    ] in rows
    for part in (
        "## Restart\n\nok in 1 min 03 s, operation `op-1`",
        "## Proof\n\n- ok: `port 3389 listens`",
        "## Warnings\n\n- `policy wins`",
        f"`serialfix undo {RESULT.run_id}` puts every former value back",
        "- evidence: `/s/evidence`",
        "- recording: `/s/2.cast`",
    ):
        assert part in text


def test_an_error_is_told_with_its_screen() -> None:
    text = report(FAILED)
    assert "The run failed. The VM may have been changed." in text
    assert "`console.echo_mismatch`: `the line could not be typed right`" in text
    assert "```text\nC:\\>reg \\x1b[2Jadd\nC:\\>\n```" in text
    assert ["security-layer", "failed", "REG_DWORD 0x0 (0)", "", "REG_DWORD 0x1 (1)", "x"] in cells(
        text
    )


def test_a_check_says_what_would_happen_and_what_it_lowers() -> None:
    plan = PlanFacts(16, 3, 42.0, restart=True, security=("TLS is off.",))
    text = report(replace(RESULT, outcome=Outcome.WOULD_CHANGE, plan=plan))
    assert "3 of 16 steps would change something." in text
    assert "throws out everybody" in text
    assert "## Lowered in security\n\n- `TLS is off.`" in text
    assert "would change something" not in report(replace(RESULT, plan=plan))


def test_what_a_look_saw_stands_below_the_table() -> None:
    step = StepResult("who", "look", "who", Outcome.OK, None, ["USER  ID", "ada ```  2"], None)
    text = report(replace(RESULT, steps=(step,)))
    assert "2 lines, see below" in text
    assert "`who` saw:\n\n````text\nUSER  ID\nada ```  2\n````" in text
