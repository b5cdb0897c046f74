"""sc.exe: services are keys of the registry, running ones are in the scm (catalogue §4.6)."""

from __future__ import annotations

import asyncio

from serialfix.lab.profiles import dword
from serialfix.lab.registry import Key
from serialfix.lab.scm import PROTECTED, UNSTOPPABLE, data, image, needs
from serialfix.lab.shell import Call
from serialfix.model import RegistryType, RegistryValue


_START = {0: "BOOT_START", 1: "SYSTEM_START", 2: "AUTO_START", 3: "DEMAND_START", 4: "DISABLED"}
_START_WORDS = {"boot": 0, "system": 1, "auto": 2, "demand": 3, "disabled": 4, "delayed-auto": 2}
_TYPE = {16: "WIN32_OWN_PROCESS", 32: "WIN32_SHARE_PROCESS"}
_TYPE_WORDS = {"own": 16, "share": 32}
_INVALID_COMMAND_LINE = 1639
_MORE_DATA = 234
_ENUM_BUFFER = 1024
_ENUM_STATUS = 48  # sizeof(ENUM_SERVICE_STATUSW); the two names follow as UTF-16
_FUNCTIONS = {
    "query": "EnumQueryServicesStatus:OpenService",
    "queryex": "EnumQueryServicesStatus:OpenService",
    "qc": "OpenService",
    "enumdepend": "EnumDependentServices:OpenService",
    "config": "OpenService",
    "start": "StartService: OpenService",
    "stop": "OpenService",
}


def _failed(call: Call, function: str, code: int) -> int:
    call.say(call.text("sc.failed", function, code))
    call.say()
    call.say(call.text(f"win.{code}"))
    call.say()
    return code


def _current(call: Call, key: Key) -> tuple[str, int]:
    """The state as sc shows it, and the process id."""
    scm, lower = call.machine.scm, key.name.lower()
    if lower in scm.running:
        return "4  RUNNING", scm.running[lower]
    what, pid = scm.pending.get(lower, ("", 0))
    return {"start": "2  START_PENDING", "stop": "3  STOP_PENDING"}.get(what, "1  STOPPED"), pid


def _state(
    call: Call, key: Key, state: str, *, pid: int | None = None, titled: bool = False
) -> None:
    """The nine lines of `sc query`; with two more for `queryex` and `start`."""
    number = int(str(data(key, "Type", 32)))
    call.say()
    call.say(f"SERVICE_NAME: {key.name} ")
    if titled:
        call.say(f"DISPLAY_NAME: {data(key, 'DisplayName')}")
    call.say(f"        TYPE               : {number:x}  {_TYPE.get(number, 'WIN32')}  ")
    call.say(f"        STATE              : {state} ")
    stopped, running = state.startswith("1 "), state.startswith("4 ")
    if not stopped:
        fixed = key.name.lower() in UNSTOPPABLE | PROTECTED or not running
        access = "NOT_STOPPABLE, NOT_PAUSABLE" if fixed else "STOPPABLE, NOT_PAUSABLE"
        shutdown = "ACCEPTS_SHUTDOWN" if running else "IGNORES_SHUTDOWN"
        call.say(f"                                ({access}, {shutdown})")
    code = call.machine.scm.exit_codes.get(key.name.lower(), 1077) if stopped else 0
    call.say(f"        WIN32_EXIT_CODE    : {code}  ({code:#x})")
    call.say("        SERVICE_EXIT_CODE  : 0  (0x0)")
    call.say("        CHECKPOINT         : 0x0")
    call.say(f"        WAIT_HINT          : {0 if stopped or running else 30000:#x}")
    if pid is not None:
        call.say(f"        PID                : {pid}")
        call.say("        FLAGS              : ")


def _config(call: Call, key: Key, words: list[str]) -> int:
    """`start= auto` is two words: `start=auto` is refused (catalogue §3.2)."""
    changes: list[tuple[str, RegistryValue]] = []
    rest = iter(words)
    for option in rest:
        word = next(rest, "")
        match option.lower():
            case "start=" if word.lower() in _START_WORDS:
                if word.lower() in ("boot", "system"):  # for drivers only
                    return _failed(call, "ChangeServiceConfig", 87)
                changes.append(("Start", dword(_START_WORDS[word.lower()])))
                delayed = word.lower() == "delayed-auto"
                if delayed or key.get("DelayedAutostart") is not None:
                    changes.append(("DelayedAutostart", dword(int(delayed))))
            case "type=" if word.lower() in _TYPE_WORDS:
                changes.append(("Type", dword(_TYPE_WORDS[word.lower()])))
            case "obj=" if word:
                if call.machine.disk.accounts.runs_services(word) is None:
                    return _failed(call, "ChangeServiceConfig", 1057)
                changes.append(("ObjectName", RegistryValue(RegistryType.SZ, word)))
            case "password=":
                pass  # is not checked before a start
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
    start, kind = int(str(data(key, "Start", 3))), int(str(data(key, "Type", 32)))
    first, *more = needs(key) or ("",)
    delayed = "  (DELAYED)" if data(key, "DelayedAutostart", 0) == 1 and start == 2 else ""
    call.say(f"SERVICE_NAME: {key.name}")
    for label, text in (
        ("TYPE", f"{kind:x}  {_TYPE.get(kind, 'WIN32')} "),
        ("START_TYPE", f"{start}   {_START.get(start, '')}{delayed}"),
        ("ERROR_CONTROL", f"{data(key, 'ErrorControl', 1)}   NORMAL"),
        ("BINARY_PATH_NAME", image(key).replace("%SystemRoot%", r"C:\Windows")),
        ("LOAD_ORDER_GROUP", ""),
        ("TAG", "0"),
        ("DISPLAY_NAME", data(key, "DisplayName")),
        ("DEPENDENCIES", first),
        *(("", need) for need in more),
        ("SERVICE_START_NAME", data(key, "ObjectName")),
    ):
        call.say(f"        {label:<18} : {text}")


def _enumdepend(call: Call, key: Key, words: list[str]) -> int:
    """All dependents, running or not, as far as the buffer holds them: 1 kB unless one is given."""
    room = int(words[0]) if words and words[0].isdigit() else _ENUM_BUFFER
    found = call.machine.scm.dependents(key.name, running=False)
    sizes = [
        _ENUM_STATUS + 2 * (len(other.name) + len(str(data(other, "DisplayName"))) + 2)
        for other in found
    ]
    fitting = next((count for count in range(len(sizes), -1, -1) if sum(sizes[:count]) <= room), 0)
    call.say(f"[SC] EnumDependentServices: entriesread = {fitting}")
    for other in found[:fitting]:
        _state(call, other, _current(call, other)[0], titled=True)
    if fitting == len(found):
        return 0
    call.say()
    call.say(f"[SC] EnumDependentServices: more data, need {sum(sizes[fitting:])} bytes")
    return _MORE_DATA


def _query_all(call: Call, words: list[str], *, extended: bool) -> int:
    """`sc query` alone: everything that runs, nine lines each; `state= all` the others too."""
    every = [word.lower() for word in words] == ["state=", "all"]
    if words and not every:
        return _failed(call, _FUNCTIONS["query"], 1060)
    for key in sorted(call.machine.scm.all(), key=lambda key: key.name.lower()):
        state, pid = _current(call, key)
        if every or not state.startswith("1 "):
            _state(call, key, state, pid=pid if extended else None, titled=True)
    return 0


async def _start(call: Call, key: Key) -> int:
    scm = call.machine.scm
    if scm.denied(key.name):
        return _failed(call, _FUNCTIONS["start"], 5)
    if code := await scm.start(key):
        return _failed(call, "StartService", code)
    _state(call, key, "2  START_PENDING", pid=_current(call, key)[1])
    return 0


async def _stop(call: Call, key: Key) -> int:
    """Does not ask: running dependents are an error (catalogue §3.2). Slow ones it leaves alone."""
    scm = call.machine.scm
    if scm.denied(key.name):
        return _failed(call, _FUNCTIONS["stop"], 5)
    if code := scm.stop_refusal(key):
        return _failed(call, "ControlService", code)
    seconds = scm.begin_stop(key)
    if not scm.fault(key.name).slow_stop:
        await asyncio.sleep(seconds)
        scm.end(key.name)
    _state(call, key, "3  STOP_PENDING")
    return 0


async def sc(call: Call) -> int:
    """`sc query|queryex|qc|enumdepend|config|start|stop`; 0 or a Windows error."""
    command, *words = call.arguments or [""]
    command = command.lower()
    function = _FUNCTIONS.get(command)
    scm = call.machine.scm
    if command in ("query", "queryex") and (not words or words[0].endswith("=")):
        return _query_all(call, words, extended=command == "queryex")
    if function is None or not words:
        call.say("DESCRIPTION:\r\n        SC is a command line program used for communicating with")
        call.say("        the Service Control Manager and services.")
        return _INVALID_COMMAND_LINE
    key = scm.key(words[0])
    if key is None:
        return _failed(call, function, 1060)
    match command:
        case "query" | "queryex":
            state, pid = _current(call, key)
            _state(call, key, state, pid=pid if command == "queryex" else None)
        case "qc":
            _show_config(call, key)
        case "enumdepend":
            return _enumdepend(call, key, words[1:])
        case "config":
            if scm.denied(key.name):
                return _failed(call, function, 5)
            return _config(call, key, words[1:])
        case "start":
            return await _start(call, key)
        case "stop":
            return await _stop(call, key)
    return 0
