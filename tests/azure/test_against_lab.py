"""The adapter and the transport together, over TLS, against a lab they were not made for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from serialfix.azure import restart
from serialfix.azure.disks import snapshot_os_disk
from serialfix.azure.identity import Azure, AzurePatience
from serialfix.azure.serialport import connect
from serialfix.azure.vm import find_vm, power_state, preflight
from serialfix.errors import (
    AccessError,
    AzureRefused,
    AzureUnreachable,
    BootDiagnosticsDisabled,
    GatewayClosed,
    GatewayRejected,
    GatewayUnreachable,
    NotWindowsServer,
    RestartError,
    SerialConsoleDisabled,
    SerialfixError,
    SessionTakenOver,
    TargetError,
    VmNotRunning,
)
from serialfix.lab.server import Lab
from serialfix.lab.switches import (
    FORBIDDEN,
    NO_CONSOLE_PERMISSION,
    NOT_PROVISIONED,
    SCOPE_LOCKED,
    ArmDelays,
    ArmFaults,
)
from serialfix.lab.vm import LINUX, SUBSCRIPTION, WINDOWS_CLIENT, LabVm
from serialfix.secrets import Secret
from serialfix.transport.gateway import GatewayPatience, GatewayTransport
from tests.lab.doubles import FakeGuest


ACTION = "Microsoft.SerialConsole/serialPorts/connect/action"
RESTART = "Microsoft.Compute/virtualMachines/restart/action"
QUICK = GatewayPatience(delays=(0,), verdict=0.5, notice=5, close_timeout=0.5)
HISTORY = b"stale output\r\nSAC>"


@pytest.fixture
def vm() -> LabVm:
    guest = FakeGuest()
    guest.log = HISTORY
    vm = LabVm(guest=guest)
    vm.gateway = replace(vm.gateway, greeting_delay=0)
    return vm


@pytest.fixture
async def lab(vm: LabVm, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    async with Lab([vm], delays=ArmDelays.instant(), page_size=2) as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        yield lab


@pytest.fixture
async def azure(lab: Lab) -> AsyncIterator[Azure]:
    patience = AzurePatience(retries=2, backoff=0.001, retry_after_max=5, poll=0.01)
    async with Azure(environ=lab.env, patience=patience) as azure:
        yield azure


@pytest.fixture
def guest(vm: LabVm) -> FakeGuest:
    assert isinstance(vm.guest, FakeGuest)
    return vm.guest


def transport(
    azure: Azure, lab: Lab, vm: LabVm, patience: GatewayPatience = QUICK
) -> GatewayTransport:
    return GatewayTransport(
        connect_url=partial(connect, azure, vm.ref),
        token=azure.token,
        environ=lab.env,
        patience=patience,
    )


async def read_until(console: GatewayTransport, wanted: bytes) -> bytes:
    got = b""
    async with asyncio.timeout(10):
        while wanted not in got:
            got += await console.receive()
    return got


@contextlib.asynccontextmanager
async def attached(azure: Azure, lab: Lab, vm: LabVm) -> AsyncIterator[GatewayTransport]:
    console = transport(azure, lab, vm)
    await console.connect()
    try:
        yield console
    finally:
        await console.close()


async def test_from_a_name_to_facts(azure: Azure, vm: LabVm) -> None:
    ref = await find_vm(azure, name="MYVM")
    assert ref.id.lower() == vm.id.lower()  # ARM's lists may shout the group
    facts = await preflight(azure, ref)
    assert facts.vm_id == vm.vm_id
    assert facts.os_name == vm.image.os_name
    assert (facts.power_state, facts.agent, facts.location) == ("running", "ready", "westeurope")
    assert await power_state(azure, ref) == "running"
    assert await azure.subscription_id() == SUBSCRIPTION


async def test_many_vms_over_pages(azure: Azure, lab: Lab) -> None:
    lab.vms.extend(LabVm(guest=FakeGuest(), name=f"vm{n}") for n in range(5))
    lab.vms.append(LabVm(guest=FakeGuest(), name="vm4", resource_group="other-rg"))
    assert (await find_vm(azure, name="vm3")).name == "vm3"
    with pytest.raises(TargetError, match=r"(?i)2 VMs.*lab-rg.*other-rg"):
        await find_vm(azure, name="vm4")
    with pytest.raises(TargetError, match=r"no VM named 'vm44'.*near it: .*/vm4"):
        await find_vm(azure, name="vm44")


async def test_a_scale_set_instance_from_name_to_console(azure: Azure, lab: Lab) -> None:
    vm = LabVm(guest=FakeGuest(), name="web000003", scale_set="web", instance_id="3")
    lab.vms.append(vm)
    with pytest.raises(TargetError, match="'web' is a scale set"):
        await find_vm(azure, name="web", resource_group=vm.resource_group)
    ref = await find_vm(azure, name="web", resource_group=vm.resource_group, instance_id="3")
    assert (await preflight(azure, ref)).ref == vm.ref
    assert await power_state(azure, ref) == "running"
    async with attached(azure, lab, vm) as console:
        await console.send(b"hello")
        await read_until(console, b"hello")
    operation = await restart.begin_restart(azure, ref)
    await operation.wait(timeout=10)
    assert vm.guest.restarts == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"boot_diagnostics": "none"}, BootDiagnosticsDisabled),
        ({"boot_diagnostics": "disabled"}, BootDiagnosticsDisabled),
        ({"power": "stopped"}, VmNotRunning),
        ({"power": "deallocated"}, VmNotRunning),
        ({"power": "starting"}, VmNotRunning),
        ({"image": LINUX}, NotWindowsServer),
        ({"image": WINDOWS_CLIENT}, NotWindowsServer),
    ],
)
async def test_preflight_refuses(
    azure: Azure, vm: LabVm, settings: dict[str, Any], kind: type[SerialfixError]
) -> None:
    for name, value in settings.items():
        setattr(vm, name, value)
    with pytest.raises(kind) as caught:
        await preflight(azure, vm.ref)
    assert caught.value.remedy


@pytest.mark.parametrize("boot_diagnostics", ["managed", "custom"])
async def test_preflight_accepts(azure: Azure, vm: LabVm, boot_diagnostics: Any) -> None:
    vm.boot_diagnostics = boot_diagnostics
    vm.agent_ready = False
    facts = await preflight(azure, vm.ref)
    assert facts.boot_diagnostics
    assert facts.agent == "not_ready"


async def test_the_console_is_disabled(azure: Azure, lab: Lab, vm: LabVm) -> None:
    lab.cloud.console_disabled.add(SUBSCRIPTION)
    with pytest.raises(SerialConsoleDisabled):
        await preflight(azure, vm.ref)


async def test_the_dialogue(azure: Azure, lab: Lab, vm: LabVm, guest: FakeGuest) -> None:
    async with attached(azure, lab, vm) as console:
        seen = await read_until(console, HISTORY)
        assert b"Connected to the serial port of the VM." in seen
        assert b"Connecting..." not in seen
        await console.send("cmd é\r".encode())
        await read_until(console, "cmd é\r".encode())
    assert guest.written == "cmd é\r".encode()
    assert (vm.connects, vm.sessions, vm.lost_frames) == (1, 1, 0)


@pytest.mark.parametrize("frames", ["text", "binary", "mixed"])
@pytest.mark.parametrize("split", [False, True])
async def test_every_kind_of_frame(
    azure: Azure, lab: Lab, vm: LabVm, frames: Any, split: bool
) -> None:
    vm.gateway = replace(vm.gateway, frames=frames, split=split)
    text = "Der Vorgang wurde ausgeführt. 操作は正常に完了しました\r\n" * 5
    async with attached(azure, lab, vm) as console:
        await read_until(console, HISTORY)
        await console.send(text.encode())
        assert await read_until(console, text.encode()) == text.encode()


@pytest.mark.parametrize(("refused", "connects"), [(1, 2), (4, 5), ("every_other", 2)])
async def test_1011_then_trusted(
    azure: Azure, lab: Lab, vm: LabVm, refused: Any, connects: int
) -> None:
    vm.gateway = replace(vm.gateway, token_refused=refused)
    async with attached(azure, lab, vm) as console:
        await read_until(console, HISTORY)
    assert vm.connects == connects


async def test_1011_for_ever(azure: Azure, lab: Lab, vm: LabVm) -> None:
    vm.gateway = replace(vm.gateway, token_refused="always")
    with pytest.raises(GatewayRejected, match="1011 Connection not trusted") as caught:
        await transport(azure, lab, vm).connect()
    assert (vm.connects, vm.refused) == (6, 6)
    assert "tenant" in caught.value.remedy


async def test_a_wrong_token(azure: Azure, lab: Lab, vm: LabVm) -> None:
    async def token() -> Secret:
        return Secret("wrong", "token")

    console = GatewayTransport(
        connect_url=partial(connect, azure, vm.ref),
        token=token,
        environ=lab.env,
        patience=replace(QUICK, attempts=2),
    )
    with pytest.raises(GatewayRejected, match="1011"):
        await console.connect()


async def test_a_late_greeting(azure: Azure, lab: Lab, vm: LabVm) -> None:
    vm.gateway = replace(vm.gateway, greeting_delay=0.1)
    async with attached(azure, lab, vm) as console:
        await read_until(console, HISTORY)
    assert (vm.connects, vm.lost_frames) == (1, 0)


@pytest.mark.parametrize("code", [1000, 1001, 1006])
async def test_somebody_else_attaches(azure: Azure, lab: Lab, vm: LabVm, code: int) -> None:
    vm.gateway = replace(vm.gateway, takeover_code=code)
    async with attached(azure, lab, vm) as first:
        await read_until(first, HISTORY)
        async with attached(azure, lab, vm) as second:
            with pytest.raises(SessionTakenOver):
                await read_until(first, b"never")
            await read_until(second, HISTORY)


@pytest.mark.parametrize("code", [1006, 1011])
async def test_dropped_in_mid_session_and_attached_again(
    azure: Azure, lab: Lab, vm: LabVm, guest: FakeGuest, code: int
) -> None:
    vm.gateway = replace(vm.gateway, drop_after_bytes=4, drop_code=code)
    async with attached(azure, lab, vm) as console:
        await read_until(console, HISTORY)
        await console.send(b"type")
        with pytest.raises(GatewayClosed):
            await read_until(console, b"never")
        await console.connect()
        await read_until(console, HISTORY)
    assert guest.written == b"type"
    assert vm.connects == 2


async def test_the_gateway_cannot_reach_the_vm(azure: Azure, lab: Lab, vm: LabVm) -> None:
    vm.gateway = replace(vm.gateway, unable=1)
    console = transport(azure, lab, vm, replace(QUICK, notice=0.05))
    await console.connect()
    with pytest.raises(GatewayUnreachable) as caught:
        await read_until(console, HISTORY)
    assert "az vm redeploy" in caught.value.remedy
    await console.close()


async def test_the_gateway_is_down(azure: Azure, lab: Lab, vm: LabVm) -> None:
    vm.arm = ArmFaults(gateway_down=True)
    with pytest.raises(GatewayUnreachable, match="no connection to"):
        await transport(azure, lab, vm).connect()


async def test_a_gateway_whose_certificate_nobody_knows(
    azure: Azure, lab: Lab, vm: LabVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    console = GatewayTransport(
        connect_url=partial(connect, azure, vm.ref), token=azure.token, environ={}, patience=QUICK
    )
    with pytest.raises(GatewayUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await console.connect()
    assert vm.sessions == 0


async def test_an_arm_whose_certificate_nobody_knows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    environ = {name: value for name, value in lab.env.items() if name != "SSL_CERT_FILE"}
    async with Azure(environ=environ, patience=AzurePatience(retries=0)) as azure:
        with pytest.raises(AzureUnreachable, match="certificate verify failed"):
            await azure.subscriptions()


@pytest.mark.parametrize(
    ("refusal", "kind", "text", "remedy"),
    [
        (FORBIDDEN, AccessError, "403 AuthorizationFailed", ACTION),
        (NO_CONSOLE_PERMISSION, AccessError, "Virtual Machine Contributor", ACTION),
        (SCOPE_LOCKED, AzureRefused, "409 ScopeLocked", "az lock list"),
        (NOT_PROVISIONED, AzureRefused, "400 BadRequest: Provisioning", "Wait"),
    ],
)
async def test_connect_refused(
    *,
    azure: Azure,
    lab: Lab,
    vm: LabVm,
    refusal: Any,
    kind: type[SerialfixError],
    text: str,
    remedy: str,
) -> None:
    vm.arm = ArmFaults(deny={ACTION: refusal})
    with pytest.raises(kind, match=text) as caught:
        await transport(azure, lab, vm).connect()
    assert remedy.lower() in caught.value.remedy.lower()


async def test_the_port_is_disabled_or_missing(azure: Azure, vm: LabVm) -> None:
    vm.port_enabled = False
    with pytest.raises(AzureRefused):
        await connect(azure, vm.ref)
    assert not vm.port_enabled  # nobody switched it on


async def test_restart(azure: Azure, vm: LabVm, guest: FakeGuest) -> None:
    operation = await restart.begin_restart(azure, vm.ref)
    told: list[str] = []
    await operation.wait(timeout=10, on_poll=told.append)
    assert told[-1] == "Succeeded"
    assert operation.id
    assert (guest.restarts, vm.commands["restart"]) == (1, 1)


async def test_restart_resumed_by_another_process(
    azure: Azure, lab: Lab, vm: LabVm, guest: FakeGuest
) -> None:
    begun = await restart.begin_restart(azure, vm.ref)
    async with Azure(environ=lab.env) as another:
        resumed = await restart.resume_restart(another, vm.ref, begun.continuation_token)
        assert resumed.id == begun.id
        await resumed.wait(timeout=10)
    assert (guest.restarts, vm.commands["restart"]) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "timeout", "text"),
    [
        ({"restart_fails": True}, 10, "failed: "),
        ({"restart_hangs": True}, 0.1, "not ended after 0.1 s"),
        ({"restart_op_lost": True}, 10, "404"),
    ],
)
async def test_restart_goes_wrong(
    azure: Azure, vm: LabVm, fault: dict[str, Any], timeout: float, text: str
) -> None:
    vm.arm = ArmFaults(**fault)
    operation = await restart.begin_restart(azure, vm.ref)
    with pytest.raises(RestartError) as caught:
        await operation.wait(timeout=timeout)
    assert text in str(caught.value)
    assert operation.id in str(caught.value)


async def test_restart_refused(azure: Azure, vm: LabVm) -> None:
    vm.arm = ArmFaults(deny={RESTART: FORBIDDEN})
    with pytest.raises(RestartError, match="403 AuthorizationFailed") as caught:
        await restart.begin_restart(azure, vm.ref)
    assert RESTART in caught.value.remedy


async def test_snapshot(azure: Azure, lab: Lab, vm: LabVm) -> None:
    facts = await preflight(azure, vm.ref)
    id_ = await snapshot_os_disk(azure, facts, "run-1")
    shown = await azure.request(
        "GET", id_, doing="to show it", params={"api-version": "2024-03-02"}
    )
    assert shown["tags"]["serialfix-run"] == "run-1"
    assert shown["properties"]["incremental"] is True
    assert shown["properties"]["creationData"]["sourceResourceId"] == facts.os_disk_id
    assert shown["properties"]["provisioningState"] == "Succeeded"


async def test_the_token_is_nowhere(
    azure: Azure, lab: Lab, vm: LabVm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vm.gateway = replace(vm.gateway, token_refused="always")
    with pytest.raises(GatewayRejected) as caught:
        await transport(azure, lab, vm).connect()
    operation = await restart.begin_restart(azure, vm.ref)
    await operation.wait(timeout=10)
    token = (await azure.token()).reveal()
    assert caplog.records
    assert token not in caplog.text
    assert token not in f"{caught.value!r}{caught.value.remedy}{operation.continuation_token}"
    assert operation.continuation_token not in caplog.text
