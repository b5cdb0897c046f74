"""A VM in Azure: found by ARM, reached through the gateway, restarted by the compute API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from serialfix.errors import ConfigError, RestartError
from serialfix.model import VmRef, correlation_id
from serialfix.remediation.options import RunOptions
from serialfix.remediation.place import Condition, Surroundings, VmName
from serialfix.remediation.work import Purpose, Work
from serialfix.secrets import Secret
from serialfix.transport.base import Transport
from serialfix.transport.gateway import GatewayTransport


if TYPE_CHECKING:
    from serialfix.azure.identity import Azure
    from serialfix.azure.restart import RestartOperation
    from serialfix.azure.vm import VmFacts

T = TypeVar("T")


class AzureVm:
    """The place of a VM, or scale-set instance, in Azure."""

    no_restart = ""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self.wanted = VmName(options.vm_id or "", options.vm or "")
        self._azure: Azure | None = None
        self._ref: VmRef | None = None
        self._facts: VmFacts | None = None
        self._around: Surroundings | None = None

    @asynccontextmanager
    async def opened(self, around: Surroundings) -> AsyncIterator[None]:
        """Signed in as long as the run lasts."""
        from serialfix.azure.identity import Azure

        self._around = around
        async with Azure(
            environ=self._options.environ,
            subscription=self._options.subscription,
            run_id=around.run_id,
            observer=around.progress,
            patience=self._options.patience.azure,
            budget=self._options.arm_budget,
            region=self._options.region,
        ) as self._azure:
            yield

    async def find(self) -> VmName:
        """By its id, or by its name."""
        from serialfix.azure.vm import find_vm

        options = self._options
        self._ref = await find_vm(
            _there(self._azure),
            name=options.vm,
            resource_group=options.resource_group,
            vm_id=options.vm_id,
            instance_id=options.instance_id,
        )
        return _name(self._ref)

    async def preflight(self) -> Condition:
        """Running, Windows Server, its console on, our permissions."""
        from serialfix.azure.vm import preflight

        facts = self._facts = await preflight(_there(self._azure), _there(self._ref))
        self._ref = facts.ref
        return Condition(_name(facts.ref), facts.os_name, tuple(facts.notes))

    def transport(self) -> Transport:
        """Through the gateway."""
        azure, ref, around = _there(self._azure), _there(self._ref), _there(self._around)

        async def connect_url() -> str:
            from serialfix.azure.serialport import connect

            return await connect(azure, ref)

        async def token() -> Secret:
            secret = await azure.token()
            around.keep_secret(secret)
            return secret

        return GatewayTransport(
            connect_url=connect_url,
            token=token,
            environ=self._options.environ,
            patience=self._options.patience.gateway,
        )

    async def snapshot(self) -> str:
        """Beside the disk, tagged with the run."""
        from serialfix.azure.disks import snapshot_os_disk

        run_id = _there(self._around).run_id
        return await snapshot_os_disk(_there(self._azure), _there(self._facts), run_id)

    def restarter(self, work: Callable[[Purpose], Work]) -> AzureRestarter:
        """By the compute API, which needs no session."""
        run_id = _there(self._around).run_id
        return AzureRestarter(_there(self._azure), _there(self._ref), run_id=run_id)


class AzureRestarter:
    """The compute API's restart, which Azure reports on."""

    words = "through the compute API"
    reports = True

    def __init__(self, azure: Azure, ref: VmRef, *, run_id: str) -> None:
        self._azure = azure
        self._ref = ref
        self._run_id = run_id

    async def ready(self) -> None:
        """When it is this run's turn to ask."""
        from serialfix.azure.restart import reserve_restart

        await reserve_restart(self._azure, self._ref)

    async def begin(self, requested: Callable[[], Awaitable[object]]) -> RestartOperation:
        """Ask for it."""
        from serialfix.azure.restart import begin_restart

        await requested()
        return await begin_restart(self._azure, self._ref)

    async def resume(self, token: str) -> RestartOperation:
        """The operation that a former process began."""
        from serialfix.azure.restart import resume_restart

        return await resume_restart(self._azure, self._ref, token)

    async def power_state(self) -> str | None:
        """As Azure sees it."""
        from serialfix.azure.vm import power_state

        return await power_state(self._azure, self._ref)

    def lost(self) -> RestartError:
        """The activity log knows more."""
        return RestartError(
            "a former process asked for the restart and was killed before Azure's answer was "
            "kept: whether the VM restarted is not known, and it is not restarted again",
            remedy="Look in the VM's activity log for the restart of this run "
            f"(correlation id {correlation_id(self._run_id)}). When there was none, restart it "
            "by hand: all changes are verified in the registry.",
        )


def _there(thing: T | None) -> T:
    if thing is None:
        raise ConfigError("no VM was found yet")
    return thing


def _name(ref: VmRef) -> VmName:
    return VmName(ref.id, ref.label)
