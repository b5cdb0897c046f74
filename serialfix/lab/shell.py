"""cmd.exe in a CMD channel: prompt, line editing, and how a line is run (sac.md §9)."""

from __future__ import annotations

import asyncio
import ntpath
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from serialfix.lab import cmdline
from serialfix.lab.console import Console
from serialfix.lab.machine import Machine


MAX_LINE = 8191
_CTRL_C_CODE = -1073741510  # STATUS_CONTROL_C_EXIT as %ERRORLEVEL% shows it
_NOT_FOUND = 9009
_PATH_SYNTAX = 255
_OEM_PAGES = {"en": 437, "fr": 850, "nl": 850, "de": 850, "ja": 932}

Say = Callable[[str], None]


class Keyboard:
    """Keys typed into the window, also ahead of the program that will read them."""

    def __init__(self) -> None:
        self._keys: deque[str] = deque()
        self._pressed = asyncio.Event()

    def press(self, key: str) -> None:
        """A key arrives."""
        self._keys.append(key)
        self._pressed.set()

    async def get(self) -> str:
        """The next key."""
        while not self._keys:
            self._pressed.clear()
            await self._pressed.wait()
        return self._keys.popleft()

    def clear(self) -> None:
        """Forget what was typed ahead."""
        self._keys.clear()


@dataclass(frozen=True, slots=True)
class Streams:
    """Where a command writes and reads; `lines` None means the window and its keys."""

    out: Say
    err: Say
    lines: deque[str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One command about to run: its own name, the raw rest of the line, its streams."""

    shell: Shell
    name: str
    rest: str
    streams: Streams

    @property
    def machine(self) -> Machine:
        """The Windows it runs on."""
        return self.shell.machine

    @property
    def arguments(self) -> list[str]:
        """The arguments as a C program sees them."""
        return cmdline.split_arguments(self.rest)

    def say(self, line: str = "") -> None:
        """A line to the standard output."""
        self.streams.out(line + "\r\n")

    def complain(self, line: str) -> None:
        """A line to the standard error."""
        self.streams.err(line + "\r\n")

    def text(self, name: str, *parts: object) -> str:
        """A message in the guest's language."""
        return self.machine.texts.get(name, *parts)

    async def ask(self, question: str) -> str | None:
        """The answer to a question, None at the end of the input."""
        self.streams.out(question)
        if self.streams.lines is None:
            return await self.shell.read_line()
        self.streams.out("\r\n")
        return self.streams.lines.popleft() if self.streams.lines else None

    async def agrees(self, question: str, *, default: bool | None = None) -> bool:
        """Ask until the answer is yes or no, or nothing where that means something; the end of
        the input is no."""
        while True:
            answer = await self.ask(question)
            agreed = False if answer is None else self.machine.texts.agreed(answer)
            if answer == "":
                agreed = default
            if agreed is not None:
                return agreed


Program = Callable[[Call], Awaitable[int | None]]
"""Returns an exit code, or None to leave %ERRORLEVEL% as it is."""


class Exit(Exception):
    """The shell ends."""


class CtrlC(Exception):
    """Somebody gave up the line."""


class Shell:
    """One cmd.exe. `run()` ends when somebody types `exit`."""

    def __init__(
        self,
        machine: Machine,
        console: Console,
        *,
        channel: str,
        internal: Mapping[str, Program],
        external: Mapping[str, Program],
    ) -> None:
        self.machine = machine
        self.console = console
        self.keyboard = Keyboard()
        self.folder = machine.profile.folder
        self.prompt = "$P$G"
        self.echo = True
        self.errorlevel = 0
        self.variables: dict[str, tuple[str, str]] = {}
        self.code_page = _OEM_PAGES[machine.texts.language]
        self._channel = channel
        self._internal = internal
        self._external = external
        self.background: set[asyncio.Task[int]] = set()
        """Programs that nobody waits for."""
        self._command: asyncio.Task[None] | None = None
        self._interrupted = False
        self._title = machine.texts.get("cmd.administrator") + r"C:\Windows\system32\cmd.exe"
        for name, value in (
            ("COMPUTERNAME", machine.computer),
            ("ComSpec", r"C:\Windows\system32\cmd.exe"),
            ("OS", "Windows_NT"),
            ("Path", r"C:\Windows\system32;C:\Windows"),
            ("PROCESSOR_ARCHITECTURE", "AMD64"),
            ("PROMPT", "$P$G"),
            ("SystemDrive", "C:"),
            ("SystemRoot", r"C:\Windows"),
            ("TEMP", r"C:\Windows\TEMP"),
            ("USERNAME", machine.username),
            ("windir", r"C:\Windows"),
        ):
            self.variables[name.lower()] = (name, value)

    # The window.

    async def greet(self) -> None:
        """What is on the window before the first key: version, copyright, prompt."""
        profile = self.machine.profile
        rights = self.machine.texts.get("cmd.rights", profile.year)
        self.console.title = self._title
        self.console.write(f"Microsoft Windows [Version {profile.version}]\r\n{rights}\r\n")
        self._show_prompt()

    def _show_prompt(self) -> None:
        if self.echo:
            self.console.write("\r\n" + self._prompt_text())
        if self.console.title != self._title:
            self.console.entitle(self._title)

    def _prompt_text(self) -> str:
        codes = {
            "p": self.folder,
            "g": ">",
            "l": "<",
            "s": " ",
            "b": "|",
            "q": "=",
            "a": "&",
            "c": "(",
            "f": ")",
            "_": "\r\n",
            "$": "$",
            "n": self.folder[:1],
            "e": "\x1b",
            "h": "\b",
            "v": f"Microsoft Windows [Version {self.machine.profile.version}]",
        }
        out = []
        chars = iter(self.prompt)
        for char in chars:
            out.append(codes.get(next(chars, "").lower(), "") if char == "$" else char)
        return "".join(out)

    def press(self, key: str) -> None:
        """A key from the channel. Ctrl-C ends a running command at once."""
        if key == "\x03" and self._command is not None:
            self._interrupted = True
            self.keyboard.clear()
            self._command.cancel()
        else:
            self.keyboard.press(key)

    async def read_line(self) -> str:
        """One line as edited by the window: BS and DEL erase, ESC clears, Ctrl-C gives up."""
        line = ""
        while True:
            key = await self.keyboard.get()
            match key:
                case "\r" | "\n":
                    self.console.write("\r\n")
                    self.machine.note(self._channel, line)
                    return line
                case "\b" | "\x7f":
                    if line:
                        self.console.erase()
                    line = line[:-1]
                case "\x1b":
                    for _ in line:
                        self.console.erase()
                    line = ""
                case "\x03":
                    raise CtrlC
                case _ if key >= " " and len(line) < MAX_LINE:
                    self.console.write(key)
                    line += key

    async def run(self) -> None:
        """Read and run lines until `exit`."""
        while True:
            try:
                line = await self.read_line()
                self._command = asyncio.get_running_loop().create_task(self._run_line(line))
                await self._command
            except Exit:
                return
            except CtrlC:
                self.console.write("^C\r\n")
            except asyncio.CancelledError:
                if not self._interrupted:
                    raise
                self.errorlevel = _CTRL_C_CODE
                self.console.write("^C\r\n")
            finally:
                self._command = None
                self._interrupted = False
            self._show_prompt()

    # Running a line.

    def lookup(self, name: str) -> str | None:
        """A variable, the moving ones too."""
        match name.lower():
            case "errorlevel":
                return str(self.errorlevel)
            case "cd":
                return self.folder
            case "random":
                return str(self.machine.rng.randrange(32768))
        found = self.variables.get(name.lower())
        return found[1] if found else None

    async def _run_line(self, line: str) -> None:
        hang = self.machine.faults().hang_on.lower()
        if hang and hang in line.lower():
            await asyncio.Event().wait()
        streams = Streams(self.console.write, self.console.write)
        await self.run_text(line, streams, more=True)

    async def run_text(self, line: str, streams: Streams, *, more: bool = False) -> int:
        """Expand, parse, run; `more` asks for the rest of an incomplete line."""
        text = cmdline.expand(line, self.lookup)
        while True:
            try:
                node = cmdline.parse(text)
                break
            except cmdline.IncompleteLine:
                if not more:
                    return 1
                self.console.write(self.machine.texts.get("cmd.more"))
                rest = cmdline.expand(await self.read_line(), self.lookup)
                # A caret at the end joins the lines, a parenthesis keeps them apart.
                text = text[:-1] + rest if text.endswith("^") else f"{text}\n{rest}"
            except cmdline.LineError as error:
                name = "cmd.unexpected" if str(error) else "cmd.syntax"
                streams.err(self.machine.texts.get(name, error) + "\r\n")
                self.errorlevel = _PATH_SYNTAX
                return _PATH_SYNTAX
        return 0 if node is None else await self.execute(node, streams)

    async def execute(self, node: cmdline.Node, streams: Streams) -> int:
        """Run a tree; the code that `&&` and `||` look at."""
        match node:
            case cmdline.Simple():
                return await self._simple(node, streams)
            case cmdline.Silent():
                return await self.execute(node.body, streams)
            case cmdline.Group():
                redirected = self._redirect(streams, node.redirects)
                return 1 if redirected is None else await self.execute(node.body, redirected)
            case cmdline.Chain():
                return await self._chain(node, streams)
            case cmdline.If():
                chosen = node.then if self._holds(node) != node.negated else node.otherwise
                return 0 if chosen is None else await self.execute(chosen, streams)
            case cmdline.For():
                return await self._loop(node, streams)

    async def _chain(self, node: cmdline.Chain, streams: Streams) -> int:
        if node.operator == "|":
            written: list[str] = []
            await self.execute(node.left, replace(streams, out=self._narrowed(written.append)))
            lines = deque("".join(written).replace("\r\n", "\n").split("\n"))
            if lines[-1] == "":
                lines.pop()
            return await self.execute(node.right, replace(streams, lines=lines))
        code = await self.execute(node.left, streams)
        if node.operator == "&" or (node.operator == "&&") == (code == 0):
            return await self.execute(node.right, streams)
        return code

    def _holds(self, node: cmdline.If) -> bool:
        operator, *operands = node.condition
        match operator:
            case "errorlevel":
                return self.errorlevel >= _number(operands[0])
            case "exist":
                name = operands[0].strip('"')
                return ntpath.basename(name).lower() == "nul" or self.path(name) in self._files
            case "defined":
                return self.lookup(operands[0]) is not None
        left, right = operands
        if node.ignore_case:
            left, right = left.lower(), right.lower()
        if operator == "==":
            return left == right
        pair: tuple[int, int] | tuple[str, str] = (left, right)
        if left.lstrip("-").isdigit() and right.lstrip("-").isdigit():
            pair = (int(left), int(right))
        order = (pair[0] > pair[1]) - (pair[0] < pair[1])  # type: ignore[operator]
        return {
            "equ": order == 0,
            "neq": order != 0,
            "lss": order < 0,
            "leq": order <= 0,
            "gtr": order > 0,
            "geq": order >= 0,
        }[operator]

    async def _loop(self, node: cmdline.For, streams: Streams) -> int:
        code = 0
        for values in await self._loop_values(node, streams):
            body = node.body
            for offset, value in enumerate(values):
                body = cmdline.substitute(body, chr(ord(node.variable) + offset), value)
            if self.echo and not isinstance(body, cmdline.Silent):
                streams.out(f"\r\n{self._prompt_text()}{cmdline.show(body)}\r\n")
            code = await self.execute(body, streams)
        return code

    async def _loop_values(self, node: cmdline.For, streams: Streams) -> Iterable[list[str]]:
        words = node.words.replace(",", " ").replace(";", " ").replace("=", " ")
        if node.mode == "/l":
            start, step, end = (_number(word) for word in words.split())
            return [[str(n)] for n in range(start, end + (1 if step > 0 else -1), step or 1)]
        if node.mode != "/f":
            return [[word] for word in _words(words)]
        source = node.words.strip()
        if source.startswith("'"):
            written: list[str] = []
            inner = replace(streams, out=self._narrowed(written.append))
            await self.run_text(source.strip("'"), inner)
            text = "".join(written)
        elif source.startswith('"'):
            text = source.strip('"')
        else:
            text = self._files.get(self.path(source), "")
        return cmdline.fields(text.splitlines(), node.options)

    @property
    def _files(self) -> dict[str, str]:
        return self.machine.files

    def path(self, name: str) -> str:
        """The key of a file in the guest's files."""
        return ntpath.normpath(ntpath.join(self.folder, name.strip('"'))).lower()

    def _redirect(
        self, streams: Streams, redirects: tuple[cmdline.Redirect, ...]
    ) -> Streams | None:
        for redirect in redirects:
            if redirect.handle == 0:
                if redirect.target.lower() == "nul":
                    streams = replace(streams, lines=deque())
                    continue
                text = self._files.get(self.path(redirect.target))
                if text is None:
                    streams.err(self.machine.texts.get("cmd.no_file") + "\r\n")
                    self.errorlevel = 1
                    return None
                streams = replace(streams, lines=deque(text.splitlines()))
                continue
            target = {"&1": streams.out, "&2": streams.err}.get(redirect.target)
            if target is None:
                target = self._writer(redirect)
            streams = (
                replace(streams, err=target)
                if redirect.handle == 2
                else replace(streams, out=target)
            )
        return streams

    def _writer(self, redirect: cmdline.Redirect) -> Say:
        if redirect.target.lower() == "nul":
            return lambda text: None
        path = self.path(redirect.target)
        if redirect.mode == ">":
            self._files[path] = ""

        def write(text: str) -> None:
            self._files[path] = self._files.get(path, "") + text

        return self._narrowed(write)

    def _narrowed(self, say: Say) -> Say:
        """The way into a file or a pipe: bytes of the code page. The window itself is Unicode."""
        return lambda text: say(cmdline.through_code_page(text, self.code_page))

    def external(self, name: str) -> Program | None:
        """The program of that name, with or without its folder and its ending."""
        base = ntpath.basename(name.strip('"').lower())
        return self._external.get(base.removesuffix(".exe").removesuffix(".vbs"))

    async def _simple(self, node: cmdline.Simple, streams: Streams) -> int:
        redirected = self._redirect(streams, node.redirects)
        if redirected is None:
            return 1
        text = node.text.lstrip()
        if not text:
            return 0
        word = cmdline.command_word(text, self._internal)
        name = word.strip('"').lower()
        program = self._internal.get(name)
        rest = text[len(word) :]
        if program is None:
            program = self.external(name)
            if program is None:
                unknown = self.machine.texts.get("cmd.unknown", word)
                redirected.err(unknown + "\r\n")
                self.errorlevel = _NOT_FOUND
                return _NOT_FOUND
            # The title holds the command line; two blanks follow the program (sac.md §6.2).
            self.console.entitle(f"{self._title} - {word}  {rest.strip()}".rstrip())
            await asyncio.sleep(self.machine.delays.command)
        code = await program(Call(self, name, rest, redirected))
        if code is not None:
            self.errorlevel = code
        return code or 0


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0


def _words(text: str) -> list[str]:
    """Words of a loop, quotes kept, blanks within them too."""
    words: list[str] = []
    quoted = False
    for char in text:
        if char.isspace() and not quoted:
            words.append("")
            continue
        if char == '"':
            quoted = not quoted
        if not words:
            words.append("")
        words[-1] += char
    return [word for word in words if word]
