r"""Registry files as text: Wine's `system.reg` and `user.reg`, and what `reg export` writes.

Both are read into a `Registry`, independently of reg.exe, so that a test can see what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from serialfix.lab.registry import ROOTS, Key, Registry
from serialfix.model import RegistryType, RegistryValue


_KINDS = {
    "": RegistryType.BINARY,
    "0": RegistryType.NONE,
    "1": RegistryType.SZ,
    "2": RegistryType.EXPAND_SZ,
    "3": RegistryType.BINARY,
    "4": RegistryType.DWORD,
    "7": RegistryType.MULTI_SZ,
    "b": RegistryType.QWORD,
}
_NUMBERS = {kind: number for number, kind in _KINDS.items() if number}
_SIZES = {RegistryType.DWORD: 4, RegistryType.QWORD: 8}
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_LINE = re.compile(
    rf"(?P<name>@|{_QUOTED})="
    rf"(?:dword:(?P<dword>[0-9a-f]{{8}})|hex(?:\((?P<kind>[0-9a-f]+)\))?:(?P<hex>[0-9a-f,]*)"
    rf"|(?:str\((?P<str>[0-9a-f])\):)?(?P<text>{_QUOTED}))\s*",
    re.DOTALL,
)
_SECTION = re.compile(r"\[(?P<key>(?:[^\]]|\](?=.*\]))*)\](?: \d+)?\s*")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "v": "\v",
}
_CONTROL_SET = r"HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001"
_CURRENT = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet"


def read(text: str, registry: Registry, *, root: str = "") -> None:
    r"""Add what the file holds; `root` is what its keys are relative to, as in Wine's own files.

    Only Wine's own files escape more than backslashes and quotes, and have `str(7):`.
    """
    own = bool(root)
    path = ""
    for line in _lines(text):
        if line.startswith("["):
            match = _SECTION.fullmatch(line)
            key = match["key"] if match else ""
            path = f"{root}\\{_unescaped(key)}" if own else key
            if registry.key(path, create=True) is None:
                raise ValueError(f"no such root: {line!r}")
        elif match := _LINE.fullmatch(line):
            value = _value(match, own=own)
            if value is not None:
                name = "" if match["name"] == "@" else _text(match["name"], own=own)
                registry.set(path, name, value)


def _lines(text: str) -> Iterator[str]:
    """Lines, put together where a backslash at the end says that one goes on."""
    held = ""
    for line in text.splitlines(keepends=True):
        held += line.lstrip(" ") if held else line
        cut = held.rstrip("\r\n")
        if cut.endswith("\\") and re.search(r"=hex(\([0-9a-f]+\))?:", cut):
            held = cut[:-1]
        elif re.sub(r"\\.", "", held, flags=re.DOTALL).count('"') == 3:  # a line end in a text
            continue
        else:
            yield cut
            held = ""


def _text(quoted: str, *, own: bool) -> str:
    inner = quoted[1:-1]
    return _unescaped(inner) if own else re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def _unescaped(text: str) -> str:
    def char(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2]:
            return chr(int(match[2], 8))
        return _LETTERS.get(match[3], match[3])

    # Characters beyond the BMP are written as two escapes.
    units = _ESCAPE.sub(char, text)
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _value(match: re.Match[str], *, own: bool) -> RegistryValue | None:
    if match["dword"]:
        return RegistryValue(RegistryType.DWORD, int(match["dword"], 16))
    if match["text"] is not None:
        text = _text(match["text"], own=own)
        kind = _KINDS[match["str"] or "1"]
        return RegistryValue(kind, _parts(text) if kind is RegistryType.MULTI_SZ else text)
    found = _KINDS.get((match["kind"] or "").lstrip("0") or ("0" if match["kind"] else ""))
    if found is None:  # a type that reg.exe cannot write either
        return None
    return from_bytes(found, bytes.fromhex(match["hex"].replace(",", "")))


def from_bytes(kind: RegistryType, data: bytes) -> RegistryValue:
    """The value that is stored as these bytes."""
    if kind in (RegistryType.BINARY, RegistryType.NONE):
        return RegistryValue(kind, data)
    if kind in _SIZES:
        return RegistryValue(kind, int.from_bytes(data, "little"))
    text = data.decode("utf-16-le", "replace")
    if kind is RegistryType.MULTI_SZ:
        return RegistryValue(kind, _parts(text.removesuffix("\0")))
    return RegistryValue(kind, text.removesuffix("\0"))


def _parts(text: str) -> tuple[str, ...]:
    """The texts of a REG_MULTI_SZ, each of which ends in a NUL; `text` lacks the last NUL."""
    return tuple(text.removesuffix("\0").split("\0")) if text else ()


def to_bytes(value: RegistryValue) -> bytes:
    """A value as it is stored."""
    match value.data:
        case bytes(data):
            return data
        case int(number):
            return number.to_bytes(_SIZES[value.type], "little")
        case str(text):
            return f"{text}\0".encode("utf-16-le")
        case parts:
            return "".join(f"{part}\0" for part in (*parts, "")).encode("utf-16-le")


def wine_sections(registry: Registry, root: str) -> str:
    """What is below a root, as sections of Wine's own files."""
    full = ROOTS[root]
    out: list[str] = []
    for path, key in registry.walk(full):
        if path != full:
            out.append(_section(_as_in_wine(path)[len(full) + 1 :], key))
    return "".join(out)


def _as_in_wine(path: str) -> str:
    """Wine has no numbered control sets: CurrentControlSet is a key of its own."""
    if f"{path}\\".startswith(f"{_CONTROL_SET}\\"):
        return _CURRENT + path[len(_CONTROL_SET) :]
    return path


def _section(path: str, key: Key) -> str:
    lines = ["", f"[{_escaped(path)}] 0"]
    for name, value in key.values.values():
        left = f'"{_escaped(name)}"' if name else "@"
        lines.append(f"{left}=hex({_NUMBERS[value.type]}):{to_bytes(value).hex(',')}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    units = text.encode("utf-16-be")
    out = []
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = high << 8 | low
        if chr(code) in '\\"[]':
            out.append(f"\\{chr(code)}")
        else:
            out.append(chr(code) if 0x20 <= code < 0x7F else f"\\x{code:04x}")
    return "".join(out)
