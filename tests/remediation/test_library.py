"""Every shipped playbook on every guest: found, applied, found right, taken back.

The truth is the guest's own picture of everything on its disk, and of the services that run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from serialfix.lab.broken import BROKEN, LOCKED_ACCOUNT
from serialfix.lab.profiles import PROFILES, Language
from serialfix.model import Outcome
from serialfix.playbook.library import playbook_files
from serialfix.playbook.load import bind, find_playbook
from serialfix.playbook.schema import Playbook
from tests.support.rig import Outing, Rig, scene


@dataclass(frozen=True)
class Case:
    """A playbook on a guest that is broken in its way."""

    broken: str
    given: Mapping[str, str] = field(default_factory=dict)
    changes: bool = True
    fails: str = ""
    """The error that it ends with, and changes nothing."""
    again: Outcome = Outcome.OK
    """What the second run finds."""


CASES: Mapping[str, Case] = {
    "boot-menu-off": Case("boot-menu"),
    "boot-menu-timeout": Case("boot-menu"),
    "capi2-log-on": Case("capi2-log-off"),
    "credssp-oracle": Case("credssp-oracle"),
    "dhcp-client-repair": Case("dhcp-client-disabled"),
    "dhcp-enable": Case("dhcp-off"),
    "domain-creds-allow": Case("domain-creds-refused"),
    "dotnet-enable64bit": Case("dotnet-64bit-off"),
    "dsrm-exit": Case("dsrm"),
    "firewall-inbound-policy": Case("inbound-blocked"),
    "firewall-off-temporary": Case("firewall-on"),
    "firewall-on": Case("firewall-off"),
    "firewall-rdp-group-enable": Case("firewall-rule-off"),
    "firewall-rule-disable": Case("listener"),
    "firewall-rule-enable": Case("firewall-rule-off"),
    "gpsvc-resume": Case("gpsvc-off", fails="step.command_failed"),  # the lab protects it
    "guest-agent-restart": Case("agent-stopped"),
    "kernel-debug-off": Case("listener"),
    "kms-activate": Case("kms-wrong"),
    "local-admin-enable": Case("admin-disabled", {"user": LOCKED_ACCOUNT}),
    "memory-dump-config": Case("memory-dump"),
    "netlogon-start": Case("netlogon-stopped"),
    "nic-enable": Case("nic-off"),
    "nla-off": Case("nla-required"),
    "nla-on": Case("nla-off"),
    "nsi-start": Case("nsi-disabled"),
    "rdp-access-denied": Case("listener"),
    "rdp-azure-defaults": Case("listener"),
    "rdp-bruteforce-check": Case("listener", changes=False),
    "rdp-enable": Case("rdp-disabled"),
    "rdp-encryption-level": Case("encryption-level"),
    "rdp-fips-off": Case("fips"),
    "rdp-general-error": Case("rdp-refused"),
    "rdp-keep-alive": Case("listener"),
    # Windows writes new ones at its start, and nothing tells them from old ones.
    "rdp-license-certificate": Case("licence-certificates", again=Outcome.CHANGED),
    "rdp-license-server": Case("licence-server"),
    "rdp-listener-check": Case("listener", changes=False),
    "rdp-port-conflict": Case("listener", changes=False),
    "rdp-port-reset": Case("port-moved"),
    "rdp-reset": Case("listener"),
    "rdp-security-layer": Case("listener", {"layer": "0"}),
    "rdp-session-limit": Case("session-limit"),
    "rdp-tls-certificate": Case("certificate"),
    "rdp-tls-enable": Case("tls-off"),
    "rdp-too-many-sessions": Case("session-limit"),
    "rdp-users-add": Case("rdp-users", {"user": LOCKED_ACCOUNT}),
    "sac-enable": Case("listener", {"boot_menu": "true"}),
    "safe-mode-exit": Case("safe-mode"),
    "termservice-repair": Case("termservice-disabled"),
    "wu-off": Case("listener"),
    "wu-on": Case("windows-update-off"),
}


def test_every_shipped_playbook_has_a_case() -> None:
    assert set(CASES) == set(playbook_files({}))
    assert {case.broken for case in CASES.values()} <= set(BROKEN)


def book(name: str, given: Mapping[str, str]) -> Playbook:
    loaded = find_playbook(name, environ={})
    examples = {each: str(loaded.playbook.parameters[each].example) for each in loaded.needed}
    return bind(loaded, {**examples, **given}).playbook


async def restarted(stage: Rig, outing: Outing, playbook: Playbook) -> None:
    """The VM restarts when the plan says so, and all is proven again."""
    if not outing.plan.restart:
        return
    channel = next(
        record["channel"] for record in outing.journal.records if record["kind"] == "channel_opened"
    )
    stage.guest.restart()
    proof = await stage.prove(channel, playbook=playbook, facts=outing.work._facts)
    assert proof.slug == "ok", f"{proof.error}"


async def there_and_back(stage: Rig, name: str, case: Case, *, end: str = "") -> list[Any]:
    playbook = book(name, case.given)
    await asyncio.sleep(120)  # past a boot menu
    before = stage.guest.snapshot()
    checked = await stage.check(playbook=playbook)
    assert checked.slug == "ok", f"{checked.error}"
    assert bool(checked.plan.changes) is case.changes
    assert stage.guest.snapshot() == before
    done = await stage.apply(playbook=playbook)
    assert done.slug == (case.fails or "ok"), f"{done.error}"
    assert end in str(done.error)
    if not case.fails:
        await restarted(stage, done, playbook)
    if not case.changes or case.fails:
        assert stage.guest.snapshot() == before
        return [before, before]
    changed = stage.guest.snapshot()
    assert changed != before
    again = await stage.apply(playbook=playbook)
    assert again.slug == "ok", f"{again.error}"
    assert case.again in again.outcomes(), again.work.steps
    if case.again is Outcome.OK:
        assert set(again.outcomes()) == {Outcome.OK}, again.work.steps
        assert stage.guest.snapshot() == changed
    undo = stage.way_back(done)
    back = await stage.apply(playbook=undo)
    assert back.slug == "ok", f"{back.error}"
    await restarted(stage, back, undo)
    for outing in (checked, done, again, back):
        assert outing.channels == []
    return [before, stage.guest.snapshot()]


def exercise(
    name: str,
    profile: str,
    language: Language = "en",
    given: Mapping[str, str] | None = None,
) -> None:
    case = CASES[name] if given is None else replace(CASES[name], given=given)

    async def script(stage: Rig) -> list[Any]:
        return await there_and_back(stage, name, case)

    before, after = scene(
        PROFILES[profile].renderer,
        script,
        profile=profile,
        language=language,
        broken=case.broken,
    )
    assert after == before


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("name", sorted(CASES))
def test_there_and_back(name: str, profile: str) -> None:
    exercise(name, profile)


TRANSLATED = (
    "boot-menu-off",
    "dhcp-enable",
    "firewall-inbound-policy",
    "firewall-rdp-group-enable",
    "firewall-rule-enable",
    "kernel-debug-off",
    "local-admin-enable",
    "nic-enable",
    "rdp-users-add",
    "termservice-repair",
)
"""What reads answers or names that are translated."""
GROUPS: Mapping[Language, str] = {
    "fr": "Utilisateurs du Bureau à distance",
    "nl": "Gebruikers van extern bureaublad",
    "de": "Remotedesktopbenutzer",
}


@pytest.mark.parametrize("language", ["fr", "nl", "de", "ja"])
@pytest.mark.parametrize("name", TRANSLATED)
def test_there_and_back_in_other_languages(name: str, language: Language) -> None:
    given = dict(CASES[name].given)
    if name == "rdp-users-add" and language in GROUPS:
        given["group"] = GROUPS[language]
    profile = "ws2019" if language in ("de", "nl") else "ws2022"
    exercise(name, profile, language, given)


@pytest.mark.parametrize(
    ("broken", "end"),
    [
        ("termservice-hung", ""),
        ("termservice-crashes", ""),
        ("termservice-wrong-account", ""),
        ("termservice-lost-account", "does not start as CONTOSO"),
        ("termservice-denied", "error 5"),
    ],
)
def test_each_branch_of_the_services_article(broken: str, end: str) -> None:
    """Windows' error decides what is changed, and every branch has its way back (§4.6)."""
    fails = "step.command_failed" if end else ""
    case = Case(broken, fails=fails)

    async def script(stage: Rig) -> list[Any]:
        return await there_and_back(stage, "termservice-repair", case, end=end)

    before, after = scene("conpty", script, broken=broken)
    assert after == before


def test_what_is_still_starting_is_waited_for_and_not_started_again() -> None:
    playbook = book("termservice-repair", {})

    async def script(stage: Rig) -> Outing:
        return await stage.apply(playbook=playbook)

    done = scene("conpty", script, broken="termservice-slow")
    assert done.slug == "ok", f"{done.error}"
    planned = next(step for step in done.plan.steps if step.kind == "service")
    assert isinstance(planned.before, dict)
    assert planned.before["state"] == "start_pending"
    assert "step_entering" not in done.kinds()


def test_a_restart_that_is_asked_for_happens_every_time() -> None:
    playbook = book("guest-agent-restart", {"restart": "true"})

    async def script(stage: Rig) -> list[Any]:
        await asyncio.sleep(60)
        assert stage.guest._machine is not None
        seen = [dict(stage.guest._machine.running)]
        for _ in range(2):
            done = await stage.apply(playbook=playbook)
            assert done.slug == "ok", f"{done.error}"
            assert Outcome.CHANGED in done.outcomes()
            seen.append(dict(stage.guest._machine.running))
        return seen

    for name in ("rdagent", "windowsazureguestagent"):
        assert len({seen[name] for seen in scene("conpty", script)}) == 3
