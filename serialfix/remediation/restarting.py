"""The one restart of a run, over all its processes: in the journal before it is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from serialfix.errors import RestartError, RestartFailed, RestartRefused, SerialfixError
from serialfix.model import Outcome, RestartResult
from serialfix.record.journal import JournalPort, to_its_end
from serialfix.remediation.events import Observer
from serialfix.remediation.history import Standing
from serialfix.remediation.place import Operation, Restarter


class Restart:
    """Asks for the restart, or goes on with the one that a former process asked for.

    `result` is what is known of it, also after an error. `timeout` is in seconds.
    """

    def __init__(
        self, restarter: Restarter, *, journal: JournalPort, observer: Observer, timeout: float
    ) -> None:
        self.result: RestartResult | None = None
        self._restarter = restarter
        self._journal = journal
        self._observer = observer
        self._timeout = timeout
        self._reported = Outcome.CHANGED if restarter.reports else Outcome.UNKNOWN

    async def once(self, now: Standing) -> None:
        """Until the VM was restarted and runs. Raises RestartError, or what Azure says else."""
        if now.restart_done:
            self.result = RestartResult(self._reported, now.restart_operation)
            return
        self._observer.phase("restart", self._restarter.words)
        since = asyncio.get_running_loop().time()
        if now.restart_requested or now.restart_token is not None:
            self.result = RestartResult(Outcome.UNKNOWN, now.restart_operation)
        if now.restart_token is not None:
            operation = await self._restarter.resume(now.restart_token)
        elif now.restart_requested:
            raise self._restarter.lost()
        else:
            operation = await self._begin(since + self._timeout)
        await self._wait(operation, since)

    def shown(self, shown: bool) -> None:
        """Whether the guest itself showed that it restarted."""
        if shown and self.result is not None:
            self.result = replace(self.result, outcome=Outcome.CHANGED)

    async def _begin(self, deadline: float) -> Operation:
        """Ask, and ask again where the answer was a sure no for now."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._restarter.ready()
                return await to_its_end(self._ask())
            except RestartRefused as refused:
                self.result = RestartResult(Outcome.FAILED)
                again = refused.again_after
                if again is None or loop.time() + again > deadline:
                    raise
                self._observer.progress(f"Azure throttles: the restart is asked for in {again:g} s")
                await asyncio.sleep(again)

    async def _ask(self) -> Operation:
        self.result = RestartResult(Outcome.UNKNOWN)
        try:
            operation = await self._restarter.begin(
                lambda: self._journal.append("restart_requested")
            )
        except RestartRefused:
            await self._journal.append("restart_refused")
            raise
        except RestartFailed:
            self.result = RestartResult(Outcome.FAILED)
            raise
        await self._journal.append(
            "restart_accepted",
            operation=operation.id,
            continuation_token=operation.continuation_token,
        )
        return operation

    async def _wait(self, operation: Operation, start: float) -> None:
        loop = asyncio.get_running_loop()
        self.result = RestartResult(Outcome.UNKNOWN, operation.id)
        try:
            await operation.wait(
                timeout=self._timeout,
                on_poll=lambda status: self._observer.progress(f"the restart: {status}"),
            )
            state = await self._restarter.power_state()
        except SerialfixError as error:
            ended = Outcome.FAILED if isinstance(error, RestartFailed) else Outcome.UNKNOWN
            self.result = RestartResult(ended, operation.id, loop.time() - start)
            raise
        took = loop.time() - start if self._restarter.reports else None  # the guest still goes down
        self.result = RestartResult(self._reported, operation.id, took)
        await self._journal.append("restart_done", power_state=state)
        if state is not None and state.lower().removeprefix("powerstate/") != "running":
            raise RestartError(
                f"after the restart the VM is {state}",
                remedy="Start it (`az vm start`); then `serialfix resume` makes the proof.",
            )
