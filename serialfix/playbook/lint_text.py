"""Lint rules about the letters of a command line: quotes, blanks, look-alikes, numbers, lengths.

Each is a defect that published articles have, or one that copying a line from a page makes
(catalogue.md §3.2).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from serialfix.playbook.commandline import (
    CMDLET,
    LOOKALIKES,
    CommandLine,
    Part,
    Word,
    in_sentence,
    is_command,
    plain,
    written_for,
)
from serialfix.playbook.rules import Hit, Rule, Severity
from serialfix.printable import printable
from serialfix.windows.shell import LINE_LIMIT


PLACEHOLDER = re.compile(
    r"<+\w[^<>|&\"=]*>+|(?<=\\)(?:\.\.\.|…)(?=\\|\"|$)|(?i:ControlSet00X\b)|\bS-1-5-x+\b"
)
_QUOTES_NEEDED = re.compile(r"[\s&|<>()^;,=%!]|^$")
_NAMED = re.compile(r"(?i)-(?:path|literalpath|name|displayname|service\w*|providername|logname)$")
_NO_NAMES = ("echo", "find", "findstr", "for", "rem", "if", "set", "type", "wmic")
_RUN_OTHERS = (
    *("for", "echo", "rem", "if", "start", "call", "cmd", "powershell"),
    *("forfiles", "psexec", "psexec64", "runas", "schtasks", "winrs"),
)
"""Programs whose arguments are another command, as they should be."""
_GAPPED = re.compile(r"(?:[0-9a-fA-F]{2}[\s,:-]+)+[0-9a-fA-F]{2}")
_NUMBERS = ("reg_dword", "reg_qword", "reg_dword_big_endian")


def _blot(line: CommandLine) -> str:
    """The line with what stands in double quotes blotted out, of the same length."""
    return re.sub(r'"[^"]*"', lambda found: "_" * len(found[0]), plain(line.text))


def dressed(text: str) -> str:
    """A name with double quotes where it needs them."""
    return f'"{text}"' if _QUOTES_NEEDED.search(text) else text


def names_of(part: Part) -> Iterator[Word]:
    """The words of a command that are names of something: keys, values, services, rules."""
    words = part.words
    if part.program in ("reg", "sc", "net") and len(words) > 2:
        yield words[2]
    for before, word in pairwise(words):
        if before.low in ("/v", "obj=") or _NAMED.match(before.text):
            yield word


def _single_quotes(line: CommandLine) -> Iterator[Hit]:
    if line.shell != "cmd":
        return
    for part in line.parts:
        if part.program in _NO_NAMES or not is_command(part.words[0].text):
            continue
        for word in part.words[1:]:
            if word.quote == "'":
                yield Hit(
                    word.start,
                    word.end,
                    f"'{word.text}' in single quotes: to cmd.exe they are a part of the text,"
                    " and another name or data is written, with success",
                    dressed(word.text),
                )
        if part.program not in ("netsh", "sc", "net"):
            continue
        for found in re.finditer(r"(?<=\w=)'([^']*)'", _blot(line)):
            yield Hit(
                *found.span(),
                f"'{found[1]}' in single quotes: to cmd.exe they are a part of the text",
                f'"{found[1]}"',
            )


def _quoted_line(line: CommandLine) -> Iterator[Hit]:
    text = plain(line.text).strip()
    if len(text) > 2 and text[0] == text[-1] == "'" and is_command(text[1:]):
        start = len(line.text) - len(line.text.lstrip())
        yield Hit(
            start,
            start + len(text),
            "the whole command stands in single quotes: it is a text, nothing is run",
            text[1:-1],
        )


def _blank_edges(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        for word in names_of(part):
            if word.quote and word.text != word.text.strip():
                bare = word.text.strip()
                fix = dressed(bare) if word.quote == '"' else f"'{bare}'"
                yield Hit(
                    word.start,
                    word.end,
                    f"a blank at the edge of {bare!r} becomes a part of the name",
                    fix,
                )
    text = plain(line.text)
    for found in re.finditer(r"""(?<==)(?:'(\s[^']*|[^']*\s)'|"(\s[^"]*|[^"]*\s)")""", text):
        if "'" in found[0] or re.search(r"(?:name|group)=$", text[: found.start()], re.IGNORECASE):
            bare = (found[1] or found[2] or "").strip()
            quote = found[0][0]
            yield Hit(
                *found.span(),
                f"a blank at the edge of {bare!r} becomes a part of the name",
                f"{quote}{bare}{quote}",
            )


def _lookalikes(line: CommandLine) -> Iterator[Hit]:
    for at, char in enumerate(line.text):
        if char in LOOKALIKES:
            name = unicodedata.name(char, "").lower()
            yield Hit(
                at,
                at + 1,
                f"U+{ord(char):04X} ({name}) is not {LOOKALIKES[char]!r} to a shell",
                LOOKALIKES[char],
            )


def _invisible(line: CommandLine) -> Iterator[Hit]:
    for at, char in enumerate(line.text):
        if char in LOOKALIKES:
            continue
        if char == "\t":
            yield Hit(at, at + 1, "a tab: at a prompt it completes names", " ")
        elif printable(char) != char and char != " ":
            name = unicodedata.name(char, "a control character").lower()
            yield Hit(at, at + 1, f"U+{ord(char):04X} ({name}) cannot be seen, and counts", "")


def _unclosed(line: CommandLine) -> Iterator[Hit]:
    text = plain(line.text)
    if text.count('"') % 2 == 0 or any(char in LOOKALIKES for char in line.text):
        return
    last = text.rfind('"')
    switch = re.search(r"\s+[/-](?:v|ve|t|d|f|s|name|value|type)\b", text[last:], re.IGNORECASE)
    message = "the quote is not closed: what follows, switches too, becomes a part of the text"
    if switch and switch.start() > 1:
        at = last + switch.start()
        yield Hit(at, at, message, '"')
    else:
        yield Hit(last, last + 1, message)


def _hexadecimal(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        kind = part.value("/t", "-type", "-propertytype")
        data = part.value("/d", "-value")
        if kind is None or data is None:
            continue
        if kind.low in ("reg_binary", "binary") and _GAPPED.fullmatch(data.text):
            bare = re.sub(r"[^0-9a-fA-F]", "", data.text)
            yield Hit(data.start, data.end, "binary data is pairs of digits without gaps", bare)
        if kind.low.rstrip(",") not in (*_NUMBERS, "dword", "qword"):
            continue
        text, bits = data.text, 64 if "qword" in kind.low else 32
        if re.fullmatch(r"\d+|0[xX][0-9a-fA-F]+", text):
            if int(text, 0 if text[:2] in ("0x", "0X") else 10) >> bits:
                yield Hit(data.start, data.end, f"{text} does not fit in {bits} bits")
        elif re.fullmatch(r"[0-9a-fA-F]+", text):
            yield Hit(data.start, data.end, f"{text} is refused: hexadecimal needs 0x", f"0x{text}")
        elif text == "-1":
            fix = "0x" + "f" * (bits // 4)
            yield Hit(data.start, data.end, "-1 is refused: numbers have no sign", fix)
        elif not re.search(r"[<%$({]", text):
            yield Hit(data.start, data.end, f"{text} is not a number")


def _blanks(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        words = part.words
        for first, last in _split_names(part):
            raw = " ".join(word.text for word in words[first : last + 1])
            prefix, _, rest = (
                raw.rpartition("=") if raw.partition("=")[0].isalpha() else ("", "", "")
            )
            fix = f'{prefix}="{rest}"' if prefix else f'"{raw}"'
            yield Hit(
                words[first].start,
                words[last].end,
                f"{raw} has blanks and needs double quotes",
                fix,
            )


def _split_names(part: Part) -> Iterator[tuple[int, int]]:
    """Names that fell apart into several words: the first and the last of these."""
    words, last = part.words, len(part.words) - 1

    def until(at: int, stop: str) -> int:
        while at < last and not re.match(stop, words[at + 1].text) and not words[at + 1].quote:
            at += 1
        return at

    begins = words[2].text if last > 2 and not words[2].quote else ""
    if part.program == "reg" and part.verb in ("add", "delete", "query"):
        end = until(2, r"/\w+$")
        if re.match(r"(?i)HK\w+\\", begins) and end > 2 and ("\\" in words[end].text or end < 6):
            yield 2, end
    elif part.program == "net" and part.verb in ("start", "stop") and begins and until(2, "/") > 2:
        yield 2, until(2, "/")
    for at, word in enumerate(words[:last]):
        end = at
        match part.program, word.low:
            case "reg", "/v":
                end = until(at + 1, "/")
            case "sc", "obj=":
                end = min(at + 2, last) if "\\" not in words[at + 1].text else at
                end = end if "\\" in words[end].text and not words[end].quote else at
            case "netsh", text if re.match(r"(?:name|group)=[^\"]+$", text) and _bare(word):
                end = until(at, r"\w+=|new$|dir$|verbose$") + 1
                if end > at + 1:
                    yield at, end - 1
                continue
        if end > at + 1 and not words[at + 1].quote:
            yield at + 1, end


def _bare(word: Word) -> bool:
    """It stands there without any quotes."""
    return word.end - word.start == len(word.text)


def _backslash(line: CommandLine) -> Iterator[Hit]:
    for found in re.finditer(r'(?<=[^\\"\s])(\\+)"(?=\s|$)', plain(line.text)):
        key = line.first.program == "reg" and re.search(
            r'(?i)"HK[^"]*$', plain(line.text)[: found.start()]
        )
        yield Hit(
            found.start(1),
            found.end(1),
            'a backslash before the closing quote: programs read \\" as a quote within the text',
            "" if key else None,
        )


def _two_commands(line: CommandLine) -> Iterator[Hit]:
    text = plain(line.text)
    for part in line.parts:
        words = part.words
        if part.program in _RUN_OTHERS:
            continue
        for before, word in pairwise(words[1:]):
            if word.quote or before.low in ("/c", "do", "-c", "-command", "/k", "/d", "/v"):
                continue
            if line.shell == "powershell" and CMDLET.match(word.text):
                second = (
                    any(CMDLET.match(each.text) for each in words if each.end < word.start)
                    and before.text[0] not in "=({"
                    and before.text[-1] not in "=({,"
                )
            else:
                second = any(start == 0 for start, _ in in_sentence(text[word.start :])) and (
                    word.low.removesuffix(".exe") not in ("net", "query", "reg", "sc")
                    or len(words) > 3
                )
                second = second and not CMDLET.match(word.text)
            if second:
                yield Hit(
                    before.end,
                    word.start,
                    f"a second command begins with {word.text}: it would be read as arguments",
                    "\n",
                )
                return


def _too_long(line: CommandLine) -> Iterator[Hit]:
    if len(line.text) > LINE_LIMIT:
        yield Hit(
            LINE_LIMIT,
            len(line.text),
            f"a line of {len(line.text)} characters is too long to be verified on the screen;"
            f" it may have {LINE_LIMIT}",
        )


def _placeholders(line: CommandLine) -> Iterator[Hit]:
    for found in PLACEHOLDER.finditer(plain(line.text)):
        yield Hit(*found.span(), f"{found[0]} stands for something that must be filled in")


def _missing_pipe(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        for word, after in zip(part.words[1:], part.words[2:], strict=False):
            filters = word.low in ("find", "findstr") and not word.quote
            if filters and part.program != "where" and (after.quote or after.text[:1] == "/"):
                yield Hit(word.start, word.start, f"no | before {word.text}", "| ")


def _percent(line: CommandLine) -> Iterator[Hit]:
    if line.shell != "cmd":
        return
    for part in line.parts:
        kind, data = part.value("/t"), part.value("/d")
        if kind is None or data is None or kind.low != "reg_expand_sz" or part.verb != "add":
            continue
        if not re.search(r"(?<![%^])%\w+%(?!%)", data.text):
            continue
        fix = None
        if line.batch:
            fix = '"' + re.sub(r"%(\w+)%", r"%%\1%%", data.text) + '"'
        elif not re.search(r"[\s&|<>()^]", data.text):
            fix = re.sub(r"%(\w+)%", r"^%\1^%", data.text)
        yield Hit(
            data.start,
            data.end,
            f"{data.text} is expanded at once, and its present value is written",
            fix,
        )


def _unexpanded(line: CommandLine) -> Iterator[Hit]:
    if line.shell == "powershell" or written_for(line.text) == "powershell":
        for found in re.finditer(r"'[^'\n]*\$[A-Za-z]\w+[^'\n]*'", _blot(line)):
            yield Hit(*found.span(), f"{found[0]}: in single quotes PowerShell expands nothing")


def _rule_text(line: CommandLine) -> Iterator[Hit]:
    for part in line.parts:
        data = part.value("/d", "-value")
        if data is not None and re.match(r"v2\.\d+\|", data.text):
            yield Hit(
                data.start,
                data.end,
                "the text of a firewall rule from another machine; edit the one that is there",
            )


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_KEY = r"HKLM\SOFTWARE\Acme"
RULES = (
    Rule(
        "SF010", "single-quotes", _E, "Single quotes around a name or data",
        "cmd.exe, reg.exe and sc.exe read single quotes as letters. `/v 'SecurityLayer'` makes"
        " another value whose name has the quotes, reports success, and leaves the real one alone.",
        rf"reg add {_KEY} /v 'Level' /t REG_DWORD /d 1 /f",
        rf"reg add {_KEY} /v Level /t REG_DWORD /d 1 /f", True, check=_single_quotes,
    ),
    Rule(
        "SF011", "blank-edge", _E, "A blank at the edge of a name",
        "Windows keeps it: a value, key, rule or provider with a blank in its name is another one.",
        rf'reg add {_KEY} /v " Level" /t REG_DWORD /d 1 /f',
        rf"reg add {_KEY} /v Level /t REG_DWORD /d 1 /f", True, check=_blank_edges,
    ),
    Rule(
        "SF012", "look-alike", _E, "Typographic quotes, dashes and blanks",
        "Pages and word processors replace quotes, hyphens and blanks by finer ones. A shell does"
        " not know them: a text whose closing quote is one swallows the switches behind it.",
        "sc config Acme obj= \u201cNT Authority\\NetworkService\u201d",
        'sc config Acme obj= "NT Authority\\NetworkService"', True, check=_lookalikes,
    ),
    Rule(
        "SF013", "invisible", _E, "Characters that cannot be seen",
        "Zero-width characters and marks of direction come with copied text (thumbprints have"
        " them). They belong to the name or data, and no echo could prove them.",
        "sc query Acme\u200b", "sc query Acme", True, check=_invisible,
    ),
    Rule(
        "SF014", "unclosed-quote", _E, "A quote that is not closed",
        "The rest of the line, /f too, becomes a part of the key or the data, with success.",
        rf'reg add "{_KEY} /v Level /t REG_DWORD /d 1 /f',
        rf'reg add "{_KEY}" /v Level /t REG_DWORD /d 1 /f', True, check=_unclosed,
    ),
    Rule(
        "SF015", "number", _E, "Data that is not a number",
        "reg.exe reads REG_DWORD data as decimal unless it begins with 0x. It refuses ffffffff, d3d"
        " and -1.",
        rf"reg add {_KEY} /v Level /t REG_DWORD /d ffffffff /f",
        rf"reg add {_KEY} /v Level /t REG_DWORD /d 0xffffffff /f", True, check=_hexadecimal,
    ),
    Rule(
        "SF016", "unquoted-blanks", _E, "A name with blanks and without quotes",
        "The shell takes it apart at the blanks: another key is meant, or the command is refused.",
        r"reg add HKLM\SOFTWARE\Acme Client /v Level /t REG_DWORD /d 1 /f",
        r'reg add "HKLM\SOFTWARE\Acme Client" /v Level /t REG_DWORD /d 1 /f', True, check=_blanks,
    ),
    Rule(
        "SF017", "backslash-quote", _E, "A backslash before the closing quote",
        'Windows programs read \\" as a quote within the text, so that the text goes on.',
        r'reg add "HKLM\SOFTWARE\Acme\" /v Level /t REG_DWORD /d 1 /f',
        r'reg add "HKLM\SOFTWARE\Acme" /v Level /t REG_DWORD /d 1 /f', True, check=_backslash,
    ),
    Rule(
        "SF018", "quoted-command", _E, "A whole command in single quotes",
        "To PowerShell it is a text, which it prints; to cmd.exe a program with such a name.",
        "'Remove-Computer -WorkgroupName WG -Force'", "Remove-Computer -WorkgroupName WG -Force",
        True, "powershell", _quoted_line,
    ),
    Rule(
        "SF019", "two-commands", _E, "Two commands in one line",
        "Pages run lines together. The second command becomes arguments of the first: 'Invalid"
        " syntax', or worse, data.",
        "sc config Acme start= auto sc start Acme", "sc config Acme start= auto\nsc start Acme",
        True, check=_two_commands,
    ),
    Rule(
        "SF020", "too-long", _E, "A line that is too long to be verified",
        "Enter is pressed only when the whole line has been compared on an 80x24 screen.",
        "echo " + "long " * 200, check=_too_long,
    ),
    Rule(
        "SF021", "placeholder", _E, "A placeholder that is left in",
        "cmd.exe reads < and > as redirections. In a playbook a parameter belongs here.",
        'netsh interface ip set address name="<NIC>" source=dhcp', check=_placeholders,
    ),
    Rule(
        "SF022", "missing-pipe", _E, "A filter without its pipe",
        "The words of the filter become arguments of the first command.",
        'systeminfo find /i "os name"', 'systeminfo | find /i "os name"', True,
        check=_missing_pipe,
    ),
    Rule(
        "SF023", "expands-at-once", _E, "A variable that is expanded too early",
        "cmd.exe expands %SystemRoot% before reg.exe sees it, so that REG_EXPAND_SZ gets its"
        " present value. At the prompt write ^%, in a batch file %%.",
        rf"reg add {_KEY} /v Dump /t REG_EXPAND_SZ /d %SystemRoot%\a.dmp /f",
        rf"reg add {_KEY} /v Dump /t REG_EXPAND_SZ /d ^%SystemRoot^%\a.dmp /f", True,
        check=_percent,
    ),
    Rule(
        "SF024", "not-expanded", _W, "A variable in single quotes",
        "PowerShell expands variables within double quotes only.",
        "Get-ChildItem | where {$_.Subject -eq 'DC=$name'}", reader="powershell",
        check=_unexpanded,
    ),
    Rule(
        "SF025", "rule-text", _E, "The text of another machine's firewall rule",
        "It carries a schema version and texts of one Windows. Change Active= in the text that is"
        " there, or use a firewall_rule step.",
        rf'reg add {_KEY} /v Rule /t REG_SZ /d "v2.22|Action=Allow|Active=TRUE|" /f',
        check=_rule_text,
    ),
)  # fmt: skip
