"""Registry values as the guest has them, to the letter, and whether keys exist."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.model import RegistryValue
from serialfix.playbook.plan import ValueId, value_id
from serialfix.remediation.events import Observer
from serialfix.remediation.lines import Lines
from serialfix.windows import registry


class Values:
    """Reads registry values over a session's command lines."""

    def __init__(self, lines: Lines, observer: Observer) -> None:
        self.lines = lines
        self._observer = observer

    async def many(self, asked: Iterable[tuple[str, str]]) -> dict[ValueId, RegistryValue | None]:
        """Values by key and name."""
        names: dict[str, list[str]] = {}
        for key, name in asked:
            names.setdefault(key, []).append(name)
        found: dict[ValueId, RegistryValue | None] = {}
        for key, of_key in names.items():
            found |= await self._of_key(key, of_key)
        return found

    async def _of_key(self, key: str, names: Sequence[str]) -> dict[ValueId, RegistryValue | None]:
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
                clear = name in answers and not is_text(answers[name])  # pipes lose letters
                answer = answers[name] if clear else await self.one(key, name)
                found[value_id(key, name)] = answer
            self._observer.progress(f"read {len(found)} of {len(names)} values of {key}")
        return found

    async def one(self, key: str, name: str) -> RegistryValue | None:
        """One value; None when it is absent. Raises CommandFailed when the answer is unclear."""
        line = registry.query(key, name)
        result = await self.lines.ask(line, whole=False)
        if not result.complete:  # a key was doubled just before Enter, or it is a long answer
            result = await self.lines.ask(line, whole=False)
        piped = not result.complete
        if piped:
            result = await self.lines.whole(line)
        if result.exit_code == registry.ABSENT:
            return None
        if result.exit_code:
            raise self._unclear(line, f"exit code {result.exit_code}")
        seen = registry.shown(result.rows, name)
        if not seen and not piped and (seen := registry.shown(result.rows, name, filled=True)):
            return await self._filled(key, name, seen)
        # a text longer than the screen would lose letters on the way (see `exact`)
        if not seen or (piped and is_text(seen[0])):
            raise self._unclear(line, "no row, or a text longer than the screen")
        return await self._exactly(key, name, seen) if is_text(seen[0]) else seen[0]

    async def _filled(
        self, key: str, name: str, seen: Sequence[RegistryValue]
    ) -> RegistryValue | None:
        """The text as the screen shows it, unless it is a line end that makes the blank row behind
        it, and not its last row, which is full: the whole output tells."""
        line = registry.query(key, name)
        rows = (await self.lines.whole(line)).output
        value = _settled(seen, registry.value_of(rows, name))
        if value is None or not registry.ends_its_line(rows, name):
            raise self._unclear(line, "a text that may end with a line end")
        return value

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
            screen=self.lines.session.console.screen.text(),
            remedy="Look at the recording: the value may be of a type or length that cannot be "
            "read on the console. Nothing was typed for it.",
        )

    async def look_for(self, key: str, keys: dict[str, bool]) -> None:
        """Whether a key exists, and which of the keys above it do: `reg add` creates them all."""
        for path in registry.ancestors(key):
            if path.lower() not in keys:
                result = await self.lines.sure(registry.key_exists(path))
                if result.exit_code not in (0, registry.ABSENT):
                    raise CommandFailed(f"no clear answer whether {path} exists")
                keys[path.lower()] = result.exit_code == 0
            if keys[path.lower()]:
                return


def is_text(value: RegistryValue | None) -> bool:
    """Whether it is a text, or several."""
    return value is not None and isinstance(value.data, str | tuple)


def _settled(seen: Iterable[RegistryValue], piped: RegistryValue | None) -> RegistryValue | None:
    """The one of the readings that a piped answer agrees with, with its end."""
    if piped is None:
        return None
    for value in seen:
        shown = registry.text_of(value)
        # of several texts the last may be blanks alone: then the screen ends with what parts them
        ends = ("", registry.PARTED) if isinstance(value.data, tuple) else ("",)
        texts = (registry.exact(shown + end, registry.text_of(piped)) for end in ends)
        text = next((text for text in texts if text is not None), None)
        if text is not None and value.type is piped.type:
            return registry.parsed(value.type, text)
    return None


def _distinct(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
