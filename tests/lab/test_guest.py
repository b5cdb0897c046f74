from __future__ import annotations

import asyncio
import copy

import pytest

from serialfix.lab import bootscreens
from serialfix.lab.disk import RCM
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import Guest
from serialfix.lab.profiles import LST, PROFILES, dword, misconfigured_listener
from serialfix.virtual_time import run_virtual
from tests.lab.terminal import Terminal, virtual


@virtual
async def test_the_registry_survives_and_ram_does_not() -> None:
    at = Terminal()
    await at.open()
    await at.type(f'reg add "{LST}" /v SecurityLayer /t REG_DWORD /d 0 /f\r')
    after = copy.deepcopy(at.guest.registry)
    at.guest.restart()
    said = await at.type(b"", wait=5)
    assert b"The SAC will become unavailable soon.  The computer is shutting down." not in said
    assert said.index(b"<name>SAC</name>") < said.index(b"BdsDxe: loading ") < said.index(b"SAC>")
    assert (at.guest.boots, at.guest.restarts) == (2, 1)
    assert at.guest.registry.get(LST, "SecurityLayer") == dword(0)
    assert at.guest.registry.dump() == after.dump()
    assert b"Cmd0001" not in await at.type("ch\r")


@virtual
async def test_sac_announces_the_end_and_a_repaint_looks_like_a_boot() -> None:
    at = Terminal(delays=Delays(shutdown=10))
    await at.boot()
    at.guest.restart()
    at.guest.restart()  # once is enough
    await asyncio.sleep(1)
    assert at.rows[-2:] == [
        "The SAC will become unavailable soon.  The computer is shutting down.",
        "SAC>",
    ]
    said = await at.type(b"\x1b\t ")
    assert b"Computer is booting, SAC started and initialized." in said
    await asyncio.sleep(20)
    assert (at.guest.boots, at.guest.restarts) == (2, 1)


@virtual
async def test_power() -> None:
    at = Terminal()
    await at.boot()
    at.guest.power_on()  # it is on
    at.guest.power_off()
    assert not at.guest.running
    assert await at.type("\r", wait=60) == b""
    at.guest.restart()
    at.guest.power_on()
    at.guest.reset()
    await asyncio.sleep(5)
    assert (at.guest.boots, at.guest.restarts) == (3, 0)
    assert at.rows[-1] == "SAC>"


@virtual
async def test_an_nmi_crashes_windows() -> None:
    at = Terminal()
    await at.open()
    before = len(at.raw)
    at.guest.nmi()
    await asyncio.sleep(1)
    said = bytes(at.raw[before:])
    assert b'<INSTANCE CLASSNAME="BLUESCREEN">\r\n' in said
    assert b"</machine-info>\r\n</INSTANCE>\r\n\r\n!SAC>\r\nYour PC ran into a problem" in said
    assert await at.type("?\r", wait=0.1) == b"?\r\n" + bootscreens.BANG_HELP.encode() + b"!SAC>"
    await asyncio.sleep(5)
    assert (at.guest.boots, at.guest.restarts) == (2, 0)
    assert at.rows[-1] == "SAC>"


@pytest.mark.parametrize("absent", ["silence", "health_report", "boot_manager", "bang_sac"])
@virtual
async def test_no_sac(absent: str) -> None:
    at = Terminal(faults=Faults(sac_absent=absent))  # type: ignore[arg-type]
    await at.boot()
    text = b"\n".join(row.encode() for row in at.rows)
    shown = {
        "silence": text == b"",
        "health_report": b"Health Report" in text,
        "boot_manager": b"Windows Boot Manager" in text,
        "bang_sac": text.endswith(b"!SAC>"),
    }
    assert shown[absent]
    assert b"\nSAC>" not in text
    said = await at.type("cmd\r")
    assert said == (b"cmd\r\n!SAC>" if absent == "bang_sac" else b"")


@pytest.mark.parametrize("faults", [Faults(reboot_after=7), Faults(bugcheck_after=7)])
@virtual
async def test_the_guest_goes_down_at_the_nth_line(faults: Faults) -> None:
    at = Terminal(faults=faults)  # cmd, ch, 3 of the login, then the second line
    await at.open()
    await at.type("cls\r", wait=5)
    assert at.guest.boots == 1
    await at.type("hostname\r", wait=10)
    assert (at.guest.boots, at.guest.restarts) == (2, 0)
    await at.banner()
    await at.login()
    assert at.guest.boots == 2  # once only


@virtual
async def test_the_guest_restarts_itself_after_some_time() -> None:
    at = Terminal(faults=Faults(reboot_after_seconds=20))
    await at.boot()
    await asyncio.sleep(60)
    assert (at.guest.boots, at.guest.restarts) == (2, 0)


@virtual
async def test_whether_a_reboot_comes_before_or_after_the_write_is_chance() -> None:
    async def written(seed: int) -> bool:
        at = Terminal(faults=Faults(reboot_after=6), seed=seed)
        await at.open()
        misconfigured_listener(at.guest.registry)
        at.guest.faults = Faults(bugcheck_after=6)
        await at.type(f'reg add "{LST}" /v MaxIdleTime /t REG_DWORD /d 0 /f\r', wait=5)
        assert at.guest.boots == 2
        return at.guest.registry.get(LST, "MaxIdleTime") == dword(0)

    assert {await written(seed) for seed in range(8)} == {True, False}


@virtual
async def test_the_port_switches_to_sac_by_itself() -> None:
    at = Terminal(faults=Faults(unsolicited_switch_after=6))
    await at.open()
    said = await at.type("ping -n 5 127.0.0.1\r")
    assert b"<name>SAC</name>" in said
    assert said.endswith(b"view this channel.\r\n\r\n")
    await at.type(" ")
    await at.type("ch -sn Cmd0001\r", wait=10)
    await at.type(" ")
    assert at.rows[-4].startswith("Ping statistics")  # it went on meanwhile


@pytest.mark.parametrize("profile", ["ws2019", "ws2022"])
@virtual
async def test_an_agent_writes_on_the_port_at_the_nth_line(profile: str) -> None:
    """On the wire only: no window knows of it, so the next painting of that place wipes it."""
    at = Terminal(profile, faults=Faults(noise_after=6))
    await at.open()
    assert b"EC2Launch: Windows is Ready to use" in await at.type("cls\r")
    at.guest.faults = Faults()
    await at.type(b"\x1b\t0 ")
    await at.type("ch -sn Cmd0001\r")
    await at.type(" ")
    assert "EC2Launch" not in "".join(at.rows)


@virtual
async def test_a_program_in_the_background_prints_at_the_nth_line() -> None:
    at = Terminal(faults=Faults(murmur_after=6))
    await at.open()
    await at.type("cd\r")
    assert any("backup: 3 files copied" in row for row in at.rows)


@virtual
async def test_output_that_stands_still() -> None:
    at = Terminal()
    await at.open()
    at.guest.stall(5.0)
    assert await at.type("hostname\r", wait=4.5) == b""
    assert b"WIN-LAB01" in await at.type("", wait=1)


@virtual
async def test_a_slow_boot() -> None:
    at = Terminal(faults=Faults(slow_boot=100))
    await at.boot()
    assert b"SAC>" not in at.raw
    await asyncio.sleep(100)
    assert at.raw.endswith(b"SAC>")


@virtual
async def test_the_backlog_may_hold_an_old_session() -> None:
    at = Terminal(faults=Faults(stale_backlog=True))
    assert at.guest.history(100_000) == bootscreens.STALE.encode()
    await at.boot()
    assert bytes(at.raw) == at.guest.history(len(at.raw))


@virtual
async def test_names_need_not_be_ascii() -> None:
    at = Terminal(faults=Faults(utf8_everywhere=True))
    await at.open()
    assert "<name>SRV-ÉTÉ-東01</name>".encode() in at.raw
    assert "SRV-ÉTÉ-東01".encode() in await at.type("hostname\r")


def test_the_same_seed_is_the_same_guest() -> None:
    async def session(seed: int) -> bytes:
        at = Terminal("ws2019", seed=seed, faults=Faults(nul_everywhere=True, late_keys=0.1))
        await at.open()
        await at.type("hostname\r", wait=3)
        return bytes(at.raw)

    assert run_virtual(session(4)) == run_virtual(session(4))
    assert run_virtual(session(4)) != run_virtual(session(5))


@virtual
async def test_nothing_needs_time_when_it_may_not() -> None:
    guest = Guest(profile=PROFILES["ws2022"], delays=Delays.instant())
    said: list[bytes] = []
    guest.listen(said.append)
    guest.power_on()
    for _ in range(20):
        await asyncio.sleep(0)
    assert b"".join(said).endswith(b"EVENT: The CMD command is now available.\r\nSAC>")
    assert asyncio.get_running_loop().time() == 0


@virtual
async def test_the_truth_is_kept() -> None:
    at = Terminal()
    await at.open()
    await at.type("echo  a\r")
    assert [(entry.where, entry.line) for entry in at.guest.entered] == [
        ("SAC", "cmd"),
        ("SAC", "ch -sn Cmd0001"),
        ("login", "azureadmin"),
        ("login", ""),
        ("login", "**************"),
        ("Cmd0001", "echo  a"),
    ]
    times = [entry.time for entry in at.guest.entered]
    assert times == sorted(times)


@virtual
async def test_in_safe_mode_there_is_no_remote_desktop() -> None:
    at = Terminal()
    await at.open()
    await at.type("bcdedit /set {current} safeboot minimal\r")
    at.guest.restart()
    await asyncio.sleep(5)
    await at.banner()
    await at.login()
    await at.type("sc start TermService\r")
    await at.type("cls & echo [%errorlevel%]\r")
    assert "[1084]" in at.rows[0]
    await at.type("bcdedit /deletevalue {current} safeboot\r")
    at.guest.restart()
    await asyncio.sleep(5)
    running = at.guest.snapshot()["running"]
    assert isinstance(running, list)
    assert "termservice" in running


@virtual
async def test_a_boot_menu_takes_its_time() -> None:
    at = Terminal()
    bcd = at.guest.disk.bcd
    bcd.entries[bcd.resolve("{bootmgr}")].set("displaybootmenu", ["yes"])
    at.guest.power_on()
    await asyncio.sleep(25)
    assert "SAC>" not in at.rows
    await asyncio.sleep(10)
    assert at.rows[-1] == "SAC>"


@virtual
async def test_without_ems_the_port_is_silent_and_under_a_debugger_deaf() -> None:
    at = Terminal()
    bcd = at.guest.disk.bcd
    loader = bcd.entries[bcd.resolve("{default}")]
    loader.set("debug", ["on"])
    await at.boot()
    assert at.rows[-1] == "SAC>"
    assert await at.type("ch\r") == b""
    loader.set("ems", ["off"])
    at.guest.reset()
    await asyncio.sleep(5)
    assert "SAC>" not in at.rows


@virtual
async def test_a_disabled_account_opens_no_channel() -> None:
    at = Terminal()
    await at.open()
    await at.type("net user azureadmin /active:no\r")
    await at.type("exit\r")
    await at.type(" ")
    await at.banner()
    assert b"Unable to authenticate." in await at.login()


@virtual
async def test_licence_certificates_come_back_with_the_next_boot() -> None:
    at = Terminal()
    await at.open()
    before = at.guest.registry.get(RCM, "X509 Certificate")
    await at.type(f'reg delete "{RCM}" /v "X509 Certificate" /f\r')
    assert at.guest.registry.get(RCM, "X509 Certificate") is None
    at.guest.restart()
    await asyncio.sleep(5)
    assert at.guest.registry.get(RCM, "X509 Certificate") not in (None, before)
