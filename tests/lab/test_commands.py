from __future__ import annotations

from tests.lab.terminal import Prompt, Terminal, virtual


@virtual
async def test_echo() -> None:
    cmd = Prompt()
    assert await cmd.out("echo.") == "\r\n"
    assert await cmd.out("echo.text") == "text\r\n"
    assert await cmd.out("echo  two  blanks ") == " two  blanks \r\n"
    assert await cmd.out("echo") == "ECHO is on.\r\n"
    await cmd.run("@echo off")
    assert await cmd.out("echo") == "ECHO is off.\r\n"


@virtual
async def test_set() -> None:
    cmd = Prompt()
    await cmd.run('set "A_B=x y"')
    assert await cmd.out("echo [%a_b%]") == "[x y]\r\n"
    assert await cmd.out("set a_") == "A_B=x y\r\n"
    await cmd.run("set A_B=")
    assert await cmd.run("set a_") == (1, "Environment variable a_ not defined\r\n")


@virtual
async def test_small_programs() -> None:
    cmd = Prompt("ws2016")
    assert await cmd.out("ver") == "\r\nMicrosoft Windows [Version 10.0.14393.6614]\r\n"
    assert await cmd.out("HOSTNAME.EXE") == "WIN-LAB01\r\n"
    assert await cmd.out(r"C:\Windows\System32\whoami.exe") == "win-lab01\\azureadmin\r\n"
    assert await cmd.out("cd") == "C:\\Windows\\system32\r\n"
    assert await cmd.out("cd \\ & cd") == "C:\\\r\n"
    assert await cmd.run("cd nowhere") == (1, "The system cannot find the path specified.\r\n")
    assert await cmd.out("rem anything") == ""
    assert await cmd.run("cmd /c exit 5") == (5, "")
    assert "Active code page: 932" in await Prompt(language="ja").out("chcp")


@virtual
async def test_filters() -> None:
    cmd = Prompt()
    await cmd.run("(echo Alpha& echo beta& echo gamma) > f.txt")
    assert await cmd.run('find /i "A" <f.txt') == (0, "Alpha\r\nbeta\r\ngamma\r\n")
    assert await cmd.run('find "a" f.txt') == (
        0,
        "\r\n---------- F.TXT\r\nAlpha\r\nbeta\r\ngamma\r\n",
    )
    assert await cmd.run('find /c "et" f.txt') == (0, "\r\n---------- F.TXT: 1\r\n")
    assert await cmd.run('type f.txt | find /c "a"') == (0, "3\r\n")
    assert await cmd.run('type f.txt | find /n /v "a"') == (1, "")
    assert await cmd.run('type f.txt | findstr /i "ALPHA gam"') == (0, "Alpha\r\ngamma\r\n")
    assert await cmd.run('type f.txt | findstr /c:"a b"') == (1, "")
    await cmd.run("del f.txt")
    assert (await cmd.run("type f.txt"))[0] == 1


@virtual
async def test_more_waits_at_the_end_of_a_page() -> None:
    at = Terminal()
    await at.open()
    await at.type("cls\r")
    await at.type("for /l %n in (1,1,30) do @echo line %n>>n.txt\r")
    await at.type("type n.txt | more\r")
    assert at.rows[-2:] == ["line 22", "-- More  --"]
    await at.type("\r")
    assert at.rows[-2:] == ["line 23", "-- More  --"]
    await at.type(" ")
    assert at.rows[-3:] == ["line 30", "", r"C:\Windows\system32>"]


@virtual
async def test_the_listener_listens_on_its_port_while_the_service_runs() -> None:
    cmd = Prompt()
    assert "0.0.0.0:3389           0.0.0.0:0              LISTENING" in await cmd.out(
        "netstat -ano"
    )
    await cmd.run("net stop termservice /y")
    assert ":3389" not in await cmd.out("netstat -an")


@virtual
async def test_shutdown_restarts_the_guest() -> None:
    at = Terminal()
    await at.open()
    await at.type("shutdown /r /t 0\r", wait=5)
    assert (at.guest.boots, at.guest.restarts) == (2, 1)
    await at.banner()
    await at.login()
    await at.type("shutdown /s /t 0\r", wait=5)
    assert not at.guest.running
    assert at.guest.restarts == 1
