"""Quoting: what Windows programs get is what was meant, or it is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serialfix.errors import UnsafeStep
from serialfix.windows.shell import LINE_LIMIT, alike, line, quoted


def arguments(text: str) -> list[str]:
    """How the C runtime splits a command line, by Microsoft's published rules."""
    found, at = [], 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        word, inside = "", False
        while at < len(text) and (inside or text[at] not in " \t"):
            if (slashes := re.match(r"\\+", text[at:])) is not None:
                count = len(slashes[0])
                at += count
                if at < len(text) and text[at] == '"':
                    word += "\\" * (count // 2)
                    if count % 2:
                        word += '"'
                        at += 1
                else:
                    word += slashes[0]
            elif text[at] == '"':
                inside = not inside
                at += 1
            else:
                word += text[at]
                at += 1
        found.append(word)
    return found


def prompted(line: str) -> str:
    """What cmd.exe hands on of a line typed at its prompt: variables first, then carets and quotes.

    Fails on an operator that cmd.exe would act on.
    """
    line = re.sub(r"%([^%]+)%", lambda found: VARIABLES.get(found[1].lower(), found[0]), line)
    passed, at, inside = "", 0, False
    while at < len(line):
        char = line[at]
        if char == "^" and not inside:
            at += 1
            char = line[at]
        elif char == '"':
            inside = not inside
        else:
            assert inside or char not in "&|<>()", line
        passed += char
        at += 1
    return passed


VARIABLES = {"path": "expanded", "a": "expanded", "path:a": "expanded"}
TYPABLE = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me", "Zl", "Zp"))
TEXTS = st.text(TYPABLE.filter(lambda char: ord(char) <= 0xFFFF), max_size=40) | st.text(
    st.sampled_from("aab  &|<>^()!,;=\"\\%%'1"), max_size=16
)


@given(TEXTS)
@example("%PATH%")
@example("%path:a=b%")
@example('\\"')
@example("aa\\ b")
@example("")
def test_a_program_gets_the_text(text: str) -> None:
    assert arguments(prompted(f"reg {quoted(text)} /f")) == ["reg", text, "/f"]


@given(TEXTS)
def test_equal_neighbours_are_taken_apart(text: str) -> None:
    """Only carets cannot be."""
    if "^" not in text:
        assert not re.search(r"(.)\1", quoted(text)), quoted(text)


@given(st.text(st.sampled_from('ab &|<>^()!,;="\\%'), max_size=12))
def test_the_shell_sees_no_quote_that_it_could_miscount(text: str) -> None:
    """Whatever stands behind it on the line is read as if nothing stood before it."""
    assert prompted(f"x {quoted(text)} ^&").endswith(" &")


@pytest.mark.parametrize(
    "bad",
    ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x9b", "\u200b", "\u0301", "\u202e", "\U0001f600"],
)
def test_what_cannot_be_typed_or_seen_is_refused(bad: str) -> None:
    with pytest.raises(UnsafeStep, match=f"U\\+{ord(bad):04X}"):
        quoted(f"a{bad}b")


def test_plain_words_stay_plain() -> None:
    assert quoted("fInheritMaxIdleTime") == "fInheritMaxIdleTime"
    assert quoted("HKLM\\SOFTWARE\\A") == "HKLM\\SOFTWARE\\A"
    assert quoted("Terminal Server") == '"Terminal Server"'
    assert quoted("") in ('""', '^"^"')


@given(st.text(st.characters(max_codepoint=0x17F)))
def test_a_name_without_case_has_no_letter_twice(name: str) -> None:
    spelled = alike(name)
    assert spelled.lower() == name.lower()
    assert not re.search(r"([A-Za-z])\1", spelled)


@pytest.mark.parametrize(
    "asks",
    [
        r"reg add HKLM\SOFTWARE\A /v B /d 1",
        r"reg delete HKLM\SOFTWARE\A /v B",
        r"reg.exe export HKLM\SOFTWARE\A c:\a.reg",
        r'reg adD "HKLM\SOFTWARE\A /f" /v B /d "x /f"',
        "ver & pause",
        "type x | more",
        "for %v in (a) do @(pause)",
        "set /p x=?",
        "del *.*",
        "netsh",
        "diskpart",
        "format c:",
        "chkdsk c: /f",
        "timeout",
        "time",
        "net stop TermService",
        r"dism /online /disable-feature /featurename:X /quiet",
        r"takeown /f c:\a /r",
        "gpupdate /force",
        "net user bob *",
        r"xcopy c:\a c:\b /e /i",
        "chkdsk f: /f",
        "slmgr /dlv",
        "ver & regedit",
        "services.msc",
        r"msiexec /i c:\a.msi",
        "ping -t 10.0.0.1",
        "telnet server 135",
    ],
)
def test_a_line_that_would_wait_for_an_answer_is_refused(asks: str) -> None:
    with pytest.raises(UnsafeStep, match="wait for an answer"):
        line(asks)


@pytest.mark.parametrize(
    "silent",
    [
        r"reg add HKLM\SOFTWARE\A /v B /d 1 /f",
        r"reg query HKLM\SOFTWARE\A",
        'echo "a & pause"',
        "echo a ^& pause",
        "netsh int ip reset",
        "net stop TermService /y",
        "net start TermService",
        "net user bob /active:yes",
        r"dism /online /disable-feature /featurename:X /norestart /quiet",
        r"dism /image:f:\ /add-package /packagepath:f:\a.cab",
        r"takeown /f c:\a /r /d y",
        "gpupdate /target:computer",
        r"xcopy c:\a c:\b /e /i /y",
        "chkdsk f: /f /x",
        r"cscript //nologo %windir%\system32\slmgr.vbs /dlv",
        r"regedit /s c:\a.reg",
        r"type c:\services.msc",
        r"msiexec /i c:\a.msi /qn",
        "ping -n 2 10.0.0.1",
        "del c:\\x.txt",
        "timeout /t 5",
        "for %v in (a) do @(echo more)",
    ],
)
def test_a_line_that_asks_nothing_is_not(silent: str) -> None:
    assert line(silent) == silent


def test_a_line_is_bounded() -> None:
    assert line("x" * LINE_LIMIT) == "x" * LINE_LIMIT
    with pytest.raises(UnsafeStep, match="too long"):
        line("x" * (LINE_LIMIT + 1))
