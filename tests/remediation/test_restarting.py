"""The one restart, by what the journal knows of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from serialfix.errors import RestartError
from serialfix.model import Outcome, VmRef
from serialfix.record.journal import MemoryJournal
from serialfix.remediation.azure_vm import AzureRestarter
from serialfix.remediation.events import Silence
from serialfix.remediation.history import Standing
from serialfix.remediation.restarting import Restart


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
