from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.lab.cmdline import (
    Chain,
    For,
    Group,
    If,
    IncompleteLine,
    LineError,
    Redirect,
    Silent,
    Simple,
    command_word,
    expand,
    fields,
    parse,
    split_arguments,
    substitute,
    through_code_page,
)


def test_what_is_not_defined_stays_as_typed() -> None:
    values = {"A": "1", "ERRORLEVEL": "0"}
    assert expand("%A%%ERRORLEVEL% %B% 100%", values.get) == "10 %B% 100%"
    assert expand("for %v in (%A%) do echo %v", values.get) == "for %v in (1) do echo %v"


def test_operators_bind_as_in_cmd() -> None:
    assert parse("a & b && c || d | e") == Chain(
        "&",
        Simple("a "),
        Chain(
            "||",
            Chain("&&", Simple("b "), Simple("c ")),
            Chain("|", Simple("d "), Simple("e")),
        ),
    )


def test_operators_in_quotes_or_behind_a_caret_are_text() -> None:
    assert parse('echo "a & b" c') == Simple('echo "a & b" c')
    assert parse("echo a ^& b ^^ ^> c") == Simple("echo a & b ^ > c")
    assert parse("echo f^f") == Simple("echo ff")
    # Single quotes mean nothing (sac.md §9).
    assert parse("echo 'a & b'") == Chain("&", Simple("echo 'a "), Simple("b'"))


def test_redirections() -> None:
    assert parse("reg query x >nul 2>&1") == Simple(
        "reg query x  ", (Redirect(1, ">", "nul"), Redirect(2, ">", "&1"))
    )
    assert parse('echo 12>x 2>> "a b.txt" <in') == Simple(
        "echo 12  ",
        (Redirect(1, ">", "x"), Redirect(2, ">>", '"a b.txt"'), Redirect(0, "<", "in")),
    )


def test_if_takes_the_rest_of_the_line() -> None:
    assert parse("if errorlevel 1 a & b") == If(
        ("errorlevel", "1"), False, False, Chain("&", Simple("a "), Simple("b")), None
    )
    assert parse("if not errorlevel 1 (a) else (b)") == If(
        ("errorlevel", "1"), True, False, Group(Simple("a")), Group(Simple("b"))
    )
    assert parse('if /i "a b"=="A b" (c) else d') == If(
        ("==", '"a b"', '"A b"'), False, True, Group(Simple("c")), Simple("d")
    )


def test_for() -> None:
    assert parse("for %v in (a b) do @(x %v & y)") == For(
        "v", "", "", "a b", Silent(Group(Chain("&", Simple("x %v "), Simple("y"))))
    )
    assert parse("for /f \"tokens=1,3\" %a in ('reg query x') do echo %a") == For(
        "a", "/f", '"tokens=1,3"'.strip('"'), "'reg query x'", Simple("echo %a")
    )


def test_a_loop_variable_is_put_in_everywhere() -> None:
    body = parse('if "%v"=="x" (echo %v %~v> %v.txt) else for %w in (%v) do echo %v%w')
    assert body is not None
    assert substitute(body, "v", '"q"') == parse(
        'if ""q""=="x" (echo "q" q> "q".txt) else for %w in ("q") do echo "q"%w'
    )


@pytest.mark.parametrize("line", ["(a", "a ^", "(a & ", "for %v in (a", "if 1==1 (a"])
def test_more_is_asked_for(line: str) -> None:
    with pytest.raises(IncompleteLine):
        parse(line)


@pytest.mark.parametrize("line", ["& a", "a |", "a & & b", ") a b | |", "a >", "for x in (a) do b"])
def test_syntax_errors(line: str) -> None:
    with pytest.raises(LineError):
        parse(line)


def test_lines_within_a_parenthesis_are_commands() -> None:
    assert parse("(a\nb\n)") == Group(Chain("&", Simple("a"), Simple("b")))


def test_nothing_is_nothing() -> None:
    assert parse("  ") is None


@given(st.text(alphabet='ab "^&|()<>%@=\\\n12', max_size=30))
def test_any_line_is_parsed_or_refused(line: str) -> None:
    with contextlib.suppress(IncompleteLine, LineError):
        parse(line)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (r'add "HKLM\A B" /v X', ["add", r"HKLM\A B", "/v", "X"]),
        ("/v 'Security Layer'", ["/v", "'Security", "Layer'"]),
        (r'"HKLM\A\" /v X', [r'HKLM\A" /v X']),  # the trap of a trailing backslash
        (r'a\\b "c\\" d\"e', [r"a\\b", "c\\", 'd"e']),
        ('"" x', ["", "x"]),
        ('"a""b c" "d"e"f"', ['a"b c', "def"]),
        ("  ", []),
    ],
)
def test_arguments_are_split_as_in_c(text: str, arguments: list[str]) -> None:
    assert split_arguments(text) == arguments


@given(st.lists(st.text(alphabet='ab \\"', max_size=6), max_size=4))
def test_quoted_arguments_come_back(words: list[str]) -> None:
    def quoted(word: str) -> str:
        out, slashes = "", 0
        for char in word:
            if char == "\\":
                slashes += 1
                continue
            out += "\\" * (2 * slashes + 1 if char == '"' else slashes) + char
            slashes = 0
        return '"' + out + "\\" * (2 * slashes) + '"'  # a backslash before the quote counts twice

    assert split_arguments(" ".join(map(quoted, words))) == words


def test_operators_in_a_loops_parenthesis_need_a_caret() -> None:
    node = parse("for /f %a in ('x ^| y \"|\" ^<z') do w")
    assert isinstance(node, For)
    assert node.words == "'x | y \"|\" <z'"
    with pytest.raises(LineError):
        parse("for /f %a in ('x | y') do w")


@pytest.mark.parametrize(
    ("page", "kept"),
    [(437, "aéAß ?\r\n"), (850, "aéÃß ?\r\n"), (932, "aeA? 東\r\n"), (65001, "aéÃß 東\r\n")],
)
def test_files_and_pipes_have_a_code_page(page: int, kept: str) -> None:
    assert through_code_page("aéÃß 東\r\n", page) == kept


def test_the_command_at_the_start() -> None:
    names = {"echo", "cd"}
    assert command_word("echo.", names) == "echo"
    assert command_word("echo(x", names) == "echo"
    assert command_word("cd\\windows", names) == "cd"
    assert command_word("echoes x", names) == "echoes"
    assert command_word('"C:\\a b\\reg.exe" x', names) == '"C:\\a b\\reg.exe"'


def test_fields_of_lines() -> None:
    lines = ["", "    A    REG_DWORD    0x1", "head", "    B    REG_SZ    a b c"]
    assert list(fields(lines, "")) == [["A"], ["head"], ["B"]]
    assert next(iter(fields(lines, "tokens=1,3"))) == ["A", "0x1"]
    assert list(fields(lines, "skip=3 tokens=2*")) == [["REG_SZ", "a b c"]]
    assert list(fields(["a,b;c"], "delims=,; tokens=1-3")) == [["a", "b", "c"]]
