"""netsh advfirewall, as lines and out of the registry."""

from __future__ import annotations

import pytest

from serialfix.lab.profiles import dword
from serialfix.model import RegistryType, RegistryValue
from serialfix.windows import firewall


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("v2.30|Action=Allow|Active=TRUE|Dir=In|", True),
        ("v2.30|Action=Allow|active=false", False),
        ("v2.30|Action=Allow|NotActive=TRUE|", None),
        ("", None),
    ],
)
def test_a_rules_text_says_whether_it_is_on(text: str, enabled: bool | None) -> None:
    assert firewall.rule_enabled(RegistryValue(RegistryType.SZ, text)) is enabled


def test_profiles_out_of_the_registry() -> None:
    assert firewall.profile_enabled(None)
    assert not firewall.profile_enabled(dword(0))
    assert firewall.inbound_policy(None, None) == "block"
    assert firewall.inbound_policy(dword(1), dword(0)) == "block_always"
    assert firewall.inbound_policy(dword(0), dword(0)) == "allow"
    assert (firewall.outbound_policy(None), firewall.outbound_policy(dword(1))) == (
        "allow",
        "block",
    )


def test_lines() -> None:
    line = firewall.set_profile_policy("private", "block_always", "allow")
    assert line.endswith("privateprofile firewallpolicy blockinboundalways,allowoutbound")
    assert firewall.set_profile_state("public", enabled=False).endswith("publicprofile state off")
    assert "-Enabled False" in firewall.set_rule_by_id("A-B", enabled=False)
    assert firewall.profile_key("private").endswith(r"\StandardProfile")
