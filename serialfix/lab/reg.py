r"""reg.exe: exact texts, layouts and exit codes (sac.md §9; catalogue §3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from serialfix.lab import regfile
from serialfix.lab.registry import ROOTS, Key
from serialfix.lab.scm import PROTECTED
from serialfix.lab.shell import Call
from serialfix.model import RegistryType, RegistryValue


_DWORD_LIMIT = 1 << 32
_QWORD_LIMIT = 1 << 64
_TYPES = {kind.value: kind for kind in RegistryType} | {
    "REG_DWORD_LITTLE_ENDIAN": RegistryType.DWORD
}
_NUMBERS = {RegistryType.DWORD: _DWORD_LIMIT, RegistryType.QWORD: _QWORD_LIMIT}


class _SyntaxError(Exception):
    """Exit 1 with the usage hint."""


@dataclass(slots=True)
class _Options:
    """What stands behind the key; names are kept as typed, switches in any case."""

    name: str | None = None
    type: RegistryType = RegistryType.SZ
    separator: str = "\\0"
    data: str | None = None
    find: str = ""
    switches: set[str] = field(default_factory=set)

    @property
    def bare(self) -> bool:
        """Whether nothing is said of a value."""
        return self.name is None and self.data is None


_WITH_WORD = {"/v": "name", "/t": "type", "/d": "data", "/s": "separator", "/f": "find"}


def _options(words: list[str], *, with_word: str, switches: str) -> _Options:
    options = _Options()
    seen: set[str] = set()
    rest = iter(words)
    for word in rest:
        switch = re.sub("^-", "/", word.lower())
        if switch in seen:
            raise _SyntaxError
        seen.add(switch)
        if switch in with_word.split():
            text = next(rest, None)
            if text is None:
                raise _SyntaxError
            if switch == "/t":
                if text.upper() not in _TYPES:
                    raise _SyntaxError
                options.type = _TYPES[text.upper()]
            elif switch == "/s" and len(text) != 1:
                raise _SyntaxError
            else:
                setattr(options, _WITH_WORD[switch], text)
        elif switch in switches.split():
            options.switches.add(switch)
        else:
            raise _SyntaxError
    if "/ve" in seen:
        if "/v" in seen:
            raise _SyntaxError
        options.name = ""
    return options


def _full(path: str) -> str | None:
    """The path with its root spelled out; None: an unknown root, or one backslash too many."""
    root, backslash, rest = path.partition("\\")
    full = ROOTS.get(root.upper(), root.upper())
    if full not in ROOTS.values() or rest.endswith("\\\\") or (backslash and not rest):
        return None
    return f"{full}\\{rest}".rstrip("\\")


def _parse(options: _Options) -> RegistryValue:
    """The data of `reg add`, refused as real Windows refuses it (sac.md §9, [WINE])."""
    kind, text = options.type, options.data
    match kind:
        case RegistryType.DWORD | RegistryType.QWORD:
            return RegistryValue(kind, _number(kind, text))
        case RegistryType.BINARY:
            digits = text or ""
            if not re.fullmatch(r"[0-9a-fA-F]*", digits):
                raise _SyntaxError
            return RegistryValue(kind, bytes.fromhex(digits.zfill((len(digits) + 1) // 2 * 2)))
        case RegistryType.NONE:  # whatever is typed is a text, with its NUL
            return RegistryValue(kind, f"{text or ''}\0".encode("utf-16-le"))
        case RegistryType.MULTI_SZ:
            return RegistryValue(kind, _parts(text or "", options.separator))
        case _:
            return RegistryValue(kind, text or "")


def _number(kind: RegistryType, text: str | None) -> int:
    """`ffffffff` without 0x is no number, `0123` is 123; for a QWORD -1 is one, and none is 0."""
    if kind is RegistryType.QWORD and text in (None, "-1"):
        return 0 if text is None else _QWORD_LIMIT - 1
    match = re.fullmatch(r"(0[xX])([0-9a-fA-F]+)|([0-9]+)", text or "")
    number = int(match[2] or match[3], 16 if match[1] else 10) if match else _QWORD_LIMIT
    if number >= _NUMBERS[kind]:
        raise _SyntaxError
    return number


def _parts(text: str, separator: str) -> tuple[str, ...]:
    """The texts of a REG_MULTI_SZ: one separator may end them, an empty one may stand alone."""
    if text == separator:
        return ("",)
    parts = tuple(text.removesuffix(separator).split(separator)) if text else ()
    if "" in parts:
        raise _SyntaxError
    return parts


def _shown(value: RegistryValue) -> str:
    match value.data:
        case int():
            return f"{value.data:#x}"
        case bytes():
            return value.data.hex().upper()
        case tuple():
            return "\\0".join(value.data)
        case text:
            return text


async def _add(call: Call, path: str, words: list[str]) -> int:
    options = _options(words, with_word="/v /t /d /s", switches="/ve /f /reg:32 /reg:64")
    registry, faults = call.machine.registry, call.machine.faults()
    if path.count("\\") == 1 and path.startswith("HKEY_LOCAL") and registry.key(path) is None:
        call.complain(call.text("reg.denied"))  # no hive can be made that way
        return 1
    value = _parse(options)
    if options.name is None and options.bare:
        # The default value is set even so, and never asked for ([WINE]).
        registry.set(path, "", value)
    else:
        options.name = options.name or ""
        if registry.get(path, options.name) is not None and "/f" not in options.switches:
            name = options.name or call.text("reg.default")
            if not await call.agrees(call.text("reg.overwrite", name)):
                call.say(call.text("reg.cancelled"))
                return 0
        if faults.reg_fails_for and options.name.lower() == faults.reg_fails_for.lower():
            call.complain(call.text("reg.denied"))
            return 1
        if not faults.reg_lies_for or options.name.lower() != faults.reg_lies_for.lower():
            registry.set(path, options.name, value)
    call.say(call.text("done"))
    return 0


def _line(call: Call, name: str, value: RegistryValue) -> str:
    return f"    {name or call.text('reg.default')}    {value.type}    {_shown(value)}"


async def _query(call: Call, path: str, words: list[str]) -> int:
    # Alone among the commands, /s has no word here and /f one.
    options = _options(
        words, with_word="/v /f /t", switches="/ve /s /k /d /c /e /z /reg:32 /reg:64"
    )
    key = call.machine.registry.key(path)
    if key is None:
        call.complain(call.text("reg.absent"))
        return 1
    if options.name is None and not options.find:
        for place, found in _blocks(call, path, key, deep="/s" in options.switches):
            call.say()
            if found.values or "/s" in options.switches:
                call.say(place)
            for name, value in found.values.values():
                call.say(_line(call, name, value))
            if "/s" not in options.switches:
                if found.values and found.keys:
                    call.say()
                for child in found.keys.values():
                    call.say(f"{place}\\{child.name}")
        if key.values and not key.keys:
            call.say()
        return 0
    return _search(call, path, key, options)


def _blocks(call: Call, path: str, key: Key, *, deep: bool) -> Iterator[tuple[str, Key]]:
    return call.machine.registry.walk(path) if deep else iter([(path, key)])


def _search(call: Call, path: str, key: Key, options: _Options) -> int:
    """`/v NAME`, `/ve` and `/f TEXT`, with or without `/s`."""
    typed = call.machine.profile.query_shows_typed_name
    matches = 0
    for place, found in _blocks(call, path, key, deep="/s" in options.switches):
        lines = []
        for spelling, value in found.values.values():
            wanted = options.name is None or spelling.lower() == options.name.lower()
            text = f"{spelling} {_shown(value)}".lower()
            if wanted and options.find.lower() in text:
                name = options.name if typed and options.name else spelling
                lines.append(_line(call, name, value))
        if lines:
            matches += len(lines)
            call.say()
            call.say(place)
            for line in lines:
                call.say(line)
    if matches:
        call.say()
        return 0
    if options.name == "":
        call.say(f"\r\n{path}")
        call.say(f"    {call.text('reg.default')}    REG_SZ    {call.text('reg.unset')}\r\n")
        return 0
    call.say()
    call.say()
    call.complain(call.text("reg.absent"))
    return 1


async def _delete(call: Call, path: str, words: list[str]) -> int:
    options = _options(words, with_word="/v", switches="/ve /va /f /reg:32 /reg:64")
    registry = call.machine.registry
    key = registry.key(path)
    if key is None or (options.name is not None and key.get(options.name) is None):
        call.complain(call.text("reg.absent"))
        return 1
    if "/f" not in options.switches:
        question = (
            call.text("reg.delete_key", path)
            if options.name is None
            else call.text("reg.delete", options.name or call.text("reg.default"))
        )
        if not await call.agrees(question):
            call.say(call.text("reg.cancelled"))
            return 0
    if options.name is not None:
        registry.delete(path, options.name)
    elif "/va" in options.switches:
        key.values.clear()
    else:
        registry.delete_key(path)
    call.say(call.text("done"))
    return 0


async def _export(call: Call, path: str, words: list[str]) -> int:
    if not words:
        raise _SyntaxError
    options = _options(words[1:], with_word="", switches="/y /reg:32 /reg:64")
    if call.machine.registry.key(path) is None:
        call.complain(call.text("reg.absent"))
        return 1
    target = call.shell.path(words[0])
    asks = target in call.machine.files and "/y" not in options.switches
    if asks and not await call.agrees(call.text("reg.file", words[0])):
        call.say(call.text("reg.cancelled"))
        return 0
    out = ["Windows Registry Editor Version 5.00", ""]
    for place, key in call.machine.registry.walk(path):
        out.append(f"[{place}]")
        out += [_exported(name, value) for name, value in key.values.values()]
        out.append("")
    text = "\r\n".join(out) + "\r\n"
    if call.machine.faults().export_fails:
        call.machine.files[target] = text[: len(text) // 2]
        call.complain(call.text("reg.denied"))
        return 1
    call.machine.files[target] = text
    call.say(call.text("done"))
    return 0


def _exported(name: str, value: RegistryValue) -> str:
    left = f'"{_escaped(name)}"' if name else "@"
    match value.type, value.data:
        case RegistryType.DWORD, int(number):
            return f"{left}=dword:{number:08x}"
        case RegistryType.SZ, str(text):
            return f'{left}="{_escaped(text)}"'
        case RegistryType.QWORD, int(number):
            kind, data = "b", number.to_bytes(8, "little")
        case RegistryType.EXPAND_SZ, str(text):
            kind, data = "2", f"{text}\0".encode("utf-16-le")
        case RegistryType.MULTI_SZ, tuple(parts):
            kind, data = "7", "".join(f"{part}\0" for part in (*parts, "")).encode("utf-16-le")
        case RegistryType.NONE, bytes(data):
            kind = "0"
        case _, bytes(data):
            return f"{left}=hex:{data.hex(',')}"
        case _:
            raise AssertionError(value)
    return f"{left}=hex({kind}):{data.hex(',')}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


async def _copy(call: Call, path: str, words: list[str]) -> int:
    target = _full(words[0]) if words else None
    if target is None:
        raise _SyntaxError
    options = _options(words[1:], with_word="", switches="/s /f /reg:32 /reg:64")
    registry = call.machine.registry
    source = registry.key(path)
    if source is None:
        call.complain(call.text("reg.absent"))
        return 1
    deep = "/s" in options.switches
    for place, key in list(registry.walk(path)) if deep else [(path, source)]:
        into = target + place[len(path) :]
        registry.key(into, create=True)
        for name, value in list(key.values.values()):
            if registry.get(into, name) is not None and "/f" not in options.switches:
                shown = name or call.text("reg.default")
                if not await call.agrees(call.text("reg.overwrite", shown)):
                    continue
            registry.set(into, name, value)
    call.say(call.text("done"))
    return 0


def _import(call: Call, file: str) -> int:
    """What it says goes to the standard error, success too."""
    text = call.machine.files.get(call.shell.path(file))
    if text is None:
        call.complain(call.text("reg.open"))
        return 1
    if not text.startswith(("Windows Registry Editor Version 5.00\r\n", "REGEDIT4\r\n")):
        call.complain(call.text("reg.damaged"))
        return 1
    try:
        regfile.read(text, call.machine.registry)
    except ValueError:
        call.complain(call.text("reg.damaged"))
        return 1
    call.complain(call.text("done"))
    return 0


def _protected(path: str) -> bool:
    """The keys of services that belong to the system: nobody writes there (L4)."""
    lower = path.lower()
    return any(lower.partition("\\services\\")[2].split("\\")[0] == name for name in PROTECTED)


_COMMANDS = {"add": _add, "query": _query, "delete": _delete, "export": _export, "copy": _copy}
_WRITES = (_add, _delete)


async def reg(call: Call) -> int:
    """`reg add|query|delete|export|copy|import`; 0 or 1."""
    words = call.arguments
    command = words[0].lower() if words else ""
    run = _COMMANDS.get(command)
    if "/?" in words:
        call.say(f"\r\nREG {command.upper() or 'Operation'} KeyName ...")
        return 0
    if command == "import" and len(words) == 2:
        return _import(call, words[1])
    if run is None or len(words) < 2:
        call.complain(call.text("reg.syntax", command.upper()).replace("REG  ", "REG "))
        return 1
    path = _full(words[1])
    if path is None:
        call.complain(call.text("reg.key", command.upper()))
        return 1
    if run in _WRITES and _protected(path):
        call.complain(call.text("reg.denied"))
        return 1
    try:
        return await run(call, path, words[2:])
    except _SyntaxError:
        call.complain(call.text("reg.syntax", command.upper()))
        return 1
