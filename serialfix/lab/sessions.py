"""qwinsta, query, logoff: sessions and the listener of Remote Desktop (catalogue §4.16)."""

from __future__ import annotations

from collections.abc import Iterator

from serialfix.lab.machine import RemoteSession
from serialfix.lab.profiles import LST
from serialfix.lab.registry import Key
from serialfix.lab.shell import Call


_LISTENER = 65536


def _row(mark: str, name: str, user: str, number: object, state: str) -> str:
    return f"{mark}{name:<17} {user:<19} {number:>7}  {state:<8}{'':<8}"


def _listeners(call: Call) -> Iterator[str]:
    """One for each WinStation that listens, here the only one there is."""
    listener: Key | None = call.machine.registry.key(LST)
    if listener is not None and "termservice" in call.machine.scm.ports.values():
        yield listener.name.lower()


def _show_sessions(call: Call) -> int:
    """The listener is a row too; a CMD channel is in session 0."""
    text = call.text
    head = (text("session.name"), text("session.user"), text("session.state"))
    call.say(
        f" {head[0]:<17} {head[1]:<19} {'ID':>7}  {head[2]:<8}{text('session.type'):<12}"
        f"{text('session.device')} "
    )
    call.say(_row(">", "services", "", 0, text("session.Disc")))
    call.say(_row(" ", "console", "", 1, text("session.Conn")))
    for session in call.machine.sessions:
        name = f"rdp-tcp#{session.number}" if session.state == "Active" else ""
        state = text(f"session.{session.state}")
        call.say(_row(" ", name, session.user, session.number, state))
    for name in _listeners(call):
        call.say(_row(" ", name, "", _LISTENER, text("session.Listen")))
    return 0


def _show_users(call: Call, wanted: str) -> int:
    text = call.text
    found = [
        session
        for session in call.machine.sessions
        if wanted.lower() in ("", session.user.lower(), str(session.number))
    ]
    if not found:
        call.complain(text("session.none", wanted or "*"))
        return 1
    call.say(
        f" {text('session.user'):<21} {text('session.name'):<18} ID  {text('session.state'):<8}"
        f"{text('session.idle')}  {text('session.logon')}"
    )
    for session in found:
        name = f"rdp-tcp#{session.number}" if session.state == "Active" else ""
        call.say(
            f" {session.user:<21} {name:<17} {session.number:>3}  "
            f"{text(f'session.{session.state}'):<8}{'.':>9}  1/5/2026 8:01 AM"
        )
    return 0


async def qwinsta(call: Call) -> int:
    """All sessions."""
    return _show_sessions(call)


async def quser(call: Call) -> int:
    """Who is logged on; nobody is 1."""
    return _show_users(call, "".join(call.arguments[:1]))


async def query(call: Call) -> int:
    """`query session|user`."""
    what, *rest = [*call.arguments, ""]
    match what.lower():
        case "session":
            return _show_sessions(call)
        case "user":
            return _show_users(call, rest[0])
    call.complain("Invalid parameter(s)")
    call.complain("QUERY { PROCESS | SESSION | TERMSERVER | USER }")
    return 1


async def logoff(call: Call) -> int:
    """`logoff ID`: that session ends, with what ran in it. Session 0 is nobody's to end."""
    number = "".join(call.arguments[:1])
    found: list[RemoteSession] = [
        session for session in call.machine.sessions if str(session.number) == number
    ]
    if not found:
        call.complain(call.text("session.not_found", number))
        return 1
    call.machine.sessions.remove(found[0])
    return 0
