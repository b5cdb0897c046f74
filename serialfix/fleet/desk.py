"""What people do with fleet runs: begin, look, hold, go on, cancel, try again, take back."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy as sa

from serialfix.errors import UsageError
from serialfix.fleet import start, store
from serialfix.fleet.database import Database
from serialfix.fleet.decide import approvable
from serialfix.fleet.engine import Queue
from serialfix.fleet.plan import FleetPlan
from serialfix.fleet.presence import alive
from serialfix.fleet.result import Results
from serialfix.fleet.standing import FleetRun, Kind, Settings, Standing, State, Target
from serialfix.fleet.storage import EVIDENCE, kept
from serialfix.fleet.writer import patiently
from serialfix.model import Outcome
from serialfix.remediation.run import user


T = TypeVar("T")
AWAY = 10.0
"""Seconds for which a database that is away is waited for by somebody at a terminal."""


class Desk:
    """Fleet runs of one database. Raises RecordError when it cannot be reached."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # --- new runs ---------------------------------------------------------------------------------

    def begin(self, plan: FleetPlan, kind: Kind, settings: Settings) -> FleetRun:
        """Freeze a plan, and let workers carry it out."""
        run, targets = start.freeze(plan, kind, settings, _now())
        return self._create(lambda _: (run, targets, plan.loaded.text))

    def again(self, fleet: str, outcomes: Sequence[Outcome]) -> FleetRun:
        """A run on those targets of another that ended so. Raises TargetError, UsageError."""

        def follow(connection: sa.Connection) -> tuple[FleetRun, list[Target], str]:
            old = _ended(store.load(connection, fleet), "tried again")
            made = start.again(connection, old, outcomes, _now())
            return *made, store.playbook_text(connection, old.id)

        return self._create(follow)

    def back(self, fleet: str, only: Container[int] | None = None) -> FleetRun:
        """A run that puts back what another changed, perhaps on some of its targets alone.

        Raises TargetError, UsageError.
        """

        def follow(connection: sa.Connection) -> tuple[FleetRun, list[Target], str]:
            old = _ended(store.load(connection, fleet), "taken back")
            made = start.back(connection, old, _now(), only)
            return *made, store.playbook_text(connection, old.id)

        return self._create(follow)

    def _create(
        self, make: Callable[[sa.Connection], tuple[FleetRun, list[Target], str]]
    ) -> FleetRun:
        queue = Queue(self.database)
        queue.prepare()

        def create(connection: sa.Connection) -> FleetRun:
            run, targets, text = make(connection)
            store.create(connection, run, targets, text)
            queue.conduct(connection, run.id)
            return run

        try:
            return self._do(create)
        finally:
            queue.close()

    # --- what is under way ------------------------------------------------------------------------

    def pause(self, fleet: str) -> FleetRun:
        """Start nothing more until it goes on. Raises TargetError, UsageError."""
        return self._do(lambda c: store.set_state(c, store.load(c, fleet).id, State.PAUSED))

    def resume(self, fleet: str) -> FleetRun:
        """Go on: after a pause, or with the wave that waits for approval.

        Raises TargetError, and UsageError when nothing of this run waits for somebody.
        """

        def go_on(connection: sa.Connection) -> FleetRun:
            run = store.load(connection, fleet)
            if run.state is not State.RUNNING:
                return store.set_state(connection, run.id, State.RUNNING)
            waves = store.waves(connection, run.id)
            if (after := approvable(run, waves)) is None:
                raise UsageError(
                    f"fleet run {run.id} is running; nothing of it waits for you",
                    remedy=f"`serialfix fleet watch {run.id}` shows how it goes on.",
                )
            store.approve(connection, run.id, after)
            return store.load(connection, run.id)

        return self._do(go_on)

    def cancel(self, fleet: str) -> FleetRun:
        """Start nothing more; what runs is let to its end."""
        why = f"cancelled by {user()}"
        return self._do(
            lambda c: store.set_state(c, store.load(c, fleet).id, State.STOPPING, why=why)
        )

    # --- looking ----------------------------------------------------------------------------------

    def find(self, fleet: str) -> FleetRun:
        """The fleet run with this id, or its start. Raises TargetError."""
        return self._do(lambda connection: store.load(connection, fleet))

    def standing(self, fleet: str) -> Standing:
        """How it stands now."""
        workers = alive(self.database)
        return self._do(lambda c: store.standing(c, fleet, _now(), workers=workers))

    def standings(self) -> list[Standing]:
        """All fleet runs, newest first."""
        workers = alive(self.database)

        def look(connection: sa.Connection) -> list[Standing]:
            return [
                store.standing(connection, each, _now(), workers=workers, most=0)
                for each in store.ids(connection)
            ]

        return self._do(look)

    def targets(self, fleet: str) -> list[Target]:
        """All targets in their order."""
        return self._do(lambda c: list(store.targets(c, store.load(c, fleet).id)))

    def results(self, fleet: str) -> Results:
        """What the last attempts came to, by the targets' numbers."""
        return self._do(lambda c: store.results(c, store.load(c, fleet).id))

    def evidence(self, run_id: str) -> bytes | None:
        """The packed evidence of one VM's run."""
        return self._do(lambda connection: kept(connection, run_id, EVIDENCE))

    def _do(self, act: Callable[[sa.Connection], T]) -> T:
        done: T = patiently(self.database, act, away=AWAY)
        return done


def _ended(run: FleetRun, what: str) -> FleetRun:
    if run.state is not State.ENDED:
        raise UsageError(
            f"fleet run {run.id} is {run.state}; it can be {what} when it has ended",
            remedy=f"`serialfix fleet watch {run.id}` waits for it; "
            f"`serialfix fleet cancel {run.id}` starts no further VM.",
        )
    return run


def _now() -> datetime:
    return datetime.now(UTC)
