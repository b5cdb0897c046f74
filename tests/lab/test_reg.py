from __future__ import annotations

import pytest

from serialfix.lab.disk import LICENCE_VALUES, RCM
from serialfix.lab.profiles import LST, POL, Language, dword
from serialfix.model import RegistryType, RegistryValue
from tests.lab.terminal import Prompt, virtual


DONE = "The operation completed successfully.\r\n"
ABSENT = "ERROR: The system was unable to find the specified registry key or value.\r\n"
SYNTAX = 'ERROR: Invalid syntax.\r\nType "REG ADD /?" for usage.\r\n'
KEY = r"HKLM\SOFTWARE\Lab"


@virtual
async def test_add_and_query() -> None:
    cmd = Prompt()
    line = rf'REG ADD "{LST}" /v SecurityLayer /t REG_DWORD /d 0 /f'
    assert await cmd.run(line) == (0, DONE)
    assert cmd.machine.registry.get(LST, "securitylayer") == dword(0)
    assert await cmd.run(rf'reg query "{LST}" /v securitylayer') == (
        0,
        "\r\nHKEY_LOCAL_MACHINE" + LST[4:] + "\r\n    SecurityLayer    REG_DWORD    0x0\r\n\r\n",
    )


@virtual
async def test_the_name_may_be_shown_as_typed() -> None:
    out = await Prompt("ws2016").out(rf'reg query "{LST}" /v securitylayer')
    assert "    securitylayer    REG_DWORD    0x2\r\n" in out


@virtual
async def test_single_quotes_are_part_of_the_name() -> None:
    cmd = Prompt()
    assert await cmd.run(f"reg add {KEY} /v 'SecurityLayer' /t REG_DWORD /d 0 /f") == (0, DONE)
    assert cmd.machine.registry.get(KEY, "SecurityLayer") is None
    assert cmd.machine.registry.get(KEY, "'SecurityLayer'") == dword(0)
    assert await cmd.run(f"reg add {KEY} /v ' MaxIdleTime' /t REG_DWORD /d 0 /f") == (1, SYNTAX)


@pytest.mark.parametrize(
    ("data", "number"),
    [
        ("456", 456),
        ("0123", 123),
        ("0X123", 0x123),
        ("0xffffffff", 0xFFFFFFFF),
        ("4294967295", 0xFFFFFFFF),
    ],
)
@virtual
async def test_numbers_that_are_taken(data: str, number: int) -> None:
    cmd = Prompt()
    assert await cmd.run(f"reg add {KEY} /v X /t reg_dword /d {data} /f") == (0, DONE)
    assert cmd.machine.registry.get(KEY, "X") == dword(number)


@pytest.mark.parametrize(
    "data",
    [
        "ffffffff",
        "deadbeef",
        "zzz",
        "123xyz",
        "0xabcdefg",
        "00x123",
        "-1",
        "-0x1",
        "4294967296",
        "0x01ffffffff",
        '""',
    ],
)
@virtual
async def test_numbers_that_are_refused(data: str) -> None:
    cmd = Prompt()
    before = cmd.machine.registry.dump()
    assert await cmd.run(f"reg add {KEY} /v X /t REG_DWORD /d {data} /f") == (1, SYNTAX)
    assert cmd.machine.registry.dump() == before


@pytest.mark.parametrize(
    "arguments",
    [
        "add HKLM\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server /v X /f",  # no quotes
        f"add {KEY} /v X /t REG_WORD /d 1 /f",
        f"add {KEY} /v X /v Y /f",
        f"add {KEY} /v",
        f"add {KEY} /v X /t REG_MULTI_SZ /d a\\0\\0b /f",
        f"add {KEY} /v X /t REG_MULTI_SZ /d \\0a /f",
        f"add {KEY} /v X /t REG_MULTI_SZ /s ab /d aab /f",
        f"add {KEY} /v X /t REG_QWORD /d -0x1 /f",
        "add",
    ],
)
@virtual
async def test_bad_lines_are_refused(arguments: str) -> None:
    code, text = await Prompt().run(f"reg {arguments}")
    assert (code, text) == (1, SYNTAX)


@virtual
async def test_other_failures() -> None:
    cmd = Prompt()
    assert await cmd.run("reg query HKXX\\SOFTWARE") == (
        1,
        'ERROR: Invalid key name.\r\nType "REG QUERY /?" for usage.\r\n',
    )
    for path in ("HKLM\\", f"{KEY}\\\\"):  # a backslash too many
        code, text = await cmd.run(f"reg add {path} /v X /d 1 /f")
        assert (code, text[:24]) == (1, "ERROR: Invalid key name.")
    assert await cmd.run(f"reg query {KEY}") == (1, ABSENT)
    assert await cmd.run(rf'reg query "{LST}" /v Nothing') == (1, "\r\n\r\n" + ABSENT)
    assert await cmd.run("reg add HKLM\\NewHive /v X /f") == (1, "ERROR: Access is denied.\r\n")
    assert (await cmd.run("reg add /?"))[0] == 0


@virtual
async def test_a_trailing_backslash_swallows_the_line() -> None:
    cmd = Prompt()
    line = rf'reg add "{KEY}\" /v X /t REG_DWORD /d 1 /f'
    assert await cmd.run(line) == (0, DONE)
    assert cmd.machine.registry.get(KEY, "X") is None
    assert cmd.machine.registry.key(rf'{KEY}" /v X /t REG_DWORD /d 1 /f') is not None


@virtual
async def test_an_existing_value_is_asked_for() -> None:
    cmd = Prompt()
    line = f"reg add {KEY} /v X /t REG_DWORD /d"
    await cmd.run(f"{line} 1")
    _code, text = await cmd.run(f"{line} 2", "what", "No")
    assert text.startswith("Value X exists, overwrite(Yes/No)? ")
    assert text.count("overwrite(Yes/No)") == 2
    assert cmd.machine.registry.get(KEY, "X") == dword(1)
    await cmd.run(f"{line} 3", "y")
    assert cmd.machine.registry.get(KEY, "X") == dword(3)


@virtual
async def test_all_types() -> None:
    cmd = Prompt()
    for arguments, value, shown in (
        ('/v A /d "a b"', RegistryValue(RegistryType.SZ, "a b"), "a b"),
        ("/v B /t REG_EXPAND_SZ /d ^%X^%", RegistryValue(RegistryType.EXPAND_SZ, "%X%"), "%X%"),
        (
            r"/v C /t REG_MULTI_SZ /d a\0b",
            RegistryValue(RegistryType.MULTI_SZ, ("a", "b")),
            r"a\0b",
        ),
        (
            "/v D /t REG_BINARY /d 0aFF1",
            RegistryValue(RegistryType.BINARY, b"\0\xaf\xf1"),
            "00AFF1",
        ),
        ("/v E /t REG_QWORD /d 0x100000000", RegistryValue(RegistryType.QWORD, 1 << 32), "0x1"),
        (
            "/v F /t REG_NONE /d 0aff",  # it is a text for reg.exe, with its NUL ([WINE])
            RegistryValue(RegistryType.NONE, "0aff\0".encode("utf-16-le")),
            "30006100660066000000",
        ),
        ("/v G /t REG_NONE", RegistryValue(RegistryType.NONE, b"\0\0"), "0000"),
        (r"/v H /t REG_MULTI_SZ /d a\0", RegistryValue(RegistryType.MULTI_SZ, ("a",)), "a"),
        (r"/v I /t REG_MULTI_SZ /d \0", RegistryValue(RegistryType.MULTI_SZ, ("",)), ""),
        ("/v J /t REG_QWORD", RegistryValue(RegistryType.QWORD, 0), "0x0"),
        (
            "-v K -t REG_QWORD -d -1",
            RegistryValue(RegistryType.QWORD, (1 << 64) - 1),
            "0xffffffffffffffff",
        ),
        ("/v L /t REG_DWORD_LITTLE_ENDIAN /d 1", dword(1), "0x1"),
        ("/d bare", RegistryValue(RegistryType.SZ, "bare"), "bare"),
        ("", RegistryValue(RegistryType.SZ, ""), ""),
        ("/ve /d text", RegistryValue(RegistryType.SZ, "text"), "text"),
    ):
        assert await cmd.run(f"reg add {KEY} {arguments} /f") == (0, DONE)
        name = arguments[3] if arguments[1:3] == "v " else ""
        assert cmd.machine.registry.get(KEY, name) == value
        assert f"    {value.type}    {shown}" in await cmd.out(f"reg query {KEY}")
    assert "    (Default)    REG_SZ    text\r\n" in await cmd.out(f"reg query {KEY} /ve")


@virtual
async def test_subkeys_come_after_a_blank_line() -> None:
    cmd = Prompt()
    await cmd.run(f"reg add {KEY} /v X /d 1")
    await cmd.run(f"reg add {KEY}\\Sub /v Y /d 2")
    full = r"HKEY_LOCAL_MACHINE\SOFTWARE\Lab"
    assert await cmd.out(f"reg query {KEY}") == (
        f"\r\n{full}\r\n    X    REG_SZ    1\r\n\r\n{full}\\Sub\r\n"
    )
    assert await cmd.out(f"reg query {KEY} /s") == (
        f"\r\n{full}\r\n    X    REG_SZ    1\r\n\r\n{full}\\Sub\r\n    Y    REG_SZ    2\r\n"
    )
    assert (await cmd.out(f"reg query {KEY} /s /f 2")).startswith(f"\r\n{full}\\Sub\r\n    Y")


@virtual
async def test_delete() -> None:
    cmd = Prompt()
    await cmd.run(f"reg add {KEY} /v X /d 1")
    _code, text = await cmd.run(f"reg delete {KEY} /v x", "n")
    assert text.startswith("Delete the registry value x (Yes/No)? ")
    assert cmd.machine.registry.get(KEY, "X") is not None
    assert await cmd.run(f"reg delete {KEY} /v x /f") == (0, DONE)
    assert await cmd.run(f"reg delete {KEY} /v x /f") == (1, ABSENT)
    assert cmd.machine.registry.key(KEY) is not None
    assert await cmd.run(f"reg delete {KEY} /f") == (0, DONE)
    assert cmd.machine.registry.key(KEY) is None


@virtual
async def test_export() -> None:
    cmd = Prompt()
    await cmd.run(f'reg add {KEY} /v "a\\b" /t REG_DWORD /d 16')
    await cmd.run(f"reg add {KEY} /v m /t REG_MULTI_SZ /d x")
    assert await cmd.run(f"reg export {KEY} C:\\k.reg /y") == (0, DONE)
    assert cmd.machine.files["c:\\k.reg"] == (
        "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Lab]\r\n"
        '"a\\\\b"=dword:00000010\r\n"m"=hex(7):78,00,00,00,00,00\r\n\r\n'
    )
    _code, text = await cmd.run(f"reg export {KEY} C:\\k.reg", "n")
    assert text.startswith("File C:\\k.reg already exists. Overwrite (Yes/No)?")


@pytest.mark.parametrize(
    ("language", "done", "absent"),
    [
        ("de", "Der Vorgang wurde erfolgreich beendet.", "FEHLER: Der angegebene Registrierungs"),
        ("fr", "L’opération a réussi.", "Erreur\xa0: le système n’a pas trouvé"),
        ("nl", "De bewerking is voltooid.", "FOUT: het systeem kon de opgegeven"),
        (
            "ja",
            "この操作を正しく終了しました。",
            "エラー: 指定されたレジストリ キーまたは値が見つかりませんでした",
        ),
    ],
)
@virtual
async def test_only_words_are_localised(language: Language, done: str, absent: str) -> None:
    cmd = Prompt(language=language)
    assert (await cmd.run(f"reg add {KEY} /ve /d x /f")) == (0, f"{done}\r\n")
    code, text = await cmd.run(f'reg query "{POL}"')
    assert code == 1
    assert absent in text
    out = await cmd.out(f"reg query {KEY}")
    assert "HKEY_LOCAL_MACHINE\\SOFTWARE\\Lab\r\n" in out
    assert "(Default)" not in out
    assert "    REG_SZ    x\r\n" in out


@virtual
async def test_faults() -> None:
    cmd = Prompt(reg_fails_for="bad", reg_lies_for="LIAR")
    assert await cmd.run(f"reg add {KEY} /v Bad /d x /f") == (1, "ERROR: Access is denied.\r\n")
    assert await cmd.run(f"reg add {KEY} /v Liar /d x /f") == (0, DONE)
    assert cmd.machine.registry.key(KEY) is None


@virtual
async def test_import_gives_back_what_export_wrote() -> None:
    cmd = Prompt()
    key = f'"{RCM}"'
    before = cmd.machine.disk.snapshot()
    assert (await cmd.run(f"reg export {key} C:\\rcm.reg /y"))[0] == 0
    assert (await cmd.run("if exist C:\\rcm.reg (ver) else (cd /d X:)"))[0] == 0
    for name in LICENCE_VALUES:
        assert (await cmd.run(f'reg delete {key} /v "{name}" /f'))[0] == 0
    assert cmd.machine.disk.snapshot() != before
    assert await cmd.run("reg import C:\\rcm.reg >nul") == (0, DONE)  # to the standard error
    assert cmd.machine.disk.snapshot() == before


@virtual
async def test_import_of_what_is_missing_or_no_registry_file() -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    assert (await cmd.run("reg import C:\\missing.reg"))[0] == 1
    cmd.machine.files["c:\\bad.reg"] = '[HKEY_LOCAL_MACHINE\\SOFTWARE\\Lab]\r\n"x"="1"\r\n'
    assert (await cmd.run("reg import C:\\bad.reg"))[0] == 1
    cmd.machine.files["c:\\root.reg"] = (
        'Windows Registry Editor Version 5.00\r\n\r\n[HKEY_NOWHERE\\X]\r\n"x"="1"\r\n'
    )
    assert (await cmd.run("reg import C:\\root.reg"))[0] == 1
    assert cmd.machine.disk.snapshot() == before


@virtual
async def test_copy() -> None:
    cmd = Prompt()
    source, target = f'"{RCM}"', "HKLM\\SOFTWARE\\Copy"
    assert (await cmd.run(f"reg copy {source} {target} /s /f"))[0] == 0
    assert cmd.machine.registry.get(target, "X509 Certificate ID") is not None
    assert cmd.machine.registry.key(f"{target}\\Licensing Core") is not None
    assert (await cmd.run(f"reg copy HKLM\\SOFTWARE\\Nothing {target} /f"))[0] == 1
    assert (await cmd.run(f"reg copy {source}"))[0] == 1


@virtual
async def test_what_belongs_to_the_system_is_written_by_nobody() -> None:
    cmd = Prompt()
    key = r"HKLM\SYSTEM\CurrentControlSet\Services\gpsvc"
    assert (await cmd.run(f"reg add {key} /v Start /t REG_DWORD /d 4 /f"))[0] == 1
    assert (await cmd.run(f"reg query {key} /v Start"))[0] == 0
