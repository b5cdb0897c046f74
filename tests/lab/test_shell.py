from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.faults import Faults
from tests.lab.terminal import Prompt, Terminal, virtual


@virtual
async def test_the_errorlevel_in_a_line_is_that_before_the_line() -> None:
    cmd = Prompt()
    assert (await cmd.run("nonsense & echo [%errorlevel%]"))[1].endswith("[0]\r\n")
    assert await cmd.out("echo [%ErrorLevel%]#7") == "[9009]#7\r\n"
    assert await cmd.out("call echo %^errorlevel%") == "9009\r\n"


@virtual
async def test_chains() -> None:
    cmd = Prompt()
    assert await cmd.out("hostname >nul && echo yes || echo no") == "yes \r\n"
    assert await cmd.out("nonsense 2>nul && echo yes || echo no") == "no\r\n"
    assert await cmd.out("echo a & echo b&echo c") == "a \r\nb\r\nc\r\n"
    assert await cmd.out('(echo a & echo b) | find /v "a"') == "b\r\n"


@virtual
async def test_if() -> None:
    cmd = Prompt()
    await cmd.run("nonsense")
    assert await cmd.out("if errorlevel 1 (echo bad) else (echo good)") == "bad\r\n"
    assert await cmd.out("if not errorlevel 9010 echo below") == "below\r\n"
    assert await cmd.out('if /i "%os%"=="WINDOWS_nt" echo same') == "same\r\n"
    assert await cmd.out("if 9 lss 10 echo less") == "less\r\n"
    assert await cmd.out("if defined nothing (echo a) else echo b") == "b\r\n"
    assert await cmd.out("if exist x.txt echo there") == ""
    await cmd.run("echo x>x.txt")
    assert await cmd.out("if exist X.TXT type x.txt") == "x\r\n"


@virtual
async def test_for_echoes_what_it_runs_unless_told_not_to() -> None:
    cmd = Prompt()
    await cmd.run("prompt $G")
    assert await cmd.out("for %v in (a b) do @echo %v") == "a\r\nb\r\n"
    assert (
        await cmd.out("for %v in (a b) do echo %v") == "\r\n>echo a \r\na\r\n\r\n>echo b \r\nb\r\n"
    )
    assert await cmd.out("for /l %n in (3,-1,1) do @echo %n") == "3\r\n2\r\n1\r\n"
    line = "for /f \"tokens=1,3\" %a in ('reg query HKLM\\SYSTEM\\Select') do @echo %a=%b"
    assert "Current=0x1\r\n" in await cmd.out(line)


@virtual
async def test_redirections() -> None:
    cmd = Prompt()
    assert await cmd.out("nonsense >nul 2>&1") == ""
    assert "not recognized" in await cmd.out("nonsense 2>&1 1>nul")
    await cmd.run("(echo a & echo b) > list.txt & echo c>>list.txt")
    assert await cmd.out('find "b" < list.txt') == "b\r\n"
    assert (await cmd.run('find "x" < absent.txt'))[0] == 1


@virtual
async def test_unknown_programs_in_every_language() -> None:
    code, text = await Prompt().run("Get-Item x")
    assert code == 9009
    assert text == (
        "'Get-Item' is not recognized as an internal or external command,\r\n"
        "operable program or batch file.\r\n"
    )
    for language in ("fr", "nl", "de", "ja"):
        code, text = await Prompt(language=language).run("Get-Item x")
        assert code == 9009
        assert "recognized" not in text


@virtual
async def test_syntax_errors_are_said() -> None:
    assert await Prompt().run("echo a | | b") == (255, "| was unexpected at this time.\r\n")


@virtual
async def test_an_own_prompt_and_its_blank_line() -> None:
    at = Terminal()
    await at.open()
    await at.type("prompt $_$$ $P$S$G\r")
    await at.type("cls\r")
    await at.type("\r")
    assert at.rows == ["", "", r"$ C:\Windows\system32 >", "", "", r"$ C:\Windows\system32 >"]


@virtual
async def test_a_line_wraps_at_80_and_is_taken_back_over_the_border() -> None:
    for profile in ("ws2019", "ws2022"):
        at = Terminal(profile)
        await at.open()
        await at.type("cls\r")
        await at.type("echo " + "x" * 70)
        assert at.rows[1:] == [r"C:\Windows\system32>echo " + "x" * 55, "x" * 15]
        await at.type(b"\x08" * 20 + b"\x7f" * 45)
        assert at.rows[1:] == [r"C:\Windows\system32>echo xxxxx"]
        await at.type("y\r")
        assert at.rows[2:4] == ["xxxxxy", ""]
        assert at.guest.entered[-1].line == "echo xxxxxy"


@virtual
async def test_escape_clears_the_line_and_ctrl_c_gives_it_up() -> None:
    at = Terminal()
    await at.open()
    await at.type("cls\r")
    await at.type(b"abc\x1bx")  # a lone ESC waits for its neighbour, then both go to cmd.exe
    assert at.rows[1:] == [r"C:\Windows\system32>x"]
    await at.type(b"\x03")
    assert at.rows[1:] == [r"C:\Windows\system32>x^C", "", r"C:\Windows\system32>"]
    assert at.guest.entered[-1].line == "cls"


@virtual
async def test_ctrl_c_ends_a_command_and_what_was_typed_ahead() -> None:
    at = Terminal()
    await at.open()
    await at.type("cls\r")
    await at.type("ping -n 60 127.0.0.1\r")
    await at.type("echo ahead\r")
    assert "echo ahead" not in "\n".join(at.rows)
    await at.type(b"\x03")
    assert at.rows[-3:] == ["^C", "", r"C:\Windows\system32>"]
    await at.type("echo [%errorlevel%]\r")
    assert at.rows[-3:] == ["[-1073741510]", "", r"C:\Windows\system32>"]


@virtual
async def test_type_ahead_is_run_when_the_command_ends() -> None:
    at = Terminal()
    await at.open()
    await at.type("cls\r")
    await at.type("ping -n 3 127.0.0.1 >nul\r")
    await at.type("echo ahead\r")
    await asyncio.sleep(3)
    assert at.rows[-4:-1] == [r"C:\Windows\system32>echo ahead", "ahead", ""]


@virtual
async def test_an_open_parenthesis_asks_for_more() -> None:
    at = Terminal()
    await at.open()
    await at.type("cls\r")
    await at.type("if 1==1 (\r")
    assert at.rows[-1] == "More?"
    await at.type("echo in\r")
    await at.type(")\r")
    assert at.rows[-3:-1] == ["in", ""]


@pytest.mark.parametrize("line", ["reg query HKLM\\SYSTEM /s", "echo x"])
@virtual
async def test_a_command_may_never_come_back(line: str) -> None:
    at = Terminal(faults=Faults(hang_on=line[:6]))
    await at.open()
    await at.type("cls\r")
    await at.type(line + "\r", wait=600)
    assert at.rows[1:] == [rf"C:\Windows\system32>{line}"]
    await at.type(b"\x03")
    assert at.rows[-1] == r"C:\Windows\system32>"


@virtual
async def test_what_goes_through_a_file_or_a_pipe_loses_what_its_code_page_lacks() -> None:
    cmd = Prompt()
    await cmd.run('reg add HKLM\\SOFTWARE\\Lab /v "É東" /d "ü €" /f')
    row = "    É東    REG_SZ    ü €"
    query = "reg query HKLM\\SOFTWARE\\Lab"
    assert row in await cmd.out(query)  # on the console nothing is lost
    lost = "    É?    REG_SZ    ü ?"
    assert lost in await cmd.out(f'{query} | find "REG_"')
    await cmd.run(f"{query} >q.txt")
    assert lost in await cmd.out("type q.txt")
    loop = f"for /f \"delims=\" %a in ('{query}') do @echo %a"
    assert lost in await cmd.out(loop)
    assert await cmd.run("chcp 65001") == (0, "Active code page: 65001\r\n")
    assert row in await cmd.out(f'{query} | find "REG_"')
    assert row in await cmd.out(loop)
    assert await cmd.run("chcp 12345") == (1, "Invalid code page\r\n")
    japanese = Prompt(language="ja")
    assert await japanese.out('echo É東|find "東"') == "E東\r\n"
