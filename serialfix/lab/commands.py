"""What cmd.exe can do by itself, and the programs of the guest."""

from __future__ import annotations

import asyncio
import codecs
import ntpath
import re
from collections import deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from serialfix.lab.bcdedit import bcdedit
from serialfix.lab.eventlog import wevtutil
from serialfix.lab.licensing import cscript, slmgr
from serialfix.lab.net import net
from serialfix.lab.netsh import netsh
from serialfix.lab.powershell import powershell
from serialfix.lab.processes import netstat, taskkill, tasklist
from serialfix.lab.reg import reg
from serialfix.lab.services import sc
from serialfix.lab.sessions import logoff, query, quser, qwinsta
from serialfix.lab.shell import Call, Exit, Program


_PAGE = 22  # rows that `more` shows before it asks


async def _echo(call: Call) -> int | None:
    text = call.rest
    if text.strip().lower() in ("on", "off") and text[:1].isspace():
        call.shell.echo = text.strip().lower() == "on"
    elif not text.strip():
        call.say(call.text("cmd.echo", "on" if call.shell.echo else "off"))
    else:
        call.say(text[1:])
    return None


async def _set(call: Call) -> int | None:
    text = call.rest.strip()
    if text.startswith('"') and text.endswith('"'):
        text = text[1:-1]
    name, assigned, value = text.partition("=")
    variables = call.shell.variables
    if assigned:
        if value:
            variables[name.lower()] = (name, value)
            return None
        return None if variables.pop(name.lower(), None) else 1
    found = [item for key, item in sorted(variables.items()) if key.startswith(name.lower())]
    for spelling, value in found:
        call.say(f"{spelling}={value}")
    if not found:
        call.complain(call.text("cmd.undefined", name))
        return 1
    return None


async def _call(call: Call) -> int | None:
    """The line is expanded once more."""
    return await call.shell.run_text(call.rest, call.streams) or None


async def _prompt(call: Call) -> int | None:
    call.shell.prompt = call.rest.strip() or "$P$G"
    return None


async def _cls(call: Call) -> int | None:
    call.shell.console.clear()
    return None


async def _ver(call: Call) -> int | None:
    call.say(f"\r\nMicrosoft Windows [Version {call.machine.profile.version}]")
    return 0


async def _cd(call: Call) -> int | None:
    target = call.rest.strip().strip('"')
    if target.lower().startswith("/d "):
        target = target[3:].strip().strip('"')
    if not target:
        call.say(call.shell.folder)
        return 0
    folder = ntpath.normpath(ntpath.join(call.shell.folder, target))
    known = ("c:\\", r"c:\windows", r"c:\windows\system32", r"c:\windows\temp", r"c:\users")
    if folder.lower() not in known:
        call.complain(call.text("cmd.no_path"))
        return 1
    call.shell.folder = folder
    return 0


async def _rem(call: Call) -> int | None:
    return None


async def _exit(call: Call) -> int | None:
    raise Exit


async def _type(call: Call) -> int | None:
    text = call.machine.files.get(call.shell.path(call.rest.strip()))
    if text is None:
        call.complain(call.text("cmd.no_file"))
        return 1
    call.streams.out(text)
    return 0


async def _ren(call: Call) -> int | None:
    """`ren PATH NAME`: the new name is in the same folder, and must be free."""
    if len(call.arguments) != 2:
        call.complain(call.text("cmd.syntax"))
        return 1
    path = call.shell.path(call.arguments[0])
    target = ntpath.join(ntpath.dirname(path), call.arguments[1]).lower()
    files = call.machine.files
    if path not in files or target in files:
        call.complain(call.text("cmd.no_file"))
        return 1
    files[target] = files.pop(path)
    return 0


async def _del(call: Call) -> int | None:
    for name in call.arguments:
        if not name.startswith("/"):
            call.machine.files.pop(call.shell.path(name), None)
    return 0


INTERNAL: Mapping[str, Program] = MappingProxyType(
    {
        "echo": _echo,
        "set": _set,
        "call": _call,
        "prompt": _prompt,
        "cls": _cls,
        "ver": _ver,
        "cd": _cd,
        "chdir": _cd,
        "rem": _rem,
        "exit": _exit,
        "type": _type,
        "del": _del,
        "ren": _ren,
        "rename": _ren,
        "erase": _del,
    }
)


async def _cmd(call: Call) -> int:
    match = re.match(r"\s*/[ck]\s*(.*)", call.rest, re.IGNORECASE)
    if match is None:
        return 0
    text = match[1].rstrip()
    if text.startswith('"'):  # the first and the last quote go
        head, _, tail = text[1:].rpartition('"')
        text = head + tail
    if code := re.fullmatch(r"exit(?:\s+/b)?\s+(-?\d+)", text.strip(), re.IGNORECASE):
        return int(code[1])
    return await call.shell.run_text(text, call.streams)


async def _hostname(call: Call) -> int:
    call.say(call.machine.computer)
    return 0


async def _whoami(call: Call) -> int:
    call.say(f"{call.machine.computer}\\{call.machine.username}".lower())
    return 0


def _input(call: Call, files: Iterable[str]) -> deque[str] | None:
    """The lines to read: of files, or of the pipe."""
    lines: deque[str] = deque()
    named = False
    for name in files:
        named = True
        text = call.machine.files.get(call.shell.path(name))
        if text is None:
            call.complain(call.text("cmd.no_file"))
            return None
        lines.extend(text.splitlines())
    return lines if named else call.streams.lines if call.streams.lines is not None else lines


async def _find(call: Call) -> int:
    match = re.search(r'"((?:[^"]|"")*)"', call.rest)
    if match is None:
        call.complain("FIND: Parameter format not correct")
        return 2
    switches = call.rest[: match.start()].lower()
    wanted = match[1].replace('""', '"')
    files = call.rest[match.end() :].split()
    matches = 0
    for name in files or [""]:
        lines = _input(call, [name] if name else [])
        if lines is None:
            return 1
        found = _lines_with(wanted, lines, switches)
        title = f"---------- {name.upper()}" if name else ""  # only files are named
        if "/c" in switches:
            call.say(f"\r\n{title}: {len(found)}" if title else str(len(found)))
        else:
            for line in ([f"\r\n{title}"] if title else []) + found:
                call.say(line)
        matches += len(found)
    return 0 if matches else 1


def _lines_with(wanted: str, lines: Iterable[str], switches: str) -> list[str]:
    ignore = "/i" in switches
    wanted = wanted.lower() if ignore else wanted
    return [
        f"[{number}]{line}" if "/n" in switches else line
        for number, line in enumerate(lines, 1)
        # an empty text is found nowhere: `find /v ""` gives every line
        if bool(wanted and wanted in (line.lower() if ignore else line)) != ("/v" in switches)
    ]


async def _findstr(call: Call) -> int:
    patterns: list[str] = []
    files: list[str] = []
    flags = re.NOFLAG
    invert = literal = False
    for word in call.arguments:
        lower = word.lower()
        if lower.startswith("/c:"):
            patterns.append(re.escape(word[3:]))
        elif lower.startswith("/"):
            flags |= re.IGNORECASE if "i" in lower else re.NOFLAG
            invert = invert or "v" in lower
            literal = literal or "l" in lower
        elif patterns:
            files.append(word)
        else:
            patterns += [re.escape(part) if literal else part for part in word.split()]
    lines = _input(call, files)
    if lines is None or not patterns:
        return 1
    try:
        regex = re.compile("|".join(patterns), flags)
    except re.error:
        return 1
    found = [line for line in lines if bool(regex.search(line)) != invert]
    for line in found:
        call.say(line)
    return 0 if found else 1


async def _more(call: Call) -> int:
    lines = _input(call, [word for word in call.arguments if not word.startswith("/")])
    if lines is None:
        return 1
    paged = call.streams.out == call.shell.console.write
    room = _PAGE
    while lines:
        call.say(lines.popleft())
        room -= 1
        if paged and room <= 0 and lines:
            call.streams.out("-- More  -- ")
            key = await call.shell.keyboard.get()
            call.streams.out("\r" + " " * 12 + "\r")
            if key.lower() == "q":
                break
            room = 1 if key in "\r\n" else _PAGE
    return 0


async def _ping(call: Call) -> int:
    match = re.search(r"-n\s+(\d+)", call.rest)
    host = call.arguments[-1] if call.arguments else ""
    count = int(match[1]) if match else 4
    call.say(f"\r\nPinging {host} with 32 bytes of data:")
    for number in range(count):
        if number:
            await asyncio.sleep(1.0)
        call.say(f"Reply from {host}: bytes=32 time<1ms TTL=128")
    call.say(f"\r\nPing statistics for {host}:")
    call.say(f"    Packets: Sent = {count}, Received = {count}, Lost = 0 (0% loss),")
    return 0


async def _shutdown(call: Call) -> int:
    words = [word.lower().replace("-", "/", 1) for word in call.arguments]
    if "/r" not in words and "/s" not in words:
        call.say("Usage: shutdown [/i | /l | /s | /sg | /r | /g | /a | /p | /h | /e | /o]")
        return 1
    delay = int(words[words.index("/t") + 1]) if "/t" in words[:-1] else 30
    loop = asyncio.get_running_loop()
    loop.call_later(delay, call.machine.shutdown, "/r" in words)
    return 0


async def _chcp(call: Call) -> int:
    if call.arguments:
        try:
            page = int(call.arguments[0])
            codecs.lookup("utf-8" if page == 65001 else f"cp{page}")
        except (LookupError, ValueError):
            call.say("Invalid code page")
            return 1
        call.shell.code_page = page
    call.say(f"Active code page: {call.shell.code_page}")
    return 0


EXTERNAL: Mapping[str, Program] = MappingProxyType(
    {
        "cmd": _cmd,
        "reg": reg,
        "sc": sc,
        "net": net,
        "netsh": netsh,
        "bcdedit": bcdedit,
        "netstat": netstat,
        "tasklist": tasklist,
        "taskkill": taskkill,
        "qwinsta": qwinsta,
        "quser": quser,
        "query": query,
        "logoff": logoff,
        "wevtutil": wevtutil,
        "cscript": cscript,
        "slmgr": slmgr,
        "powershell": powershell,
        "shutdown": _shutdown,
        "hostname": _hostname,
        "whoami": _whoami,
        "find": _find,
        "findstr": _findstr,
        "more": _more,
        "ping": _ping,
        "chcp": _chcp,
    }
)
