"""The rules hold what they say of themselves, and find the defects that are known of published
articles (the numbers are those of the defect catalogue)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.playbook import (
    lint_effects,
    lint_lines,
    lint_lists,
    lint_shell,
    lint_steps,
    lint_text,
)
from serialfix.playbook.library import playbook_files
from serialfix.playbook.lint import RULES, fixed, kind_of, lint, rule_named
from serialfix.playbook.load import load_playbook
from serialfix.playbook.rules import Rule, Severity


ARTICLES = sorted((Path(__file__).parent / "articles").iterdir())
LST = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp"
POL = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"


def ids(text: str, file: str) -> set[str]:
    return {each.rule.id for each in lint(text, file=file)}


def file_for(rule: Rule) -> str:
    if rule.id in ("SF001", "SF002") or rule.id >= "SF090":
        return "a.yaml"
    return {"cmd": "list.txt", "powershell": "a.ps1"}[rule.reader]


def whole(rule: Rule, text: str) -> str:
    """A piece of a playbook with what it lacks; a list of commands as it is."""
    if file_for(rule) != "a.yaml" or text.startswith("schema"):
        return text if file_for(rule) == "a.yaml" else f"{text}\nver\nver\n"
    head = "schema: 1\nname: a\nversion: '1'\ntitle: t\nsymptoms: [s]\nsources: [s]\n"
    if "restart:" not in text:
        head += "security: [Said.]\nrestart: if_changed\n"
    elif "UserAuthentication" not in text:
        head += "security: [Said.]\n"
    return head + (text if text.startswith(("steps", "restart")) else f"steps:\n{text}")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_finds_its_example_and_repairs_it_as_it_says(rule: Rule) -> None:
    file, bad = file_for(rule), whole(rule, rule.bad)
    assert rule.id in ids(bad, file)
    repaired, done = fixed(bad, file=file)
    if rule.fixed:
        assert repaired == whole(rule, rule.good)
        assert rule.id in {each.rule.id for each in done}
    assert (rule.id in ids(repaired, file)) is not rule.fixed
    if rule.good:
        assert rule.id not in ids(whole(rule, rule.good), file)


def test_numbers_and_names_are_each_of_one_rule() -> None:
    assert len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.title and rule.why and rule.bad for rule in RULES)
    parts = (
        *(lint_text.RULES, lint_shell.RULES, lint_effects.RULES),
        *(lint_lists.LIST_RULES, lint_steps.RULES),
    )
    assert sum(map(len, parts)) == len(RULES)
    assert all(rule.check is not None for rule in lint_lines.LINE_RULES)
    assert rule_named("sf010") is rule_named("single-quotes") is not None
    assert rule_named("SF999") is None


# (defect, text, kind of file, rules that must be among those found)
DEFECTS = [
    ("I1", rf"""REG ADD "{LST}" /v 'SecurityLayer' /t REG_DWORD /d 0 /f""", "txt", "SF010"),
    ("I2", rf"""REG ADD "{LST}" /v ' MaxIdleTime' /t REG_DWORD /d 0 /f""", "txt", "SF010 SF011"),
    ("I3", rf'REG ADD "{LST}" /v MaxInstanceCount /t REG_DWORD /d ffffffff /f', "txt", "SF015"),
    (
        "I4",
        r"REG ADD K /v A /t REG_DWORD /d 1 /f REG ADD K /v B /t REG_DWORD /d 0 /f",
        "txt",
        "SF019",
    ),
    ("I7", rf'REG ADD "{LST}" /v SecurityLayer /t REG_DWORD /d 0 /f', "txt", "SF071"),
    ("G1", "exit\nrestart", "txt", "SF035"),
    ("G2", rf'REG ADD "{POL}" /v fDenyTSConnections /t REG_DWORD /d 0 /f', "txt", "SF054"),
    (
        "G3",
        r"reg unload HKLM\BROKENSYSTEM" "\n" r"reg query HKLM\BROKENSYSTEM\Select",
        "txt",
        "SF081",
    ),
    ("CP1", rf'reg add "{LST}" /v fDenyTSConnections /t REG_DWORD /d 0', "txt", "SF040"),
    ("CP2", 'systeminfo  find /i "os name"', "txt", "SF022"),
    ("CP3", "netsh nap client show configuration", "txt", "SF064"),
    ("CP5", "wmic product get Name", "txt", "SF064 SF045"),
    ("CP8", 'wevtutil qe system /c:10 /f:text /q:"Event[System[Level=2]]"', "txt", "SF046"),
    (
        "F1",
        'Enable-NetFirewallRule -DisplayName "RemoteDesktop-UserMode-In-TCP"',
        "ps1",
        "SF062",
    ),
    (
        "F2 F5",
        "netsh advfirewall firewall show rule dir=in name=all | select-string -pattern"
        ' "(DisplayName.*Remote)" -context 9,4 | more',
        "ps1",
        "SF052 SF040",
    ),
    (
        "F3",
        r"reg add HKLM\A\FirewallRules /v R /t REG_SZ /d"
        r' "v2.22|Action=Allow|Active=TRUE|Name=\@FirewallAPI.dll,-28775|" /f',
        "txt",
        "SF025",
    ),
    (
        "F4",
        'netsh advfirewall firewall set rule dir=in name="Remote Desktop - User Mode (TCP-In)"'
        " new enable=yes",
        "txt",
        "SF063",
    ),
    ("N1", rf'reg add "{LST}" /v UserAuthentication /t REG_DWORD /d 0', "txt", "SF040 SF071"),
    ("N2", r"reg query HKLM\A /v Enabled /t REG_DWORD /d 0", "txt", "SF053"),
    ("N5", r"netdom join VM /domain:c.com /userd:c\a /passwordd:Secret1", "txt", "SF070"),
    ("T2", r"sc config TermService obj= 'NT Authority\NetworkService'", "txt", "SF010"),
    (
        "T3",
        'reg add "HKLM\\A" /v O /t REG_SZ /d "NT Authority\\NetworkService\u201c /f',
        "txt",
        "SF012",
    ),
    ("T4", "reg load HKLM\\BROKENSYSTEM F:\\Windows\\System32\\config\\SYSTEM", "txt", "SF080"),
    ("T6", r"procmon /Quiet /Minimized /BackingFile c:\temp\Trace.PML", "txt", "SF042"),
    ("T7", "sc stop TermService", "txt", "SF043"),
    ("P1", "net start Termservice.exe", "txt", "SF052"),
    ("P2", rf'reg add "{LST}" /v PortNumber /t REG_DWORD /d Hexportnumber /f', "txt", "SF015"),
    ("K1", "netsh advfirewall set allprofiles state off", "txt", "SF071"),
    ("K2", "reg load HKLM\\BROKENSYSTEM F:\\S\nreg load HKLM\\BROKENSYSTEM F:\\S", "txt", "SF081"),
    (
        "K3",
        "Set-ItemProperty -Path"
        " 'HKLM:\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\DomainProfile' -name"
        " 'EnableFirewall' -Value 0 -Type Dword -force",
        "ps1",
        "SF054 SF071",
    ),
    ("K5", "$ControlSet = (get-ItemProperty -Path 'HKLM:\\B\\Select').Current", "cmd", "SF030"),
    ("L1", "sc config gpsvc start= auto sc start gpsvc", "txt", "SF019"),
    (
        "L3",
        r"reg add HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
        r"\TLS 1.0\Server /v Enabled /t REG_DWORD /d 1 /f",
        "txt",
        "SF016",
    ),
    ("L6", r"reg load HKLM\BROKENSYSTEM F:\windows\system32\config\SYSTEM.hiv", "txt", "SF052"),
    ("D1", r"REG ADD HKLM\A\ /v AllowEncryptionOracle /t REG_DWORD /d 2", "txt", "SF040"),
    ("D4", r'dism /ONLINE /add-package /packagepath:"c:\temp\a.cab"', "txt", "SF040 SF045"),
    (
        "D6",
        "$so = New-PSSessionOption -SkipCACheck Enter-PSSession -ComputerName vm1",
        "ps1",
        "SF019",
    ),
    ("X3", "REM Enable\nbcdedit /set {bootmgr} timeout 5", "ps1", "SF033 SF034"),
    ("O1", "sc config NETLOGON start=auto", "txt", "SF060"),
    ("O2", "powershell\nsc query NSI", "txt", "SF031"),
    ("O6", "sc stop NSI", "txt", "SF043 SF073"),
    ("O7", "Get-WinEvent -FilterHashtable @{LogName='System'; Id='7022'}", "ps1", "SF044"),
    ("AB1", "slmgr /dlv", "txt", "SF042"),
    ("Y2", r"bcdedit /store X:EFI\Microsoft\Boot\BCD /set {bootmgr} timeout 5", "txt", "SF052"),
    ("H1", r"sc config DHCP obj= 'NT Authority\Localservice'", "txt", "SF010"),
    ("H5", "sc stop DHCP", "txt", "SF043"),
    ("J1", r"REG DELETE HKLM\A /v DoNotAllowExceptions", "txt", "SF040"),
    ("J2", "REM delete\nGet-Service A", "ps1", "SF033"),
    (
        "V1",
        r'reg add "HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Service" /v A /d 1 /f',
        "txt",
        "SF052",
    ),
    ("V2", rf'reg add "{LST} " /v A /t REG_DWORD /d 1 /f', "txt", "SF011"),
    ("V2b", rf'reg add "{LST} /v A /t REG_DWORD /d 1 /f', "txt", "SF014"),
    (
        "V4",
        "Set-ItemProperty -Path 'HKLM:\\A' -Name PortNumber -Value d3d -Type DWord",
        "ps1",
        "SF015",
    ),
    ("C1", rf'reg delete "{LST}" /v SSLCertificateSHA1Hash', "txt", "SF040"),
    (
        "C3",
        "wevtutil qe system /c:1 /q:\"*[System[Provider[@Name=' Microsoft-Windows-Broker ']]]\"",
        "txt",
        "SF011 SF046",
    ),
    ("C5", rf'reg add "{LST}" /v H /t REG_BINARY /d "ab cd ef" /f', "txt", "SF015"),
    ("M1", r"icacls F:\ProgramData\Keys /t /c > c:\temp\Before.txt", "txt", "SF082 SF065"),
    ("M3", 'icacls C:\\Keys /t /c /grant "NT AUTHORITY\\System:(F)"', "txt", "SF063"),
    ("M4", r"icacls C:\Keys /t /c", "txt", "SF044"),
    ("M5", r'takeown /f "C:\Keys" /a /r', "txt", "SF040"),
    ("M7", "Get-ChildItem | where {$_.Subject -eq 'DC=$certName'}", "ps1", "SF024"),
    ("R1", r"reg add HKLM\A /v LicensingMode /t REG_DWORD /d 4", "txt", "SF040"),
    ("A1", "Get-Acl -Path ' HKLM:\\SOFTWARE\\A '", "ps1", "SF011"),
    (
        "U1 U2 U3",
        r'reg delete "HKLM\SOFTWARE\Microsoft\WindowsNT\CurrentVersion\ProfileList\<GUID>.bak"',
        "txt",
        "SF021 SF040 SF052",
    ),
    ("B2", "'Remove-Computer -UnjoinDomainCredential D\\A -Force'", "ps1", "SF018"),
    ("Z1", r'reg add HKLM\A /v D /t REG_EXPAND_SZ /d "%SystemRoot%\M.DMP" /f', "txt", "SF023"),
    ("Z4", "bcdedit /ems {<BOOT LOADER IDENTIFIER>} ON", "txt", "SF021"),
    ("Q1", "bcdedit /deletevalue {default} safeboot dsrepair", "txt", "SF061"),
    ("AA2", "net localgroup Administrators bob /add", "txt", "SF063"),
    ("AA3", "net user bob *", "txt", "SF040"),
    ("AA4", "net user bob Passw0rd!", "txt", "SF070"),
    ("AC1", "net stop crypts /y", "txt", "SF052"),
    ("AC2", r"Dism g:\ /cleanup-image /restorehealth /source:wim: g:\a.wim:1", "txt", "SF052"),
    ("E1", r"dism /ONLINE /add-package /packagepath:D:\kb.msu", "txt", "SF052"),
    ("BA1", r"bcdedit /store F: boot\bcd /enum", "txt", "SF052"),
    ("BA1b", "bcddit /enum", "txt", "SF052"),
    ("BA1c", "bcdedit /set {default} integrityservicesenable", "txt", "SF052"),
    ("BA5", "chkdsk <<DRIVE LETTER>: /F", "txt", "SF021"),
]


@pytest.mark.parametrize(("defect", "text", "kind", "rules"), DEFECTS, ids=[d[0] for d in DEFECTS])
def test_a_published_defect_is_found(defect: str, text: str, kind: str, rules: str) -> None:
    text = f"{text}\n" if kind != "txt" else f"{text}\nver\nver\n"
    found = ids(text, f"a.{kind}")
    assert set(rules.split()) <= found, defect
    repaired, _ = fixed(text, file=f"a.{kind}")
    assert fixed(repaired, file=f"a.{kind}") == (repaired, [])


# Secrets in every form in which programs take them.
@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("net user bob S3cret /add", "S3cret"),
        ("net user /add bob S3cret", "S3cret"),
        (r"net use Z: \\srv\share S3cret /user:bob", "S3cret"),
        (r"net use \\srv\share /user:bob S3cret", "S3cret"),
        ("cmdkey /add:srv /user:bob /pass:S3cret", "/pass:S3cret"),
        (r"psexec \\srv -u bob -p S3cret cmd", "S3cret"),
        ("schtasks /create /tn t /ru bob /rp S3cret", "S3cret"),
        (r"sc config A obj= .\bob password= S3cret", "S3cret"),
        ("netdom join A /domain:b /passwordd:S3cret", "/passwordd:S3cret"),
        (r"reg add HKLM\A /v DefaultPassword /d S3cret /f", "S3cret"),
        ("manage-bde -unlock F: -rp 111-222", "111-222"),
    ],
)
def test_a_secret_is_found_where_it_stands(line: str, secret: str) -> None:
    (found,) = (each for each in lint(f"{line}\nver\n", file="a.txt") if each.rule.name == "secret")
    assert line[found.column - 1 : found.column - 1 + found.width] == secret


@pytest.mark.parametrize(
    "line", [r"net use \\srv\share /user:bob *", "netdom join A /domain:b /passwordd:*"]
)
def test_a_star_is_no_secret_but_a_question(line: str) -> None:
    found = {each.rule.name for each in lint(f"{line}\nver\n", file="a.txt")}
    assert "asks" in found
    assert "secret" not in found


@pytest.mark.parametrize(
    "line",
    [
        "net user bob /active:yes",
        "net user bob",
        "net user",
        r"net use Z: \\srv\share",
        r'find ":3389 " a.txt',
        'netstat -ano | find ":3389 "',
        r'reg add HKLM\A /v B /t REG_SZ /d "it\'s a text" /f',
        r"cscript //nologo %windir%\system32\slmgr.vbs /skms azkms.core.windows.net:1688",
        "netsh winhttp reset proxy",
        "sc config A start= auto",
        r'for %v in (a b) do @(reg query "HKLM\A" /v %v 2>nul | find "REG_")',
        "bcdedit /set {current} safeboot minimal",
        r"net stop A /y && net start A",
        r"dir C:\Windows > nul",
        "echo net start reg add",
    ],
)
def test_what_is_right_is_no_error(line: str) -> None:
    found = lint(f"{line}\nver\n", file="a.txt")
    assert not [each for each in found if each.rule.severity is Severity.ERROR]


@pytest.mark.parametrize("path", playbook_files(os.environ).values(), ids=lambda path: path.stem)
def test_every_shipped_playbook_has_neither_errors_nor_warnings(path: Path) -> None:
    found = lint(path.read_text("utf-8"), file=str(path))
    assert not [each for each in found if each.rule.severity is not Severity.NOTE]


BROKEN = """\
# A comment that stays.
schema: 1
name: broken
version: "1.0"
title: Broken in many ways
symptoms: [One.]
sources:   [Two.]   # oddly set
restart: if_changed
security: [MaxIdleTime is raised.]
steps:
  - id: idle     # the step's comment
    why: It has quotes.
    registry:
      key: HKLM\\SYSTEM\\ControlSet001\\Control\\Terminal Server\\WinStations\\RDP-Tcp
      value: "'MaxIdleTime'"   # quoted twice
      type: REG_DWORD
      data: ffffffff
  - {id: b, why: In braces., registry:
      {key: "HKLM\\\\SOFTWARE\\\\A ", value: ' B', type: REG_DWORD, data: -1}}
  - id: look
    why: To see.
    look:
      command: systeminfo find /i "os"
"""


def test_a_playbook_is_repaired_in_its_place(tmp_path: Path) -> None:
    text, done = fixed(BROKEN, file="a.yaml")
    changed = [
        (old, new)
        for old, new in zip(BROKEN.splitlines(), text.splitlines(), strict=False)
        if old != new
    ]
    assert [new for _, new in changed[:3]] == [
        f"      key: {LST}",
        "      value: MaxIdleTime   # quoted twice",
        "      data: 0xffffffff",
    ]
    assert f"      policy_twin: {POL}\n" in text
    assert "{key: HKLM\\SOFTWARE\\A, value: B, type: REG_DWORD, data: 0xffffffff}" in text
    assert '      command: systeminfo | find /i "os"\n' in text
    for comment in ("# A comment that stays.", "# oddly set", "# the step's comment"):
        assert comment in text
    assert {each.rule.id for each in done} == {
        *("SF010", "SF011", "SF015", "SF022", "SF050", "SF090")
    }
    (tmp_path / "broken.yaml").write_text(text, "utf-8")
    assert load_playbook(tmp_path / "broken.yaml").playbook.steps[1].registry is not None
    assert not [each for each in lint(text, file="a.yaml") if each.rule.severity is Severity.ERROR]
    assert fixed(text, file="a.yaml") == (text, [])


def test_places_in_a_playbook() -> None:
    places = {
        each.rule.id: BROKEN.splitlines()[each.line - 1][each.column - 1 :]
        for each in reversed(lint(BROKEN, file="a.yaml"))
    }
    assert places["SF010"].startswith("\"'MaxIdleTime'\"")
    assert places["SF050"].startswith("HKLM")
    assert places["SF022"].startswith('find /i "os"')


def test_what_the_loader_refuses_is_told_once_and_by_its_place() -> None:
    text = (
        "schema: 1\nname: a\nversion: '1'\ntitle: t\nsymptom: [s]\nrestart: sometimes\nsteps: []\n"
    )
    found = [
        (each.line, each.column) for each in lint(text, file="a.yaml") if each.rule.id == "SF001"
    ]
    assert found == [(5, 1), (6, 10), (7, 8)]
    (only,) = lint("a: [\n", file="x/a.yaml")
    assert (only.rule.id, only.line, only.message) == ("SF001", 2, only.message)
    assert only.message.startswith("not YAML")


def test_line_ends_and_marks_stay() -> None:
    text = (
        "\ufeffreg add HKLM\\A /v 'B' /t REG_DWORD /d 1 /f\r\n"
        "sc config A start= auto sc start A\r\n"
    )
    repaired, _ = fixed(text, file="a.cmd")
    assert repaired == (
        "\ufeffreg add HKLM\\A /v B /t REG_DWORD /d 1 /f\r\n"
        "sc config A start= auto\r\nsc start A\r\n"
    )


def test_a_batch_file_doubles_percent_signs() -> None:
    text = 'reg add HKLM\\A /v D /t REG_EXPAND_SZ /d "%SystemRoot%\\M.DMP" /f\n'
    assert '/d "%%SystemRoot%%\\M.DMP" /f' in fixed(text, file="a.bat")[0]
    assert "/d ^%SystemRoot^%\\M.DMP /f" in fixed(text, file="a.txt")[0]


def test_kinds_of_files() -> None:
    assert kind_of("a.YAML", "") == "playbook"
    assert kind_of("a.txt", "reg query HKLM\\A\nver\n") == "commands"
    assert kind_of("a.txt", "A text that speaks of\nsc query A\nand goes on.\n") == "article"
    assert kind_of("a.md", "ver") == "article"


def test_a_batch_file_jumps_over_what_unloads_a_hive() -> None:
    load = "reg load HKLM\\BROKENSYSTEM F:\\S\nif errorlevel 1 goto failed\n"
    use, unload = "reg query HKLM\\BROKENSYSTEM\\Select\n", "reg unload HKLM\\BROKENSYSTEM\n"
    body = f"{load}call :ask\n{unload}exit /b 0\n:failed\n{unload}exit /b 1\n:ask\n{use}"
    assert not {"SF080", "SF081"} & ids(body, "a.cmd")
    assert "SF081" in ids(f"{load}{unload}{use}", "a.cmd")
    assert "SF081" in ids(f"{load}:again\n{unload}{use}", "a.cmd")
    assert "SF080" in ids(f"{load}{use}:failed\nexit /b 1\n", "a.cmd")


def test_a_batch_file_that_asks_first_plants_no_policy() -> None:
    place = r'"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services" /v fDenyTSConnections'
    add = f"reg add {place} /t REG_DWORD /d 0 /f\n"
    assert "SF054" in ids(add, "a.cmd")
    assert "SF054" not in ids(
        f"reg query {place} >nul 2>nul\nif errorlevel 1 goto on\n{add}", "a.cmd"
    )
    assert "SF054" in ids(f"reg query {place}X\n{add}", "a.cmd")


def test_a_powershell_that_is_left_again() -> None:
    text = "powershell\nsc query A\nexit\nsc query A\n"
    assert [each.line for each in lint(text, file="a.txt") if each.rule.id == "SF031"] == [2]


def test_two_commands_in_a_sentence_are_not_torn_apart() -> None:
    text = "Run sc config A start= auto sc start A now.\n"
    assert fixed(text, file="a.md")[0] == text


@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: path.name)
def test_an_article_is_repaired_in_its_place(path: Path) -> None:
    text = path.read_text("utf-8")
    repaired, done = fixed(text, file=path.name)
    assert fixed(repaired, file=path.name) == (repaired, [])
    assert {each.line for each in done} >= {
        at
        for at, (old, new) in enumerate(
            zip(text.split("\n"), repaired.split("\n"), strict=False), 1
        )
        if old != new and text.count("\n") == repaired.count("\n")
    }
    left = {each.rule.id for each in lint(repaired, file=path.name) if each.fix is not None}
    assert not left


COMMANDS = st.sampled_from([text for _, text, _, _ in DEFECTS])
PIECES = st.sampled_from([*"'\"\u201c\u2019 \u00a0\u200b<>|&^%/=\\{}$", "reg add ", "sc ", " /v "])


@given(COMMANDS, st.lists(st.tuples(st.integers(0, 80), PIECES), max_size=4))
def test_repairs_end_and_are_the_last_word(text: str, inserted: list[tuple[int, str]]) -> None:
    """Whatever a line looks like, a second repair has nothing to do, and nothing raises."""
    for at, piece in inserted:
        text = text[:at] + piece + text[at:]
    for file in ("a.bat", "a.ps1", "a.md"):
        repaired, _ = fixed(text, file=file)
        assert fixed(repaired, file=file)[0] == repaired
