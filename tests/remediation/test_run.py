"""The Azure side of a run, on the lab over TLS: what is kept before what is done."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serialfix.azure.identity import AzurePatience
from serialfix.console.machine import Patience
from serialfix.errors import RecordError, TargetError, UsageError
from serialfix.lab.build import make_vm
from serialfix.lab.faults import Delays
from serialfix.lab.guest import PASSWORD, USERNAME
from serialfix.lab.profiles import LST
from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmDelays, GatewayFaults
from serialfix.lab.vm import LabVm
from serialfix.model import Outcome, RegistryType, RegistryValue, RunResult
from serialfix.playbook.load import LoadedPlaybook, dump_playbook, parse_playbook
from serialfix.playbook.plan import Plan
from serialfix.record.journal import Journal
from serialfix.remediation.events import Silence
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.run import RunOptions, RunPatience, resume, run, undo
from serialfix.remediation.work import WorkPatience
from serialfix.secrets import Secret
from serialfix.session import Credentials
from serialfix.transport.gateway import GatewayPatience
from tests.support.rig import small


PATIENCE = RunPatience(
    console=Patience(backlog=0.5, sac=2, leave=2),
    gateway=GatewayPatience(attempts=2, delays=(0.01,), verdict=0.3, close_timeout=0.5),
    azure=AzurePatience(retries=1, backoff=0.01, poll=0.02),
    guest=GuestPatience(proof=0.3, proof_pause=0.05),
    work=WorkPatience(boot=1, look=0.05, reboot=0.1, reboot_looks=1),
    restart=5,
)
TWO = ({"value": "SecurityLayer", "data": 0}, {"value": "MaxIdleTime", "data": 0})


def playbook(*steps: dict[str, Any], restart: str = "if_changed") -> LoadedPlaybook:
    return parse_playbook(dump_playbook(small(*(steps or TWO), restart=restart)))


@pytest.fixture
async def vm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LabVm]:
    for name in list(os.environ):
        if name.startswith("AZURE_"):
            monkeypatch.delenv(name)
    vm = make_vm(delays=Delays.instant(), gateway=GatewayFaults(greeting_delay=0))
    async with Lab([vm], delays=ArmDelays.instant()) as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        yield vm


@pytest.fixture
def options(vm: LabVm, tmp_path: Path) -> RunOptions:
    return RunOptions(
        guest=Credentials(USERNAME, Secret(PASSWORD, "guest_password")),
        environ=os.environ,
        vm=vm.name,
        state_dir=tmp_path / "state",
        patience=PATIENCE,
    )


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], Any]], None]:
    """Do something just before the first journal record of a kind is written."""

    def arrange(kind: str, act: Callable[[], Any]) -> None:
        append, done = Journal.append, False

        def watched(self: Journal, name: str, /, **facts: Any) -> Any:
            nonlocal done
            if name == kind and not done:
                done = True
                act()
            return append(self, name, **facts)

        monkeypatch.setattr(Journal, "append", watched)

    return arrange


def kinds(result: RunResult) -> list[str]:
    assert result.journal is not None
    rows = Path(result.journal).read_text().splitlines()
    return [json.loads(row)["kind"] for row in rows]


At = Callable[[str, Callable[[], Any]], None]


async def test_everything_is_kept_in_its_order(vm: LabVm, options: RunOptions, at: At) -> None:
    folder = options.state_dir / "runs" if options.state_dir else Path()
    seen: dict[str, Any] = {}

    def before_the_first_write() -> None:
        (undo_file,) = folder.glob("*/undo.yaml")
        seen["undo"] = parse_playbook(undo_file.read_text()).playbook.name

    at("step_entering", before_the_first_write)
    at("restart_requested", lambda: seen.update(asked=vm.commands["restart"]))
    at("restart_accepted", lambda: seen.update(accepted=vm.commands["restart"]))
    result = await run(playbook(), options, Silence())
    assert (result.outcome, result.exit_code, result.touched) == (Outcome.CHANGED, 0, "yes")
    assert seen == {"undo": "undo-small", "asked": 0, "accepted": 1}
    assert kinds(result) == [
        *("run_started", "target", "channel_opened", "planned", "confirmed"),
        *("step_entering", "step_verified") * 2,
        *("left", "restart_requested", "restart_accepted", "restart_done"),
        *("channel_opened", "proof", "left", "run_ended"),
    ]
    assert result.restart is not None
    assert result.restart.seconds is not None
    assert list(result.phases)[:4] == ["find", "preflight", "attach", "login"]
    assert sum(result.phases.values()) <= result.duration_s


async def test_a_check_keeps_no_way_back(vm: LabVm, options: RunOptions) -> None:
    result = await run(playbook(), replace(options, check=True), Silence())
    assert (result.outcome, result.undo) == (Outcome.WOULD_CHANGE, None)
    assert {step.outcome for step in result.steps} == {Outcome.WOULD_CHANGE}
    assert vm.commands["restart"] == 0
    with pytest.raises(UsageError, match="changed nothing"):
        await undo(result.run_id, options, Silence())
    with pytest.raises(UsageError, match="is complete"):
        await resume(result.run_id, options, Silence())


async def test_a_playbook_that_never_restarts(vm: LabVm, options: RunOptions) -> None:
    result = await run(playbook(restart="never"), options, Silence())
    assert (result.outcome, result.restart) == (Outcome.CHANGED, None)
    assert not any("restart" in warning for warning in result.warnings)
    assert [proof.outcome for proof in result.proof] == [Outcome.OK]
    assert vm.commands["restart"] == 0


async def test_a_playbook_that_always_restarts(vm: LabVm, options: RunOptions) -> None:
    always = playbook(restart="always")
    for expected in (Outcome.CHANGED, Outcome.OK):
        result = await run(always, options, Silence())
        assert result.outcome is expected
        assert result.restart is not None
    assert vm.commands["restart"] == 2


async def test_a_playbook_for_another_windows(vm: LabVm, options: RunOptions) -> None:
    loaded = playbook()
    for guests, outcome in ((("ws2016",), Outcome.REFUSED), (("ws2022",), Outcome.CHANGED)):
        other = loaded.playbook.model_copy(update={"applies_to": guests})
        result = await run(replace(loaded, playbook=other), options, Silence())
        assert result.outcome is outcome
        assert result.exit_code == (5 if outcome is Outcome.REFUSED else 0)


async def test_no_such_run(options: RunOptions) -> None:
    for what in (undo, resume):
        with pytest.raises(TargetError, match="no run 'nothing'"):
            await what("nothing", options, Silence())


async def test_a_run_that_cannot_be_journalled_does_not_begin(
    vm: LabVm, options: RunOptions, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot make the folder"):
        await run(playbook(), replace(options, state_dir=tmp_path / "file"), Silence())
    assert vm.connects == 0


@pytest.mark.parametrize("end", [(1, 2, "no"), (2, 7, "yes")])
async def test_exit_code_2_promises_that_nothing_was_touched(
    vm: LabVm, options: RunOptions, monkeypatch: pytest.MonkeyPatch, end: tuple[int, int, str]
) -> None:
    nth, code, touched = end
    append, entered = Journal.append, 0

    def failing(self: Journal, name: str, /, **facts: Any) -> Any:
        nonlocal entered
        entered += name == "step_entering"
        if name == "step_entering" and entered == nth:
            raise RecordError("no space")
        return append(self, name, **facts)

    monkeypatch.setattr(Journal, "append", failing)
    result = await run(playbook(), options, Silence())
    assert (result.exit_code, result.touched) == (code, touched)
    assert vm.commands["restart"] == 0


# --- cancelled --------------------------------------------------------------------------------


@pytest.mark.parametrize(("args", "code"), [((), 130), ((143,), 143), (("because",), 130)])
async def test_a_cancelled_run_has_a_result(
    vm: LabVm, options: RunOptions, at: At, args: tuple[Any, ...], code: int
) -> None:
    task = asyncio.ensure_future(run(playbook(), options, Silence()))
    at("planned", lambda: task.cancel(*args))
    result = await task
    assert (result.exit_code, result.outcome) == (code, Outcome.NOT_STARTED)
    assert kinds(result)[-2:] == ["left", "run_ended"]
    resumed = await resume(result.run_id, options, Silence())
    assert (resumed.outcome, resumed.run_id) == (Outcome.CHANGED, result.run_id)


async def test_a_restart_that_is_being_asked_for_is_not_let_go(
    vm: LabVm, options: RunOptions, at: At
) -> None:
    task = asyncio.ensure_future(run(playbook(), options, Silence()))

    def interrupt() -> None:
        vm.arm = replace(vm.arm, slow=0.2)
        asyncio.get_running_loop().call_later(0.1, task.cancel)

    at("restart_requested", interrupt)
    result = await task
    assert result.exit_code == 130
    assert "restart_accepted" in kinds(result)
    assert "restart_done" not in kinds(result)
    vm.arm = replace(vm.arm, slow=0)
    resumed = await resume(result.run_id, options, Silence())
    assert (resumed.outcome, resumed.exit_code) == (Outcome.CHANGED, 0)
    assert vm.commands["restart"] == 1


async def test_a_resumed_run_asks_for_what_was_asked(vm: LabVm, options: RunOptions) -> None:
    asked = replace(options, restart=False, snapshot=True)
    task = asyncio.ensure_future(run(playbook(), asked, Silence()))
    await asyncio.sleep(0)
    task.cancel()  # before the VM is found
    result = await task
    assert (result.vm_id, result.exit_code) == ("", 130)
    resumed = await resume(result.run_id, replace(options, vm=None), Silence())
    assert (resumed.outcome, resumed.vm_name) == (Outcome.CHANGED, vm.name)
    assert (vm.commands["restart"], resumed.restart) == (0, None)
    assert "snapshot" in kinds(resumed)


# --- after the changes ------------------------------------------------------------------------


async def test_whatever_fails_after_the_changes_is_an_error_of_the_restart(
    vm: LabVm, options: RunOptions, at: At
) -> None:
    def refuse() -> None:
        vm.gateway = replace(vm.gateway, token_refused="always")

    at("restart_done", refuse)
    result = await run(playbook(), options, Silence())
    assert (result.exit_code, result.outcome, result.touched) == (8, Outcome.FAILED, "yes")
    assert result.error is not None
    assert result.error["slug"] == "restart"
    assert "Connection not trusted" in result.error["message"]
    vm.gateway = replace(vm.gateway, token_refused=0)
    resumed = await resume(result.run_id, options, Silence())
    assert resumed.exit_code == 0
    assert vm.commands["restart"] == 1


async def test_a_vm_that_does_not_run_after_its_restart(
    vm: LabVm, options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(*_: Any) -> str:
        return "stopped"

    monkeypatch.setattr("serialfix.azure.vm.power_state", stopped)
    result = await run(playbook(), options, Silence())
    assert result.exit_code == 8
    assert result.error is not None
    assert "after the restart the VM is stopped" in result.error["message"]
    assert "az vm start" in result.error["remedy"]


# --- secrets ----------------------------------------------------------------------------------


class Listener(Silence):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def plan(self, plan: Plan) -> None:
        self.heard.append(repr(plan.steps))

    def confirm(self, plan: Plan) -> bool:
        self.heard.append(repr(plan.steps))
        return True


async def test_a_secret_in_the_registry_is_told_to_nobody(vm: LabVm, options: RunOptions) -> None:
    guest: Any = vm.guest
    guest.registry.set(LST, "Comment", RegistryValue(RegistryType.SZ, f"it is {PASSWORD}"))
    wish = {"value": "Comment", "type": "REG_SZ", "data": "x"}
    listener = Listener()
    result = await run(playbook(wish), options, listener)
    assert (result.exit_code, result.touched) == (2, "no")
    told = repr(result) + "".join(listener.heard)
    assert "redacted" in told
    assert PASSWORD not in told
    assert guest.registry.get(LST, "Comment").data == f"it is {PASSWORD}"
