"""Command lines as documents print them: their words with places, the parts between pipes, and
where a command begins and ends in a sentence of any language.

Nothing here knows a word of any human language: commands are known by programs, switches and the
shapes of arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal


Shell = Literal["cmd", "powershell"]

LOOKALIKES = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\uff02", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\uff07", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\uff0d", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    "\uff0f": "/",
    "\uff3c": "\\",
}
"""What word processors put in place of what a shell reads (catalogue.md §4.6 T3)."""
_PLAIN = str.maketrans(LOOKALIKES)

# What must follow a program's name before a sentence is believed to give a command.
_VERBS = {
    "reg": "add|delete|query|export|import|load|unload|save|restore|copy|compare",
    "sc": "query|queryex|config|start|stop|qc|create|delete|failure|enumdepend|pause|continue",
    "net": "start|stop|user|localgroup|use|accounts|share|session|group|view|time",
    "netsh": (
        "advfirewall|interface|int|winhttp|winsock|firewall|http|nap|wlan|ipsec|trace|dump|lan"
    ),
    "netdom": "remove|join|reset|resetpwd|verify|query",
    "wmic": "product|service|process|datafile|useraccount|os|qfe|/\\S+",
    "wevtutil": "qe|query-events|sl|set-log|gl|get-log|el|cl|epl|gp|im",
    "bcdedit": "/\\S+",
    "query": "session|user|process|termserver",
    "cscript": "//?\\w+|\\S+\\.vbs",
    "psexec": "[\\\\-]\\S+",
    "diskpart": "/s",
    "winmgmt": "/\\S+",
    "certutil": "-\\S+",
}
_SWITCHED = (
    *("attrib", "chkdsk", "cmdkey", "defrag", "dism", "driverquery", "expand", "fsutil", "getmac"),
    *("gpupdate", "gpresult", "icacls", "cacls", "ipconfig", "logoff", "manage-bde", "mountvol"),
    *("msiexec", "nbtstat", "netstat", "nslookup", "ping", "pnputil", "powercfg", "reagentc"),
    *("powershell", "regsvr32", "robocopy", "route", "runas", "schtasks", "secedit", "sfc"),
    *("shutdown", "slmgr", "systeminfo", "takeown", "taskkill", "tasklist", "tracert", "w32tm"),
    *("wusa", "xcopy", "procmon", "telnet", "nltest", "dcdiag", "dsregcmd", "winrm", "vssadmin"),
)
_ALONE = ("qwinsta", "rwinsta", "quser", "bcdedit")
_IN_CODE = (
    *("assoc", "call", "cd", "chdir", "ch", "cls", "cmd", "copy", "date", "del", "dir", "echo"),
    *("erase", "exit", "find", "findstr", "for", "format", "ftype", "goto", "help", "if", "md"),
    *("mkdir", "mmc", "more", "move", "msconfig", "mstsc", "notepad", "path", "pause", "popd"),
    *("pushd", "rd", "regedit", "ren", "rename", "restart", "rmdir", "set", "setlocal", "sort"),
    *("start", "time", "timeout", "tree", "type", "ver", "vol", "where", "whoami", "pwsh"),
    *("control", "rundll32", "hostname", "choice", "convert", "ftp", "debug", "edit", "wsreset"),
    *("slmgr.vbs", "services.msc", "eventvwr", "gpedit.msc", "compmgmt.msc", "lusrmgr.msc"),
)
PROGRAMS = frozenset((*_VERBS, *_SWITCHED, *_ALONE, *_IN_CODE))
"""Programs and commands of cmd.exe by their names."""

_CMDLET_VERBS = (
    "get|set|new|remove|add|enable|disable|start|stop|restart|import|export|test|invoke|enter|exit|"
    "out|select|copy|move|clear|resume|suspend|update|register|unregister|install|uninstall|reset|"
    "rename|expand|write|read|repair|convertto|convertfrom|where|foreach|sort|mount|dismount|unlock"
)
CMDLET = re.compile(
    rf"(?<![\w./\\-])((?i:{_CMDLET_VERBS})-[A-Z][A-Za-z]{{2,}}\w*)(?![\w/\\]|-\w)", re.ASCII
)
_POWERSHELL = re.compile(
    rf"^\s*(?:\$\w|\[[A-Za-z.]+\]::|\(\s*(?i:get|new)-|&\s*[\"']|\.\\\S+\.ps1\b|foreach\s*\()"
    rf"|^\s*\(?{CMDLET.pattern}|\|\s*(?i:where|foreach|select|ft|fl|%|\?)\b",
)
_LOWER_CMDLET = re.compile(rf"^\s*\(?(?i:{_CMDLET_VERBS})-[A-Za-z]{{3,}}\w*(?![\w\\./-])")
_CMD = re.compile(
    rf"^\s*[@(]*(?:{'|'.join(sorted(map(re.escape, PROGRAMS), key=len, reverse=True))})"
    r"(?:\.exe|\.com)?(?![\w\\./=-]|:\\)",
    re.IGNORECASE | re.ASCII,
)
_PATH = re.compile(
    r'^\s*"?(?:%\w+%|[A-Za-z]:)\\[^"<>|]*?\.(?:exe|vbs|cmd|bat|com|ps1|msi)\b', re.IGNORECASE
)
PROMPT = re.compile(r"\s*(?:(?:PS )?[A-Za-z]:\\[^<>|\"]*>|SAC>|PS>)[ \t]*(?=\S)")
"""A prompt that was copied with the command."""
_COMMENT: dict[Shell, re.Pattern[str]] = {
    "cmd": re.compile(r"\s*@?(?:rem(?:\s|$)|::)", re.IGNORECASE),
    "powershell": re.compile(r"\s*#"),
}

_NOT_BEFORE = r"(?<![A-Za-z0-9_.\\/$%-])"
_OPENS = r"(?:[/-]+[A-Za-z?]|[\"']?[A-Za-z]:(?:\\|\s)|[\"']?%\w+%|<+\w|\d{1,3}\.\d)"
"""How the arguments of programs begin that take switches and paths."""
_IN_SENTENCE = re.compile(
    _NOT_BEFORE
    + "(?:"
    + "|".join(
        (
            *(
                rf"{name}(?:\.exe)?\s+(?:{verbs})(?![A-Za-z0-9_-])"
                for name, verbs in _VERBS.items()
            ),
            rf"(?:{'|'.join(_SWITCHED)})(?:\.exe|\.vbs)?\s+{_OPENS}",
            r"telnet\s+(?:<[^<>]+>|[\w.-]+)\s+\d",
            r"(?:net|nslookup|ping|w32tm|procmon)\s+[/-][A-Za-z?]",
            rf"(?:{'|'.join(name for name in _ALONE if name != 'bcdedit')})(?![\w.-])",
        )
    )
    + ")",
    re.IGNORECASE | re.ASCII,
)
_TOKEN = re.compile(
    r"""(?P<op>&&|\|\||(?<=\s)[12]>>?(?:&[12])?|>>?|<(?![<\w])|[&|])
    |(?P<one>'[^']*'(?=[\s,;)|&]|$))
    |(?P<word>(?:"[^"]*(?:"|$)|\^.|<+\w[^<>|&"]*>+|\{[^{}]*\}|[^\s"&|<>^{}]|[{}^<])+)""",
    re.VERBOSE,
)


def plain(text: str) -> str:
    """The text with look-alikes as what they stand for; of the same length."""
    return text.translate(_PLAIN)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command line without the quotes around it, and where it stands."""

    text: str
    start: int
    end: int
    quote: str = ""

    @property
    def low(self) -> str:
        return self.text.lower()


@dataclass(frozen=True)
class Part:
    """One command between operators: a program and its words."""

    words: tuple[Word, ...]
    operator: str = ""

    @cached_property
    def program(self) -> str:
        """The program's name in lower case, without folder and .exe."""
        if not self.words:
            return ""
        name = re.split(r"[\\/]", self.words[0].low.lstrip("@("))[-1]
        return name.removesuffix(".exe").removesuffix(".com")

    @property
    def verb(self) -> str:
        """The second word in lower case."""
        return self.words[1].low if len(self.words) > 1 else ""

    def value(self, *switches: str) -> Word | None:
        """The word behind one of these switches, such as /v."""
        for word, after in zip(self.words, self.words[1:], strict=False):
            if not word.quote and word.low in switches:
                return after
        return None

    def has(self, *switches: str) -> bool:
        return any(word.low in switches and not word.quote for word in self.words)

    @property
    def start(self) -> int:
        return self.words[0].start

    @property
    def end(self) -> int:
        return self.words[-1].end


@dataclass(frozen=True)
class CommandLine:
    """A line as it is printed, and the shell that it would be given to."""

    text: str
    shell: Shell = "cmd"
    batch: bool = False
    """It stands in a batch file, where `%` is written twice."""

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The commands of the line."""
        found: list[Part] = []
        words: list[Word] = []
        operator, redirected = "", False
        for token in _TOKEN.finditer(plain(self.text)):
            if token["op"] is not None:
                if token["op"][-1] in ">12<" and token["op"] not in ("&&", "||"):
                    redirected = "&" not in token["op"]
                    continue
                found += [Part(tuple(words), operator)] if words else []
                words, operator = [], token["op"]
            elif redirected:
                redirected = False
            elif self.shell == "powershell" and token["word"] == ";":
                found += [Part(tuple(words), operator)] if words else []
                words, operator = [], ";"
            else:
                words.append(_word(token))
                if self.shell == "powershell" and token[0].endswith(";"):
                    last = words.pop()
                    words.append(Word(last.text.rstrip(";"), last.start, last.end - 1, last.quote))
                    found, words, operator = [*found, Part(tuple(words), operator)], [], ";"
        return (*found, Part(tuple(words), operator)) if words else tuple(found)

    @cached_property
    def first(self) -> Part:
        return self.parts[0] if self.parts else Part(())

    @property
    def comment(self) -> bool:
        """It does nothing: a comment of either shell."""
        return any(pattern.match(self.text) for pattern in _COMMENT.values())


def _word(token: re.Match[str]) -> Word:
    raw = token[0]
    if token["one"] is not None:
        return Word(raw[1:-1], token.start(), token.end(), "'")
    if len(raw) > 1 and raw[0] == raw[-1] == '"' and '"' not in raw[1:-1]:
        return Word(raw[1:-1], token.start(), token.end(), '"')
    if raw.startswith('"') and '"' not in raw[1:]:
        return Word(raw[1:], token.start(), token.end(), '"')
    return Word(re.sub(r'"', "", raw), token.start(), token.end())


def comment_of(text: str) -> Shell | None:
    """The shell whose comment this line is."""
    return next((shell for shell, form in _COMMENT.items() if form.match(text)), None)


def written_for(text: str) -> Shell | None:
    """The shell that a line is written for; None when nothing in it tells."""
    text = re.sub(r'"[^"]*"', '""', plain(text))
    if _POWERSHELL.search(text) or _LOWER_CMDLET.match(text):
        return "powershell"
    return "cmd" if _CMD.match(text) or _PATH.match(text) else None


def is_command(text: str) -> bool:
    """Whether a line of code begins as a command of either shell does."""
    return written_for(text) is not None


def in_sentence(text: str) -> Iterator[tuple[int, int]]:
    """Where commands stand in a sentence: they end where nothing looks like an argument."""
    text, at = plain(text), 0
    while True:
        found = _IN_SENTENCE.search(text, at)
        other = CMDLET.search(text, at)
        if other is not None and (found is None or other.start() < found.start()):
            found = other
        if found is None:
            return
        end = _end(text, found)
        yield found.start(), end
        at = max(end, found.end())


_LIKE_ARGUMENT = re.compile(
    r"""["'] | [/-]+[A-Za-z?] | \{ | <+\w | [A-Za-z]:\\? | %\w | [|>&] | \d[\w.:-]*$ | \S+=
    | \S*\\\S | \$\w | @""",
    re.VERBOSE,
)
_NETSH = re.compile(
    r"(?:(?:current|all|domain|private|public)profiles?|state|on|off|set|add|delete|show|rule|new|"
    r"firewall|firewallpolicy|block\w+,\w+|reset|proxy|ip|ipv4|ipv6|tcp|interface|config|address|"
    r"dns|dnsservers?|addresses|global|enable|name|import|export|static|dhcp|winsock|catalog)",
    re.IGNORECASE,
)
_POSITIONAL = {"reg": 2, "sc": 2, "net": 2, "netdom": 1, "query": 1, "wmic": 2, "wevtutil": 2}
_VALUED = re.compile(r"(?:/(?:v|t|d|f|se|fi|pid|im|m)|-[A-Za-z]\w+)$", re.IGNORECASE)
_BARE_SWITCHES = {"reg": ("/f", "/s", "/y", "/ve")}
_BCD_VALUES = {"/set": 3, "/deletevalue": 2, "/enum": 1, "/ems": 2, "/debug": 2, "/emssettings": 2}
_SENTENCE_END = re.compile(r"[.,;!?)*`]$|(?<!^.):$|[^\x00-\x7f]$")
_TAIL = re.compile(r"[^\x00-\x7f].*$|[.,;:!?)\]*`_]+$")


def _end(text: str, found: re.Match[str]) -> int:
    """The end of the command that begins here."""
    line = CommandLine(text[found.start() :])
    tokens = [
        _word(token) if token["op"] is None else Word(token["op"], token.start(), token.end())
        for token in _TOKEN.finditer(line.text)
    ]
    program = line.first.program
    expected, end = _POSITIONAL.get(program, 0), tokens[0].end
    free = 0
    for at, word in enumerate(tokens[1:], 1):
        before = tokens[at - 1]
        if not before.quote and at > 1 and _SENTENCE_END.search(before.text):
            break
        valued = (
            _VALUED.match(before.text) is not None
            and before.low not in _BARE_SWITCHES.get(program, ())
            and not (program not in ("reg", "tasklist", "taskkill") and before.text[0] == "/")
        )
        if program == "bcdedit" and before.low in _BCD_VALUES:
            free = _BCD_VALUES[before.low]
        goes_on = (
            at <= expected
            or free > 0
            or valued
            or _LIKE_ARGUMENT.match(word.text)
            or word.quote
            or before.text in ("|", ">", ">>", "&", "&&")
            or (before.text.endswith("=") and program in ("sc", "netsh"))
            or (program == "netsh" and _NETSH.fullmatch(word.text))
            or (program == "reg" and _within_key(tokens, at))
            or (program == "net" and (word.text == "*" or _switch_at(tokens, at + 1)))
            or (program == "net" and tokens[1].low == "user" and at == 3 and _secret(tokens, at))
        )
        if not goes_on:
            break
        free -= free > 0
        end = word.end
    told = line.text[tokens[0].start : end]
    quoted = told.rfind('"') + 1 if told.count('"') % 2 == 0 else len(told)
    if not told.endswith("'"):
        told = told[:quoted] + _TAIL.sub("", told[quoted:])
    return found.start() + len(told.rstrip())


def _secret(tokens: list[Word], at: int) -> bool:
    """A password behind a name: it ends the line, or no sentence has such a word."""
    word = tokens[at].text.rstrip(".,;:")
    return at + 1 == len(tokens) or re.search(r"[\d_!@#$%&=+]", word) is not None


def _switch_at(tokens: list[Word], at: int) -> bool:
    return at < len(tokens) and tokens[at].text.startswith("/")


def _within_key(tokens: list[Word], at: int) -> bool:
    """Words of a key with blanks that lost its quotes: a switch follows soon."""
    for word in tokens[at : at + 6]:
        if re.fullmatch(r"/(?:v|ve|t|d|f|s|k)", word.low):
            return True
        if re.search(r"[.,;:!?]$", word.text):
            return False
    return False
