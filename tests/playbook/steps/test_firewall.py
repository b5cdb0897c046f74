"""Firewall rules and profiles."""

from __future__ import annotations

from typing import Any

import pytest

from serialfix.errors import CommandFailed
from serialfix.lab.profiles import dword
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.steps.firewall import FirewallProfileStep, FirewallRuleStep
from serialfix.playbook.steps.wish import Value
from tests.playbook.steps.asked import read


RULE = "RemoteDesktop-UserMode-In-TCP"
TEXT = "v2.30|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389|Name=@FirewallAPI.dll,-28775|"
WISH = FirewallRuleStep(rule=RULE, name="Remote Desktop - User Mode (TCP-In)", enabled=True)


def rule(text: str) -> dict[str, RegistryValue]:
    return {RULE: RegistryValue(RegistryType.SZ, text)}


def test_a_rule_is_read_by_its_id_in_any_language() -> None:
    assert read(WISH, rule(TEXT)) == ({"enabled": False}, [])
    assert read(WISH, rule(TEXT.replace("FALSE", "TRUE")))[0] == {"enabled": True}


@pytest.mark.parametrize("values", [{}, rule("v2.30|Action=Allow|")])
def test_a_rule_that_tells_nothing_is_left_alone(values: dict[str, RegistryValue]) -> None:
    with pytest.raises(CommandFailed, match=RULE):
        read(WISH, values)


def test_a_translated_rule_is_switched_by_its_id() -> None:
    assert WISH.line({}).startswith('netsh advfirewall firewall set rule name="Remote Desktop - ')
    other = WISH.otherwise({"enabled": False}, 1)
    assert other is not None
    assert f"Set-NetFirewallRule -Name {RULE} -Enabled True" in other.line({})
    assert other.otherwise({"enabled": False}, 1) is None
    (back,) = WISH.restoring({"enabled": False})
    assert back.wanted == {"enabled": False}


PROFILES = FirewallProfileStep(enabled=True, inbound="block")


def profiles(**stored: int) -> Any:
    """`domain_EnableFirewall=0` and the like."""
    keys = {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}
    found: dict[Value, RegistryValue] = {}
    for place, number in stored.items():
        profile, _, name = place.partition("_")
        (value,) = (
            each for each in PROFILES.stored if keys[profile] in each.key and each.name == name
        )
        found[value] = dword(number)
    reading = PROFILES.read()
    question = next(reading)
    try:
        while True:
            assert isinstance(question, Value)
            question = reading.send(found.get(question))
    except StopIteration as end:
        return end.value


def test_what_is_not_stored_is_windows_default() -> None:
    assert PROFILES.distance(profiles()) == 0


def test_each_switch_of_each_profile_is_set_alone() -> None:
    state = profiles(domain_EnableFirewall=0, public_DoNotAllowExceptions=1)
    assert PROFILES.distance(state) == 2
    assert PROFILES.line(state) == "netsh advfirewall set domainprofile state on"
    state = profiles(public_DoNotAllowExceptions=1, public_DefaultOutboundAction=1)
    assert PROFILES.line(state).endswith("publicprofile firewallpolicy blockinbound,blockoutbound")


def test_profiles_that_differed_get_their_own_way_back() -> None:
    off = FirewallProfileStep(enabled=False)
    state = {"domain enabled": True, "private enabled": False, "public enabled": True}
    assert off.distance(state) == 2
    assert off.restoring(state) == (
        FirewallProfileStep(profiles=("domain", "public"), enabled=True),
        FirewallProfileStep(profiles=("private",), enabled=False),
    )


def test_policies_of_the_same_profiles_override() -> None:
    policies = FirewallProfileStep(profiles=("public",), enabled=False).policies
    assert [(each.name, each.harmless) for each in policies] == [("EnableFirewall", dword(0))]
    assert r"Policies\Microsoft\WindowsFirewall\PublicProfile" in policies[0].key


def test_a_profile_step_says_something() -> None:
    with pytest.raises(ValueError, match="say enabled, inbound"):
        FirewallProfileStep()


def test_netsh_takes_no_name_for_every_rule() -> None:
    with pytest.raises(ValueError, match="every rule"):
        FirewallRuleStep(rule="A", name="ALL", enabled=True)
