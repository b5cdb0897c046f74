"""One target's turn on a worker: begun, or gone on with where another worker left it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serialfix.fleet.database import Database
from serialfix.fleet.writer import Writer
from serialfix.remediation.options import RunPatience


if TYPE_CHECKING:
    from serialfix.azure.budget import ArmBudget

AGAIN = 5.0
"""Seconds before a turn is gone on with whose database was away."""


@dataclass(kw_only=True)
class Turns:
    """Takes turns at targets for one worker. `patience` is that of every run."""

    database: Database
    writer: Writer
    worker: str
    state_dir: Path
    environ: Mapping[str, str]
    ended: Callable[[], None]
    """Called when a target has ended here."""
    budget: ArmBudget | None = None
    patience: RunPatience = field(default_factory=RunPatience)
    under_way: set[asyncio.Task[Any]] = field(default_factory=set)
    draining: bool = False

    async def remediate(self, fleet: str, number: int, attempt: int) -> None:
        """The whole turn. A turn that is drained stays for whoever takes it over: never returns."""
        turn = asyncio.ensure_future(self._turn(fleet, number, attempt))
        self.under_way.add(turn)
        try:
            if await turn:
                self.ended()
                return
        except asyncio.CancelledError:
            if not self.draining:
                raise
        finally:
            self.under_way.discard(turn)
        await asyncio.Event().wait()  # it is not ended, so the engine must not think so
