from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.profiles import CHANNELS, dword
from tests.lab.terminal import Prompt, virtual


LOG = "Microsoft-Windows-CAPI2/Operational"


@virtual
async def test_a_log_is_switched_on_and_off() -> None:
    cmd = Prompt(language="de")
    before = cmd.machine.disk.snapshot()
    code, text = await cmd.run(f"wevtutil gl {LOG.upper()}")
    assert code == 0
    assert text.startswith(f"name: {LOG}\r\nenabled: false\r\n")  # in any language
    assert await cmd.run(f"wevtutil sl {LOG} /e:true") == (0, "")
    assert "enabled: true\r\n" in await cmd.out(f"wevtutil get-log {LOG}")
    assert cmd.machine.registry.get(f"{CHANNELS}\\{LOG}", "Enabled") == dword(1)
    assert await cmd.run(f"wevtutil set-log {LOG} /enabled:false") == (0, "")
    assert cmd.machine.disk.snapshot() == before


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("gl Nothing/Operational", 15007),
        ("sl Nothing/Operational /e:true", 15007),
        (f"sl {LOG} /e:perhaps", 87),
        ("sl System /e:false", 5),
        ("dance", 87),
        ('qe System /q:"Event[System[" /f:text', 15001),
        ("qe Nothing /c:1", 15007),
    ],
)
@virtual
async def test_what_is_refused(line: str, code: int) -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    assert (await cmd.run(f"wevtutil {line}"))[0] == code
    assert cmd.machine.disk.snapshot() == before


QUERY = (
    "wevtutil qe system /c:1 {} /q:\"Event[System[Provider[@Name='Service Control Manager'] and "
    '(EventID=7022 or EventID=7001) and TimeCreated[timediff(@SystemTime) <= 86400000]]]"'
)


@virtual
async def test_the_oldest_comes_first_and_no_match_says_nothing() -> None:
    cmd = Prompt()
    assert await cmd.run(QUERY.format("/f:text")) == (0, "")
    log = cmd.machine.disk.events
    log.service(7022, "First", 1070)
    await asyncio.sleep(10)
    log.service(7001, "Second", 1068)
    assert "Event ID: 7022" in await cmd.out(QUERY.format("/f:text"))
    newest = await cmd.out(QUERY.format("/f:text /rd:true"))
    assert newest.startswith("Event[0]:\r\n  Log Name: System\r\n")
    assert "Event ID: 7001" in newest
    assert (await cmd.out(QUERY.format(""))).startswith("<Event xmlns=")
    assert "Level=" not in newest
    level = 'wevtutil qe system /c:10 /f:text /q:"Event[System[Level=2]]"'
    assert (await cmd.out(level)).count("Event[") == 2


@virtual
async def test_the_logs_there_are() -> None:
    names = (await Prompt().out("wevtutil el")).splitlines()
    assert {"System", "Application", LOG} <= set(names)
