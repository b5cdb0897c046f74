from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.licensing import KEY
from serialfix.model import RegistryType, RegistryValue
from tests.lab.terminal import Prompt, virtual


SLMGR = r"cscript //nologo %windir%\system32\slmgr.vbs"
NO_KMS = -1073418124  # 0xC004F074 as cmd.exe shows it


@virtual
async def test_a_server_is_set_and_windows_activated() -> None:
    cmd = Prompt()
    cmd.machine.disk.activated = False
    assert (await cmd.run(f"{SLMGR} /ckms"))[0] == 0
    assert cmd.machine.registry.get(KEY, "KeyManagementServiceName") is None
    code, text = await cmd.run(f"{SLMGR} /ato")
    assert (code, "0xC004F074" in text, cmd.machine.disk.activated) == (NO_KMS, True, False)
    code, text = await cmd.run(f"{SLMGR} /skms azkms.core.windows.net:1688")
    assert code == 0
    assert "azkms.core.windows.net:1688 successfully." in text
    wanted = RegistryValue(RegistryType.SZ, "azkms.core.windows.net")
    assert cmd.machine.registry.get(KEY, "KeyManagementServiceName") == wanted
    assert (await cmd.run(f"{SLMGR} /ato"))[0] == 0
    assert "License Status: Licensed" in await cmd.out(f"{SLMGR} /dlv")


@virtual
async def test_no_server_may_answer_whatever_is_set() -> None:
    cmd = Prompt(kms_unreachable=True)
    assert (await cmd.run(f"{SLMGR} /ato"))[0] == NO_KMS


@virtual
async def test_the_status_is_long() -> None:
    cmd = Prompt()
    assert 20 <= len((await cmd.out(f"{SLMGR} /dlv")).splitlines()) <= 30
    assert len((await cmd.out(f"{SLMGR} /dli")).splitlines()) < 10
    assert "License Status" in await cmd.out(f"{SLMGR} /xpr")


@pytest.mark.parametrize(
    "line", [f"{SLMGR}", f"{SLMGR} /skms host:port", r"cscript //nologo C:\other.vbs /dlv"]
)
@virtual
async def test_a_wrong_line(line: str) -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    assert (await cmd.run(line))[0] == 1
    assert cmd.machine.disk.snapshot() == before


@virtual
async def test_bare_slmgr_says_nothing_and_does_not_wait() -> None:
    cmd = Prompt()
    assert await cmd.run("slmgr /skms kms.example:1688") == (0, "")
    await asyncio.sleep(1)
    wanted = RegistryValue(RegistryType.SZ, "kms.example")
    assert cmd.machine.registry.get(KEY, "KeyManagementServiceName") == wanted
