"""netstat, tasklist, taskkill: who runs, and who listens where (catalogue §4.7)."""

from __future__ import annotations

import ntpath
from collections.abc import Iterable

from serialfix.lab.adapters import adapters
from serialfix.lab.scm import image
from serialfix.lab.shell import Call


_SYSTEM = {0: "System Idle Process", 4: "System", 296: "smss.exe", 496: "wininit.exe"} | {
    620: "services.exe",
    388: "csrss.exe",
}
_OWN_PORTS = {445: 4, 5985: 4, 47001: 4}  # in the kernel, whatever service asked for them
_NOT_FOUND = 128


def processes(call: Call) -> dict[int, tuple[str, list[str]]]:
    """Image and services by process id."""
    found: dict[int, tuple[str, list[str]]] = {pid: (name, []) for pid, name in _SYSTEM.items()}
    scm = call.machine.scm
    pids = dict(scm.running) | {name: pid for name, (_, pid) in scm.pending.items()}
    for key in sorted(scm.all(), key=lambda key: key.name.lower()):
        pid = pids.get(key.name.lower())
        if pid is not None:
            program = ntpath.basename(image(key).split(" -")[0].strip('"'))
            found.setdefault(pid, (program, []))[1].append(key.name)
    for place, name in enumerate(("sacsess.exe", "cmd.exe", "conhost.exe")):
        found[9100 + 4 * place] = (name, [])
    return dict(sorted(found.items()))


# netstat


def _rows(call: Call) -> Iterable[tuple[str, str, str, str, int]]:
    """Protocol, local, foreign, state, process id: all listeners, then what is connected."""
    scm, text = call.machine.scm, call.text
    ports = {port: scm.running.get(owner, 4) for port, owner in scm.ports.items()} | _OWN_PORTS
    for host, foreign in (("0.0.0.0", "0.0.0.0:0"), ("[::]", "[::]:0")):
        for port, pid in sorted(ports.items()):
            yield "TCP", f"{host}:{port}", foreign, text("netstat.listening"), pid
        if host == "0.0.0.0":
            agent = scm.running.get("windowsazureguestagent")
            nic = next((nic for nic in adapters(call.machine.registry) if nic.enabled), None)
            if agent and nic:
                here = f"{nic.address[0]}:49731"
                there = "168.63.129.16:32526"  # a port that looks like others when cut short
                yield "TCP", here, there, text("netstat.established"), agent
    for host in ("0.0.0.0", "[::]"):
        for port, owner in ((123, "w32time"), (500, "ikeext")):
            if owner in scm.running:
                yield "UDP", f"{host}:{port}", "*:*", "", scm.running[owner]
        rdp = [port for port, owner in scm.ports.items() if owner == "termservice"]
        for port in rdp:
            yield "UDP", f"{host}:{port}", "*:*", "", scm.running["termservice"]


def _names(call: Call, local: str, foreign: str) -> tuple[str, str]:
    """Without `-n` Windows tells names, and waits for a name server where it must."""
    local = local.replace("0.0.0.0", call.machine.computer).replace(":3389", ":ms-wbt-server")
    return local, foreign.replace("0.0.0.0:0", f"{call.machine.computer}:0")


async def netstat(call: Call) -> int:
    """`-a` listeners too, `-n` numbers, `-o` process ids; `-b` names the programs."""
    switches = {char for word in call.arguments if word[:1] in "-/" for char in word[1:].lower()}
    text = call.text
    call.say(f"\r\n{text('netstat.title')}\r\n")
    head = (text("netstat.proto"), text("netstat.local"), text("netstat.foreign"))
    pid_title = " PID" if "o" in switches else ""
    state = text("netstat.state")
    call.say(f"  {head[0]:<6} {head[1]:<22} {head[2]:<22} {state:<15}{pid_title}".rstrip())
    known = processes(call)
    for protocol, local, foreign, shown, pid in _rows(call):
        if "a" not in switches and shown != text("netstat.established"):
            continue
        here, there = (local, foreign) if "n" in switches else _names(call, local, foreign)
        number = f" {pid}" if "o" in switches else ""
        call.say(f"  {protocol:<6} {here:<22} {there:<22} {shown:<15}{number}".rstrip())
        if "b" in switches and pid in known:
            program, services = known[pid]
            for service in services[:1]:
                call.say(f"  {service}")
            call.say(f" [{program}]")
    return 0


# tasklist


def _wanted(call: Call, words: list[str]) -> tuple[list[tuple[str, str, str]], set[str], str]:
    """Filters (name, operator, value), switches, format. ValueError for what there is not."""
    filters: list[tuple[str, str, str]] = []
    switches: set[str] = set()
    form = "table"
    rest = iter(words)
    for word in rest:
        match word.lower().replace("-", "/", 1):
            case "/fi":
                name, operator, value = next(rest, "").split(None, 2)
                filters.append((name.lower(), operator.lower(), value.lower()))
            case "/fo":
                form = next(rest, "").lower()
            case "/svc" | "/nh" | "/v" as switch:
                switches.add(switch)
            case _:
                raise ValueError(word)
    if form not in ("table", "csv", "list"):
        raise ValueError(form)
    return filters, switches, form


def _passes(filters: list[tuple[str, str, str]], pid: int, name: str, services: list[str]) -> bool:
    for field, operator, value in filters:
        if field == "pid":
            same = value == str(pid)
        elif field == "imagename":
            same = value.strip("*") in name.lower()
        elif field == "services":
            same = value in (service.lower() for service in services)
        else:
            raise ValueError(field)
        if same != (operator == "eq"):
            return False
    return True


async def tasklist(call: Call) -> int:
    """`/svc`, `/fi "PID eq N"`, `/fo csv`, `/nh`. No match is a sentence and 0."""
    try:
        filters, switches, form = _wanted(call, call.arguments)
        found = [
            (pid, name, services)
            for pid, (name, services) in processes(call).items()
            if _passes(filters, pid, name, services)
        ]
    except ValueError:
        call.complain(call.text("reg.syntax", "").split("\r\n")[0])
        call.complain('Type "TASKLIST /?" for usage.')
        return 1
    text = call.text
    if not found:
        call.say(text("tasklist.none"))
        return 0
    by_service = "/svc" in switches
    last: tuple[str, ...] = (
        (text("tasklist.services"),)
        if by_service
        else (
            text("tasklist.session"),
            text("tasklist.number"),
            text("tasklist.memory"),
        )
    )
    if form == "csv":
        if "/nh" not in switches:
            call.say(",".join(f'"{title}"' for title in (text("tasklist.image"), "PID", *last)))
        for pid, name, services in found:
            more = (",".join(services) or "N/A",) if by_service else ("Services", "0", "12,345 K")
            call.say(",".join(f'"{cell}"' for cell in (name, str(pid), *more)))
        return 0
    if "/nh" not in switches:
        titles = last[0].ljust(44)
        if not by_service:
            titles = f"{last[0]:<16} {last[1]:>11} {last[2]:>12}"
        call.say(f"\r\n{text('tasklist.image'):<25} {'PID':>8} {titles}")
        tail = "=" * 44 if by_service else f"{'=' * 16} {'=' * 11} {'=' * 12}"
        call.say(f"{'=' * 25} {'=' * 8} {tail}")
    for pid, name, services in found:
        if not by_service:
            call.say(f"{name:<25} {pid:>8} {'Services':<16} {0:>11} {'12,345 K':>12}")
            continue
        lines = _wrapped(services)
        call.say(f"{name:<25} {pid:>8} {lines[0]:<44}")
        for line in lines[1:]:
            call.say(" " * 35 + f"{line:<44}")
    return 0


def _wrapped(services: list[str]) -> list[str]:
    """Several services of one process go on in the next row."""
    lines = [""]
    for place, service in enumerate(services or ["N/A"]):
        piece = service + ("," if place < len(services) - 1 else "")
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > 43:
            lines.append(piece)
        else:
            lines[-1] = f"{lines[-1]} {piece}".strip()
    return lines


async def taskkill(call: Call) -> int:
    """`/pid N /f`: all services of that process end, and are not told to."""
    words = [word.lower().replace("-", "/", 1) for word in call.arguments]
    number = words[words.index("/pid") + 1] if "/pid" in words[:-1] else ""
    known = processes(call)
    if not number.isdigit() or int(number) not in known:
        call.complain(call.text("taskkill.none", number))
        return _NOT_FOUND
    pid = int(number)
    if pid in _SYSTEM:
        call.complain(call.text("reg.denied"))
        return 1
    for service in known[pid][1]:
        call.machine.scm.end(service, 1067)
    call.say(call.text("taskkill.done", pid))
    return 0
