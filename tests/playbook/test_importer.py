"""Articles in several languages become the playbooks that they stand for; nothing is dropped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import PlaybookError
from serialfix.playbook.imported import Fate, Imported
from serialfix.playbook.importer import import_article
from serialfix.playbook.lint import fixed, lint
from serialfix.playbook.load import find_playbook, parse_playbook
from serialfix.playbook.rules import Severity


FOLDER = Path(__file__).parent / "articles"
ARTICLES = sorted(FOLDER.iterdir())
TS = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server"
LST = rf"{TS}\WinStations\RDP-Tcp"
POL = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
SCH = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"


def imported(name: str) -> Imported:
    path = FOLDER / name
    return import_article(path.read_text("utf-8"), source=path.name, name="imported")


def steps(of: Imported) -> dict[str, tuple[str, dict[str, Any]]]:
    """Kind and body of each step by its id, without what is left at its default."""
    return {
        step.id: (step.kind, step.wish.model_dump(mode="json", exclude_defaults=True))
        for step in of.playbook.playbook.steps
    }


def value(key: str, name: str, kind: str, data: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    return "registry", {"key": key, "value": name, "type": kind, "data": data, **more}


def dword(key: str, name: str, data: int, **more: Any) -> tuple[str, dict[str, Any]]:
    return value(key, name, "REG_DWORD", data, **more)


SHIPPED = [
    (step.id, step.registry) for step in find_playbook("rdp-reset", environ={}).playbook.steps
]


@pytest.mark.parametrize(
    "name", ["rdp-disconnects-frequently.en.md", "rdp-disconnects-frequently.fr.md"]
)
def test_the_flagship_article_is_the_shipped_playbook(name: str) -> None:
    result = imported(name)
    assert [(step.id, step.registry) for step in result.playbook.playbook.steps] == SHIPPED
    assert len(SHIPPED) == 16
    assert result.playbook.playbook.restart == "if_changed"
    assert result.differences == ()
    fates = [entry.fate for entry in result.entries]
    assert (fates.count(Fate.STEP), fates.count(Fate.OFFLINE), len(fates)) == (16, 29, 45)
    repairs = [repair.rule.id for repair in result.repairs if repair.rule]
    assert {rule: repairs.count(rule) for rule in set(repairs)} == {
        "SF010": 45,
        "SF011": 2,
        "SF015": 2,
    }
    assert "SecurityLayer" in result.playbook.playbook.security[0]


def test_what_a_step_is_for_is_said_in_the_article_s_words() -> None:
    french = imported("rdp-disconnects-frequently.fr.md").playbook.playbook
    assert french.title.startswith("Le Bureau à distance se déconnecte")
    assert french.symptoms[0].startswith("Vous rencontrez des problèmes intermittents")
    assert french.steps[4].why == "Activez le contrôle RDP Keep-Alive :"


# Words of the article's place in other languages; among them some that programs are called, too.
LANGUAGES = {
    "de": "Setzen Sie den Wert neu und starten Sie dann den Rechner sc Find More Type",
    "nl": "Het net nu opnieuw en de route find sort more set in het net",
    "es": "Establezca el valor y reinicie la máquina virtual más tarde con el control time",
    "ja": "次のコマンドを実行します 仮想マシンを再起動して 値を確認します。 設定",
}


def translated(text: str, words: list[str]) -> str:
    """The article with every word of its prose replaced; commands, numbers and marks stay."""
    rows, at, front = [], 0, 0
    for row in text.splitlines():
        front += row == "---"
        if "REG ADD" in row or front == 1 or row == "---":
            rows.append(row)
            continue
        head = re.match(r"\s*(?:\d+\.|#+|[-*])?\s*", row)
        assert head is not None
        rest = row[head.end() :]
        said = []
        for _ in rest.split():
            said.append(words[at % len(words)])
            at += 1
        rows.append(head[0] + " ".join(said))
    return "\n".join(rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_depends_on_the_article_s_words(language: str) -> None:
    text = (FOLDER / "rdp-disconnects-frequently.en.md").read_text("utf-8")
    words = LANGUAGES[language].split()
    other = import_article(translated(text, words), source="a.md", name="imported")
    assert [(step.id, step.registry) for step in other.playbook.playbook.steps] == SHIPPED
    assert other.differences == ()


def test_a_false_friend_is_told_and_not_dropped() -> None:
    """`net start de` in a Dutch sentence looks like a command, and is given as one."""
    result = import_article(
        "# Titel\n\nHet net start nu: reg delete HKLM\\A /v B /f\n", source="a.md", name="a"
    )
    assert [entry.text for entry in result.entries] == [
        "net start nu:".rstrip(":"),
        r"reg delete HKLM\A /v B /f",
    ]


OUTCOMES: dict[str, tuple[str, dict[str, tuple[str, dict[str, Any]]]]] = {
    "detailed-troubleshoot-rdp.en.md": (
        "if_changed",
        {"port-number": dword(LST, "PortNumber", 3389)},
    ),
    "kb2477176-rdp-disconnected-errors.txt": (
        "never",
        {
            "look-netstat": ("look", {"command": "netstat -a -o"}),
            "look-tasklist": ("look", {"command": "tasklist /svc"}),
            "look-netstat-2": ("look", {"command": "netstat -a"}),
            "look-qwinsta": ("look", {"command": "qwinsta"}),
        },
    ),
    "termservice.en.md": (
        "never",
        {
            "look-wevtutil": (
                "look",
                {
                    "command": 'wevtutil qe system /c:1 /f:text /q:"Event[System[Provider[@Name='
                    "'Service Control Manager'] and EventID=7022 and TimeCreated[timediff"
                    '(@SystemTime) <= 86400000]]]" /rd:true'
                },
            ),
            "term-service": (
                "service",
                {
                    "name": "TermService",
                    "state": "running",
                    "start_failures": [
                        {"codes": [1058, 1077], "set": {"start": "demand"}},
                        {"codes": [1069], "set": {"account": r"NT AUTHORITY\NetworkService"}},
                        {"codes": [1053, 1067, 1070], "set": {"type": "own"}},
                    ],
                },
            ),
        },
    ),
    "dhcp.de.md": (
        "never",
        {
            "dhcp": (
                "service",
                {
                    "name": "DHCP",
                    "state": "running",
                    "start_failures": [
                        {"codes": [1058, 1077], "set": {"start": "auto"}},
                        {"codes": [1069], "set": {"account": r"NT AUTHORITY\LocalService"}},
                        {"codes": [1053, 1067, 1070], "set": {"type": "own"}},
                    ],
                },
            )
        },
    ),
    "static-ip.ja.md": ("never", {"dhcp": ("network", {"interface": "Ethernet 2", "dhcp": True})}),
    "safe-mode.es.md": (
        "if_changed",
        {
            "no-safeboot": (
                "bcd",
                {"entry": "{current}", "element": "safeboot", "state": "absent"},
            )
        },
    ),
    "firewall.nl.md": (
        "never",
        {
            "remote-desktop-user-mode-in-tcp": (
                "firewall_rule",
                {
                    "rule": "RemoteDesktop-UserMode-In-TCP",
                    "name": "Remote Desktop - User Mode (TCP-In)",
                    "enabled": True,
                },
            ),
            "remote-desktop-user-mode-in-udp": (
                "firewall_rule",
                {
                    "rule": "RemoteDesktop-UserMode-In-UDP",
                    "name": "Remote Desktop - User Mode (UDP-In)",
                    "enabled": True,
                },
            ),
            "firewall-profiles": ("firewall_profile", {"enabled": False}),
        },
    ),
    "nla.en.md": (
        "if_changed",
        {
            "user-authentication": dword(LST, "UserAuthentication", 0, policy_twin=POL),
            "look-set": ("look", {"command": 'set | find /i "LOGONSERVER"'}),
            "fips-algorithm-policy-enabled": dword(
                r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa\FIPSAlgorithmPolicy", "Enabled", 0
            ),
            "min-encryption-level": dword(LST, "MinEncryptionLevel", 2, policy_twin=POL),
        },
    ),
    "credssp.fr.md": (
        "never",
        {
            "look-wmic": (
                "look",
                {
                    "command": "wmic datafile where"
                    r" name='c:\\windows\\system32\\tspkg.dll' get version"
                },
            ),
            "allow-encryption-oracle": dword(
                r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\CredSSP\Parameters",
                "AllowEncryptionOracle",
                2,
            ),
        },
    ),
    "tls.de.md": (
        "if_changed",
        {
            "tls-1-0-enabled": dword(rf"{SCH}\TLS 1.0\Server", "Enabled", 1),
            "tls-1-2-enabled": dword(rf"{SCH}\TLS 1.2\Server", "Enabled", 1),
            "gpsvc": ("service", {"name": "gpsvc", "start": "auto", "state": "running"}),
        },
    ),
    "no-licence-server.en.md": (
        "if_changed",
        {
            "look-install-state": (
                "look",
                {
                    "command": r'reg query "HKLM\SOFTWARE\Microsoft\ServerManager\ServicingStorage'
                    r'\ServerComponentCache\RDS-RD-Server" /v InstallState'
                },
            ),
            "licensing-mode": dword(
                rf"{TS}\RCM\Licensing Core", "LicensingMode", 4, policy_twin=POL
            ),
            "specified-license-servers": value(
                r"HKLM\SYSTEM\CurrentControlSet\Services\TermService\Parameters\LicenseServers",
                "SpecifiedLicenseServers",
                "REG_MULTI_SZ",
                ["example"],
            ),
        },
    ),
    "profile-bak.en.md": (
        "never",
        {
            "look-profile-list": (
                "look",
                {
                    "command": r'reg query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
                    r'\ProfileList" /s'
                },
            ),
            "look-profile-list-2": (
                "look",
                {
                    "command": r'reg query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
                    r'\ProfileList" /k /f .bak'
                },
            ),
        },
    ),
    "boot-menu.nl.md": (
        "never",
        {
            "timeout": ("bcd", {"entry": "{bootmgr}", "element": "timeout", "value": "5"}),
            "no-displaybootmenu": (
                "bcd",
                {"entry": "{bootmgr}", "element": "displaybootmenu", "state": "absent"},
            ),
        },
    ),
    "general-error.es.md": (
        "if_changed",
        {
            "terminal-services-deny-ts-connections": dword(
                POL, "fDenyTSConnections", 0, only_if_present=True
            ),
            "terminal-server-deny-ts-connections": dword(
                TS, "fDenyTSConnections", 0, policy_twin=POL
            ),
            "ts-enabled": dword(TS, "TSEnabled", 1),
            "logon-disabled": dword(LST, "fLogonDisabled", 0),
        },
    ),
    "netlogon.en.md": (
        "never",
        {
            "netlogon": ("service", {"name": "NETLOGON", "start": "auto", "state": "running"}),
            "look-systeminfo": ("look", {"command": 'systeminfo  | find /i "os name"'}),
        },
    ),
}

# What is left for a person, by line.
LEFT = {
    "detailed-troubleshoot-rdp.en.md": [
        *(125, 138, 138, 143, 144, 145, 146, 149, 149, 156, 157, 158, 164)
    ],
    "kb2477176-rdp-disconnected-errors.txt": [230, 299, 369],
    "termservice.en.md": [54, 55, 56, 62],
    "firewall.nl.md": [36],
    "nla.en.md": [27, 28, 33, 34],
    "credssp.fr.md": [23, 23, 28, 29],
    "tls.de.md": [26],
    "no-licence-server.en.md": [40, 43],
    "profile-bak.en.md": [19],
    "netlogon.en.md": [37],
}

# What was repaired: lines and rules.
REPAIRED = {
    "termservice.en.md": [(16, "SF046"), (83, "SF010"), (109, "SF052"), (113, "SF012")],
    "dhcp.de.md": [(30, "SF010")],
    "safe-mode.es.md": [(31, "SF033"), (32, "SF034"), (33, "SF034"), (35, "SF052")],
    "firewall.nl.md": [(30, "SF062"), (36, "SF040"), (46, "SF033"), (49, "SF033")],
    "nla.en.md": [(19, "SF040"), (45, "SF053"), (45, "SF040"), (51, "SF053"), (51, "SF040")],
    "credssp.fr.md": [(15, "SF040"), (23, "SF019"), (29, "SF040")],
    "tls.de.md": [(24, "SF019")],
    "no-licence-server.en.md": [(28, "SF040"), (34, "SF040"), (40, "SF040")],
    "profile-bak.en.md": [(15, "SF040"), (19, "SF040"), (19, "SF052")],
    "boot-menu.nl.md": [(16, "SF034"), (23, "SF052"), (28, "SF052")],
    "netlogon.en.md": [(22, "SF031"), (30, "SF031"), (30, "SF060"), (31, "SF031"), (34, "SF022")],
}

DIFFERENT = {
    "safe-mode.es.md": ["CrashDumpEnabled: only offline", "DumpFile: only offline"],
    "tls.de.md": [
        "Enabled: not in ControlSet002",
        "UserAuthentication: only offline",
        "UserAuthentication: not in ControlSet002",
        "Start: only online",
    ],
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_article_step_by_step(name: str) -> None:
    restart, expected = OUTCOMES[name]
    result = imported(name)
    assert steps(result) == expected
    assert list(steps(result)) == list(expected)
    assert result.playbook.playbook.restart == restart
    assert [entry.line for entry in result.unknown] == LEFT.get(name, [])
    found = [(repair.line, repair.rule.id) for repair in result.repairs if repair.rule]
    assert found == REPAIRED.get(name, [])
    said = [str(each) for each in result.differences]
    assert len(said) == len(DIFFERENT.get(name, []))
    for text, start in zip(said, DIFFERENT.get(name, []), strict=True):
        assert text.startswith(start)


def test_every_article_has_its_outcome() -> None:
    flagship = {f"rdp-disconnects-frequently.{language}.md" for language in ("en", "fr")}
    assert {path.name for path in ARTICLES} == {*OUTCOMES, *flagship}


def test_a_placeholder_becomes_a_parameter() -> None:
    playbook = imported("static-ip.ja.md").playbook.playbook
    assert playbook.parameters["nic_name"].example == "Ethernet 2"
    assert "interface: ${nic_name}" in imported("static-ip.ja.md").text
    servers = imported("no-licence-server.en.md").text
    assert "- ${fqdn_of_the_license_server}" in servers


@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: path.name)
def test_the_result_loads_and_has_no_errors(path: Path) -> None:
    result = imported(path.name)
    assert parse_playbook(result.text).playbook == result.playbook.playbook
    assert not [
        each for each in lint(result.text, file="a.yaml") if each.rule.severity is not Severity.NOTE
    ]
    head, modeline = result.text.splitlines()[:2]
    assert (head[:2], modeline[:10]) == ("# ", "# $schema:")
    assert path.name in result.playbook.playbook.description
    for entry in result.unknown:
        assert f"#   {entry.line}: " in result.text


# Written for this test alone: what anybody takes for a command when skimming an article.
LOOKS_LIKE_ONE = re.compile(
    r"""(?i)(?<![\w\\/.<-])(?:reg\s+(?:add|delete|query|load|unload)|sc\s+(?:query|config|start|stop)
    |net\s+(?:start|stop|user|localgroup)\s|netsh\s+\w+|bcdedit\s+/|dism\s+/|netdom\s|wmic\s+\w+\s
    |wevtutil\s|icacls\s|takeown\s|gpupdate\s|shutdown\s+/|robocopy\s|procmon\s+/|tasklist\s+/
    |netstat\s+-|[SGE][en]t(?:er)?-[A-Z]\w+\s+-|\$\w+\s*=)""",
    re.VERBOSE,
)


@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: path.name)
def test_nothing_that_looks_like_a_command_is_dropped(path: Path) -> None:
    told = {entry.line for entry in imported(path.name).entries}
    rows = path.read_text("utf-8").splitlines()
    seen = [at for at, row in enumerate(rows, 1) if LOOKS_LIKE_ONE.search(row)]
    assert set(seen) <= told
    fenced, inside = set(), False
    for at, row in enumerate(rows, 1):
        if row.strip().startswith("```"):
            inside = not inside
        elif inside and row.strip():
            fenced.add(at)
    assert fenced <= told


KNOWN = r"reg add HKLM\SOFTWARE\Acme /v Known /t REG_DWORD /d 1 /f"
PLANTED = st.sampled_from(
    [
        r"REG ADD HKLM\SOFTWARE\Acme /v 'A' /t REG_DWORD /d 1 /f",
        r'reg add "HKLM\BROKENSYSTEM\ControlSet001\Services\A" /v Start /t REG_DWORD /d 2 /f',
        r"reg delete HKLM\SOFTWARE\Acme /v B",
        r"sc config Dnscache start=auto",
        r"sc query <service>",
        r"net stop TermService",
        r'netsh interface ip set address name="<NIC>" source=dhcp',
        r"netsh advfirewall set allprofiles state on",
        r"bcdedit /deletevalue {current} safeboot",
        r"bcdedit /store F:\boot\bcd /enum",
        r"net user bob S3cret",
        r"dism /online /enable-feature /featurename:X",
        r"Set-ItemProperty -Path 'HKLM:\SOFTWARE\Acme' -Name C -Value 7",
        r"Restart-Service -Name TermService -Force",
        r"icacls C:\Keys /t /c > C:\temp\before.txt",
        r"shutdown /r /t 0",
        r"wevtutil qe system /c:1",
        r"netdom join A /domain:b /passwordd:c",
    ]
)
SAID = st.sampled_from(
    ["Geben Sie dies ein:", "次を実行します:", "Exécutez ", "Ejecute", "Voer uit:", "Then run", ""]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PLANTED, SAID, st.integers(0, 5)), max_size=6))
def test_every_planted_command_is_accounted_for(planted: list[tuple[str, str, int]]) -> None:
    """Wherever a command stands: indented, fenced, as code or in the middle of a sentence."""
    rows, places = ["# Title", "", f"    {KNOWN}", ""], []
    for number, (command, said, where) in enumerate(planted, 1):
        match where:
            case 0:
                rows += [f"{number}. {said}", "", f"        {command}"]
            case 1:
                rows += [f"{number}. {said}", f"        {command} "]
            case 2:
                rows += [said, "", "```console", command]
            case 3:
                rows += [said, "", "   ```powershell", f"   {command}"]
            case 4:
                rows += [f"* {said} `{command}`, {said}"]
            case _:
                rows += [f"{number}. {said}     {command}"]
        places.append(len(rows))
        rows += ["```" if where == 2 else "   ```" if where == 3 else "", ""]
    result = import_article("\n".join(rows), source="a.md", name="a")
    told = {entry.line for entry in result.entries}
    assert set(places) <= told
    ids = {step.id for step in result.playbook.playbook.steps} | {"restart"}
    assert all(entry.note in ids for entry in result.entries if entry.fate is Fate.STEP)
    for entry in result.unknown:
        assert f"#   {entry.line}: " in result.text
    assert not [
        each for each in lint(result.text, file="a.yaml") if each.rule.severity is Severity.ERROR
    ]
    assert "S3cret" not in result.text


def test_an_article_with_nothing_to_do_says_what_it_read() -> None:
    with pytest.raises(PlaybookError, match="no command in it could be made a step") as caught:
        import_article("# A\n\n    net user bob S3cret\n", source="a.md", name="a")
    assert "line 3: net user bob" in caught.value.remedy


def test_an_offline_article_is_taken_for_the_running_guest() -> None:
    text = "# A\n\n" + "".join(
        f"    reg add HKLM\\BROKENSYSTEM\\ControlSet00{each}\\Services\\RDAgent /v ErrorControl"
        " /t REG_DWORD /d 1 /f\n"
        for each in (1, 2)
    )
    result = import_article(text, source="a.md", name="a")
    key = r"HKLM\SYSTEM\CurrentControlSet\Services\RDAgent"
    assert steps(result) == {"rd-agent-error-control": dword(key, "ErrorControl", 1)}
    assert "offline part only" in result.text


def test_a_service_that_is_stopped_and_started_is_restarted() -> None:
    text = "# A\n\n    net stop RdAgent\n    net start RdAgent\n"
    result = import_article(text, source="a.md", name="a")
    body = {"name": "RdAgent", "state": "running", "restart": True}
    assert steps(result) == {"rd-agent": ("service", body)}
    text = (
        f'# A\n\n    reg add "{LST}" /v PortNumber /t REG_DWORD /d 0xd3d /f\n'
        "    Restart-Service TermService -Force\n"
    )
    service = steps(import_article(text, source="a.md", name="a"))["term-service"][1]
    assert service["restart_if_changed"] == ["port-number"]


def test_a_password_of_the_article_is_nowhere() -> None:
    text = (
        "# A\n\nWith S3cret! you get in.\n\n1. Type `net user bob S3cret!`, then go on:\n\n"
        "        reg add HKLM\\A /v B /t REG_DWORD /d 1 /f\n"
        "        netdom join A /domain:b /passwordd:S3cret!\n"
    )
    result = import_article(text, source="a.md", name="a")
    assert "S3cret" not in result.text
    assert not [entry for entry in result.entries if "S3cret" in entry.text]
    assert len(result.unknown) == 2
    assert "net user bob ***" in result.text


def test_literal_dollar_braces_stay() -> None:
    text = "# A\n\nSay ${this}:\n\n    reg add HKLM\\A /v B /t REG_SZ /d ${c} /f\n"
    (step,) = import_article(text, source="a.md", name="a").playbook.playbook.steps
    assert step.why == "Say ${this}:"
    assert step.registry is not None
    assert step.registry.data == "${c}"


def test_the_same_branches_as_in_the_shipped_playbook() -> None:
    """The codes are Windows' own; the article has two of them the wrong way round."""
    (shipped,) = (
        step.service
        for step in find_playbook("termservice-repair", environ={}).playbook.steps
        if step.service is not None
    )
    made = imported("termservice.en.md").playbook.playbook.steps[1].service
    assert made is not None
    repaired = [each for each in shipped.start_failures if each.set is not None]
    assert list(made.start_failures) == repaired


def test_what_contradicts_itself_is_told() -> None:
    text = "".join(f"    reg add HKLM\\A /v B /t REG_DWORD /d {each} /f\n" for each in (1, 2, 1))
    result = import_article(f"# A\n\n{text}", source="a.md", name="a")
    (unknown,) = result.unknown
    assert (unknown.line, unknown.note) == (4, "line 3 wants it otherwise")


def test_a_program_that_nobody_knows_is_listed_wherever_it_stands() -> None:
    text = "# T\n\nDo:\n\n    sc start Dhcp\n\nThen:\n\n    frobnicate /all\n\nOr `acmectl -x`.\n"
    unknown = import_article(text, source="a.md", name="a").unknown
    assert [(each.line, each.text) for each in unknown] == [
        (9, "frobnicate /all"),
        (11, "acmectl -x"),
    ]


def test_letters_of_html_are_read_as_what_they_stand_for() -> None:
    row = "reg add &quot;HKLM\\SOFTWARE\\A B&quot; /v G /t REG_SZ /d &quot;a &amp; b&quot;"
    text = f"# T\n\n<pre><code>{row}\n</code></pre>\n"
    (step,) = import_article(text, source="a.md", name="a").playbook.playbook.steps
    assert step.registry is not None
    assert (step.registry.key, step.registry.data) == (r"HKLM\SOFTWARE\A B", "a & b")
    assert fixed(text, file="a.md")[0] == text


@pytest.mark.parametrize(
    "command",
    [
        r"psexec \\vm reg add HKLM\SOFTWARE\A /v Y /t REG_DWORD /d 1 /f",
        r"reg add HKLM\SOFTWARE\A /v Y /t REG_DWORD /d 1 /f /reg:32",
        r"reg delete HKLM\SOFTWARE\A /v Y /f /reg:32",
    ],
)
def test_what_is_meant_for_another_place_is_no_step_here(command: str) -> None:
    text = f"# T\n\n    sc start Dhcp\n    {command}\n"
    imported = import_article(text, source="a.md", name="a")
    assert [step.id for step in imported.playbook.playbook.steps] == ["dhcp"]
    assert [each.text for each in imported.unknown] == [command]
    assert fixed(text, file="a.md")[0] == text
