"""bcdedit.exe: headings, yes and no are localised, names of elements are not (§4.14, §4.20)."""

from __future__ import annotations

from serialfix.lab.bcd import BOOTMGR, ELEMENTS, LOADER, BadData, Entry
from serialfix.lab.shell import Call


_HEADINGS = {
    "bootmgr": "bcd.bootmgr",
    "loader": "bcd.loader",
    "ems": "bcd.ems",
    "memdiag": "bcd.memdiag",
}
_ORDER = ("bootmgr", "loader", "memdiag", "ems")
_SETS = {
    "active": ("bootmgr", "loader"),
    "all": _ORDER,
    "bootmgr": ("bootmgr",),
    "osloader": ("loader",),
}
_WIDTH = 24


def _fail(call: Call, *texts: str) -> int:
    for text in texts:
        call.say(text)
    return 1


def _bad_command(call: Call, command: str) -> int:
    return _fail(
        call, call.text("bcd.command", command), call.text("bcd.help"), call.text("win.87")
    )


def _show(call: Call, guid: str, *, spelled: bool, as_default: bool) -> None:
    bcd = call.machine.disk.bcd
    entry = bcd.entries[guid]
    heading = call.text(_HEADINGS[entry.kind])
    call.say()
    call.say(heading)
    call.say("-" * len(heading))

    def named(name: str) -> str:
        return name if spelled else bcd.alias(name, default=as_default)

    call.say(f"{call.text('bcd.identifier'):<{_WIDTH}}{named(guid)}")
    for name, data in entry.elements.items():
        kind = ELEMENTS[name][0]
        if kind == "boolean":
            shown = call.text(data)
            shown = shown[:1].upper() + shown[1:]
        else:
            shown = named(data)
        call.say(f"{name:<{_WIDTH}}{shown}")


def _enum(call: Call, words: list[str]) -> int:
    """About 35 lines, one loader alone about 20 (catalogue §3.3)."""
    spelled = "/v" in (word.lower() for word in words)
    names = [word for word in words if word.lower() != "/v"]
    bcd = call.machine.disk.bcd
    if len(names) > 1:
        return _bad_command(call, "/enum")
    wanted = names[0].lower() if names else "active"
    if wanted in _SETS:
        for kind in _SETS[wanted]:
            for guid, entry in bcd.entries.items():
                if entry.kind == kind:
                    _show(call, guid, spelled=spelled, as_default=False)
        return 0
    guid = bcd.resolve(wanted)
    if guid not in bcd.entries:
        return _fail(call, call.text("bcd.reference"), call.text("win.2"))
    _show(call, guid, spelled=spelled, as_default=wanted == "{default}")
    return 0


def _entry(call: Call, name: str) -> Entry | None:
    bcd = call.machine.disk.bcd
    entry = bcd.entries.get(bcd.resolve(name))
    if entry is None:
        _fail(call, call.text("bcd.reference"), call.text("win.2"))
    return entry


def _identified(words: list[str]) -> tuple[str, list[str]]:
    """Without an identifier it is the Windows that runs."""
    if words and words[0].startswith("{"):
        return words[0], words[1:]
    return "{current}", words


def _set(call: Call, words: list[str]) -> int:
    name, rest = _identified(words)
    if len(rest) < 2:
        return _bad_command(call, "/set")
    entry = _entry(call, name)
    if entry is None:
        return 1
    return _write(call, entry, rest[0].lower(), rest[1:])


def _write(call: Call, entry: Entry, element: str, words: list[str]) -> int:
    if not entry.applies(element):
        return _fail(
            call, call.text("bcd.element"), call.text("bcd.help"), call.text("bcd.not_found")
        )
    if len(words) > 1 and ELEMENTS[element][0] != "text":
        return _bad_command(call, "/set")
    try:
        entry.set(element, words)
    except BadData:
        return _fail(call, call.text("bcd.data"), call.text("win.87"))
    call.say(call.text("done"))
    return 0


def _delete(call: Call, words: list[str]) -> int:
    """One word too many is refused: `safeboot dsrepair` (catalogue §5.12 Q1)."""
    name, rest = _identified(words)
    if len(rest) != 1:
        return _bad_command(call, "/deletevalue")
    entry = _entry(call, name)
    if entry is None:
        return 1
    element = rest[0].lower()
    if not entry.applies(element):
        return _fail(
            call, call.text("bcd.element"), call.text("bcd.help"), call.text("bcd.not_found")
        )
    if element not in entry.elements:
        return _fail(call, call.text("bcd.delete"), call.text("bcd.not_found"))
    del entry.elements[element]
    call.say(call.text("done"))
    return 0


def _switch(call: Call, words: list[str], element: str) -> int:
    """`/ems [{id}] on|off`, `/debug [{id}] on|off`."""
    name, rest = _identified(words)
    if len(rest) != 1 or rest[0].lower() not in ("on", "off"):
        return _bad_command(call, f"/{element}")
    entry = _entry(call, name)
    return 1 if entry is None else _write(call, entry, element, rest)


def _emssettings(call: Call, words: list[str]) -> int:
    """`EMSPORT:1 EMSBAUDRATE:115200`, or `BIOS`."""
    entry = call.machine.disk.bcd.entries[call.machine.disk.bcd.resolve("{emssettings}")]
    changes: dict[str, str] = {}
    for word in words:
        name, colon, data = word.lower().partition(":")
        if not colon or name not in ("emsport", "emsbaudrate") or not data.isdigit():
            return _bad_command(call, "/emssettings")
        changes[name] = data
    if not changes:
        return _bad_command(call, "/emssettings")
    for name, data in changes.items():
        entry.set(name, [data])
    call.say(call.text("done"))
    return 0


async def bcdedit(call: Call) -> int:
    """`/enum`, `/v`, `/set`, `/deletevalue`, `/ems`, `/emssettings`, `/debug`, `/timeout`; 0, 1."""
    command, *words = call.arguments or ["/enum"]
    match command.lower().replace("-", "/", 1):
        case "/enum":
            return _enum(call, words)
        case "/v":
            return _enum(call, [*words, "/v"])
        case "/set":
            return _set(call, words)
        case "/deletevalue":
            return _delete(call, words)
        case "/ems":
            return _switch(call, words, "ems")
        case "/debug":
            return _switch(call, words, "debug")
        case "/emssettings":
            return _emssettings(call, words)
        case "/timeout" if len(words) == 1:
            return _write(call, call.machine.disk.bcd.entries[BOOTMGR], "timeout", words)
        case "/default" if len(words) == 1 and call.machine.disk.bcd.resolve(words[0]) == LOADER:
            return _write(call, call.machine.disk.bcd.entries[BOOTMGR], "default", [LOADER])
        case "/store":  # no second store in the guest
            return _fail(call, call.text("bcd.open"), call.text("win.2"))
        case "/?":
            call.say("\r\nBCDEDIT - Boot Configuration Data Store Editor")
            return 0
    return _bad_command(call, command)
