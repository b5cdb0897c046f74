"""Command lines in the guest, on one session: asked, written, and their whole output.

A question may be asked again after a dropped connection, a write never (design.md §2).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from serialfix.console.cmd import CommandResult
from serialfix.console.sac import counts_anew
from serialfix.errors import (
    ChannelError,
    CommandFailed,
    GatewayClosed,
    GatewayUnreachable,
    GuestRebooted,
    SerialfixError,
)
from serialfix.record.journal import JournalPort
from serialfix.remediation.events import Observer
from serialfix.session import Credentials, Session
from serialfix.windows import paging


NOT_RECOGNISED = 9009
_DROPS = (GatewayClosed, GatewayUnreachable, ChannelError)
"""What a new attachment may cure. A take-over is not among them: somebody wants the console."""
_LONG_KEY = re.compile(r'"(HK[^"%^!]{30,})"')
_TRIES = 3
_OFTEN = 3
"""Uses of a key after which it is worth a variable."""


@dataclass(slots=True)
class _Shell:
    """What is known of one cmd.exe: a new one knows none of it."""

    number: int
    keys: dict[str, str] = field(default_factory=dict)
    """The variables that hold a key."""
    utf8: bool = False
    exclamations: bool = False
    """Whether an exclamation mark is known to mean nothing there."""


class Lines:
    """Runs command lines on a session and keeps the connection.

    Attributes:
        entered: whether Enter was pressed on a line that `write` was given, since it was last
            cleared.
    """

    def __init__(
        self,
        session: Session,
        credentials: Credentials,
        journal: JournalPort,
        observer: Observer,
        *,
        rejoins: int = 3,
    ) -> None:
        self.session = session
        self.entered = False
        self._credentials = credentials
        self._journal = journal
        self._observer = observer
        self._rejoins = rejoins
        self._rejoined = 0
        self._seconds: list[float] = []
        self._uses: Counter[str] = Counter()
        self._shell = _Shell(0)
        self._files = count(1)

    @property
    def seconds_per_line(self) -> float:
        """What one command line took so far, on average."""
        return sum(self._seconds) / len(self._seconds) if self._seconds else 0.0

    async def ask(
        self, line: str, *, within: float | None = None, whole: bool = True
    ) -> CommandResult:
        """Run a line that changes nothing; asked again after a dropped connection, and, where it is
        one command whose output is more than the screen holds, with that `whole` in pages."""
        result = await self._ask(line, within)
        if result.complete or not whole or not paging.is_simple(line):
            return result
        return await self.whole(line, within=within)

    @property
    def nonce(self) -> str:
        """What names files of this session in the guest."""
        return self.session.prompt[-2::-1]  # backwards: no row of it may look like our prompt

    def file(self) -> tuple[str, str]:
        """A new file in the guest for an output, and what ends it there."""
        return f"%temp%\\sf-{self.nonce}-{next(self._files)}.txt", f"end.{self.nonce}"

    async def _ask(self, line: str, within: float | None = None) -> CommandResult:
        while True:
            try:
                return await self._run(await self._shortened(line), within)
            except _DROPS as error:
                await self._rejoin(error)

    async def write(self, line: str, *, within: float | None = None) -> CommandResult | None:
        """Run a line that changes something, `within` seconds instead of the usual deadline; None
        when a drop hides how it ended.

        The connection is back then, at our prompt.
        """
        while True:
            try:
                typed = await self._shortened(line)
                break
            except _DROPS as error:
                await self._rejoin(error)
        try:
            return await self._run(typed, within)
        except _DROPS as error:
            self.entered |= self.session.entered
            await self._rejoin(error)
            return None
        finally:
            self.entered |= self.session.entered

    async def sure(self, line: str, *, within: float | None = None) -> CommandResult:
        """Ask a line whose answer fits on the screen. Its exit code is believed only where the line
        itself is seen above the answer: a key doubled on its way just before Enter makes it another
        line. Raises CommandFailed when it is not seen so in three tries.
        """
        for _ in range(_TRIES):
            result = await self._ask(line, within)
            if result.complete:
                return result
        raise CommandFailed(
            f"the console does not show {line} above its answer",
            screen=self.session.console.screen.text(),
            remedy="Look at the recording: keys are doubled, or something else writes there.",
        )

    async def whole(self, line: str, *, within: float | None = None) -> CommandResult:
        """Run a command that changes nothing, and give all of its output, to the letter.

        What the line would ask is answered by the end of its input. The output passes a file in
        the guest's folder for such files, which is removed again. Raises CommandFailed when the
        file cannot be written or read, UnsafeStep when the line is more than one command.
        """
        while True:
            file, end = self.file()
            shell = await self._with_utf8()
            captured = await self.sure(paging.capture(line, file, end), within=within)
            output = await self._pages(file, f"]{self.nonce}", end)
            if shell is not self._shell:
                continue  # another shell reads the file with another code page: once more
            await self._ask(paging.remove(file))
            return CommandResult(
                line, tuple(output), captured.exit_code, complete=True, rows=tuple(output)
            )

    async def _pages(self, file: str, mark: str, end: str) -> list[str]:
        output: list[str] = []
        size = paging.PAGE
        while not (output and output[-1].endswith(end)):
            found = await self._page(file, len(output) + 1, size, mark)
            if found:
                output += found
                self._observer.progress(f"read {len(output)} lines of output")
            elif size == 1:
                raise CommandFailed(
                    f"line {len(output) + 1} of the output cannot be read on this console: it is "
                    f"longer than {paging.LONGEST} characters, or mixed with other text, or the "
                    f"file {file} cannot be written",
                    screen=self.session.console.screen.text(),
                    remedy="Look at the recording, and at the free space of the guest's disk.",
                )
            else:
                size = max(1, size // 3)
        last = output.pop().removesuffix(end)
        return [*output, last] if last else output  # what did not end its line stands before it

    async def _page(self, file: str, first: int, size: int, mark: str) -> list[str] | None:
        """Up to `size` lines; None when they were too long for the screen, or not clear."""
        last = first + size - 1
        shown = await self._ask(paging.page(file, first, last, mark))
        found, clear = paging.lines(shown.rows, first, mark)
        if not (clear and shown.complete):
            return None
        if not paging.is_doubtful(found):
            return found
        again = await self._ask(paging.page(file, first, last, mark, shift=True))
        other, clear = paging.lines(again.rows, first, mark, shift=True)
        if not (clear and again.complete) or len(other) != len(found):
            return None
        exact = [paging.settled(*views) for views in zip(found, other, strict=True)]
        return None if None in exact else [text for text in exact if text is not None]

    async def _with_utf8(self) -> _Shell:
        """The shell, once its pipes and files carry every character, where it can do that."""
        if not self._shell.utf8 or self._shell.number != self.session.shells:
            with suppress(CommandFailed):  # no `chcp` there: what the code page lacks is lost
                await self._ask("chcp 65001 >nul")
            self._shell.utf8 = True
        return self._shell

    async def _run(self, line: str, within: float | None = None) -> CommandResult:
        loop = asyncio.get_running_loop()
        start = loop.time()
        result = await self.session.run(line, within=within)
        self._seconds.append(loop.time() - start)
        if result.exit_code == NOT_RECOGNISED:
            raise CommandFailed(
                f"the guest does not know the program in: {line} (exit code {NOT_RECOGNISED})",
                screen=self.session.console.screen.text(),
                remedy="Look at PATH and at %windir%\\system32 in the guest.",
            )
        return result

    async def _shortened(self, line: str) -> str:
        """The line with long keys in variables: fewer keys to lose, and no wrap to compare."""
        if self._shell.number != self.session.shells:
            self._shell = _Shell(self.session.shells)
        if "!" in line and not self._shell.exclamations:
            asked = await self.session.run("echo !os!")
            if not asked.complete or "!os!" not in asked.output:
                raise CommandFailed(
                    "the guest's cmd.exe expands what stands in exclamation marks",
                    screen=self.session.console.screen.text(),
                    remedy="Nothing was typed for this. DelayedExpansion is set under Command "
                    "Processor in the guest's registry; remove it, then run it again.",
                )
            self._shell.exclamations = True
        for key in dict.fromkeys(_LONG_KEY.findall(line)):
            self._uses[key] += 1
            if self._uses[key] >= _OFTEN and key not in self._shell.keys:
                name = f"k{len(self._shell.keys) + 1}"
                told = await self.session.run(f'set "{name}={key}"')
                if told.complete and told.exit_code == 0:
                    self._shell.keys[key] = name
            if key in self._shell.keys:
                line = line.replace(f'"{key}"', f'"%{self._shell.keys[key]}%"')
        return line

    async def _rejoin(self, error: SerialfixError) -> None:
        """Attach again and go back to our channel. Raises the error when that was done too often.

        Where the prompt is not ours any more a new channel is opened.
        """
        self._rejoined += 1
        if self._rejoined > self._rejoins:
            raise error
        self._observer.warning(f"{error}; attaching again")
        await self._journal.append("dropped", error=error.slug)
        if not isinstance(error, ChannelError):
            await self.session.connect()
        former = self.session.channel
        same = await self.session.rejoin(self._credentials)
        await self._journal.append("rejoined", channel=self.session.channel, same=same)
        if not same and former is not None and counts_anew(former, self.session.channel):
            raise GuestRebooted(
                "the guest restarted while we worked in it: its channels count anew",
                remedy="Somebody or something restarted the VM. Continue with `serialfix resume`.",
            )
