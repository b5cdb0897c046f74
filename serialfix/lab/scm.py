"""The service control manager: what starts, what does not and why, who holds which port (§4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from serialfix.lab.accounts import Accounts
from serialfix.lab.eventlog import EventLog
from serialfix.lab.faults import Delays, Faults, ServiceFault
from serialfix.lab.profiles import LST, POL, SERVICES, TRIGGERED, TS, dword
from serialfix.lab.registry import Key, Registry
from serialfix.model import RegistryType


DISABLED = 4
_AUTOMATIC = 2
_OWN_PROCESS = 16
_NO_FAULT = ServiceFault()
# Not to be stopped or changed by anybody (general knowledge; L4 for gpsvc, K6 for mpssvc).
UNSTOPPABLE = frozenset({"rpcss", "rpceptmapper", "dcomlaunch", "lsm", "samss", "mpssvc"})
PROTECTED = frozenset({"gpsvc"})
# What runs in safe mode; Remote Desktop does not (the safe-mode article), the console does.
_SAFE = frozenset(
    {
        *("rpcss", "rpceptmapper", "dcomlaunch", "lsm", "samss", "keyiso"),
        *("eventlog", "cryptsvc", "profsvc", "winmgmt", "sacsvr"),
    }
)
_SAFE_NETWORK = _SAFE | frozenset(
    {
        *("bfe", "mpssvc", "nsi", "dhcp", "dnscache", "nlasvc", "netprofm"),
        *("lanmanworkstation", "lanmanserver", "netlogon"),
    }
)
_PORTS = {"rpcss": 135, "winrm": 5985, "lanmanserver": 445}
_EVENTS = {1068: 7001, 1067: 7034, 1070: 7022, 1053: 7009, 1069: 7038}


def image(key: Key) -> str:
    """The command line of a service."""
    return str(data(key, "ImagePath"))


def data(key: Key, name: str, default: object = "") -> object:
    """The data of a value of a service's key."""
    value = key.get(name)
    return default if value is None else value.data


def _installed(key: Key) -> bool:
    """Whether a key is a service. Those that a Wine guest must not start have no image there."""
    return any(key.get(name) is not None for name in ("ImagePath", "ObjectName"))


def needs(key: Key) -> tuple[str, ...]:
    """The services it depends on."""
    names = data(key, "DependOnService", ())
    return names if isinstance(names, tuple) else ()


class Scm:
    """Services from one boot to the next. Names are found in any case."""

    def __init__(
        self,
        registry: Registry,
        accounts: Accounts,
        events: EventLog,
        *,
        faults: Callable[[], Faults],
        delays: Delays,
        pids: Random,
        shares: bool,
        safe_mode: str,
    ) -> None:
        self.running: dict[str, int] = {}
        """Process ids of the running services by lower-case name."""
        self.pending: dict[str, tuple[str, int]] = {}
        """What is on its way: `start` or `stop`, and the process id."""
        self.exit_codes: dict[str, int] = {}
        self.safe_mode = safe_mode
        self._registry = registry
        self._accounts = accounts
        self._events = events
        self._faults = faults
        self._delays = delays
        self._pids = pids
        self._shares = shares
        self._ports: dict[int, str] = {}
        self._shut_out: set[str] = set()

    # What there is.

    def key(self, name: str) -> Key | None:
        """The key of an installed service; a driver or a half key is none."""
        key = self._registry.key(f"{SERVICES}\\{name}") if name and "\\" not in name else None
        return key if key is not None and _installed(key) else None

    def all(self) -> list[Key]:
        """All installed services."""
        key = self._registry.key(SERVICES)
        return [child for child in (key.keys.values() if key else ()) if _installed(child)]

    def dependents(self, name: str, *, running: bool) -> list[Key]:
        """All that need this one, also through others; those to stop first come first."""
        found: dict[str, Key] = {}

        def collect(lower: str) -> None:
            for key in self.all():
                if lower in (need.lower() for need in needs(key)):
                    collect(key.name.lower())
                    if key.name.lower() not in found:
                        found[key.name.lower()] = key

        collect(name.lower())
        return [key for lower, key in found.items() if not running or lower in self.running]

    def fault(self, name: str) -> ServiceFault:
        """The switches of one service."""
        known = {key.lower(): fault for key, fault in self._faults().services.items()}
        return known.get(name.lower(), _NO_FAULT)

    def denied(self, name: str) -> bool:
        """Whether changing, starting and stopping it is refused, even to administrators."""
        return name.lower() in PROTECTED or self.fault(name).denied

    # Starting.

    def boot(self) -> None:
        """Automatic services, and those that something triggers."""
        stopped = {"termservice", "umrdpservice"} if self._faults().stopped_service else set()
        keys = self.all()
        # Whoever wants somebody's port is there before Remote Desktop.
        keys.sort(key=lambda key: key.name.lower() in TRIGGERED)
        for key in keys:
            lower = key.name.lower()
            start = data(key, "Start", 3)
            wanted = start == _AUTOMATIC or (lower in TRIGGERED and start != DISABLED)
            if wanted and lower not in stopped and lower not in self.running:
                self.bring_up(key)

    async def start(self, key: Key) -> int:
        """Start a service with what it needs, as long as that takes; 0 or a Windows error."""
        if not self._refusal(key):
            await asyncio.sleep(self._delays.service)
        code = self.bring_up(key)
        if code in (1053, 1070):  # the time-outs of the service control manager
            await asyncio.sleep(self._delays.service_timeout)
        return code

    def bring_up(self, key: Key, path: tuple[str, ...] = ()) -> int:
        """Start it now; 0 or a Windows error."""
        lower = key.name.lower()
        code = self._refusal(key) or self._dependencies(key, (*path, lower))
        fault = self.fault(lower)
        if not code and self._accounts.runs_services(str(data(key, "ObjectName"))) is not True:
            code = 1069
        if not code and fault.start_code and not self._cured(key, fault):
            code = fault.start_code
        if code:
            if code not in (1056, 1058):
                self.exit_codes[lower] = code
                self._events.service(_EVENTS.get(code, 7000), str(data(key, "DisplayName")), code)
            return code
        if fault.slow_start:
            self.pending[lower] = ("start", self._new_pid(key))
            asyncio.get_running_loop().call_later(fault.slow_start, self._arrive, lower)
            self._events.service(7022, str(data(key, "DisplayName")), 1070)
        else:
            self.mark_running(key.name)
        return 0

    def _refusal(self, key: Key) -> int:
        lower = key.name.lower()
        if lower in self.running or lower in self.pending:
            return 1056
        if data(key, "Start", 3) == DISABLED:
            return 1058
        allowed = {"minimal": _SAFE, "network": _SAFE_NETWORK, "dsrepair": _SAFE_NETWORK}
        if self.safe_mode and lower not in allowed[self.safe_mode]:
            return 1084
        return 0

    def _dependencies(self, key: Key, path: tuple[str, ...]) -> int:
        for need in needs(key):
            other = self.key(need)
            if other is None:
                return 1075
            if need.lower() in path:
                return 1059
            if need.lower() not in self.running and self.bring_up(other, path):
                return 1068
        return 0

    def _cured(self, key: Key, fault: ServiceFault) -> bool:
        """Whether the values that heal it are in its key."""
        return bool(fault.until) and all(
            str(data(key, name)).lower() == str(wanted).lower()
            for name, wanted in fault.until.items()
        )

    def _arrive(self, lower: str) -> None:
        if self.pending.get(lower, ("", 0))[0] == "start":
            _, pid = self.pending.pop(lower)
            self.mark_running(lower, pid)

    def mark_running(self, name: str, pid: int = 0) -> None:
        """It runs, and takes its port if that is free."""
        lower = name.lower()
        key = self.key(name)
        self.running[lower] = pid or (self._new_pid(key) if key is not None else 4)
        self.exit_codes[lower] = 0
        if lower != "termservice" or self._rdp_wanted():
            self._take_port(lower)

    def _take_port(self, lower: str) -> None:
        """The port it wants, if that is free; it does not try again."""
        port = self._wanted_port(lower)
        if port in self._ports:
            self._shut_out.add(lower)
        elif port:
            self._ports[port] = lower

    def _new_pid(self, key: Key) -> int:
        """A process of its own, or that of its svchost (before Windows 10 1703)."""
        hosted = "svchost" in image(key).lower() or "lsass" in image(key).lower()
        if hosted and data(key, "Type") != _OWN_PROCESS and (self._shares or "lsass" in image(key)):
            for other in self.all():
                lower = other.name.lower()
                same = image(other) == image(key) and data(other, "Type") != _OWN_PROCESS
                if same and lower in self.running:
                    return self.running[lower]
        taken = {*self.running.values(), *(pid for _, pid in self.pending.values())}
        while (pid := self._pids.randrange(400, 9000, 4)) in taken:
            pass
        return pid

    # Stopping.

    def stop_refusal(self, key: Key) -> int:
        """Why `sc stop` is refused, or 0."""
        lower = key.name.lower()
        if lower in self.pending:
            return 1061
        if lower not in self.running:
            return 1062
        if self.dependents(lower, running=True):
            return 1051
        return 1052 if lower in UNSTOPPABLE else 0

    def begin_stop(self, key: Key) -> float:
        """It stops by itself in so many seconds."""
        lower = key.name.lower()
        seconds = self.fault(lower).slow_stop or self._delays.service
        if lower in self.running:
            self.pending[lower] = ("stop", self.running.pop(lower))
            asyncio.get_running_loop().call_later(seconds, self._depart, lower)
        return seconds

    def _depart(self, lower: str) -> None:
        if self.pending.get(lower, ("", 0))[0] == "stop":
            self.end(lower)

    def end(self, name: str, code: int = 0) -> None:
        """It does not run any more; its port is free."""
        lower = name.lower()
        self.running.pop(lower, None)
        self.pending.pop(lower, None)
        self.exit_codes[lower] = code
        self._shut_out.discard(lower)
        for port in [port for port, owner in self._ports.items() if owner == lower]:
            del self._ports[port]

    # Ports.

    def _wanted_port(self, lower: str) -> int:
        if lower == "termservice":
            value = self._registry.get(LST, "PortNumber")
        else:
            value = self._registry.get(f"{SERVICES}\\{lower}\\Parameters", "ListenPort")
        if value is not None and value.type is RegistryType.DWORD:
            return int(str(value.data))
        return _PORTS.get(lower, 0)

    def _rdp_wanted(self) -> bool:
        """Whether anything is to listen: denied by policy or here, it does not."""
        for path in (POL, TS):
            denied = self._registry.get(path, "fDenyTSConnections")
            if denied is not None:
                break
        return denied != dword(1) and self._registry.get(LST, "fEnableWinStation") != dword(0)

    @property
    def ports(self) -> dict[int, str]:
        """Who listens where. Remote Desktop takes its port when it starts and when it is allowed
        to; a port changed later counts from its next start (§4.7)."""
        held = [port for port, owner in self._ports.items() if owner == "termservice"]
        if "termservice" in self.running:
            if held and not self._rdp_wanted():
                del self._ports[held[0]]
            elif not held and self._rdp_wanted() and "termservice" not in self._shut_out:
                self._take_port("termservice")
        return dict(self._ports)
