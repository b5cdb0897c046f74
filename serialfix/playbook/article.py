"""A troubleshooting article, read for its commands: Markdown or plain text, in any language.

What is a command is decided by its own words (`commandline`), what introduces it is whatever text
stands before it, and where it belongs follows from headings and list numbers. No word of the
article's language is known here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from serialfix.playbook.commandline import (
    CMDLET,
    PROMPT,
    Shell,
    comment_of,
    in_sentence,
    is_command,
    plain,
    written_for,
)


_LABELS: dict[str, Shell] = {
    **dict.fromkeys(("cmd", "bat", "batch", "dos"), "cmd"),
    **dict.fromkeys(("powershell", "ps", "ps1", "pwsh", "azurepowershell"), "powershell"),
}
_BY_THEMSELVES = ("restart", "exit", "regedit", "diskpart", "ipconfig", "systeminfo", "gpupdate")
"""Single words that are commands when they stand in code within a sentence."""
_NEED_MORE = ("reg", "sc", "net", "netsh", "netdom", "wevtutil", "icacls", "takeown")
"""Programs whose verb alone does nothing."""
_FENCE = re.compile(r"^\s*(?P<quoted>>\s*)*(?P<mark>`{3,}|~{3,})\s*(?P<label>[\w-]*)")
_QUOTED = re.compile(r"^\s*>[\s>]*")
_SHAPE = re.compile(r"[A-Za-z][\w.-]*\s+(?:/\w|--?[A-Za-z])[\w:=]*(?=\s|$)", re.ASCII)
"""A program nobody knows here, with a switch: it is told, and not left out."""
_ENTITY = re.compile(r"&(?:amp|quot|lt|gt|apos|nbsp|#\d{1,5}|#[xX][0-9a-fA-F]{1,4});")
_HEADING = re.compile(r"^(?P<level>#{1,6})\s+(?P<text>.*?)\s*#*$")
_ITEM = re.compile(r"^\s*(?:(?P<number>\d{1,3})[.)]|[-*+\u2022])\s+(?P<text>.*)$")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_MASKED = re.compile(
    r"\]\([^)\n]{0,2000}\)|</?(?:code|pre|kbd|tt|b|i|em|strong|p|li|td|th)\b[^<>]*>"
    r"|<https?:[^>]*>|https?://\S+|<a name=[^>]*></a>|!\[[^\]]*\]"
)
_NAME = r"[^\s*`\"<>,;|]"
_KEY = re.compile(
    r"(?<![\w\\])(?:HKLM|HKU|HKCU|HKCR|HKEY_[A-Z_]+):?\\(?:[^*`\"<>,;|\n]*\\)?"
    rf"{_NAME}+(?: [A-Z]{_NAME}*)*"
)
_MARKUP = (
    (re.compile(r"<a name=[^>]*></a>|<br\s*/?>|</?(?:code|pre|kbd|tt)\b[^<>]*>"), ""),
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"(?<![\w\\])[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)"), ""),
    (re.compile(r"`"), ""),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, with the headings above it."""

    level: int
    text: str
    line: int
    above: int
    """The number of the heading that it stands under; -1 for none."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or what stands where one should, at its place."""

    text: str
    line: int
    column: int
    section: int
    block: int
    lead: str = ""
    label: Shell | None = None
    code: bool = True
    rows: int = 1
    """How many lines of the article it takes."""
    alone: bool = True
    """Nothing else stands on its line."""
    literal: bool = True
    """The article has these very letters: none is written as tables and HTML write it."""

    @property
    def recognised(self) -> bool:
        return is_command(self.text)

    @property
    def mention(self) -> bool:
        """The text names a program, and gives it nothing to do."""
        words = self.text.split()
        named = len(words) == 1 and CMDLET.match(self.text) is not None
        return not self.alone and (named or (len(words) == 2 and words[0].lower() in _NEED_MORE))

    @property
    def comment(self) -> bool:
        return comment_of(self.text) is not None


@dataclass(frozen=True, slots=True)
class KeyMention:
    """A registry path in the middle of the text, with no command around it."""

    text: str
    line: int
    column: int


@dataclass(slots=True)
class Article:
    """The headings, commands and registry paths of an article, in its order."""

    title: str = ""
    headings: list[Heading] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    keys: list[KeyMention] = field(default_factory=list)
    paragraphs: dict[int, str] = field(default_factory=dict)
    """The first paragraph under each heading, by its number; -1 for what stands before them."""


def unmarked(text: str) -> str:
    """A text without Markdown."""
    for pattern, instead in _MARKUP:
        text = pattern.sub(instead, text)
    return text.strip()


def _is_table(row: str) -> bool:
    return row.lstrip().startswith("|")


def _beside(row: str, found: Sequence[tuple[int, int, bool, bool]]) -> str:
    """What the cells of a table's row say beside those with commands."""
    said = []
    for cell in re.finditer(r"(?:[^|\\]|\\.)+", row):
        if not any(cell.start() < end and start < cell.end() for start, end, _, _ in found):
            said.append(cell[0].strip())
    return " ".join(text for text in said if re.search(r"\w", text))


class _Reader:
    def __init__(self, text: str) -> None:
        self.rows = text.removeprefix("\ufeff").splitlines()
        self.article = Article()
        self.lead = ""
        self.fresh = True
        """The lead has introduced no command yet."""
        self.block = 0
        self.last_code = -1
        self.decoded: set[int] = set()
        """Rows that had letters written as HTML writes them."""

    def read(self) -> Article:
        at = self._front_matter()
        while at < len(self.rows):
            at = self._row(at)
        if self.article.headings:
            self.article.title = self.article.title or self.article.headings[0].text
        elif not self.article.title:  # plain text begins with its title
            self.article.title = next((row.strip() for row in self.rows if row.strip()), "")
        return self.article

    def _front_matter(self) -> int:
        if not self.rows or self.rows[0].strip() != "---":
            return 0
        for at, row in enumerate(self.rows[1:], 1):
            if row.strip() == "---":
                return at + 1
            if found := re.match(r"title:\s*(.+)", row):
                self.article.title = unmarked(found[1].split("|")[0].strip("\"' "))
        return 0

    def _row(self, at: int) -> int:
        row = self.rows[at]
        if fence := _FENCE.match(row):
            return self._fenced(at, fence)
        if (read := _ENTITY.sub(lambda found: html.unescape(found[0]), row)) != row:
            row = self.rows[at] = read
            self.decoded.add(at)
        if not row.strip():
            return at + 1
        if heading := _HEADING.match(row):
            self._heading(len(heading["level"]), unmarked(heading["text"]), at)
            return at + 1
        body = row.lstrip(" \t>")
        indent = len(row) - len(body)
        prompt = PROMPT.match(body)
        text = body[prompt.end() :] if prompt else body
        if indent >= 4 and not _ITEM.match(row) and self._is_code(text, at):
            return self._code(at, indent + (prompt.end() if prompt else 0), None)
        self._prose(at, row)
        return at + 1

    def _is_code(self, text: str, at: int) -> bool:
        if (is_command(text) and self._believed(text)) or _SHAPE.match(text):
            return True
        touches = self.last_code == at - 1 or (
            at + 1 < len(self.rows)
            and len(self.rows[at + 1]) - len(self.rows[at + 1].lstrip()) >= 4
            and self._believed(self.rows[at + 1].strip())
            and not self.rows[at - 1].strip()
        )
        return touches and not self.rows[at].lstrip().startswith(("- ", "* ", "> "))

    @staticmethod
    def _believed(text: str) -> bool:
        """An indented line is no sentence: sentences begin with words such as `find`, too."""
        if any(start == 0 for start, _ in in_sentence(text)):
            return True
        if written_for(text) == "powershell":
            return True
        words = text.split()
        return is_command(text) and (
            len(words) == 1
            or re.match(r"[/\"'%\\{<|.-]|\w:", words[1]) is not None
            or re.search(r"\s/[A-Za-z?]{1,3}(?=[\s:]|$)", text) is not None
        )

    def _heading(self, level: int, text: str, at: int) -> None:
        headings = self.article.headings
        above = len(headings) - 1
        while above >= 0 and headings[above].level >= level:
            above = headings[above].above
        headings.append(Heading(level, text, at + 1, above))
        self.lead, self.fresh = "", True
        self.block += 1

    def _fenced(self, at: int, fence: re.Match[str]) -> int:
        label = _LABELS.get(fence["label"].lower())
        self.block += 1
        at += 1
        while at < len(self.rows):
            row = self.rows[at]
            if fence["quoted"]:  # the quote's own marks are no part of the code
                row = self.rows[at] = _QUOTED.sub(lambda found: " " * len(found[0]), row)
            if row.strip().startswith(fence["mark"]) and not row.strip().strip(fence["mark"][0]):
                break
            if row.strip():
                indent = len(row) - len(row.lstrip())
                prompt = PROMPT.match(row[indent:])
                column = indent + (prompt.end() if prompt else 0)
                at = self._code(at, column, label, fenced=True) - 1
            at += 1
        self.block += 1
        return at + 1

    def _code(self, at: int, column: int, label: Shell | None, *, fenced: bool = False) -> int:
        """A line of code, with the lines that go on with it; gives the next row."""
        text, rows = self.rows[at][column:].rstrip(), 1
        if self.last_code != at - 1 and not fenced:
            self.block += 1
        while re.search(r"(?<=\s)[\^`]$", text) and at + rows < len(self.rows):
            text = f"{text[:-1].rstrip()} {self.rows[at + rows].strip()}"
            rows += 1
        self._add(text, at, column, label=label, rows=rows)
        self.last_code = at + rows - 1
        return at + rows

    def _prose(self, at: int, row: str) -> None:
        item = _ITEM.match(row)
        found = sorted(self._inline(row))
        said = row
        if found and not row[found[-1][1] :].strip():  # it introduces the command at its end
            said = row[: found[-1][0]]
        if _is_table(row):
            said = _beside(row, found)
        said = unmarked(_ITEM.sub(r"\g<text>", said.lstrip("> \t")))
        if not item and said.isascii() and " " not in said:
            pass  # a stray word introduces nothing
        elif (
            item
            or (found and said and _is_table(row))
            or self.fresh is False
            or (at and not self.rows[at - 1].strip())
        ):
            self.lead = said
        elif said:
            self.lead = f"{self.lead} {said}".strip()
        self.fresh = True
        if not found and not item and at and len(said) > 40 and not said.startswith((":::", "[!")):
            self.article.paragraphs.setdefault(len(self.article.headings) - 1, said)
        self.block += 1
        for start, end, code, whole in found:
            text = row[start:end].replace("\\|", "|") if _is_table(row) else row[start:end]
            literal = text == row[start:end]
            self._add(text, at, start, code=code, alone=whole, literal=literal)
        for start, end, _, _ in found:
            row = row[:start] + "\n" * (end - start) + row[end:]
        for key in _KEY.finditer(row):
            text = key[0].rstrip(".:)")
            self.article.keys.append(KeyMention(text, at + 1, key.start() + 1))

    @staticmethod
    def _inline(row: str) -> Iterator[tuple[int, int, bool, bool]]:
        """Commands in a sentence: (start, end, in code, alone)."""
        rest = _MASKED.sub(lambda found: "\n" * len(found[0]), row)
        for span in _CODE.finditer(row):
            rest = rest[: span.start()] + "\n" * len(span[0]) + rest[span.end() :]
            text = span[2]
            words = text.split()
            start = span.start(2) + len(text) - len(text.lstrip())
            by_itself = text.strip().lower() in _BY_THEMSELVES
            if _SHAPE.match(text.strip()) or (
                is_command(text) and (len(words) > 1 or by_itself or CMDLET.match(text))
            ):
                yield start, span.start(2) + len(text.rstrip()), True, False
            else:
                for begin, end in in_sentence(text):
                    yield span.start(2) + begin, span.start(2) + end, True, False
        cells = r"[^|]+" if _is_table(row) else r"(?s).+"  # a pipe ends a table's cell
        for cell in re.finditer(cells, rest):
            for begin, end in in_sentence(plain(cell[0])):
                whole = (
                    not row[: cell.start() + begin].strip()
                    and not row[cell.start() + end :].strip()
                )
                yield cell.start() + begin, cell.start() + end, False, whole

    def _add(
        self,
        text: str,
        at: int,
        column: int,
        *,
        label: Shell | None = None,
        code: bool = True,
        rows: int = 1,
        alone: bool = True,
        literal: bool = True,
    ) -> None:
        section = len(self.article.headings) - 1
        literal = literal and at not in self.decoded
        self.article.commands.append(
            Command(
                *(text, at + 1, column + 1, section, self.block, self.lead, label),
                *(code, rows, alone, literal),
            )
        )
        self.fresh = False


def read_article(text: str) -> Article:
    """The article's commands with what introduces them."""
    return _Reader(text).read()
