"""The work in the guest, on one session: read, write, read back.

Rules: a question may be asked again after a dropped connection, a write never: after a drop the
state is read, and the line typed again only when it is seen to be what it was before (design.md
§2). Each write is in the journal, with the former state, before its first key is typed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from serialfix.console.cmd import CommandResult
from serialfix.errors import CommandFailed, SerialfixError, Touched, UnsafeStep, VerifyMismatch
from serialfix.model import Outcome, ProofResult, RegistryValue, StepResult
from serialfix.playbook.plan import (
    Plan,
    PlannedStep,
    Present,
    ValueId,
    active_policies,
    value_id,
)
from serialfix.playbook.schema import Playbook, Step
from serialfix.playbook.steps.wish import Ask, NewFile, Question, State, Value, Wish
from serialfix.record.journal import JournalPort
from serialfix.remediation.events import Observer
from serialfix.remediation.lines import Lines
from serialfix.remediation.values import Values, is_text
from serialfix.result import plain
from serialfix.session import Credentials, Session
from serialfix.windows import paging, registry


_MOST_LINES = 40
"""For one step: adapters with several DNS servers and services with dependents need a few."""


@dataclass(frozen=True, slots=True)
class GuestPatience:
    """Bounds of the work in the guest; times in seconds."""

    rejoins: int = 3
    proof: float = 180.0
    """For services to start or stop, and for them and listeners to come up after a restart."""
    proof_pause: float = 3.0


class Guest:
    """The VM that a session is logged in to, as steps see it."""

    def __init__(
        self,
        session: Session,
        credentials: Credentials,
        journal: JournalPort,
        observer: Observer,
        patience: GuestPatience | None = None,
    ) -> None:
        self.session = session
        self.journal = journal
        self.patience = patience or GuestPatience()
        self.lines = Lines(session, credentials, journal, observer, rejoins=self.patience.rejoins)
        self.values = Values(self.lines, observer)
        self._observer = observer
        self._files = count(1)

    # --- reading --------------------------------------------------------------------------------

    async def read(self, playbook: Playbook, facts: Mapping[str, State] | None = None) -> Present:
        """The state of every step that applies, the policies that could override it, and which
        registry keys are missing.

        `facts` are those of an earlier process of the run: what it changed must not decide now.
        """
        if facts is None:
            facts = {
                fact.id: await self.values.one(fact.registry.key, fact.registry.value)
                for fact in playbook.facts
            }
        active = [step for step in playbook.steps if playbook.applies(step, facts)]
        states, values = await self._states(active)
        asked = [value for step in active for value in step.wish.stored]
        keys = {
            step.registry_key.key.lower(): states[step.id] != "absent"
            for step in active
            if step.registry_key is not None
        }
        for key in dict.fromkeys(step.registry.key for step in active if step.registry):
            named = [value for value in asked if value.key == key]
            if not any(values[value_id(each.key, each.name)] is not None for each in named):
                await self.values.look_for(key, keys)
        policies = {
            (policy.key, policy.name)
            for _, policy in active_policies(playbook, facts)
            if value_id(policy.key, policy.name) not in values
            and keys.get(policy.key.lower(), True)
        }
        values |= await self.values.many(sorted(policies))
        return Present(states, facts, values, keys)

    async def _states(
        self, steps: Sequence[Step]
    ) -> tuple[dict[str, State], dict[ValueId, RegistryValue | None]]:
        """The states by step, and the registry values that they are made of, read together."""
        asked = ((each.key, each.name) for step in steps for each in step.wish.stored)
        values = await self.values.many(asked)
        return {step.id: await self._read(step.wish, values) for step in steps}, values

    async def _read(
        self, wish: Wish, known: Mapping[ValueId, RegistryValue | None] | None = None
    ) -> State:
        """The state that a wish is about; `known` values are not asked for again."""
        reading = wish.read()
        try:
            question = next(reading)
            while True:
                try:
                    answer = await self._answer(question, known or {})
                except CommandFailed as error:
                    question = reading.throw(error)
                else:
                    question = reading.send(answer)
        except StopIteration as end:
            state: State = end.value
            return state

    async def _answer(
        self, question: Question, known: Mapping[ValueId, RegistryValue | None]
    ) -> RegistryValue | CommandResult | str | None:
        match question:
            case Value(key, name):
                place = value_id(key, name)
                return known[place] if place in known else await self.values.one(key, name)
            case Ask(line, exit_code_only, within):
                ask = self.lines.sure if exit_code_only else self.lines.ask
                return await ask(line, within=within)
            case NewFile():
                # the prompt's name is random: no other run writes there
                return f"%SystemRoot%\\Temp\\serialfix-{self.lines.nonce}{next(self._files)}.reg"

    async def _settled(self, wish: Wish) -> State:
        """The state once the guest is not on its way to another any more, or no longer waited."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience.proof
        while True:
            state = await self._read(wish)
            if not wish.pending(state) or loop.time() >= deadline:
                return state
            self._observer.progress(f"{wish.title} is on its way")
            await asyncio.sleep(self.patience.proof_pause)

    def require_typable(self, plan: Plan, earlier: Mapping[str, State]) -> None:
        """Build the first line of every step of the plan, before the first of them is typed.

        `earlier` as in `apply`, by step. Raises UnsafeStep where one could not be typed, or its
        answer not be read.
        """
        for step, planned in zip(plan.playbook.steps, plan.steps, strict=True):
            if planned.outcome is Outcome.OK or step.registry_key is not None:
                continue
            former = earlier.get(step.id, planned.before)
            step.wish.prepared(former, restart=planned.restart).line(planned.before)
            if step.registry is not None and is_text(step.registry.wanted):
                asked = registry.query(step.registry.key, step.registry.value)
                paging.capture(asked, *self.lines.file())

    # --- writing --------------------------------------------------------------------------------

    async def apply(
        self, number: int, step: Step, planned: PlannedStep, *, earlier: State = None
    ) -> StepResult:
        """Bring one step about and read it back. `earlier` is the state before an earlier process
        of the run entered it.

        Raises StepError when it cannot be verified; TransportError and ConsoleError when the
        console is lost. `touched` in them tells what is known of the guest.
        """
        self.session.marker(f"step:{number} {step.id}")
        if planned.outcome is Outcome.OK:
            return _result(planned, Outcome.OK, after=planned.before)
        self.lines.entered = False
        try:
            former = planned.before if earlier is None else earlier
            wish = step.wish.prepared(former, restart=planned.restart)
            after = await self._bring_about(step, wish, planned.before)
        except SerialfixError as error:
            if self.lines.entered and error.touched is Touched.NO:
                error.touched = Touched.MAYBE
            error.state = error.state or f"step {step.id}"
            await self.journal.append("step_failed", step=step.id, error=error.slug)
            raise
        await self.journal.append("step_verified", step=step.id, after=plain(after))
        self.session.marker(f"step:{number} verified")
        return _result(planned, Outcome.CHANGED, after=after)

    async def _bring_about(self, step: Step, wish: Wish, former: State) -> State:
        """Line after line, each because of the state that was read after the one before it."""
        state = former
        value = step.registry
        if value is None or former is None or value.only_if_present:
            state = await self._settled(wish)
            if (former is None) != (state is None):
                was, now = ("there", "absent") if state is None else ("absent", "there")
                raise VerifyMismatch(
                    f"{wish.title} was {was} when the plan was made, and is {now} now",
                    remedy="Somebody else changes this VM. Run it again.",
                )
        for _ in range(_MOST_LINES):
            if not wish.distance(state):
                return state
            line = wish.line(state)
            await self._announce(step.id, former, line)
            result = await self.lines.write(line, within=wish.seconds)
            after = await self._settled(wish)
            nearer = wish.distance(after) < wish.distance(state)
            if not wish.distance(after):
                return after
            failed = result is not None and not wish.accepts(result.exit_code)
            untouched = after == former and (result is None or failed or not _may_lie(wish, former))
            self.lines.entered &= not untouched
            if untouched:
                await self.journal.append("step_untouched", step=step.id, former=plain(former))
            wish = wish.seen(after)
            if result is not None and not nearer:
                other = wish.otherwise(after, _error_code(result, after, failed=failed))
                if other is None:
                    raise self._not_reached(wish, line, result, former, after)
                self._observer.progress(f"{line} did not do it; trying another way")
                wish = other
            elif not nearer and after != state:
                raise self._mismatch(wish, former, after)
            state = after  # as it was: the line was lost with the connection
        raise self._mismatch(wish, former, state)

    def _not_reached(
        self, wish: Wish, line: str, result: CommandResult, former: State, after: State
    ) -> SerialfixError:
        if wish.accepts(result.exit_code):
            return self._mismatch(wish, former, after, lied=_may_lie(wish, former))
        return CommandFailed(
            f"{line} ended with exit code {result.exit_code}; {wish.title} is {_text(after)}, "
            f"wanted {_text(wish.wanted)}",
            touched=Touched.NO if after == former else Touched.MAYBE,
            screen="\n".join(result.output),
            remedy="Look at the message above: access denied means that the account is no "
            "administrator.",
        )

    def _mismatch(
        self, wish: Wish, former: State, after: State, *, lied: bool = False
    ) -> VerifyMismatch:
        touched = Touched.YES if after != former else Touched.MAYBE if lied else Touched.NO
        return VerifyMismatch(
            f"{wish.title} reads back as {_text(after)}, wanted {_text(wish.wanted)}",
            touched=touched,
            expected=_text(wish.wanted),
            remedy="The command ended, and this is what is there. Security software or a policy "
            "may guard it.",
        )

    async def _announce(self, step_id: str, former: State, line: str) -> None:
        """Journal what is about to be typed. Raises UnsafeStep when the journal may not keep it."""
        facts = {"former": plain(former), "line": line}
        kept = await self.journal.append("step_entering", step=step_id, **facts)
        if any(kept[name] != fact for name, fact in facts.items()):
            await self.journal.append("step_untouched", step=step_id, former=facts["former"])
            raise UnsafeStep(
                "the former or the new value holds a secret, so the journal cannot keep the way "
                "back",
                remedy="Nothing was typed for this step. Change that value by hand, then leave "
                "the step out.",
            )

    # --- proving --------------------------------------------------------------------------------

    async def prove_steps(
        self, playbook: Playbook, facts: Mapping[str, State]
    ) -> list[ProofResult]:
        """Read again what the steps want, waited for while services come up; one result for all."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience.proof
        lasting = [
            step for step in playbook.steps if playbook.applies(step, facts) and step.wish.lasts
        ]
        while True:
            states, _ = await self._states(lasting)
            wrong = [step for step in lasting if step.wish.distance(states[step.id])]
            waiting = any(step.service is not None for step in wrong)
            if not waiting or loop.time() >= deadline:
                break
            self._observer.progress(f"{', '.join(step.title for step in wrong)}: not yet as wanted")
            await asyncio.sleep(self.patience.proof_pause)
        texts = [f"{_name(step)} is {_text(states[step.id])}" for step in wrong]
        return [steps_proof(playbook, texts)]


def steps_proof(playbook: Playbook, wrong: Iterable[str] = ()) -> ProofResult:
    """The result for all steps together."""
    kind = "registry" if all(step.registry for step in playbook.steps) else "steps"
    if text := "; ".join(wrong):
        return ProofResult(kind, Outcome.FAILED, text)
    return ProofResult(kind, Outcome.OK, f"{len(playbook.steps)} steps are as wanted")


def _may_lie(wish: Wish, former: State) -> bool:
    """Whether success without an effect may have left something: `reg add` makes the key first."""
    return former is None and wish.wanted is not None


def _error_code(result: CommandResult, after: State, *, failed: bool) -> int:
    """The Windows error: that of the line, or what a service that did start ended with."""
    ended = after.get("ended", 0) if isinstance(after, Mapping) else 0
    return result.exit_code if failed else int(ended)


def _result(planned: PlannedStep, outcome: Outcome, *, after: State) -> StepResult:
    return StepResult(
        id=planned.id,
        kind=planned.kind,
        title=planned.title,
        outcome=outcome,
        before=planned.before,
        after=after,
        wanted=planned.wanted,
    )


def _name(step: Step) -> str:
    return step.registry.value if step.registry is not None else step.title


def _text(state: State) -> str:
    if isinstance(state, Mapping):
        return ", ".join(f"{name} {_text(value)}" for name, value in state.items())
    return "absent" if state is None else str(state)
