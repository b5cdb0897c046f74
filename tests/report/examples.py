"""Results as runs give them, for the tests of this folder and of the command line."""

from __future__ import annotations

from dataclasses import replace

from serialfix.model import (
    Outcome,
    ProofResult,
    RegistryType,
    RegistryValue,
    RestartResult,
    RunResult,
    StepResult,
)
from serialfix.playbook.load import find_playbook
from serialfix.playbook.plan import Plan, make_plan, value_id
from tests.support.present import present


ONE = RegistryValue(RegistryType.DWORD, 1)
ZERO = RegistryValue(RegistryType.DWORD, 0)

RESULT = RunResult(
    run_id="20261121-084500-myvm-1a2b",
    vm_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/myvm",
    vm_name="myvm",
    playbook="rdp-reset",
    playbook_version="1.0",
    playbook_sha256="0" * 64,
    outcome=Outcome.CHANGED,
    exit_code=0,
    touched="yes",
    steps=(
        StepResult("security-layer", "registry", "K, SecurityLayer", Outcome.OK, ZERO, ZERO, ZERO),
        StepResult("keep-alive-enable", "registry", "P, K", Outcome.CHANGED, None, ONE, ONE),
        StepResult(
            "max-idle-time",
            "registry",
            "K, MaxIdleTime",
            Outcome.CHANGED,
            RegistryValue(RegistryType.SZ, "\x1b[31mred"),
            ZERO,
            ZERO,
        ),
    ),
    restart=RestartResult(Outcome.OK, "op-1", 63.2),
    proof=(ProofResult("listener:3389", Outcome.OK, "port 3389 listens"),),
    warnings=("policy wins",),
    journal="/s/journal.jsonl",
    recordings=("/s/1.cast", "/s/2.cast"),
    evidence="/s/evidence",
    undo="/s/undo.yaml",
    duration_s=91.23456,
    phases={"find": 0.31111},
)
FAILURE = {
    "slug": "console.echo_mismatch",
    "message": "the line could not be typed right",
    "touched": "maybe",
    "state": "typing",
    "expected": "reg add",
    "screen": "C:\\>reg \x1b[2Jadd\n\n\nC:\\>",
    "remedy": "Try again.",
}
FAILED = replace(
    RESULT,
    outcome=Outcome.FAILED,
    exit_code=7,
    touched="maybe",
    error=FAILURE,
    restart=None,
    proof=(),
    steps=(
        StepResult(
            "security-layer", "registry", "K, S", Outcome.FAILED, ZERO, None, ONE, error="x"
        ),
        StepResult("key", "registry_key", "K", Outcome.NOT_STARTED, None, None, None),
    ),
)
EARLY = RunResult(
    run_id="r",
    vm_id="",
    vm_name="nope",
    playbook="rdp-reset",
    playbook_version="1.0",
    playbook_sha256="0" * 64,
    outcome=Outcome.REFUSED,
    exit_code=3,
    touched="no",
    error={"slug": "target", "message": "no VM is named nope"},
)


def rdp_plan() -> Plan:
    """rdp-reset on a VM where everything is right but two values, one of them absent."""
    book = find_playbook("rdp-reset", environ={}).playbook
    values = {
        value_id(step.registry.key, step.registry.value): step.registry.wanted
        for step in book.steps
        if step.registry is not None
    }
    first, second = (step.registry for step in book.steps[3:5])
    assert first is not None
    assert second is not None
    values[value_id(first.key, first.value)] = ZERO
    values[value_id(second.key, second.value)] = None
    return make_plan(book, present(book, values), seconds_per_change=4.0)
