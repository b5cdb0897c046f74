"""How cmd.exe reads a line: variables first, then operators, quotes and carets (sac.md §9)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace


class IncompleteLine(Exception):
    """The line goes on: cmd.exe asks `More?`."""


class LineError(Exception):
    """The syntax is wrong; the argument is the token that was not expected."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """`handle` to a file, to `nul`, or to another handle (`&1`)."""

    handle: int
    mode: str  # ">", ">>" or "<"
    target: str


@dataclass(frozen=True, slots=True)
class Simple:
    """A program or a built-in with the raw rest of its line: quotes belong to the program."""

    text: str
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """`left & right`, and the same with `&&`, `||` and `|`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Group:
    """A parenthesis."""

    body: Node
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    """`condition` is (`errorlevel`, N), (`exist`, file), (`defined`, name), (operator, a, b)."""

    condition: tuple[str, ...]
    negated: bool
    ignore_case: bool
    then: Node
    otherwise: Node | None


@dataclass(frozen=True, slots=True)
class For:
    """`for %v in (words) do body`; `mode` is "", "/l" or "/f" with its `options`."""

    variable: str
    mode: str
    options: str
    words: str
    body: Node


@dataclass(frozen=True, slots=True)
class Silent:
    """`@command`: not echoed by a loop."""

    body: Node


Node = Simple | Chain | Group | If | For | Silent


def expand(line: str, lookup: Callable[[str], str | None]) -> str:
    """Replace `%NAME%`; what is not defined stays as typed, as it does at a prompt."""
    out = []
    place = 0
    while place < len(line):
        end = line.find("%", place + 1) if line[place] == "%" else -1
        value = lookup(line[place + 1 : end]) if end > place + 1 else None
        if value is None:
            out.append(line[place])
            place += 1
        else:
            out.append(value)
            place = end + 1
    return "".join(out)


def substitute(node: Node, variable: str, value: str) -> Node:
    """The body of a loop with its variable put in."""

    def put(text: str) -> str:
        return text.replace(f"%~{variable}", value.strip('"')).replace(f"%{variable}", value)

    def redirected(redirects: tuple[Redirect, ...]) -> tuple[Redirect, ...]:
        return tuple(replace(item, target=put(item.target)) for item in redirects)

    def inner(part: Node) -> Node:
        return substitute(part, variable, value)

    match node:
        case Simple():
            return Simple(put(node.text), redirected(node.redirects))
        case Chain():
            return Chain(node.operator, inner(node.left), inner(node.right))
        case Group():
            return Group(inner(node.body), redirected(node.redirects))
        case If():
            return replace(
                node,
                condition=tuple(put(part) for part in node.condition),
                then=inner(node.then),
                otherwise=node.otherwise and inner(node.otherwise),
            )
        case For():
            return replace(node, words=put(node.words), body=inner(node.body))
        case Silent():
            return Silent(inner(node.body))


def show(node: Node) -> str:
    """A node as a loop echoes it."""
    match node:
        case Simple():
            redirects = "".join(
                f" {item.handle}{item.mode}{item.target}" for item in node.redirects
            )
            return f"{node.text} {redirects}"
        case Chain():
            return f"{show(node.left)} {node.operator} {show(node.right)}"
        case Group():
            return f"({show(node.body)})"
        case If():
            otherwise = f" else {show(node.otherwise)}" if node.otherwise else ""
            return f"if {' '.join(node.condition)} {show(node.then)}{otherwise}"
        case For():
            return f"for %{node.variable} in ({node.words}) do {show(node.body)}"
        case Silent():
            return show(node.body)


def parse(line: str) -> Node | None:
    """The tree of a line, None when there is nothing on it.

    Raises IncompleteLine (open parenthesis, caret at the end) or LineError.
    """
    parser = _Parser(line)
    parser.blanks()
    if parser.at_end():
        return None
    node = parser.sequence()
    if not parser.at_end():
        raise LineError(parser.peek())
    return node


# A digit is a handle only where a word could begin: `echo 12>x` writes "12".
_REDIRECT = re.compile(r"(?:(?<![^\s,;=()&|])([0-9]))?(>>|>|<)")


class _Parser:
    """Recursive descent; `&` binds least, then `||`, `&&`, `|`."""

    LEVELS = ("&", "||", "&&", "|")

    def __init__(self, line: str) -> None:
        self._line = line
        self._place = 0
        self._depth = 0

    def at_end(self) -> bool:
        return self._place >= len(self._line)

    def peek(self) -> str:
        return self._line[self._place : self._place + 1]

    def blanks(self) -> None:
        while self.peek() and self.peek() in " \t,;=\n":
            self._place += 1

    def _operator(self) -> str:
        here = self._line[self._place : self._place + 2]
        return here if here in ("&&", "||") else here[:1] if here[:1] in ("&", "|") else ""

    def sequence(self, level: int = 0) -> Node:
        if level == len(self.LEVELS):
            return self.command()
        left = self.sequence(level + 1)
        while True:
            self.blanks()
            operator = self._operator()
            lines = level == 0 and self._depth and operator == ""
            if operator != self.LEVELS[level] and not (lines and self._newline_before()):
                return left
            self._place += len(operator)
            self.blanks()
            if level == 0 and (self.at_end() or self.peek() == ")"):
                if self._depth and self.at_end():
                    raise IncompleteLine
                return left  # a trailing & is allowed
            if self.at_end():
                raise LineError(operator)
            left = Chain(operator or "&", left, self.sequence(level + 1))

    def _newline_before(self) -> bool:
        """Inside of a parenthesis a line end separates commands."""
        before = self._line[: self._place].rstrip(" \t")
        return before.endswith("\n") and not self.at_end() and self.peek() != ")"

    def command(self) -> Node:
        self.blanks()
        if self.at_end():
            raise IncompleteLine if self._depth else LineError("")
        if self.peek() == "@":
            self._place += 1
            return Silent(self.sequence(1))
        if self.peek() == "(":
            return Group(self._parenthesis(), self._redirects())
        if self.peek() in "&|)":
            raise LineError(self._operator() or self.peek())
        for word, parser in (("if", self._if), ("for", self._for)):
            if self._keyword(word):
                return parser()
        return self._simple()

    def _keyword(self, word: str) -> bool:
        match = re.compile(rf"{word}(?=[\s(]|$)", re.IGNORECASE).match(self._line, self._place)
        if match:
            self._place = match.end()
            self.blanks()
        return bool(match)

    def _parenthesis(self) -> Node:
        self._place += 1
        self._depth += 1
        body = self.sequence()
        self.blanks()
        if self.peek() != ")":
            raise IncompleteLine if self.at_end() else LineError(self.peek())
        self._place += 1
        self._depth -= 1
        return body

    def _redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while True:
            here = self._place
            while self.peek() and self.peek() in " \t":
                self._place += 1
            redirect = self._redirect()
            if redirect is None:
                self._place = here
                return tuple(found)
            found.append(redirect)

    def _redirect(self) -> Redirect | None:
        match = _REDIRECT.match(self._line, self._place)
        if match is None:
            return None
        self._place = match.end()
        while self.peek() and self.peek() in " \t":
            self._place += 1
        if self.peek() == "&":
            self._place += 2
            target = self._line[self._place - 2 : self._place]
        else:
            target = self._word()
        if not target:
            raise LineError(match[2])
        handle = int(match[1]) if match[1] else 0 if match[2] == "<" else 1
        return Redirect(handle, match[2], target)

    def _word(self, ends: str = " \t&|<>()\n") -> str:
        """One word; blanks and operators within double quotes belong to it."""
        out = []
        quoted = False
        while self.peek() and (quoted or self.peek() not in ends):
            char = self.peek()
            if char == '"':
                quoted = not quoted
            elif char == "^" and not quoted:
                self._place += 1
                char = self.peek()
            out.append(char)
            self._place += 1
        return "".join(out)

    def _simple(self) -> Simple:
        out: list[str] = []
        redirects: list[Redirect] = []
        quoted = False
        while char := self.peek():
            if not quoted:
                if char in "&|\n" or (char == ")" and self._depth):
                    break
                redirect = self._redirect()
                if redirect is not None:
                    redirects.append(redirect)
                    continue
                if char == "^":
                    self._place += 1
                    if self.at_end():
                        raise IncompleteLine
                    char = self.peek()
                    out.append(char)
                    self._place += 1
                    continue
            if char == '"':
                quoted = not quoted
            out.append(char)
            self._place += 1
        return Simple("".join(out), tuple(redirects))

    def _if(self) -> If:
        ignore_case = negated = False
        while True:
            if self._keyword("/i"):
                ignore_case = True
            elif self._keyword("not"):
                negated = True
            else:
                break
        for word in ("errorlevel", "exist", "defined"):
            if self._keyword(word):
                condition: tuple[str, ...] = (word, self._word())
                break
        else:
            left = self._word(" \t&|<>()=\n")
            self._pass_blanks()
            if self._line.startswith("==", self._place):
                self._place += 2
                operator = "=="
            else:
                operator = self._word().lower()
            self._pass_blanks()
            condition = (operator, left, self._word())
            if operator not in ("==", "equ", "neq", "lss", "leq", "gtr", "geq"):
                raise LineError(operator)
        self.blanks()
        if self.at_end():
            raise LineError("")
        # What follows is the body up to the end: `if x a & b` runs both or none.
        if self.peek() != "(":
            return If(condition, negated, ignore_case, self.sequence(), None)
        then = Group(self._parenthesis(), self._redirects())
        self.blanks()
        otherwise = self.sequence() if self._keyword("else") else None
        return If(condition, negated, ignore_case, then, otherwise)

    def _pass_blanks(self) -> None:
        while self.peek() and self.peek() in " \t":
            self._place += 1

    def _for(self) -> For:
        mode = options = ""
        for switch in ("/l", "/f"):
            if self._keyword(switch):
                mode = switch
        if mode == "/f" and self.peek() == '"':
            options = self._word().strip('"')
            self.blanks()
        variable = self._word()
        if not re.fullmatch(r"%\S", variable):
            raise LineError(variable)
        self.blanks()
        if not self._keyword("in") or self.peek() != "(":
            raise LineError(self._word())
        words = self._loop_words()
        self.blanks()
        if not self._keyword("do"):
            raise LineError(self._word())
        return For(variable[1], mode, options, words, self.sequence())

    def _loop_words(self) -> str:
        """What is in the parenthesis: not single quotes protect it from the parser, carets do."""
        self._place += 1
        out: list[str] = []
        quoted = single = False
        while char := self.peek():
            self._place += 1
            if char == '"':
                quoted = not quoted
            elif quoted:
                pass
            elif char == "'":
                single = not single
            elif char == "^":
                char = self.peek()
                self._place += 1
            elif char in "&|<>":
                raise LineError(char)
            elif char == ")" and not single:
                return "".join(out)
            out.append(char)
        raise IncompleteLine


def through_code_page(text: str, page: int) -> str:
    """What is left of a text in a code page: for `é` perhaps `e` (best fit), else `?`."""
    codec = "utf-8" if page == 65001 else f"cp{page}"

    def fits(char: str) -> bool:
        return char == char.encode(codec, "replace").decode(codec, "replace")

    def nearest(char: str) -> str:
        base = unicodedata.normalize("NFKD", char)[0]
        return char if fits(char) else base if fits(base) else "?"

    return text if text.isascii() else "".join(map(nearest, text))


def split_arguments(text: str) -> list[str]:
    r"""Arguments as the MS C runtime sees them: `\"` is a quote, single quotes mean nothing.

    Within quotes `""` is a quote, too, and they go on (the runtime of 2008 and later).
    """
    arguments: list[str] = []
    word: list[str] = []
    started = quoted = doubled = False
    slashes = 0
    for place, char in enumerate(text):
        if char == "\\":
            slashes += 1
            continue
        if char == '"':
            word.append("\\" * (slashes // 2))
            if slashes % 2 or doubled:
                word.append('"')
                doubled = False
            elif quoted and text[place + 1 : place + 2] == '"':
                doubled = True
            else:
                quoted = not quoted
            started = True
        else:
            word.append("\\" * slashes)
            started = started or slashes > 0
            if char in " \t" and not quoted:
                if started:
                    arguments.append("".join(word))
                word, started = [], False
            else:
                word.append(char)
                started = True
        slashes = 0
    word.append("\\" * slashes)
    if started or slashes:
        arguments.append("".join(word))
    return arguments


def command_word(text: str, internal: Container[str]) -> str:
    r"""The command at the start of a text: `echo.`, `cd\` and `echo(` are built-ins too."""
    match = re.match(r'"[^"]*"\S*|[a-z]+(?=[.,;:=/\\(\[+\s]|$)', text, re.IGNORECASE)
    if match and match[0].lower() in internal:
        return match[0]
    match = re.match(r'(?:"[^"]*"?|[^\s,;="])+', text)
    return match[0] if match else text


def fields(lines: list[str], options: str) -> Iterator[list[str]]:
    """What `for /f` makes of lines: `skip=`, `tokens=`, `delims=`."""
    skip = re.search(r"skip=(\d+)", options, re.IGNORECASE)
    delims = re.search(r"delims=(.*?)(?:\s+\w+=|$)", options, re.IGNORECASE)
    tokens = re.search(r"tokens=([\d,*-]+)", options, re.IGNORECASE)
    separators = delims[1] if delims else " \t"
    wanted = tokens[1] if tokens else "1"
    for line in lines[int(skip[1]) if skip else 0 :]:
        words, rests = _split_at(line, separators)
        if words:
            yield _pick(words, rests, wanted)


def _split_at(line: str, separators: str) -> tuple[list[str], list[str]]:
    """The words of a line, and for each what is left of the line from it on."""
    if not separators:
        return ([line], [line]) if line else ([], [])
    found = list(re.finditer(f"[^{re.escape(separators)}]+", line))
    return [item[0] for item in found], [line[item.start() :] for item in found]


def _pick(words: list[str], rests: list[str], wanted: str) -> list[str]:
    picked: list[str] = []
    last_number = 0
    for part in wanted.replace("*", ",*").split(","):
        if part == "*":
            picked.append(rests[last_number] if last_number < len(rests) else "")
        elif part:
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                picked.append(words[number - 1] if number <= len(words) else "")
                last_number = number
    return picked
