from __future__ import annotations

from serialfix.lab.profiles import SERVICES, dword
from tests.lab.terminal import Prompt, virtual


@virtual
async def test_query_has_nine_lines() -> None:
    code, text = await Prompt().run("sc query termservice")
    assert code == 0
    assert text.splitlines()[1:4] == [
        "SERVICE_NAME: TermService ",
        "        TYPE               : 20  WIN32_SHARE_PROCESS  ",
        "        STATE              : 4  RUNNING ",
    ]
    assert len(text.splitlines()) == 9


@virtual
async def test_an_unknown_service() -> None:
    code, text = await Prompt().run("sc query nothing")
    assert code == 1060
    assert text == (
        "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n\r\n"
        "The specified service does not exist as an installed service.\r\n\r\n"
    )
    assert (await Prompt().run("net start nothing"))[0] == 2


@virtual
async def test_config_wants_a_blank_behind_the_equals_sign() -> None:
    cmd = Prompt()
    assert (await cmd.run("sc config TermService start=auto"))[0] == 1639
    code, text = await cmd.run("sc config TermService start= disabled")
    assert (code, text) == (0, "[SC] ChangeServiceConfig SUCCESS\r\n")
    assert cmd.machine.registry.get(f"{SERVICES}\\TermService", "Start") == dword(4)
    out = await cmd.out("sc qc TermService")
    assert "        START_TYPE         : 4   DISABLED\r\n" in out
    assert "        DEPENDENCIES       : RpcSs\r\n" in out
    assert "        SERVICE_START_NAME : NT Authority\\NetworkService\r\n" in out


@virtual
async def test_start_and_stop() -> None:
    cmd = Prompt()
    assert (await cmd.run("sc start TermService"))[0] == 1056
    assert (await cmd.run("sc stop TermService"))[0] == 1051  # UmRdpService needs it
    assert (await cmd.run("sc stop UmRdpService"))[0] == 0
    assert (await cmd.run("sc stop TermService"))[0] == 0
    assert (await cmd.run("sc stop TermService"))[0] == 1062
    assert "STATE              : 1  STOPPED" in await cmd.out("sc query TermService")
    code, text = await cmd.run("sc start TermService")
    assert code == 0
    assert "STATE              : 2  START_PENDING" in text
    assert "STATE              : 4  RUNNING" in await cmd.out("sc query TermService")


@virtual
async def test_a_disabled_service_does_not_start() -> None:
    cmd = Prompt()
    await cmd.run("net stop termservice /y")
    await cmd.run("sc config termservice start= disabled")
    assert (await cmd.run("sc start termservice"))[0] == 1058
    assert (await cmd.run("net start termservice"))[0] == 2


@virtual
async def test_net_asks_before_it_stops_dependents() -> None:
    cmd = Prompt()
    code, text = await cmd.run("net stop termservice", "n")
    assert code == 2
    assert "   Remote Desktop Services UserMode Port Redirector\r\n" in text
    assert "Do you want to continue this operation? (Y/N) [N]: " in text
    assert "termservice" in cmd.machine.running
    code, text = await cmd.run("net stop termservice", "y")
    assert code == 0
    assert not {"termservice", "umrdpservice"} & set(cmd.machine.running)
    assert await cmd.run("net start termservice") == (
        0,
        "The Remote Desktop Services service is starting.\r\n"
        "The Remote Desktop Services service was started successfully.\r\n\r\n",
    )
    assert (await cmd.run("net start termservice"))[0] == 2


@virtual
async def test_a_service_may_stay_down_after_a_boot() -> None:
    cmd = Prompt(stopped_service=True)
    assert "1  STOPPED" in await cmd.out("sc query TermService")
    assert "4  RUNNING" in await cmd.out("sc query Dhcp")


@virtual
async def test_queryex_tells_the_process_and_a_restart_gives_another() -> None:
    cmd = Prompt()

    async def pid() -> int:
        line = next(
            line for line in (await cmd.out("sc queryex W32Time")).splitlines() if "PID" in line
        )
        return int(line.partition(":")[2])

    before = await pid()
    assert before == cmd.machine.running["w32time"]
    await cmd.run("net stop W32Time")
    assert await pid() == 0
    await cmd.run("sc start W32Time")
    assert await pid() not in (0, before)


@virtual
async def test_dependents_are_listed_running_or_not_as_far_as_the_buffer_goes() -> None:
    cmd = Prompt()
    code, text = await cmd.run("sc enumdepend TermService")
    assert (code, text.splitlines()[0]) == (0, "[SC] EnumDependentServices: entriesread = 1")
    assert "SERVICE_NAME: UmRdpService" in text
    code, text = await cmd.run("sc enumdepend RpcSs")
    assert code == 234
    assert "more data, need" in text
    code, text = await cmd.run("sc enumdepend RpcSs 65536")
    assert code == 0
    assert text.index("SERVICE_NAME: UmRdpService") < text.index("SERVICE_NAME: TermService")
    assert (await cmd.run("sc enumdepend nothing"))[0] == 1060


@virtual
async def test_what_config_refuses() -> None:
    cmd = Prompt()
    assert (await cmd.run("sc config Dhcp start= boot"))[0] == 87
    assert (await cmd.run(r'sc config Dhcp obj= "CONTOSO\nobody"'))[0] == 1057
    assert (await cmd.run("sc config gpsvc start= auto"))[0] == 5
    key = cmd.machine.scm.key("dhcp")
    assert key is not None
    await cmd.run("sc config Dhcp start= delayed-auto")
    assert (key.get("Start"), key.get("DelayedAutostart")) == (dword(2), dword(1))
    assert "AUTO_START  (DELAYED)" in await cmd.out("sc qc Dhcp")
    await cmd.run("sc config Dhcp start= auto")
    assert key.get("DelayedAutostart") == dword(0)


@virtual
async def test_query_without_a_name_is_long() -> None:
    cmd = Prompt()
    running = await cmd.out("sc query")
    assert len(running.splitlines()) > 200
    assert "SERVICE_NAME: Netlogon" not in running
    assert "SERVICE_NAME: Netlogon" in await cmd.out("sc query state= all")
