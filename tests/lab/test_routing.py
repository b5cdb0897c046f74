from __future__ import annotations

import json

import pytest

from serialfix.lab.routing import INSTANCE_PATH, VM_PATH, Call, refusal_reply, route
from serialfix.lab.switches import FORBIDDEN, Refusal


async def nobody(call: Call) -> object:
    raise NotImplementedError


PLACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"


@pytest.mark.parametrize(
    ("template", "path", "matches"),
    [
        (VM_PATH, f"{PLACE}/virtualMachines/v", True),
        (VM_PATH, f"{PLACE}/virtualMachines/v".upper(), True),
        (VM_PATH, f"{PLACE}/virtualMachines/v/", True),
        (VM_PATH, f"{PLACE}/virtualMachines/v/x", False),
        (VM_PATH, f"{PLACE}/virtualMachines/v".replace("t.C", "tXC"), False),
        (INSTANCE_PATH, f"{PLACE}/virtualMachineScaleSets/a/virtualMachines/0", True),
        (INSTANCE_PATH, f"{PLACE}/virtualMachineScaleSets/a%2FvirtualMachines%2F0", False),
    ],
)
def test_paths(template: str, path: str, matches: bool) -> None:
    entry = route("GET", template, "a", nobody)  # type: ignore[arg-type]
    assert bool(entry.pattern.fullmatch(path)) is matches


def test_refusals_name_action_and_scope() -> None:
    answer = refusal_reply(FORBIDDEN, action="a/b", scope="/s")
    error = json.loads(answer.text or "")["error"]
    assert answer.status == 403
    assert "perform action 'a/b' over scope '/s' or" in error["message"]
    flat = refusal_reply(Refusal(429, "c", "{odd}", retry_after=2, flat=True))
    assert json.loads(flat.text or "") == {"code": "c", "message": "{odd}"}
    assert flat.headers["Retry-After"] == "2"
