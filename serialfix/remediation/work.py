"""The console part of a run; the same live and in replay.

A `Work` is one session with a purpose: `check` reads and plans, `apply` also changes, `restart` has
SAC restart the system, `prove` comes back after a restart. What it types depends only on the
playbook, on its purpose and on what the console answers, so that a recording can be replayed
keystroke by keystroke.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from serialfix.console.sac import counts_anew
from serialfix.errors import (
    AzureRefused,
    AzureUnreachable,
    ConsoleError,
    GatewayClosed,
    GatewayRejected,
    GatewayUnreachable,
    LoginRejected,
    RestartError,
    SerialfixError,
    StepError,
    Touched,
    UsageError,
)
from serialfix.model import Outcome, ProofResult, StepResult
from serialfix.playbook.plan import Plan, make_plan
from serialfix.playbook.schema import Playbook
from serialfix.playbook.steps.wish import State
from serialfix.record.journal import JournalPort
from serialfix.remediation.events import Observer
from serialfix.remediation.guest import Guest, GuestPatience, steps_proof
from serialfix.remediation.proofs import Proofs
from serialfix.result import plain
from serialfix.session import Credentials, Session


class Purpose(StrEnum):
    """What a session is for."""

    CHECK = "check"
    APPLY = "apply"
    RESTART = "restart"
    PROVE = "prove"


DECLINED = "declined"
"""Marker in a recording: the plan was not confirmed."""
OUTCOME = "outcome:"
"""Marker at its end: `ok`, or the slug of the error."""

_COMES_BACK = (
    AzureRefused,  # "Provisioning for this VM has not yet succeeded", "requires a ... running"
    AzureUnreachable,
    GatewayClosed,
    GatewayRejected,
    GatewayUnreachable,
    ConsoleError,
    StepError,
)
"""What a VM that is still coming up shows. A take-over is not among them."""


@dataclass(frozen=True, slots=True)
class WorkPatience:
    """Bounds of coming back after a restart, in seconds."""

    boot: float = 900.0
    look: float = 5.0
    """Between two attempts to attach."""
    reboot: float = 15.0
    """Until the next look when the guest shows no sign of a restart."""
    reboot_looks: int = 2


class Work:
    """One session's worth of work. Results are kept as they come, so that an error loses none."""

    def __init__(
        self,
        *,
        playbook: Playbook,
        session: Session,
        credentials: Credentials,
        journal: JournalPort,
        observer: Observer,
        restart_allowed: bool = True,
        restart_reported: bool = True,
        refuse_foreign: bool = False,
        earlier: Mapping[str, State] | None = None,
        facts: Mapping[str, State] | None = None,
        patience: WorkPatience | None = None,
        guest_patience: GuestPatience | None = None,
    ) -> None:
        self.session = session
        session.alive = observer.progress
        self.plan: Plan | None = None
        self.steps: dict[str, StepResult] = {}
        self.proof: list[ProofResult] = []
        self.warnings: list[str] = []
        self.restart_shown = False
        """Whether the guest showed that it restarted: it counts its channels anew."""
        self._playbook = playbook
        self._credentials = credentials
        self._journal = journal
        self._observer = observer
        self._restart_allowed = restart_allowed
        self._restart_reported = restart_reported
        self._earlier = earlier or {}
        # What was begun is brought to its end, beside whoever came since.
        session.refuse_foreign = refuse_foreign and not self._earlier
        if session.refuse_foreign:
            session.launching = self._launching
        self._facts = facts
        self._patience = patience or WorkPatience()
        self._guest = Guest(session, credentials, journal, observer, guest_patience)
        self._proofs = Proofs(self._guest.lines, observer, self._guest.patience)

    # --- purposes -------------------------------------------------------------------------------

    async def check(self, *, reclaim: bool = False) -> None:
        """Attach, read, plan, leave. `reclaim` goes back to the channel of a former process."""
        async with self._session_end():
            await self._attach(reclaim=reclaim)
            await self._make_plan()

    async def apply(
        self, decide: Callable[[Plan], Awaitable[bool]], *, reclaim: bool = False
    ) -> None:
        """Attach, read, plan, change what `decide` agrees to, leave.

        Where nothing will restart, the proof is made at once. `reclaim` as in `check`. Raises
        UsageError when the plan is declined.
        """
        async with self._session_end():
            await self._attach(reclaim=reclaim)
            plan = await self._make_plan()
            if plan.changes:
                self._guest.require_typable(plan, self._earlier)
                if not await decide(plan):
                    self.session.marker(DECLINED)
                    raise UsageError(
                        "the plan was not confirmed", remedy="Nothing was changed in the VM."
                    )
                await self._change(plan)
            else:
                for planned in plan.steps:
                    await self._keep(planned.id, Outcome.OK)
            if not self._will_restart(plan):
                self._observer.phase("prove")
                await self._prove(values=bool(plan.changes))
                self._require_proof("without a restart")

    async def restart(self, requested: Callable[[], Awaitable[object]]) -> None:
        """Attach, and have SAC restart the system; `requested` is awaited just before Enter.

        Raises RestartRefused when SAC says that it failed. No sign of the restart is no error:
        SAC's screen is not what proves it.
        """
        async with self._session_end():
            for attempt in (1, 2):
                self.session.marker("attach")
                try:
                    await self.session.connect()
                    seen = await self.session.restart(requested)
                    self._observer.progress(
                        "the system goes down" if seen else "nothing is seen of it yet"
                    )
                except (GatewayClosed, GatewayUnreachable) as error:
                    if self.session.entered:  # it may have gone down with the system
                        return
                    if attempt == 2:
                        raise
                    self._warn(f"{error}; attaching again")
                else:
                    return

    async def prove(self, *, former_channel: str | None, reclaim: bool = False) -> None:
        """After a restart: attach until the guest answers, and prove that all holds.

        `former_channel` is the channel used before; a restart begins to count anew, which proves
        it (sac.md §3), while a repainted boot banner proves nothing (§6.1). `reclaim` goes back to
        the channel of a former process, which made the proof and could not leave. Where nobody
        reports the restart, this proof is waited for. Raises RestartError.
        """
        async with self._session_end():
            await self._come_back(former_channel, reclaim=reclaim)
            self._observer.phase("prove")
            try:
                await self._prove(values=True)
            except (ConsoleError, StepError) as error:
                raise _unproven(error) from error
            self._require_proof("after the restart")

    # --- parts ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _session_end(self) -> AsyncIterator[None]:
        """Whatever happens inside: leave the console, and mark in the recording how it ended."""
        ended = "interrupted"
        try:
            yield
            ended = "ok"
        except SerialfixError as error:
            ended = error.slug
            raise
        finally:
            await self._leave()
            self.session.marker(OUTCOME + ended)

    async def _come_back(self, former_channel: str | None, *, reclaim: bool) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience.boot
        looks = 0
        while True:
            pause = self._patience.look
            try:
                await self._attach(reclaim=reclaim and self.session.channel is not None)
                if counts_anew(former_channel, self.session.channel):
                    self.restart_shown = True
                    break
                looks += 1
                if not self._restart_reported:
                    if loop.time() >= deadline:
                        raise _no_sign(self._patience.boot)
                elif looks > self._patience.reboot_looks:
                    self._warn("Azure reports the restart; the guest itself gave no sign of it")
                    break
                pause = self._patience.reboot * (1 if self._restart_reported else min(looks, 4))
                self._observer.progress("the guest has not restarted yet")
            except LoginRejected as error:
                raise _unproven(error) from error
            except _COMES_BACK as error:
                if loop.time() >= deadline:
                    raise _unproven(error) from error
                self._observer.progress(f"not back yet: {error}")
            await self._leave(quietly=True)
            await asyncio.sleep(pause)

    async def _attach(self, *, reclaim: bool = False) -> None:
        self._observer.phase("attach", "through the serial console")
        self.session.marker("attach")
        await self.session.connect()
        try:
            await self._enter(reclaim=reclaim)
        except (GatewayClosed, GatewayUnreachable) as error:
            if self.session.logged_on:
                raise  # whether the password was taken is not known: no second logon by itself
            self._warn(f"{error}; attaching again")
            await self._journal.append("dropped", error=error.slug)
            await self.session.connect()
            await self._enter(reclaim=False)
        if self.session.others:
            self._warn(
                f"other CMD channels are open on this VM ({', '.join(self.session.others)}): "
                "somebody may be working in them; they are left alone, but a restart ends them"
            )

    async def _enter(self, *, reclaim: bool) -> None:
        """Into a shell of our own; a channel that an attempt before this one made is used."""
        if reclaim:
            same = await self.session.rejoin(self._credentials, sure=False)
            await self._journal.append(
                "rejoined", channel=self.session.channel, same=same, prompt=self.session.prompt
            )
        elif self.session.channel is not None:
            await self.session.rejoin(self._credentials)
        else:
            try:
                await self.session.open_channel()
            finally:
                if self.session.channel is not None:
                    await self._journal.append(
                        "channel_opened",
                        channel=self.session.channel,
                        prompt=self.session.prompt,
                        others=list(self.session.others),
                    )
            self._observer.phase("login", f"as {self._credentials.username}")
            self.session.marker("login")
            await self.session.login(self._credentials)

    async def _launching(self, others: list[str]) -> None:
        """Who is killed before the new channel's name is known leaves one that is ours."""
        await self._journal.append("channel_asked", others=others)

    async def _make_plan(self) -> Plan:
        self._observer.phase("plan", "reading the present values")
        self.session.marker("plan")
        present = await self._guest.read(self._playbook, self._facts)
        self._facts = present.facts
        plan = make_plan(
            self._playbook,
            present,
            restart_allowed=self._restart_allowed,
            seconds_per_change=2 * self._guest.lines.seconds_per_line,
            earlier=self._earlier,
        )
        self.plan = plan
        self.warnings += plan.warnings
        await self._journal.append(
            "planned",
            steps=[
                {
                    "step": step.id,
                    "before": plain(step.before),
                    "wanted": plain(step.wanted),
                    "outcome": step.outcome,
                    "note": step.note,
                }
                for step in plan.steps
            ],
            facts=plain(present.facts),
            absent_keys=[key for key, there in present.keys.items() if not there],
        )
        self._observer.plan(plan)
        return plan

    async def _change(self, plan: Plan) -> None:
        self._observer.phase("apply", f"{plan.changes} of {len(plan.steps)} steps")
        self.session.refuse_foreign = False
        for number, (step, planned) in enumerate(
            zip(self._playbook.steps, plan.steps, strict=True), start=1
        ):
            start = asyncio.get_running_loop().time()
            try:
                result = await self._guest.apply(
                    number, step, planned, earlier=self._earlier.get(step.id)
                )
            except SerialfixError as error:
                unknown = error.touched is Touched.MAYBE
                await self._keep(
                    step.id, Outcome.UNKNOWN if unknown else Outcome.FAILED, error=str(error)
                )
                raise
            took = asyncio.get_running_loop().time() - start
            typed = result.outcome is not Outcome.OK
            await self._keep(
                step.id, result.outcome, after=result.after, seconds=took if typed else None
            )
            self._observer.step(number, len(plan.steps), self.steps[step.id])

    async def _keep(
        self,
        step_id: str,
        outcome: Outcome,
        *,
        after: Any = None,
        error: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Keep a step's result. What an earlier process of this run changed counts as changed."""
        if self.plan is None:
            return
        planned = next(step for step in self.plan.steps if step.id == step_id)
        before = planned.before
        if outcome is Outcome.OK:
            after = before
            if step_id in self._earlier and self._earlier[step_id] != after:
                outcome, before = Outcome.CHANGED, self._earlier[step_id]
                await self._journal.append("step_verified", step=step_id, after=plain(after))
        self.steps[step_id] = StepResult(
            id=step_id,
            kind=planned.kind,
            title=planned.title,
            outcome=outcome,
            before=before,
            after=after,
            wanted=planned.wanted,
            error=error,
            note=planned.note,
            seconds=seconds,
        )

    def _will_restart(self, plan: Plan) -> bool:
        return plan.restart or bool(
            self._earlier and self._restart_allowed and self._playbook.restart != "never"
        )

    async def _prove(self, *, values: bool) -> None:
        """The values, unless they were read a moment ago, and what the playbook asks for."""
        self.session.marker("prove")
        if values:
            self.proof = await self._guest.prove_steps(self._playbook, self._facts or {})
        else:
            self.proof = [steps_proof(self._playbook)]
        for wish in self._playbook.proofs:
            self.proof.append(await self._proofs.prove(wish))
        for proof in self.proof:
            await self._journal.append("proof", id=proof.id, outcome=proof.outcome, text=proof.text)
            if proof.outcome is Outcome.UNKNOWN:
                self._warn(f"{proof.id}: {proof.text}")

    def _require_proof(self, when: str) -> None:
        if failed := [proof.text for proof in self.proof if proof.outcome is Outcome.FAILED]:
            raise RestartError(
                f"the steps were dealt with, but {when}: {'; '.join(failed)}",
                remedy="Look at the service and its event log; changes can be taken back with "
                "`serialfix undo`.",
            )

    async def _leave(self, *, quietly: bool = False) -> None:
        """Out of our channel, whatever happened; says so when that could not be done."""
        opened = self.session.channel is not None
        if opened:
            if not quietly:
                self._observer.phase("leave")
            self.session.marker("leave")
        left = await self.session.leave()
        await self.session.close()  # before the journal: its disk may be full
        if left:
            self._warn(f"the console was not left clean: {left}")
        if opened or left:
            await self._journal.append("left", clean=not left)

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self._observer.warning(text)


def _unproven(error: SerialfixError) -> RestartError:
    return RestartError(
        f"the VM was restarted, and its console does not prove that it is well: {error}",
        state=error.state,
        expected=error.expected,
        screen=error.screen,
        remedy="The changes are in the registry. Look at the VM's boot diagnostics; "
        "`serialfix resume` makes the proof again.",
    )


def _no_sign(within: float) -> RestartError:
    return RestartError(
        f"the restart was asked for, and the guest showed no sign of it within {within:g} s: "
        "it goes on counting its channels",
        remedy="The changes are in the registry. Restart the VM by hand; "
        "`serialfix resume` makes the proof again, and restarts nothing.",
    )
