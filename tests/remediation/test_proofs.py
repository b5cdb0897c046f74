"""Services and listeners at the end of a run; test_guest has them waited for."""

from __future__ import annotations

import asyncio

from serialfix.model import Outcome
from serialfix.playbook.load import find_playbook
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.proofs import Proofs
from tests.support.rig import Outing, Rig, scene


def look(broken: str) -> Outing:
    async def script(stage: Rig) -> Outing:
        await asyncio.sleep(60)
        playbook = find_playbook("rdp-port-conflict", environ={}).playbook
        return await stage.apply(playbook=playbook, guest_patience=GuestPatience(proof=10))

    return scene("conpty", script, broken=broken)


def test_the_service_itself_listens() -> None:
    outing = look("listener")
    assert outing.slug == "ok", f"{outing.error}"
    assert isinstance(outing.work._proofs, Proofs)
    texts = {proof.id: proof.text for proof in outing.work.proof}
    assert texts["listener:3389"] == "TermService listens on TCP port 3389"


def test_who_else_holds_the_port_is_named() -> None:
    outing = look("port-taken")
    assert outing.slug == "restart"
    failed = [proof for proof in outing.work.proof if proof.outcome is Outcome.FAILED]
    assert any("gateway.exe" in proof.text and "ContosoGw" in proof.text for proof in failed)
    assert outing.after == outing.before
