"""The PowerShell script, held to a grammar that nobody here wrote (tree-sitter's); no PowerShell
runs where these tests do, so that its effect on a Windows is not shown."""

from __future__ import annotations

import re

import pytest
import tree_sitter_powershell
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter import Language, Node, Parser

from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.export import export
from serialfix.playbook.export_ps1 import data, quoted
from serialfix.playbook.load import find_playbook
from serialfix.playbook.schema import Playbook
from tests.playbook.everything import everything, values


PARSER = Parser(Language(tree_sitter_powershell.language()))


def text(playbook: Playbook) -> str:
    content = export(playbook, "ps1").content
    assert content.startswith(b"\xef\xbb\xbf")  # 5.1 takes a script without it for ANSI
    decoded = content.decode("utf-8-sig")
    assert decoded.count("\n") == decoded.count("\r\n")
    return decoded


def nodes(node: Node, kind: str) -> list[Node]:
    found = [node] if node.type == kind else []
    return found + [each for child in node.children for each in nodes(child, kind)]


def parsed(script: str) -> Node:
    root = PARSER.parse(script.encode()).root_node
    assert not root.has_error, [
        (each.start_point, (each.text or b"")[:80]) for each in nodes(root, "ERROR")
    ]
    return root


@pytest.mark.parametrize(
    "playbook", [everything(), values(), find_playbook("rdp-reset").playbook], ids=lambda p: p.name
)
def test_it_is_powershell(playbook: Playbook) -> None:
    parsed(text(playbook))


def test_the_grammar_would_see_a_mistake() -> None:
    assert PARSER.parse(b"if ($a { 'b }").root_node.has_error


def test_whatif_strict_mode_and_stop() -> None:
    script = text(everything())
    assert "SupportsShouldProcess = $true" in script
    assert "Set-StrictMode -Version Latest" in script
    assert "$ErrorActionPreference = 'Stop'" in script


def test_every_function_that_changes_something_asks_for_consent_first() -> None:
    changing = re.compile(
        r"\.SetValue\(|\.DeleteValue\(|& (?:reg|sc|netsh)\.exe (?:export|config|start|interface)"
        r"|& net\.exe localgroup \$Group \$Name|/set |/deletevalue|(?:Stop|Start)-Service "
        r"|Set-Net\w+ |Set-Dns\w+ |(?:En|Dis)able-\w+ |Invoke-Line \$Line$",
        re.MULTILINE,
    )
    for function in nodes(parsed(text(everything())), "function_statement"):
        body = (function.text or b"").decode()
        if match := changing.search(body):
            assert "ShouldProcess(" in body[: match.start()], body


def test_only_functions_that_are_there_are_called() -> None:
    root = parsed(text(everything()))
    defined = {(each.text or b"").decode() for each in nodes(root, "function_name")}
    called = {(each.text or b"").decode() for each in nodes(root, "command_name")}
    ours = {name for name in called if re.fullmatch(r"[A-Z]\w+-\w+", name)} - defined
    windows = r"(Get|Set)-Net\w+|Set-DnsClientServerAddress|\w+-LocalUser|\w+-NetAdapter"
    known = {
        *("Set-StrictMode", "Write-Output", "Write-Warning", "Out-Null", "Join-Path"),
        *("Where-Object", "Start-Process", "Get-Service", "Start-Service", "Stop-Service"),
    }
    assert {name for name in ours - known if not re.fullmatch(windows, name)} == set()
    for name in defined - {"Set-Changed", "Open-Key"}:
        assert text(everything()).count(name) > 1 or name == "Get-OnlyAdapter"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_a_text_stays_one_text_in_which_nothing_is_expanded(given_: str) -> None:
    literal = quoted(given_)
    assert literal[0] == literal[-1] == "'"
    inner = literal[1:-1]
    assert re.fullmatch(
        "(?:[^'\u2018-\u201b]|(?:''|\u2018\u2018|\u2019\u2019|\u201a\u201a|\u201b\u201b))*", inner
    )
    assert re.sub("(['\u2018-\u201b])\\1", r"\1", inner) == given_


def test_numbers_have_the_sign_that_dotnet_wants() -> None:
    def number(kind: RegistryType, value: int) -> str:
        return data(RegistryValue(kind, value))

    assert number(RegistryType.DWORD, 0x7FFFFFFF) == "([int]2147483647)"
    assert number(RegistryType.DWORD, 0xFFFFFFFF) == "([int]-1)"
    assert number(RegistryType.QWORD, 0xFFFFFFFF) == "([long]4294967295)"
    assert number(RegistryType.QWORD, 1 << 63) == "([long]-9223372036854775808)"
    assert data(RegistryValue(RegistryType.MULTI_SZ, ())) == "([string[]]@())"
    assert data(RegistryValue(RegistryType.BINARY, b"\1\xff")) == "([byte[]]@(0x01, 0xff))"


def test_guards_and_conditions() -> None:
    script = text(everything())
    acme = r"'HKLM\SOFTWARE\Acme'"
    assert (
        r"if (Get-Value 'HKLM\SOFTWARE\Policies\Acme' 'Deny') "
        r"{ Set-Value 'HKLM\SOFTWARE\Policies\Acme' 'Deny' DWord ([int]0) }"
    ) in script
    assert f"if (Test-Among (Get-Fact {acme} 'The Level') @([decimal]4, 'absent')) {{" in script
    assert f"if (-not (Test-Among (Get-Fact {acme} 'The Level') @([decimal]4))) {{" in script
    assert "if (@('present') | Where-Object { $changed.ContainsKey($_) })" in script
