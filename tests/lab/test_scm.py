from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.faults import ServiceFault
from serialfix.lab.profiles import LST, SERVICES, TS, dword, install_service
from serialfix.model import RegistryType, RegistryValue
from tests.lab.terminal import Prompt, virtual


def failing(**switches: object) -> Prompt:
    fault = ServiceFault(**switches)  # type: ignore[arg-type]
    return Prompt(services={"TermService": fault})


@pytest.mark.parametrize(("code", "event"), [(1053, 7009), (1067, 7034), (1070, 7022)])
@virtual
async def test_a_service_that_fails_until_it_has_a_process_of_its_own(
    code: int, event: int
) -> None:
    cmd = failing(start_code=code, until={"Type": 16})
    assert "termservice" not in cmd.machine.running
    assert (await cmd.run("sc start TermService"))[0] == code
    assert f"WIN32_EXIT_CODE    : {code}  " in await cmd.out("sc query TermService")
    assert (await cmd.run("net start TermService"))[0] == 2
    assert event in {record.id for record in cmd.machine.disk.events.records}
    assert (await cmd.run("sc config TermService type= own"))[0] == 0
    assert (await cmd.run("sc start TermService"))[0] == 0


@virtual
async def test_a_service_whose_account_cannot_log_on() -> None:
    cmd = Prompt()
    await cmd.run("net stop TermService /y")
    cmd.machine.disk.accounts.add("svc", "Lab-Passw0rd!!")
    assert (await cmd.run(r'sc config TermService obj= ".\svc"'))[0] == 0
    assert (await cmd.run("sc start TermService"))[0] == 1069
    await cmd.run(r'sc config TermService obj= "NT Authority\NetworkService"')
    assert (await cmd.run("sc start TermService"))[0] == 0


@virtual
async def test_a_service_is_as_good_as_what_it_depends_on() -> None:
    cmd = Prompt()
    await cmd.run("net stop NSI /y")
    await cmd.run("sc config NSI start= disabled")
    assert (await cmd.run("sc start Dhcp"))[0] == 1068
    await cmd.run("sc config NSI start= auto")
    assert (await cmd.run("sc start Dhcp"))[0] == 0
    assert "nsi" in cmd.machine.running
    registry = cmd.machine.registry
    needs = RegistryValue(RegistryType.MULTI_SZ, ("Missing",))
    install_service(registry, "Lost", display="Lost", image=r"C:\lost.exe")
    registry.set(f"{SERVICES}\\Lost", "DependOnService", needs)
    assert (await cmd.run("sc start Lost"))[0] == 1075
    for name, other in (("Egg", "Hen"), ("Hen", "Egg")):
        install_service(registry, name, display=name, image=r"C:\x.exe", needs=(other,))
    assert (await cmd.run("sc start Egg"))[0] in (1059, 1068)


@virtual
async def test_a_slow_service_is_pending_and_takes_no_orders() -> None:
    cmd = failing(slow_start=20.0, slow_stop=5.0)
    await asyncio.sleep(30)
    await cmd.run("net stop UmRdpService")
    assert (await cmd.run("sc stop TermService"))[0] == 0
    assert "STATE              : 3  STOP_PENDING" in await cmd.out("sc query TermService")
    assert (await cmd.run("sc stop TermService"))[0] == 1061
    await asyncio.sleep(6)
    assert "STATE              : 1  STOPPED" in await cmd.out("sc query TermService")
    assert (await cmd.run("sc start TermService"))[0] == 0
    assert "STATE              : 2  START_PENDING" in await cmd.out("sc query TermService")
    assert (await cmd.run("sc start TermService"))[0] == 1056
    await asyncio.sleep(21)
    assert "STATE              : 4  RUNNING" in await cmd.out("sc query TermService")


@virtual
async def test_access_may_be_denied_and_some_cannot_be_stopped() -> None:
    cmd = failing(denied=True)
    for line in ("sc start", "sc stop"):
        assert (await cmd.run(f"{line} TermService"))[0] == 5
    assert (await cmd.run("sc config TermService start= auto"))[0] == 5
    assert (await cmd.run("net stop TermService"))[0] == 2
    assert (await cmd.run("sc query TermService"))[0] == 0
    assert (await cmd.run("sc stop MpsSvc"))[0] == 1052


@virtual
async def test_the_listener_follows_the_start_of_the_service_and_not_the_registry() -> None:
    cmd = Prompt()
    cmd.machine.registry.set(LST, "PortNumber", dword(3390))
    assert cmd.machine.scm.ports[3389] == "termservice"
    await cmd.run("net stop TermService /y")
    await cmd.run("net start TermService")
    assert 3389 not in cmd.machine.scm.ports
    assert cmd.machine.scm.ports[3390] == "termservice"
    cmd.machine.registry.set(TS, "fDenyTSConnections", dword(1))
    assert "termservice" not in cmd.machine.scm.ports.values()
    cmd.machine.registry.set(TS, "fDenyTSConnections", dword(0))  # counts at once
    assert cmd.machine.scm.ports[3390] == "termservice"


@virtual
async def test_whoever_is_first_has_the_port() -> None:
    cmd = Prompt()
    await cmd.run("net stop TermService /y")
    registry = cmd.machine.registry
    install_service(registry, "Gate", display="Gate", image=r"C:\gate.exe")
    registry.set(f"{SERVICES}\\Gate\\Parameters", "ListenPort", dword(3389))
    await cmd.run("net start Gate")
    assert (await cmd.run("net start TermService"))[0] == 0
    assert cmd.machine.scm.ports[3389] == "gate"
    await cmd.run("net stop Gate")
    assert 3389 not in cmd.machine.scm.ports  # it does not try again
    await cmd.run("net stop TermService /y")
    await cmd.run("net start TermService")
    assert cmd.machine.scm.ports[3389] == "termservice"


@virtual
async def test_before_2019_services_share_their_process() -> None:
    old, new = Prompt("ws2016").machine, Prompt("ws2022").machine
    assert old.running["dhcp"] == old.running["eventlog"]
    assert new.running["dhcp"] != new.running["eventlog"]
