from __future__ import annotations

from pathlib import Path

from serialfix.playbook.article import read_article, unmarked
from serialfix.playbook.importer import import_article
from serialfix.playbook.lint import fixed
from serialfix.playbook.offline_part import Sides, marked


ARTICLES = Path(__file__).parent / "articles"


def test_places_leads_and_headings() -> None:
    article = read_article(
        "---\ntitle: From the front | Docs\n---\n# <a name='a'></a>Head\n\nThe text says enough for"
        " a paragraph of its own.\n\n## Sub\n\n1. Do [this](x.md) **now**:\n\n"
        "        C:\\> sc query A\n2. Then `sc start A`, twice.\n"
    )
    assert article.title == "From the front"
    assert [(each.level, each.text, each.above) for each in article.headings] == [
        (1, "Head", -1),
        (2, "Sub", 0),
    ]
    first, second = article.commands
    assert (first.text, first.line, first.column, first.lead) == (
        "sc query A",
        12,
        14,
        "Do this now:",
    )
    assert (second.text, second.line, second.column) == ("sc start A", 13, 10)
    assert second.lead == "Then sc start A, twice."
    assert first.section == second.section == 1
    assert article.paragraphs[0].startswith("The text says")


def test_fences_labels_and_lines_that_go_on() -> None:
    article = read_article(
        "```powershell\nGet-Service A\n```\n\n~~~cmd\nreg add HKLM\\A ^\n  /v B /f\n~~~\n"
        "   ```\n   sc query A\n\n   sc query B\n   ```\n"
    )
    told = [(each.text, each.line, each.label, each.rows) for each in article.commands]
    assert told == [
        ("Get-Service A", 2, "powershell", 1),
        ("reg add HKLM\\A /v B /f", 6, "cmd", 2),
        ("sc query A", 10, None, 1),
        ("sc query B", 12, None, 1),
    ]
    assert article.commands[2].block == article.commands[3].block != article.commands[1].block


def test_tables_links_and_pictures_hold_no_commands() -> None:
    article = read_article(
        "| 1058 | see [net start A](net-start.md) |\n\n![sc query A](a.png)\n\n"
        "Look at https://example.com/reg add HKLM.\n| a | run net start B | c |\n"
    )
    assert [each.text for each in article.commands] == ["net start A", "net start B"]


def test_indented_prose_is_no_code() -> None:
    article = read_article("Steps:\n\n    Find the value and start it.\n\n    More is below.\n")
    assert article.commands == []


def test_registry_paths_in_the_text() -> None:
    article = read_article(
        "Set the HKLM\\System\\CurrentControlSet\\Control\\Terminal Server\\fDenyTSConnections"
        " value under **HKEY_LOCAL_MACHINE**, then reg query HKLM\\A /v B.\n"
    )
    (key,) = article.keys
    assert key.text == r"HKLM\System\CurrentControlSet\Control\Terminal Server\fDenyTSConnections"
    assert len(article.commands) == 1


def test_markdown_is_taken_off() -> None:
    assert unmarked("**a** [b](c) `d` _e_ snake_case <a name='x'></a>f") == "a b d e snake_case f"


def test_any_text_is_read() -> None:
    for text in ("", "\n\n", "---", "```\nreg add", "\ufeff# A", "|", "1.", "    ^", "\0"):
        read_article(text)


def test_sides() -> None:
    assert marked(r"reg load HKLM\X F:\a") is True
    assert marked(r"bcdedit /store F:\boot\bcd /enum") is True
    assert marked(r"reg query HKLM\SYSTEM\CurrentControlSet") is False
    assert marked(r"icacls F:\ProgramData") is True
    assert marked(r"icacls C:\ProgramData") is None
    assert marked("sc query A") is None
    article = read_article(
        "# A\n\n    sc query A\n\n## On\n\n    reg query HKLM\\SYSTEM\\A\n    ver\n\n## Off\n\n"
        "    reg load HKLM\\BROKENSYSTEM F:\\S\n\n    ver\n\n### Deeper\n\n    sfc /scannow\n"
    )
    sides = Sides(article)
    assert [sides.offline(each) for each in article.commands] == [
        False, False, False, True, True, True,
    ]  # fmt: skip


def test_differences_between_the_parts_are_told() -> None:
    text = (ARTICLES / "rdp-disconnects-frequently.en.md").read_text("utf-8")
    row = text.splitlines()[97]  # SecurityLayer in ControlSet002
    assert "ControlSet002" in row
    changed = text.replace(row, row.replace("/d 0", "/d 2"))
    missing = text.replace(row, "")

    def said(text: str) -> list[str]:
        result = import_article(text, source="a.md", name="a")
        return [str(each).partition(" (")[0] for each in result.differences]

    assert said(changed) == ["SecurityLayer: the control sets get different data"]
    assert said(missing) == ["SecurityLayer: not in ControlSet002"]
    assert said(text.replace("/v 'KeepAliveTimeout' /t REG_DWORD /d 1", "", 1)) == [
        "KeepAliveTimeout: only offline, REG_DWORD 1"
    ]


def test_a_fence_in_a_quotation_is_read_without_the_marks_of_the_quotation() -> None:
    text = (
        "# T\n\n> Do:\n>\n> ```cmd\n> sc config Dhcp start=auto\n> sc start Dhcp\n> ```\n\nEnd.\n"
    )
    commands = read_article(text).commands
    assert [(each.text, each.line, each.column) for each in commands] == [
        ("sc config Dhcp start=auto", 6, 3),
        ("sc start Dhcp", 7, 3),
    ]
    assert fixed(text, file="a.md")[0] == text.replace("start=auto", "start= auto")


def test_a_pipe_in_a_table_is_written_with_a_backslash() -> None:
    text = '# T\n\n| what | how |\n|---|---|\n| Who listens | `netstat -ano \\| find "3389"` |\n'
    (command,) = read_article(text).commands
    assert command.text == 'netstat -ano | find "3389"'
    assert command.lead == "Who listens"
    assert fixed(text, file="a.md")[0] == text


def test_tags_end_a_command() -> None:
    text = "# T\n\nRun <code>sc config Dhcp start= auto</code> now.\n"
    (command,) = read_article(text).commands
    assert command.text == "sc config Dhcp start= auto"
