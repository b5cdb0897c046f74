"""net.exe: services, users, groups. It fails with 2, and says why to the standard error."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterable

from serialfix.lab.accounts import Account
from serialfix.lab.registry import Key
from serialfix.lab.scm import data
from serialfix.lab.shell import Call


_FAILED = 2
_LONG_PASSWORD = 14
_LABEL = 29
_DASHES = "-" * 79
_WHEN = "11/3/2025 9:21:05 AM"


def _failed(call: Call, text: str, code: int, *parts: object) -> int:
    call.complain(call.text(text, *parts))
    call.complain("")
    call.complain(call.text("net.help", code))
    call.complain("")
    return _FAILED


def _system_error(call: Call, code: int) -> int:
    call.complain(call.text("net.system", code))
    call.complain("")
    call.complain(call.text(f"win.{code}"))
    call.complain("")
    return _FAILED


def _heading(call: Call, text: str) -> str:
    return call.text(text, rf"\\{call.machine.computer}")


def _done(call: Call) -> int:
    call.say(call.text("net.done"))
    call.say()
    return 0


# Services.


def _service(call: Call, name: str) -> tuple[Key, str] | int:
    """A service and its title, or what net ends with."""
    scm = call.machine.scm
    key = scm.key(name)
    if key is None:
        return _failed(call, "net.unknown", 2185)
    if scm.denied(key.name):
        return _system_error(call, 5)
    return key, str(data(key, "DisplayName"))


async def _start(call: Call, words: list[str]) -> int:
    machine, found = call.machine, _service(call, words[0])
    if isinstance(found, int):
        return found
    key, title = found
    if key.name.lower() in machine.running:
        return _failed(call, "net.running", 2182)
    if code := await machine.scm.start(key):
        return _system_error(call, code)
    call.say(call.text("net.starting", title))
    while key.name.lower() in machine.scm.pending:  # noqa: ASYNC110 - so does net, unlike sc
        await asyncio.sleep(0.25)
    call.say(call.text("net.started", title))
    call.say()
    return 0


async def _stop(call: Call, words: list[str]) -> int:
    machine, found = call.machine, _service(call, words[0])
    if isinstance(found, int):
        return found
    key, title = found
    if key.name.lower() not in machine.running:
        return _failed(call, "net.idle", 3521, title)
    dependents = machine.scm.dependents(key.name, running=True)
    if dependents:
        call.say(call.text("net.dependents", title))
        call.say()
        for other in dependents:
            call.say(f"   {data(other, 'DisplayName')}")
        call.say()
        if "/y" not in _lower(words):
            agreed = await call.agrees(call.text("net.continue"), default=False)
            if not agreed:
                return _FAILED
    for service in (*dependents, key):
        if code := await _end(call, service):
            return code
    return 0


async def _end(call: Call, key: Key) -> int:
    display, scm = data(key, "DisplayName"), call.machine.scm
    call.say(call.text("net.stopping", display))
    if code := scm.stop_refusal(key):
        return _system_error(call, code)
    await asyncio.sleep(scm.begin_stop(key))
    scm.end(key.name)
    call.say(call.text("net.stopped", display))
    call.say()
    return 0


# Users.


def _line(call: Call, label: str, value: str = "") -> None:
    """Labels take as many cells as there are, wide characters count twice."""
    text = call.text(label)
    cells = sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
    call.say(text + " " * max(1, _LABEL - cells) + value)


def _columns(call: Call, names: list[str]) -> None:
    for start in range(0, len(names), 3):
        call.say("".join(f"{name:<25}" for name in names[start : start + 3]))


def _show_user(call: Call, account: Account) -> None:
    yes, no, never = call.text("yes"), call.text("no"), call.text("never")
    accounts = call.machine.disk.accounts
    groups = [group.name for group in accounts.groups if group.find(account.name)]
    _line(call, "net.user_name", account.name)
    _line(call, "net.full_name")
    _line(call, "net.comment")
    _line(call, "net.user_comment")
    _line(call, "net.country", call.text("net.country_default"))
    _line(call, "net.active", yes if account.active else no)
    _line(call, "net.expires", never)
    call.say()
    _line(call, "net.password_set", _WHEN)
    _line(call, "net.password_expires", never)
    _line(call, "net.password_changeable", _WHEN)
    _line(call, "net.password_required", yes)
    _line(call, "net.password_may_change", yes)
    call.say()
    _line(call, "net.workstations", call.text("all"))
    for label in ("net.script", "net.profile", "net.home"):
        _line(call, label)
    _line(call, "net.last_logon", never)
    call.say()
    _line(call, "net.hours", call.text("all"))
    call.say()
    _line(call, "net.local_groups", "".join(f"*{name:<21}" for name in groups))
    _line(call, "net.global_groups", f"*{call.text('netsh.none'):<21}")


async def _user(call: Call, words: list[str]) -> int:
    """`net user [NAME [PASSWORD|*] [/add] [/delete] [/active:yes|no] [/y]]`."""
    accounts = call.machine.disk.accounts
    plain = [word for word in words if not word.startswith("/")]
    switches = _lower(word for word in words if word.startswith("/"))
    if "/domain" in switches:
        return _system_error(call, 1355)
    if not plain:
        call.say(f"\r\n{_heading(call, 'net.users')}\r\n")
        call.say(_DASHES)
        _columns(call, [account.name for account in accounts.users])
        return _done(call)
    name, *rest = plain
    account = accounts.user(name)
    adds = "/add" in switches
    if account is None and not adds:
        return _failed(call, "win.2221", 2221)
    if account is not None and adds:
        return _failed(call, "win.2224", 2224)
    if account is not None and not rest and not switches:
        _show_user(call, account)
        return _done(call)
    active = [switch.partition(":")[2] for switch in switches if switch.startswith("/active")]
    known = {"/add", "/y", "/delete", *(f"/active:{word}" for word in ("yes", "no"))}
    if len(rest) > 1 or not set(switches) <= known:
        call.complain(call.text("cmd.syntax"))
        return 1
    if rest or adds:
        password = rest[0] if rest else ""
        if password == "*":  # noqa: S105
            password = await _typed_password(call)
        if code := await _check_password(call, password, sure="/y" in switches):
            return code
        account = account or accounts.add(name, password)
        accounts.set_password(name, password)
    if "/delete" in switches:
        accounts.remove(name)
    elif active and account is not None:
        account.active = active[-1] == "yes"
    return _done(call)


async def _typed_password(call: Call) -> str:
    """Typed twice, without an echo on Windows; the lab echoes, as nobody should type it here."""
    first = await call.ask(call.text("net.type_password")) or ""
    again = await call.ask(call.text("net.retype_password")) or ""
    return first if first == again else ""


async def _check_password(call: Call, password: str, *, sure: bool) -> int:
    kinds = (str.islower, str.isupper, str.isdigit, lambda char: not char.isalnum())
    strength = sum(any(kind(char) for char in password) for kind in kinds)
    if len(password) > _LONG_PASSWORD and not sure:
        question = call.text("net.long_password")
        if not await call.agrees(question, default=True):
            return _FAILED
    return 0 if len(password) >= 8 and strength >= 3 else _failed(call, "win.2245", 2245)


# Groups.


def _localgroup(call: Call, words: list[str]) -> int:
    """`net localgroup [GROUP [NAME ... /add|/delete]]`."""
    accounts = call.machine.disk.accounts
    plain = [word for word in words if not word.startswith("/")]
    switches = _lower(word for word in words if word.startswith("/"))
    if "/domain" in switches:
        return _system_error(call, 1355)
    if not plain:
        call.say(f"\r\n{_heading(call, 'net.groups')}\r\n")
        call.say(_DASHES)
        for each in accounts.groups:
            call.say(f"*{each.name}")
        return _done(call)
    group = accounts.group(plain[0])
    if group is None:
        return _system_error(call, 1376)
    if len(plain) == 1 and not switches:
        for label, value in (("net.alias", group.name), ("net.comment", group.comment)):
            call.say(f"{call.text(label):<14} {value}")
        call.say(f"\r\n{call.text('net.members')}\r\n")
        call.say(_DASHES)
        for name in group.members:
            call.say(name)
        return _done(call)
    if len(plain) == 1 or switches not in (["/add"], ["/delete"]):
        call.complain(call.text("cmd.syntax"))
        return 1
    for name in plain[1:]:
        domain, _, short = name.rpartition("\\")
        local = domain.lower() in ("", ".", call.machine.computer.lower())
        account = accounts.user(short) if local else None
        if account is None:
            return _failed(call, "net.no_member", 3783, name)
        member = group.find(account.name)
        if (member is not None) == (switches == ["/add"]):
            return _system_error(call, 1378 if member else 1377)
        if member is None:
            group.members.append(account.name)
        else:
            group.members.remove(member)
    return _done(call)


def _lower(words: Iterable[str]) -> list[str]:
    return [word.lower() for word in words]


async def net(call: Call) -> int:
    """`net start|stop|user|localgroup`; 0, 1 for a wrong line, 2 for what failed."""
    command, *words = call.arguments or [""]
    match command.lower():
        case "start" if words:
            return await _start(call, words)
        case "start":
            for key in call.machine.scm.all():
                if key.name.lower() in call.machine.running:
                    call.say(f"   {data(key, 'DisplayName')}")
            return _done(call)
        case "stop" if words:
            return await _stop(call, words)
        case "user" | "users":
            return await _user(call, words)
        case "localgroup":
            return _localgroup(call, words)
    call.complain(call.text("cmd.syntax"))
    return 1
