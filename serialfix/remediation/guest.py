"""The work in the guest, on one session: read, write, read back, prove.

Rules: a question may be asked again after a dropped connection, a write never: after a drop the
value is read, and written again only when it is seen to be what it was before (design.md §2). Each
write is in the journal, with the former value, before its first key is typed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serialfix.errors import (
    CommandFailed,
    SerialfixError,
    Touched,
    UnsafeStep,
    VerifyMismatch,
)
from serialfix.model import Outcome, ProofResult, RegistryValue, StepResult
from serialfix.playbook.plan import Plan, PlannedStep, Present, ValueId, value_id
from serialfix.playbook.schema import Playbook, Proof, RegistryStep, Step
from serialfix.record.journal import JournalPort
from serialfix.remediation.events import Observer
from serialfix.remediation.lines import Lines
from serialfix.session import Credentials, Session
from serialfix.windows import network, paging, registry, services


ABSENT = 1
"""reg.exe's exit code for a missing key or value (sac.md §9)."""


@dataclass(frozen=True, slots=True)
class GuestPatience:
    """Bounds of the work in the guest; times in seconds."""

    rejoins: int = 3
    proof: float = 180.0
    """For services and listeners to come up after a restart."""
    proof_pause: float = 3.0


class Guest:
    """Registry and services of the VM that a session is logged in to."""

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
        self._observer = observer

    # --- reading --------------------------------------------------------------------------------

    async def read(self, playbook: Playbook) -> Present:
        """Every value that the playbook names, its policy twins, and the keys that are missing."""
        wishes = _wishes(playbook)
        asked = [(wish.key, wish.value) for wish in wishes]
        twins = [(wish.policy_twin, wish.value) for wish in wishes if wish.policy_twin]
        values = await self._values(asked)
        keys: dict[str, bool] = {}
        for key in _distinct(key for key, _ in asked):
            if not any(values[value_id(k, n)] is not None for k, n in asked if k == key):
                await self._look_for(key, keys)
        values |= await self._values(
            (key, name)
            for key, name in twins
            if value_id(key, name) not in values and keys.get(key.lower(), True)
        )
        for step in playbook.steps:
            if step.registry_key is not None:
                await self._look_for(step.registry_key.key, keys)
        return Present(values, keys)

    async def _values(
        self, asked: Iterable[tuple[str, str]]
    ) -> dict[ValueId, RegistryValue | None]:
        """Values by key and name."""
        names: dict[str, list[str]] = {}
        for key, name in asked:
            names.setdefault(key, []).append(name)
        found: dict[ValueId, RegistryValue | None] = {}
        for key, of_key in names.items():
            found |= await self._values_of(key, of_key)
        return found

    async def _values_of(
        self, key: str, names: Sequence[str]
    ) -> dict[ValueId, RegistryValue | None]:
        """Values of one key, many per line; what was not answered clearly is asked alone."""
        found: dict[ValueId, RegistryValue | None] = {}
        # a percent sign in the key could be read as the variable of the batch's loop
        distinct = _distinct(names)
        alone = [[name] for name in distinct]
        for group in alone if "%" in key else registry.batches(distinct):
            answers: dict[str, RegistryValue | None] = {}
            if len(group) > 1:
                with contextlib.suppress(CommandFailed, UnsafeStep):  # no `find`, or too long
                    result = await self.lines.ask(registry.query_many(key, group))
                    answers = registry.answers(result.output, group)
            for name in group:
                clear = name in answers and not _is_text(answers[name])  # pipes lose letters
                answer = answers[name] if clear else await self.value(key, name)
                found[value_id(key, name)] = answer
            self._observer.progress(f"read {len(found)} of {len(names)} values of {key}")
        return found

    async def value(self, key: str, name: str) -> RegistryValue | None:
        """One value; None when it is absent. Raises CommandFailed when the answer is unclear."""
        line = registry.query(key, name)
        result = await self.lines.ask(line, whole=False)
        if not result.complete:  # a key was doubled just before Enter, or it is a long answer
            result = await self.lines.ask(line, whole=False)
        piped = not result.complete
        if piped:
            result = await self.lines.whole(line)
        if result.exit_code == ABSENT:
            return None
        if result.exit_code:
            raise self._unclear(line, f"exit code {result.exit_code}")
        seen = registry.shown(result.rows, name)
        # a text longer than the screen would lose letters on the way (see `exact`)
        if not seen or (piped and _is_text(seen[0])):
            raise self._unclear(line, "no row, or a text longer than the screen")
        return await self._exactly(key, name, seen) if _is_text(seen[0]) else seen[0]

    async def _exactly(
        self, key: str, name: str, seen: Sequence[RegistryValue]
    ) -> RegistryValue | None:
        """The text as the screen shows it, with the blanks at its end, which no screen shows.

        They are seen in a pipe, where characters that the code page lacks are lost.
        """
        if (line := registry.query_exactly(key, name)) is not None:
            rows = (await self.lines.ask(line)).output
            ended = [row[1:-1] for row in rows if row.startswith(".") and row.endswith("]")]
            if (value := _settled(seen, registry.value_of(ended, name))) is not None:
                return value
        line = registry.query(key, name)
        piped = registry.value_of((await self.lines.whole(line)).output, name)
        if (value := _settled(seen, piped)) is None:
            raise self._unclear(line, "a text whose end cannot be seen")
        return value

    def _unclear(self, line: str, why: str) -> CommandFailed:
        return CommandFailed(
            f"no clear answer to: {line} ({why})",
            expected="a row with the value",
            screen=self.session.console.screen.text(),
            remedy="Look at the recording: the value may be of a type or length that cannot be "
            "read on the console. Nothing was typed for it.",
        )

    async def _look_for(self, key: str, keys: dict[str, bool]) -> None:
        """Whether a key exists, and which of the keys above it do: `reg add` creates them all."""
        for path in registry.ancestors(key):
            if path.lower() not in keys:
                result = await self.lines.sure(registry.key_exists(path))
                if result.exit_code not in (0, ABSENT):
                    raise CommandFailed(f"no clear answer whether {path} exists")
                keys[path.lower()] = result.exit_code == 0
            if keys[path.lower()]:
                return

    def require_typable(self, plan: Plan) -> None:
        """Build every line that the plan will need, before the first of them is typed.

        Raises UnsafeStep where one could not be typed, or its answer not be read.
        """
        for step, planned in zip(plan.playbook.steps, plan.steps, strict=True):
            if step.registry is None or planned.outcome is Outcome.OK:
                continue
            wish, value = step.registry, step.registry.wanted
            if value is not None:
                registry.add(wish.key, wish.value, value)
            if _is_text(value):
                paging.capture(registry.query(wish.key, wish.value), *self.lines.file())

    # --- writing --------------------------------------------------------------------------------

    async def apply(self, number: int, step: Step, planned: PlannedStep) -> StepResult:
        """Bring one step about and read it back.

        Raises StepError when it cannot be verified; TransportError and ConsoleError when the
        console is lost. `touched` in them tells what is known of the guest.
        """
        self.session.marker(f"step:{number} {step.id}")
        if planned.outcome is Outcome.OK:
            return _result(planned, Outcome.OK, after=planned.before)
        self.lines.entered = False
        try:
            if step.registry is not None:
                await self._apply_value(step.id, step.registry, planned)
            elif step.registry_key is not None:
                await self._apply_key(step.id, step.registry_key.key)
        except SerialfixError as error:
            if self.lines.entered and error.touched is Touched.NO:
                error.touched = Touched.MAYBE
            error.state = error.state or f"step {step.id}"
            self.journal.append("step_failed", step=step.id, error=error.slug)
            raise
        self.session.marker(f"step:{number} verified")
        return _result(planned, Outcome.CHANGED, after=planned.wanted)

    async def _apply_value(self, step_id: str, wish: RegistryStep, planned: PlannedStep) -> None:
        former = planned.before
        if former is None and await self.value(wish.key, wish.value) is not None:
            raise VerifyMismatch(
                f"{wish.key}, {wish.value} was absent when the plan was made, and is there now",
                remedy="Somebody else changes this VM. Run it again.",
            )
        wanted = wish.wanted
        line = (
            registry.delete(wish.key, wish.value)
            if wanted is None
            else registry.add(wish.key, wish.value, wanted, known=former is not None)
        )
        after = former
        for _ in range(self.patience.rejoins + 1):
            self._announce(step_id, former, line)
            result = await self.lines.write(line)
            after = await self.value(wish.key, wish.value)
            if after == wanted:
                self.journal.append("step_verified", step=step_id, after=after)
                return
            # `reg add` that succeeds and leaves no value may still have made its key
            lied = result is not None and not result.exit_code
            untouched = after == former and not (lied and former is None and wanted is not None)
            self.lines.entered &= not untouched
            if untouched:
                self.journal.append("step_untouched", step=step_id, former=former)
            if result is not None and result.exit_code:
                raise CommandFailed(
                    f"{line} ended with exit code {result.exit_code}; the value is "
                    f"{_text(after)}, wanted {_text(wanted)}",
                    touched=Touched.NO if untouched else Touched.MAYBE,
                    screen="\n".join(result.output),
                    remedy="Look at the message above: access denied means that the account is no "
                    "administrator.",
                )
            if result is not None or after != former:
                break
            # The line was lost with the connection: the value is seen to be what it was.
        raise VerifyMismatch(
            f"{wish.key}, {wish.value} reads back as {_text(after)}, wanted {_text(wanted)}",
            touched=Touched.NO if untouched else Touched.YES if after != former else Touched.MAYBE,
            expected=_text(wanted),
            remedy="The command ended, but the value is not there. Security software or a policy "
            "may guard this key.",
        )

    def _announce(self, step_id: str, former: RegistryValue | str | None, line: str) -> None:
        """Journal what is about to be typed. Raises UnsafeStep when the journal may not keep it."""
        facts = {"former": former.to_json() if isinstance(former, RegistryValue) else former}
        facts["line"] = line
        kept = self.journal.append("step_entering", step=step_id, **facts)
        if any(kept[name] != fact for name, fact in facts.items()):
            self.journal.append("step_untouched", step=step_id, former=facts["former"])
            raise UnsafeStep(
                "the former or the new value holds a secret, so the journal cannot keep the way "
                "back",
                remedy="Nothing was typed for this step. Change that value by hand, then leave "
                "the step out.",
            )

    async def _apply_key(self, step_id: str, key: str) -> None:
        """Remove a key that holds nothing."""
        content = await self.lines.ask(registry.list_key(key))
        if content.exit_code == 0 and not (
            content.complete and registry.is_empty(content.output, key)
        ):
            raise CommandFailed(
                f"{key} is not empty, so it stays",
                touched=Touched.NO,
                remedy="Something else lives there now; remove it by hand if it should go.",
            )
        line = registry.delete_key(key)
        self._announce(step_id, "present", line)
        await self.lines.write(line)
        if (await self.lines.sure(registry.key_exists(key))).exit_code != ABSENT:
            raise VerifyMismatch(f"{key} is still there", touched=Touched.MAYBE)
        self.journal.append("step_verified", step=step_id, after="absent")

    # --- proving --------------------------------------------------------------------------------

    async def prove_values(self, playbook: Playbook) -> list[ProofResult]:
        """Read every value again, and whether the keys are gone; one result for all of them."""
        wishes = _wishes(playbook)
        values = await self._values((wish.key, wish.value) for wish in wishes)
        found = [(wish, values[value_id(wish.key, wish.value)]) for wish in wishes]
        wrong = [f"{wish.value} is {_text(value)}" for wish, value in found if value != wish.wanted]
        for key in (step.registry_key.key for step in playbook.steps if step.registry_key):
            if (await self.lines.sure(registry.key_exists(key))).exit_code != ABSENT:
                wrong.append(f"{key} is still there")
        if wrong:
            return [ProofResult("registry", Outcome.FAILED, "; ".join(wrong))]
        text = f"{len(playbook.steps)} steps are as wanted"
        return [ProofResult("registry", Outcome.OK, text)]

    async def prove(self, proof: Proof) -> ProofResult:
        """A service or listener, waited for while the guest comes up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience.proof
        while True:
            result = await self._look_at(proof)
            if result.outcome is not Outcome.FAILED or loop.time() >= deadline:
                return result
            self._observer.progress(result.text)
            await asyncio.sleep(self.patience.proof_pause)

    async def _look_at(self, proof: Proof) -> ProofResult:
        if proof.service is not None:
            name = proof.service.name
            found = services.state((await self.lines.ask(services.query(name))).output)
            right = found == proof.service.state.upper()
            text = f"service {name} is {found or 'unknown to the guest'}"
            return ProofResult(proof.id, Outcome.OK if right else Outcome.FAILED, text)
        port = proof.listener.port if proof.listener is not None else 0
        try:
            result = await self.lines.ask(network.listeners(port))
        except CommandFailed as error:
            return ProofResult(proof.id, Outcome.UNKNOWN, f"not shown: {error}")
        if any("netstat" in row for row in result.output):  # unknown program, in any language
            return ProofResult(proof.id, Outcome.UNKNOWN, "not shown: the guest has no netstat")
        up = network.listens(result.output, port)
        text = f"{'something' if up else 'nothing'} listens on TCP port {port}"
        return ProofResult(proof.id, Outcome.OK if up else Outcome.FAILED, text)


def _result(planned: PlannedStep, outcome: Outcome, *, after: object) -> StepResult:
    return StepResult(
        id=planned.id,
        kind=planned.kind,
        title=planned.title,
        outcome=outcome,
        before=planned.before,
        after=after,
        wanted=planned.wanted,
    )


def _is_text(value: RegistryValue | None) -> bool:
    return value is not None and isinstance(value.data, str | tuple)


def _settled(seen: Iterable[RegistryValue], piped: RegistryValue | None) -> RegistryValue | None:
    """The one of the readings that a piped answer agrees with, with its end."""
    if piped is None:
        return None
    for value in seen:
        text = registry.exact(registry.text_of(value), registry.text_of(piped))
        if text is not None and value.type is piped.type:
            return registry.parsed(value.type, text)
    return None


def _text(value: RegistryValue | None) -> str:
    return "absent" if value is None else str(value)


def _wishes(playbook: Playbook) -> list[RegistryStep]:
    return [step.registry for step in playbook.steps if step.registry is not None]


def _distinct(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
