from __future__ import annotations

import pytest

from serialfix.lab.profiles import Language
from tests.lab.terminal import Prompt, virtual


@virtual
async def test_netstat_tells_who_listens() -> None:
    cmd = Prompt()
    pid = cmd.machine.running["termservice"]
    lines = (await cmd.out('netstat -ano | find ":3389 "')).splitlines()
    assert lines[0].split() == ["TCP", "0.0.0.0:3389", "0.0.0.0:0", "LISTENING", str(pid)]
    assert [line.split()[0] for line in lines] == ["TCP", "TCP", "UDP", "UDP"]
    whole = await cmd.out("netstat -ano")
    assert "ESTABLISHED" in whole
    assert "LISTENING" not in await cmd.out("netstat -no")
    assert "WIN-LAB01:ms-wbt-server" in await cmd.out("netstat -a -o")
    assert "  TermService\r\n [svchost.exe]\r\n" in await cmd.out("netstat -anob")


@pytest.mark.parametrize(("language", "state"), [("de", "ABHÖREN"), ("ja", "LISTENING")])
@virtual
async def test_states_are_localised(language: Language, state: str) -> None:
    assert state in await Prompt(language=language).out("netstat -an")


@virtual
async def test_tasklist_finds_the_services_of_a_process() -> None:
    cmd = Prompt()
    pid = cmd.machine.running["termservice"]
    code, text = await cmd.run(f'tasklist /svc /fi "PID eq {pid}"')
    assert code == 0
    assert text.splitlines()[3].split() == ["svchost.exe", str(pid), "TermService"]
    csv = await cmd.out(f'tasklist /svc /fo csv /nh /fi "PID eq {pid}"')
    assert csv == f'"svchost.exe","{pid}","TermService"\r\n'
    assert len((await cmd.out("tasklist")).splitlines()) > 24
    assert await cmd.run('tasklist /fi "PID eq 77776"') == (
        0,
        "INFO: No tasks are running which match the specified criteria.\r\n",
    )
    assert (await cmd.run("tasklist /dance"))[0] == 1
    assert (await cmd.run('tasklist /fi "colour eq red"'))[0] == 1


@virtual
async def test_several_services_of_one_process_are_in_its_rows() -> None:
    cmd = Prompt("ws2016")
    pid = cmd.machine.running["dhcp"]
    text = await cmd.out(f'tasklist /svc /fi "PID eq {pid}"')
    assert " ".join(text.splitlines()[3].split()[2:]) == "Dhcp, EventLog"


@virtual
async def test_a_process_can_be_ended_with_all_its_services() -> None:
    cmd = Prompt()
    pid = cmd.machine.running["termservice"]
    code, text = await cmd.run(f"taskkill /f /pid {pid}")
    assert (code, f"PID {pid}" in text) == (0, True)
    assert "termservice" not in cmd.machine.running
    assert ":3389 " not in await cmd.out("netstat -an")
    assert "WIN32_EXIT_CODE    : 1067  " in await cmd.out("sc query TermService")
    assert (await cmd.run(f"taskkill /f /pid {pid}"))[0] == 128
    assert (await cmd.run("taskkill /f /pid 4"))[0] == 1
