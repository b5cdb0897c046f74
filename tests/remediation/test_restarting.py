"""The one restart, by what the journal knows of it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from serialfix.errors import RestartError
from serialfix.model import Outcome, VmRef
from serialfix.record.journal import MemoryJournal
from serialfix.remediation.azure_vm import AzureRestarter
from serialfix.remediation.events import Silence
from serialfix.remediation.history import Standing
from serialfix.remediation.restarting import Restart, _to_its_end


AZURE: Any = None  # not asked in these tests


def restart(journal: MemoryJournal) -> Restart:
    ref = VmRef("s", "g", "myvm")
    restarter = AzureRestarter(AZURE, ref, run_id="2026-r")
    return Restart(restarter, journal=journal, observer=Silence(), timeout=1)


async def test_one_that_is_done_is_not_repeated() -> None:
    one = restart(journal := MemoryJournal())
    now = Standing(restart_requested=True, restart_operation="op", restart_done=True)
    await one.once(now)
    assert one.result is not None
    assert (one.result.outcome, one.result.operation) == (Outcome.CHANGED, "op")
    assert journal.records == ()


async def test_one_that_was_asked_for_without_an_answer_is_for_a_person() -> None:
    one = restart(journal := MemoryJournal())
    with pytest.raises(RestartError, match="not restarted again") as caught:
        await one.once(Standing(restart_requested=True))
    assert re.search(r"correlation id [0-9a-f]{8}(-[0-9a-f]{4}){3}-", caught.value.remedy)
    assert one.result is not None
    assert one.result.outcome is Outcome.UNKNOWN
    assert journal.records == ()


async def test_what_was_begun_is_ended_before_a_cancellation_goes_on() -> None:
    ended: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        ended.append("yes")

    task = asyncio.ensure_future(_to_its_end(work()))
    await asyncio.sleep(0)
    task.cancel(143)
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert (ended, caught.value.args) == (["yes"], (143,))


async def test_an_error_of_what_was_begun_comes_through() -> None:
    async def work() -> None:
        raise RestartError("no")

    with pytest.raises(RestartError):
        await _to_its_end(work())
