from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.playbook.commandline import (
    LOOKALIKES,
    CommandLine,
    Shell,
    comment_of,
    in_sentence,
    is_command,
    plain,
    written_for,
)


@pytest.mark.parametrize(
    ("sentence", "commands"),
    [
        ("At the prompt, type netstat -a -o and then press Enter.", ["netstat -a -o"]),
        ("Type tasklist /svc, and look.", ["tasklist /svc"]),
        ("Use the qwinsta tool.", ["qwinsta"]),
        ("type telnet <servername> 3389 , where <servername> is", ["telnet <servername> 3389"]),
        (
            "Réglez :     REG ADD \"HKLM\\A B\" /v 'C' /t REG_DWORD /d 1 /f ",
            ["REG ADD \"HKLM\\A B\" /v 'C' /t REG_DWORD /d 1 /f"],
        ),
        (
            "次を実行します:reg query HKLM\\SYSTEM\\Foo /v Barを実行",
            [r"reg query HKLM\SYSTEM\Foo /v Bar"],
        ),
        (
            'netsh interface ip set address name="Ethernet 2" source=dhcpを実行します。',
            ['netsh interface ip set address name="Ethernet 2" source=dhcp'],
        ),
        (
            "Führen Sie sc query TermService aus und dann net start TermService.",
            ["sc query TermService", "net start TermService"],
        ),
        (
            "bcdedit /deletevalue {current} safeboot y reinicie",
            ["bcdedit /deletevalue {current} safeboot"],
        ),
        (
            r"Ejecute reg add HKLM\SYSTEM\A\Terminal Server /v B /t REG_DWORD /d 0 y luego",
            [r"reg add HKLM\SYSTEM\A\Terminal Server /v B /t REG_DWORD /d 0"],
        ),
        (
            'net localgroup "Remote Desktop Users" bob /add now',
            ['net localgroup "Remote Desktop Users" bob /add'],
        ),
        ('netstat -ano | find ":3389 " geeft de PID', ['netstat -ano | find ":3389 "']),
        ("Type net user bob S3cret and press Enter", ["net user bob S3cret"]),
        ("Geben Sie dies ein: net user bob secret", ["net user bob secret"]),
        ("net user bob zeigt, ob es aktiv ist", ["net user bob"]),
        ("net stop A /y, net start A.", ["net stop A /y", "net start A"]),
        (r"chkdsk F: /f en klaar", ["chkdsk F: /f"]),
        ("Run the Get-ExecutionPolicy command.", ["Get-ExecutionPolicy"]),
        ("De verbinding is net gestart, het is net zo.", []),
        ("Enable the RDP Keep-Alive control and the set-up.", []),
        ("See the registry, the net, and find more at net.example/reg add.", []),
    ],
)
def test_commands_in_sentences(sentence: str, commands: list[str]) -> None:
    assert [sentence[start:end] for start, end in in_sentence(sentence)] == commands


@pytest.mark.parametrize(
    ("text", "shell"),
    [
        ("reg query HKLM\\A", "cmd"),
        ("%windir%\\system32\\cscript.exe a.vbs", "cmd"),
        ("$a = 1", "powershell"),
        ("Set-ItemProperty -Path x", "powershell"),
        ("get-netadapter | where {$_.ifdesc}", "powershell"),
        (".\\Install.ps1 -A b", "powershell"),
        ("Registering is done", None),
        ("psCopy", None),
    ],
)
def test_the_shell_that_a_line_is_written_for(text: str, shell: str | None) -> None:
    assert written_for(text) == shell
    assert is_command(text) is (shell is not None)


def test_comments() -> None:
    assert comment_of("REM a") == comment_of(":: a") == "cmd"
    assert comment_of("# a") == "powershell"
    assert comment_of("remove-item a") is None


def test_words_and_parts() -> None:
    line = CommandLine('reg query "HKLM\\A B" /v \'C D\' 2>nul | find /i "x | y" > c:\\t.txt')
    assert [part.program for part in line.parts] == ["reg", "find"]
    assert [word.text for word in line.first.words] == ["reg", "query", "HKLM\\A B", "/v", "C D"]
    assert line.parts[1].words[-1].text == "x | y"
    value = line.first.value("/v")
    assert value is not None
    assert line.text[value.start : value.end] == "'C D'"
    assert CommandLine("a; b", "powershell").parts[1].program == "b"
    assert CommandLine("C:\\Windows\\System32\\sc.exe query").first.program == "sc"
    assert CommandLine('set name="<NIC Name>" x=<A B> {<C D>}').first.words[2].text == "x=<A B>"


@given(st.text(st.sampled_from([*"ab \"'<>{}|&^;/-=.:\\", *LOOKALIKES]), max_size=30))
def test_places_are_those_of_the_text(text: str) -> None:
    assert len(plain(text)) == len(text)
    shells: tuple[Shell, ...] = ("cmd", "powershell")
    for shell in shells:
        last = 0
        for part in CommandLine(text, shell).parts:
            for word in part.words:
                assert last <= word.start < word.end <= len(text)
                last = word.end
    for start, end in in_sentence(f"reg add {text}"):
        assert 0 <= start < end <= len(text) + 8
