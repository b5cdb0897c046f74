from __future__ import annotations

import pytest

from serialfix.lab.firewall import RULES
from serialfix.lab.profiles import Language
from tests.lab.terminal import Prompt, virtual


PS = "powershell -NoProfile -NonInteractive -Command"
TCP = "RemoteDesktop-UserMode-In-TCP"


@pytest.mark.parametrize("language", ["en", "de", "ja"])
@virtual
async def test_rules_are_known_by_their_id_in_any_language(language: Language) -> None:
    cmd = Prompt(language=language)

    def active() -> bool:
        value = cmd.machine.registry.get(RULES, TCP)
        return value is not None and "|Active=TRUE|" in str(value.data)

    assert await cmd.run(f'{PS} "Set-NetFirewallRule -Name {TCP} -Enabled False"') == (0, "")
    assert not active()
    assert (await cmd.run(f"{PS} \"Enable-NetFirewallRule -Name '{TCP}'\""))[0] == 0
    assert active()
    assert (await cmd.run(f"{PS} Disable-NetFirewallRule -Name {TCP}"))[0] == 0
    text = await cmd.out(f'{PS} "Get-NetFirewallRule -Name {TCP}"')
    assert "Enabled               : False\r\n" in text
    # The display name is not the id (catalogue §4.4 F1).
    assert (await cmd.run(f'{PS} "Enable-NetFirewallRule -DisplayName {TCP}"'))[0] == 1


@virtual
async def test_an_unknown_cmdlet_is_red_text_and_1() -> None:
    cmd = Prompt()
    code, text = await cmd.run(f'{PS} "Get-Nothing -Name x"')
    assert code == 1
    assert "The term 'Get-Nothing' is not recognized as the name of a cmdlet" in text
    assert "+ ~~~" in text
    assert (await cmd.run(f'{PS} "Get-Nothing; Write-Output done"'))[0] == 0  # the last counts
    assert (await cmd.run(f'{PS} "Write-Output done; exit 7"'))[0] == 7


@virtual
async def test_sc_writes_a_file_in_there() -> None:
    cmd = Prompt()
    assert await cmd.run(f'{PS} "sc query NSI"') == (0, "")
    assert cmd.machine.files[r"c:\windows\system32\query"] == "NSI\r\n"
    code, text = await cmd.run(f'{PS} "sc.exe query NSI"')
    assert (code, "SERVICE_NAME: NSI" in text) == (0, True)


@virtual
async def test_services_and_accounts() -> None:
    cmd = Prompt()
    assert (await cmd.run(f'{PS} "Stop-Service TermService"'))[0] == 1  # dependents
    assert (await cmd.run(f'{PS} "Stop-Service -Name TermService -Force"'))[0] == 0
    assert "Stopped" in await cmd.out(f'{PS} "Get-Service TermService"')
    assert (await cmd.run(f'{PS} "Start-Service TermService | Out-Null"'))[0] == 0
    assert (await cmd.run(f'{PS} "Get-Service nothing"'))[0] == 1
    assert "azureadmin" in await cmd.out(f'{PS} "Get-LocalUser"')
    assert (await cmd.run(f'{PS} "Get-LocalUser -Name nobody"'))[0] == 1
    assert "LicenseStatus               : 1" in await cmd.out(
        f'{PS} "Get-CimInstance SoftwareLicensingProduct"'
    )


@virtual
async def test_alone_it_is_a_prompt_inside_of_the_prompt() -> None:
    cmd = Prompt()
    code, text = await cmd.run("powershell", "Write-Output hello", "exit")
    assert code == 0
    assert text.count(r"PS C:\Windows\system32> ") == 2
    assert "hello\r\n" in text
