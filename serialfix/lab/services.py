"""sc.exe and net.exe: services are keys of the registry, running ones a set (catalogue §4.6)."""

from __future__ import annotations

import asyncio

from serialfix.lab.machine import DISABLED, Machine
from serialfix.lab.profiles import SERVICES, dword
from serialfix.lab.registry import Key
from serialfix.lab.shell import Call
from serialfix.model import RegistryType, RegistryValue


_START = {0: "BOOT_START", 1: "SYSTEM_START", 2: "AUTO_START", 3: "DEMAND_START", 4: "DISABLED"}
_START_WORDS = {"boot": 0, "system": 1, "auto": 2, "demand": 3, "disabled": 4, "delayed-auto": 2}
_TYPE = {16: "WIN32_OWN_PROCESS", 32: "WIN32_SHARE_PROCESS"}
_TYPE_WORDS = {"own": 16, "share": 32}
_ACCESS = "(STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)"
_INVALID_COMMAND_LINE = 1639


def _key(machine: Machine, name: str) -> Key | None:
    key = machine.registry.key(f"{SERVICES}\\{name}")
    return key if name and key is not None and key.get("ImagePath") is not None else None


def _data(key: Key, name: str, default: object = "") -> object:
    value = key.get(name)
    return default if value is None else value.data


def _dependents(machine: Machine, name: str) -> list[Key]:
    """Running services that need this one."""
    services = machine.registry.key(SERVICES)
    found = []
    for lower, key in services.keys.items() if services else ():
        needs = _data(key, "DependOnService", ())
        names = [need.lower() for need in needs] if isinstance(needs, tuple) else []
        if lower in machine.running and name.lower() in names:
            found.append(key)
    return found


def _failed(call: Call, function: str, code: int) -> int:
    call.say(call.text("sc.failed", function, code))
    call.say()
    call.say(call.text(f"win.{code}"))
    call.say()
    return code


def _state(call: Call, key: Key, state: str, *, pid: int | None = None) -> None:
    """The nine lines of `sc query`, with more for `sc start`."""
    number = _data(key, "Type", 32)
    stopped = state.startswith("1 ")
    call.say()
    call.say(f"SERVICE_NAME: {key.name} ")
    call.say(f"        TYPE               : {number:x}  {_TYPE.get(int(str(number)), 'WIN32')}  ")
    call.say(f"        STATE              : {state} ")
    if not stopped:
        access = _ACCESS if state.startswith("4 ") else "(NOT_STOPPABLE, NOT_PAUSABLE)"
        call.say(f"                                {access}")
    never = 1077 if stopped and pid is None else 0
    call.say(f"        WIN32_EXIT_CODE    : {never}  ({never:#x})")
    call.say("        SERVICE_EXIT_CODE  : 0  (0x0)")
    call.say("        CHECKPOINT         : 0x0")
    call.say("        WAIT_HINT          : 0x0")
    if pid is not None:
        call.say(f"        PID                : {pid}")
        call.say("        FLAGS              : ")


async def _start(call: Call, key: Key) -> int:
    """Start a service with what it needs; 0 or a Windows error."""
    machine = call.machine
    if key.name.lower() in machine.running:
        return 1056
    if _data(key, "Start", 3) == DISABLED:
        return 1058
    needs = _data(key, "DependOnService", ())
    for need in needs if isinstance(needs, tuple) else ():
        other = _key(machine, need)
        if other is not None and need.lower() not in machine.running:
            await _start(call, other)
    await asyncio.sleep(machine.delays.service)
    machine.start_service(key.name)
    return 0


async def _stop(call: Call, key: Key) -> None:
    await asyncio.sleep(call.machine.delays.service)
    call.machine.running.pop(key.name.lower(), None)


def _config(call: Call, key: Key, words: list[str]) -> int:
    """`start= auto` is two words: `start=auto` is refused (catalogue §3.2)."""
    changes: list[tuple[str, RegistryValue]] = []
    rest = iter(words)
    for option in rest:
        word = next(rest, "")
        match option.lower():
            case "start=" if word.lower() in _START_WORDS:
                changes.append(("Start", dword(_START_WORDS[word.lower()])))
            case "type=" if word.lower() in _TYPE_WORDS:
                changes.append(("Type", dword(_TYPE_WORDS[word.lower()])))
            case "obj=" if word:
                changes.append(("ObjectName", RegistryValue(RegistryType.SZ, word)))
            case _:
                call.say("DESCRIPTION:\r\n        Modifies a service entry in the registry.")
                call.say("USAGE:\r\n        sc <server> config [service name] <option1>...")
                return _INVALID_COMMAND_LINE
    for name, value in changes:
        key.set(name, value)
    call.say(call.text("sc.changed"))
    return 0


def _show_config(call: Call, key: Key) -> None:
    call.say(call.text("sc.queried"))
    call.say()
    start, kind = int(str(_data(key, "Start", 3))), int(str(_data(key, "Type", 32)))
    needs = _data(key, "DependOnService", ())
    first, *more = needs if isinstance(needs, tuple) and needs else ("",)
    call.say(f"SERVICE_NAME: {key.name}")
    for label, text in (
        ("TYPE", f"{kind:x}  {_TYPE.get(kind, 'WIN32')} "),
        ("START_TYPE", f"{start}   {_START.get(start, '')}"),
        ("ERROR_CONTROL", f"{_data(key, 'ErrorControl', 1)}   NORMAL"),
        ("BINARY_PATH_NAME", str(_data(key, "ImagePath")).replace("%SystemRoot%", r"C:\Windows")),
        ("LOAD_ORDER_GROUP", ""),
        ("TAG", "0"),
        ("DISPLAY_NAME", _data(key, "DisplayName")),
        ("DEPENDENCIES", first),
        *(("", need) for need in more),
        ("SERVICE_START_NAME", _data(key, "ObjectName")),
    ):
        call.say(f"        {label:<18} : {text}")


async def sc(call: Call) -> int:
    """`sc query|qc|config|start|stop`; 0 or a Windows error."""
    command, *words = [*call.arguments, ""]
    name = words[0] if words else ""
    machine = call.machine
    key = _key(machine, name)
    functions = {
        "query": "EnumQueryServicesStatus:OpenService",
        "qc": "OpenService",
        "config": "OpenService",
        "start": "StartService: OpenService",
        "stop": "OpenService",
    }
    function = functions.get(command.lower())
    if function is None or not name:
        call.say("DESCRIPTION:\r\n        SC is a command line program used for communicating with")
        call.say("        the Service Control Manager and services.")
        return _INVALID_COMMAND_LINE
    if key is None:
        return _failed(call, function, 1060)
    match command.lower():
        case "query":
            running = key.name.lower() in machine.running
            _state(call, key, "4  RUNNING" if running else "1  STOPPED")
        case "qc":
            _show_config(call, key)
        case "config":
            return _config(call, key, words[1:-1])
        case "start":
            if code := await _start(call, key):
                return _failed(call, "StartService", code)
            _state(call, key, "2  START_PENDING", pid=machine.running[key.name.lower()])
        case "stop":
            if key.name.lower() not in machine.running:
                return _failed(call, "ControlService", 1062)
            if _dependents(machine, key.name):
                return _failed(call, "ControlService", 1051)
            await _stop(call, key)
            _state(call, key, "3  STOP_PENDING")
    return 0


async def net(call: Call) -> int:
    """`net start|stop NAME [/y]`; 0 or 2."""
    words = [word for word in call.arguments if word.lower() != "/y"]
    machine = call.machine
    if len(words) < 2 or words[0].lower() not in ("start", "stop"):
        call.complain(call.text("cmd.syntax"))
        return 1
    key = _key(machine, words[1])
    if key is None:
        return _net_failed(call, "net.unknown", 2185)
    title = str(_data(key, "DisplayName"))
    if words[0].lower() == "start":
        if key.name.lower() in machine.running:
            return _net_failed(call, "net.running", 2182)
        if code := await _start(call, key):
            return _net_failed(call, f"win.{code}", 3521)
        call.say(call.text("net.starting", title))
        call.say(call.text("net.started", title))
        call.say()
        return 0
    if key.name.lower() not in machine.running:
        return _net_failed(call, "net.idle", 3521, title)
    dependents = _dependents(machine, key.name)
    if dependents:
        call.say(call.text("net.dependents", title))
        call.say()
        for other in dependents:
            call.say(f"   {_data(other, 'DisplayName')}")
        call.say()
        asks = len(words) == len(call.arguments)
        if asks and not await call.agrees(call.text("net.continue")):
            return 2
    for service in (*dependents, key):
        display = _data(service, "DisplayName")
        call.say(call.text("net.stopping", display))
        await _stop(call, service)
        call.say(call.text("net.stopped", display))
        call.say()
    return 0


def _net_failed(call: Call, text: str, code: int, *parts: object) -> int:
    call.complain(call.text(text, *parts))
    call.complain("")
    call.complain(call.text("net.help", code))
    call.complain("")
    return 2
