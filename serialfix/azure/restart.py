"""The restart: begun once, waited for by whoever holds its token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from serialfix.azure.identity import Azure
from serialfix.azure.refusals import mapped, reason
from serialfix.azure.vm import path
from serialfix.errors import (
    AccessError,
    AzureRefused,
    RestartError,
    RestartFailed,
    RestartRefused,
    SerialfixError,
)
from serialfix.model import VmRef


if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller

    from serialfix.azure.pipeline import WatchedPolling

_API_VERSION = "2024-07-01"
_ACTION = "Microsoft.Compute/virtualMachines/restart/action"
_FAILED = (
    "All changes are verified in the registry. Restart the VM by hand (`az vm restart`), then run "
    "the playbook again: it finds everything in place and makes the proof."
)
_LOOK = "See how the VM is (`az vm get-instance-view`), then `serialfix resume`."


class RestartOperation:
    """A restart under way.

    Attributes:
        id: guid of the ARM operation; empty when Azure ended it at once.
        continuation_token: what `resume_restart` needs; it holds a signed URL, for the journal
            only.
    """

    def __init__(self, ref: VmRef, poller: AsyncLROPoller[None], polling: WatchedPolling) -> None:
        self._ref = ref
        self._poller = poller
        self._polling = polling
        self.id = polling.operation_id
        self.continuation_token = poller.continuation_token()

    async def wait(self, *, timeout: float, on_poll: Callable[[str], None] | None = None) -> None:
        """Until Azure says that the VM was restarted; may be called again after a deadline.

        `timeout` in seconds; `on_poll` is told each status. Raises RestartFailed with Azure's code
        and message, and RestartError when it has not ended in time or Azure knows it no more.
        """
        if on_poll is not None:
            self._polling.on_poll = on_poll
        what = f"the restart of {self._ref.label} (operation {self.id or 'unnamed'})"
        try:
            async with asyncio.timeout(timeout):
                with mapped(f"to tell of {what}"):
                    await self._poller.wait()
        except TimeoutError:
            raise RestartError(
                f"{what} has not ended after {timeout:g} s; its last status is "
                f"{self._poller.status()}",
                remedy="`serialfix resume` goes on waiting for the same restart; "
                "`az vm get-instance-view` shows how the VM is.",
            ) from None
        except ValueError as error:
            raise RestartError(f"{what} cannot be followed: {error}", remedy=_LOOK) from error
        except SerialfixError as error:
            body = self._polling.last_answer
            status = str(body.get("status")).lower() if isinstance(body, dict) else ""
            if status in ("failed", "canceled"):  # the restart failed, not the question
                why = ": ".join(filter(None, reason(body))) or "Azure does not say why"
                raise RestartFailed(f"{what} {status}: {why}", remedy=_FAILED) from error
            raise RestartError(f"{what}: {error}", remedy=f"{error.remedy} {_LOOK}") from error


async def begin_restart(azure: Azure, ref: VmRef) -> RestartOperation:
    """Ask for the restart, once, and return as soon as Azure accepts it.

    Raises RestartRefused when Azure said no (`again_after` some seconds when it was throttled), and
    RestartError when it gave no clear answer: whether the restart began is then not known.
    """
    try:
        # A repeated POST could be a second restart: retry_total=0 holds for the POST only.
        with mapped(f"to restart {ref.label}", action=_ACTION):
            return await _begin(azure, ref, retry_total=0)
    except SerialfixError as error:
        status = getattr(error.__cause__, "status_code", None)
        refused = isinstance(error, AccessError) or (status in range(400, 500) and status != 408)
        kind = RestartRefused if refused else RestartError
        failed = kind(str(error), remedy=f"{error.remedy} {_LOOK}")
        if isinstance(failed, RestartRefused) and status == HTTPStatus.TOO_MANY_REQUESTS:
            failed.again_after = _retry_after(error.__cause__, azure.patience.retry_after_max)
        raise failed from error


async def reserve_restart(azure: Azure, ref: VmRef) -> None:
    """Wait until the restart may be asked for within the budget. Raises RestartRefused."""
    try:
        await azure.reserve("POST", f"{path(ref)}/restart")
    except AzureRefused as error:
        raise RestartRefused(
            f"{ref.label} was not restarted: {error}", remedy=f"{error.remedy} {_LOOK}"
        ) from error


def _retry_after(error: Any, otherwise: float) -> float:
    """Azure sends seconds."""
    try:
        return max(0.0, float(error.response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return otherwise


async def resume_restart(azure: Azure, ref: VmRef, continuation_token: str) -> RestartOperation:
    """The restart that a former process began; asks Azure nothing until it is waited for."""
    try:
        if not continuation_token:  # the SDK would take that for a new restart
            raise ValueError("it is empty")  # noqa: TRY301
        return await _begin(azure, ref, continuation_token=continuation_token)
    except (ValueError, KeyError, TypeError) as error:
        raise RestartError(
            f"the journal's token of the restart of {ref.label} cannot be used: {error}",
            remedy=_LOOK,
        ) from error


async def _begin(azure: Azure, ref: VmRef, **options: Any) -> RestartOperation:
    from serialfix.azure.pipeline import WatchedPolling

    polling = WatchedPolling(azure.patience.poll, azure.trusts)
    client = azure.compute(ref.subscription_id)
    options |= {"polling": polling, "api_version": _API_VERSION}
    if ref.instance_id is None:
        poller = await client.virtual_machines.begin_restart(
            ref.resource_group, ref.name, **options
        )
    else:
        poller = await client.virtual_machine_scale_set_vms.begin_restart(
            ref.resource_group, ref.name, ref.instance_id, **options
        )
    return RestartOperation(ref, poller, polling)
