"""slmgr.vbs: activation with a key management service (catalogue §4.19).

cscript prints and waits; `slmgr` alone is wscript, a window that nobody sees (catalogue §3.2).
"""

from __future__ import annotations

import asyncio
import ntpath
from dataclasses import replace

from serialfix.lab.profiles import NT
from serialfix.lab.shell import Call
from serialfix.model import RegistryType, RegistryValue


KEY = rf"{NT}\SoftwareProtectionPlatform"
_NAME, _PORT = "KeyManagementServiceName", "KeyManagementServicePort"
_ANSWERING = frozenset(
    {"azkms.core.windows.net", "kms.core.windows.net", "20.118.99.224", "40.83.235.53"}
)
_NO_KMS = 0xC004F074 - (1 << 32)
_ACTIVATION = "ef6cfc9f-8c5d-44ac-9aad-de6a2ea0ae03"
_SCRIPT = r"c:\windows\system32\slmgr.vbs"


def _server(call: Call) -> tuple[str, str]:
    """The name and the port that are set; the port is 1688 by itself."""
    registry = call.machine.registry
    name, port = registry.get(KEY, _NAME), registry.get(KEY, _PORT)
    return str(name.data) if name else "", str(port.data) if port else "1688"


def _set_server(call: Call, text: str) -> int:
    host, colon, port = text.rpartition(":")
    host, port = (host, port) if colon else (text, "")
    if not host or (colon and not port.isdigit()):
        call.say(call.text("win.87"))
        return 1
    call.machine.registry.set(KEY, _NAME, RegistryValue(RegistryType.SZ, host))
    if port:
        call.machine.registry.set(KEY, _PORT, RegistryValue(RegistryType.SZ, port))
    else:
        call.machine.registry.delete(KEY, _PORT)
    call.say(call.text("slmgr.set", text))
    return 0


def _clear_server(call: Call) -> int:
    for name in (_NAME, _PORT):
        call.machine.registry.delete(KEY, name)
    call.say(call.text("slmgr.cleared"))
    return 0


def _edition(call: Call) -> str:
    azure = "Azure Edition" in call.machine.profile.product
    return f"Windows(R), ServerDatacenter{'Azure' if azure else ''} edition"


async def _activate(call: Call) -> int:
    name, port = _server(call)
    call.say(call.text("slmgr.activating", _edition(call), _ACTIVATION))
    await asyncio.sleep(call.machine.delays.activation)
    good = name.lower() in _ANSWERING and port == "1688"
    if call.machine.faults().kms_unreachable or not good:
        call.say(call.text("slmgr.no_kms"))
        return _NO_KMS
    call.machine.disk.activated = True
    call.say(call.text("slmgr.activated"))
    return 0


def _status(call: Call) -> str:
    activated = call.machine.disk.activated
    return call.text("slmgr.licensed" if activated else "slmgr.notification")


def _show(call: Call, *, long: bool) -> int:
    """`/dlv` is longer than a screen with what was on it before (catalogue §3.3)."""
    name, port = _server(call)
    lines = [
        f"Name: {_edition(call)}",
        "Description: Windows(R) Operating System, VOLUME_KMSCLIENT channel",
    ]
    if long:
        lines.insert(0, "Software licensing service version: 10.0.20348.2227")
        lines.insert(1, "")
        lines += [
            f"Activation ID: {_ACTIVATION}",
            "Application ID: 55c92734-d682-4d71-983e-d6ec3f16059f",
            "Extended PID: 03612-04535-000-000000-03-1033-20348.0000-0052026",
            "Product Key Channel: Volume:GVLK",
            "Installation ID: 005120366193374406190423190171385371166254146463402164036451002",
        ]
    lines += ["Partial Product Key: MDVJX", _status(call)]
    if long:
        lines += [
            "Remaining Windows rearm count: 1001",
            "Remaining SKU rearm count: 1001",
            "Trusted time: 1/5/2026 8:01:11 AM",
            "Configured Activation Type: All",
            "",
            "Most recent activation information:",
            "Key Management Service client information",
            f"    Client Machine ID (CMID): {call.machine.rng.getrandbits(32):08x}-5c1e-4f0a-9d3b",
            *([f"    Registered KMS machine name: {name}:{port}"] if name else []),
            "    KMS machine IP address: 20.118.99.224",
            "    Activation interval: 120 minutes",
            "    Renewal interval: 10080 minutes",
            "    KMS host caching is enabled",
        ]
    for line in ["", *lines, ""]:
        call.say(line)
    return 0


async def _slmgr(call: Call, words: list[str]) -> int:
    option, *rest = [word.lower() for word in words] or [""]
    match option.replace("-", "/", 1):
        case "/skms" if rest:
            return _set_server(call, rest[0])
        case "/ckms":
            return _clear_server(call)
        case "/ato":
            return await _activate(call)
        case "/dli":
            return _show(call, long=False)
        case "/dlv":
            return _show(call, long=True)
        case "/xpr":
            call.say(f"{_edition(call)}:\r\n    {_status(call)}")
            return 0
    call.say("Windows Software Licensing Management Tool")
    call.say("Usage: slmgr.vbs [MachineName [User Password]] [<Option>]")
    return 1


async def cscript(call: Call) -> int:
    """`cscript //nologo ...\\slmgr.vbs OPTION`; the exit code is the error's number."""
    words = call.arguments
    logo = "//nologo" not in [word.lower() for word in words]
    words = [word for word in words if not word.startswith("//")]
    if logo:
        call.say("Microsoft (R) Windows Script Host Version 5.812")
        call.say("Copyright (C) Microsoft Corporation. All rights reserved.\r\n")
    if not words or call.shell.path(words[0]) != _SCRIPT:
        script = words[0] if words else ""
        call.say(f'Input Error: Can not find script file "{ntpath.normpath(script)}".')
        return 1
    return await _slmgr(call, words[1:])


async def slmgr(call: Call) -> int:
    """wscript: the prompt is back at once, the work is done later, and a box waits for nobody."""
    silent = replace(call, streams=replace(call.streams, out=lambda text: None))
    work = asyncio.get_running_loop().create_task(_slmgr(silent, call.arguments))
    call.shell.background.add(work)
    work.add_done_callback(call.shell.background.discard)
    return 0
