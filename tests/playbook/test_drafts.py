from __future__ import annotations

from typing import Any

import pytest

from serialfix.playbook import known
from serialfix.playbook.drafts import (
    Draft,
    asked_for,
    finished,
    lowered,
    name_all,
    reads_already,
    waits_for_restart,
)
from serialfix.playbook.wanted import Wanted


def draft(kind: str, name: str, /, **body: Any) -> Draft:
    made = Draft(Wanted(kind, dict(body), name), "Because.")
    made.add(Wanted(kind, dict(body), name), line=1, section=0)
    return made


def service(*wishes: tuple[int, dict[str, Any]]) -> Draft:
    made = Draft(Wanted("service", {"name": "A"}, "a"), "Because.")
    for section, body in wishes:
        made.add(Wanted("service", {"name": "A", **body}, "a"), line=1, section=section)
    return made


RUN, STOP = {"state": "running"}, {"state": "stopped"}


@pytest.mark.parametrize(
    ("wishes", "body"),
    [
        ([(0, RUN)], {"state": "running"}),
        ([(0, STOP)], {"state": "stopped"}),
        ([(0, STOP), (0, RUN)], {"state": "running", "restart": True}),
        ([(0, RUN), (0, STOP)], {"state": "stopped"}),
        ([(0, {"start": "auto"}), (0, RUN)], {"start": "auto", "state": "running"}),
        # the only section that sets and starts: no branch
        ([(0, STOP), (0, {"type": "own"}), (0, RUN)], {"type": "own", "state": "running"}),
        # set before it is started at all: no branch either
        (
            [(0, {"start": "auto"}), (0, RUN), (1, RUN)],
            {"start": "auto", "state": "running"},
        ),
        (
            [
                (0, RUN),
                (1, {"start": "demand"}),
                (1, RUN),
                (2, STOP),
                (2, {"type": "own"}),
                (2, RUN),
            ],
            {
                "state": "running",
                "start_failures": [
                    {"codes": [1058, 1077], "set": {"start": "demand"}},
                    {"codes": [1053, 1067, 1070], "set": {"type": "own"}},
                ],
            },
        ),
        # a section that sets and starts nothing is about something else
        ([(0, RUN), (1, {"start": "auto"}), (2, RUN)], {"start": "auto", "state": "running"}),
    ],
)
def test_what_is_said_of_a_service_is_put_together(
    wishes: list[tuple[int, dict[str, Any]]], body: dict[str, Any]
) -> None:
    made = service(*wishes)
    assert finished(made, [made]) == {"name": "A", **body}


def test_ids_are_of_one_step_each() -> None:
    keys = (rf"{known.SCHANNEL}\TLS 1.1\Server", rf"{known.SCHANNEL}\TLS 1.2\Server")
    drafts = [draft("registry", "enabled", key=key, value="Enabled") for key in keys]
    drafts += [draft("look", "look-a", command="ver"), draft("look", "look-a", command="hostname")]
    name_all(drafts)
    assert [each.id for each in drafts] == [
        "tls-1-1-enabled",
        "tls-1-2-enabled",
        "look-a",
        "look-a-2",
    ]


@pytest.mark.parametrize(
    ("command", "read"),
    [
        (rf'REG  query "{known.LST}" /v portnumber', True),
        (rf'reg query "{known.LST}" /v Other', False),
        (rf'reg query "{known.LST}"', False),
        ("sc.exe query TERMSERVICE", True),
        ("sc query TermService2", False),
        ("net user Bob", True),
        ('net user bob | find /i "active"', True),
        ("net user bobby", False),
        ("bcdedit", True),
        ("bcdedit /enum {current}", True),
        ("netsh interface ip show config", False),
        ("netstat -ano", False),
    ],
)
def test_looks_at_what_a_step_reads(command: str, read: bool) -> None:
    drafts = [
        draft("registry", "port-number", key=known.LST, value="PortNumber"),
        draft("service", "term-service", name="TermService", state="running"),
        draft("account", "account-enabled", name="bob", enabled=True),
        draft("bcd", "no-safeboot", entry="{current}", element="safeboot"),
    ]
    assert reads_already(drafts, draft("look", "look", command=command)) is read


def test_looks_are_compared_in_one_form() -> None:
    assert asked_for("SC.exe  QUERY a") == asked_for("sc query A")
    assert asked_for('netstat -ano | find ":3389 "') != asked_for("netstat -ano")


def test_restart_and_security_follow_from_the_values() -> None:
    layer = draft("registry", "a", key=known.LST, value="SecurityLayer", data=0)
    menu = draft("bcd", "b", entry="{bootmgr}", element="timeout", value="5")
    safe = draft("bcd", "c", entry="{current}", element="safeboot")
    assert waits_for_restart([layer]) is waits_for_restart([safe]) is True
    assert waits_for_restart([menu]) is False
    assert lowered([layer, layer, menu]) == ["SecurityLayer 0 switches TLS off."]
    assert "firewall" in lowered([draft("firewall_profile", "f", enabled=False)])[0]


def test_an_example_gives_the_parameter_its_value() -> None:
    nic = draft("network", "dhcp", interface="${nic}", dhcp=True)
    assert (
        nic.example(Wanted("network", {"interface": "Ethernet 2", "dhcp": True}, "dhcp")) == "nic"
    )
    assert nic.example(Wanted("network", {"interface": "A", "enabled": True}, "dhcp")) is None
