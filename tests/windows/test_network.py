"""netstat in any language."""

from __future__ import annotations

import pytest

from serialfix.windows import network


@pytest.mark.parametrize(
    ("row", "up"),
    [
        ("  TCP    0.0.0.0:3389           0.0.0.0:0              LISTENING", True),
        ("  TCP    0.0.0.0:3389           0.0.0.0:0              ABHÖREN", True),
        ("  TCP    [::]:3389              [::]:0                 LISTENING", True),
        ("  TCP    10.0.0.4:3389          10.0.0.9:50123         ESTABLISHED", False),
        ("  TCP    0.0.0.0:33890          0.0.0.0:0              LISTENING", False),
        ("  TCP    10.0.0.4:50123         10.0.0.9:3389          ESTABLISHED", False),
        ("  UDP    0.0.0.0:3389           *:*", False),
        ("", False),
    ],
)
def test_a_listener_is_told_by_its_addresses(row: str, up: bool) -> None:
    assert network.listens([row], 3389) is up


def test_line() -> None:
    assert network.listeners(3389) == 'netstat -an | find ":3389 " | find ":0 "'


def test_a_name_that_is_the_end_of_another_is_not_there_with_it() -> None:
    names = ["Ethernet", "My  Ethernet", "Ethernet 2", "2"]
    assert network.named(["Enabled  Connected  Dedicated  My  Ethernet  "], names) == [names[1]]
    assert network.named(["x  y  Ethernet 2", "x  y  Ethernet"], names) == [names[0], names[2]]
