"""The one restart of a run, over all its processes: in the journal before it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from serialfix.errors import RestartError, RestartFailed, RestartRefused, SerialfixError
from serialfix.model import Outcome, RestartResult, VmRef
from serialfix.record.journal import JournalPort
from serialfix.remediation.events import Observer
from serialfix.remediation.history import Standing


if TYPE_CHECKING:
    from serialfix.azure.identity import Azure
    from serialfix.azure.restart import RestartOperation

T = TypeVar("T")


class Restart:
    """Asks for the restart, or goes on with the one that a former process asked for.

    `result` is what is known of it, also after an error. `timeout` is in seconds.
    """

    def __init__(
        self, azure: Azure, ref: VmRef, *, journal: JournalPort, observer: Observer, timeout: float
    ) -> None:
        self.result: RestartResult | None = None
        self._azure = azure
        self._ref = ref
        self._journal = journal
        self._observer = observer
        self._timeout = timeout

    async def once(self, now: Standing, *, run_id: str) -> None:
        """Until the VM was restarted and runs. Raises RestartError, or what Azure says else."""
        if now.restart_done:
            self.result = RestartResult(Outcome.CHANGED, now.restart_operation)
            return
        self._observer.phase("restart", "through the compute API")
        self.result = RestartResult(Outcome.UNKNOWN, now.restart_operation)
        if now.restart_token is not None:
            from serialfix.azure.restart import resume_restart

            operation = await resume_restart(self._azure, self._ref, now.restart_token)
        elif now.restart_requested:
            raise RestartError(
                "a former process asked for the restart and was killed before Azure's answer was "
                "kept: whether the VM restarted is not known, and it is not restarted again",
                remedy="Look in the VM's activity log for the restart of this run "
                f"(correlation id {run_id}). When there was none, restart it by hand: "
                "all changes are verified in the registry.",
            )
        else:
            operation = await _to_its_end(self._ask())
        await self._wait(operation)

    async def _ask(self) -> RestartOperation:
        from serialfix.azure.restart import begin_restart

        self._journal.append("restart_requested")
        try:
            operation = await begin_restart(self._azure, self._ref)
        except RestartRefused:
            self._journal.append("restart_refused")
            self.result = RestartResult(Outcome.FAILED)
            raise
        self._journal.append(
            "restart_accepted",
            operation=operation.id,
            continuation_token=operation.continuation_token,
        )
        return operation

    async def _wait(self, operation: RestartOperation) -> None:
        from serialfix.azure.vm import power_state

        loop = asyncio.get_running_loop()
        start = loop.time()
        self.result = RestartResult(Outcome.UNKNOWN, operation.id)
        try:
            await operation.wait(
                timeout=self._timeout,
                on_poll=lambda status: self._observer.progress(f"the restart: {status}"),
            )
            state = await power_state(self._azure, self._ref)
        except SerialfixError as error:
            ended = Outcome.FAILED if isinstance(error, RestartFailed) else Outcome.UNKNOWN
            self.result = RestartResult(ended, operation.id, loop.time() - start)
            raise
        self._journal.append("restart_done", power_state=state)
        self.result = RestartResult(Outcome.CHANGED, operation.id, loop.time() - start)
        if state.lower().removeprefix("powerstate/") != "running":
            raise RestartError(
                f"after the restart the VM is {state}",
                remedy="Start it (`az vm start`); then `serialfix resume` makes the proof.",
            )


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What was begun is ended and kept in the journal, then a cancellation goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
