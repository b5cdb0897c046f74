"""What the port shows when it is not SAC: firmware, crash, health report, boot menu, old text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


FIRMWARE = (
    "\x1b[2J\x1b[1;1H\x1b[40;37m"
    'BdsDxe: loading Boot0001 "Windows Boot Manager" from HD(1,GPT)/\\EFI\\Microsoft\\Boot\r\n'
    'BdsDxe: starting Boot0001 "Windows Boot Manager" from HD(1,GPT)/\\EFI\\Microsoft\\Boot\r\n'
    "\x1b[2J\x1b[1;1H\x1b[40;37m"
)

INSTEAD_OF_SAC: Mapping[str, str] = MappingProxyType(
    {
        "silence": "",
        # The wording is not public (§8): a report of this kind is all that such a VM prints.
        "health_report": (
            "VM Health Report - 2026-01-05T08:00:00Z\r\n"
            "OS: Windows  Agent: Ready  Heartbeat: 5\r\n"
            "CPU: 4 %  Memory: 31 %  Disk C: 22 % used\r\n"
            "End of VM Health Report\r\n"
        ),
        "boot_manager": (
            "\x1b[2J\x1b[1;1H\x1b[40;37m"
            "                              Windows Boot Manager\r\n\r\n"
            "Choose an operating system to start, or press TAB to select a tool:\r\n"
            "(Use the arrow keys to highlight your choice, then press ENTER.)\r\n\r\n"
            "    Windows Server                                                        >\r\n\r\n"
            "To specify an advanced option for this choice, press F8.\r\n\r\n"
            " ENTER=Choose                          TAB=Menu                     ESC=Cancel"
        ),
    }
)

BANG_HELP = (
    "d        Display all log entries.\r\n"
    "id       Display the computer identification information.\r\n"
    "q        Quit the !SAC.\r\n"
    "restart  Restart the system immediately.\r\n"
    "?        Display this list.\r\n"
)

# An old session that the host still has: a client that matches it believes in ghosts.
STALE = (
    "\x1b[2J\x1b[1;1H\r\nComputer is booting, SAC started and initialized.\r\n\r\nSAC>\r\n"
    "EVENT: The CMD command is now available.\r\nSAC>cmd\r\n"
    "The Command Prompt session was successfully launched.\r\nSAC>\r\n"
    'EVENT:   A new channel has been created.  Use "ch -?" for channel help.\r\n'
    "Channel: Cmd0004\r\nSAC>ch -sn cmd0004\r\n"
    "Please enter login credentials.\r\nUsername: someone\r\nDomain  : \r\nPassword: ******\r\n"
    "Microsoft Windows [Version 10.0.14393.0]\r\n\r\nC:\\Windows\\system32>"
    "reg add HKLM\\SOFTWARE\\Old /v Old /t REG_DWORD /d 1 /f\r\n"
    "The operation completed successfully.\r\n\r\nC:\\Windows\\system32>"
    "echo [%errorlevel%]\r\n[0]\r\n"
    "\r\nC:\\Windows\\system32>exit\r\n\r\nThe Command Console session is exiting.\r\n\0"
    "\x1b[2J\x1b[1;1HSAC>\r\nEVENT:   A channel has been closed.\r\nChannel: Cmd0004\r\nSAC>"
)


AGENT = "\r\n2026-01-05T08:00:07.114Z EC2Launch: Windows is Ready to use\r\n"
"""What an agent that writes to COM1 says whenever it likes (§8, [AWS])."""


def bugcheck(machine_info: str) -> str:
    """A crash as a real server printed it: XML, `!SAC>`, the text, the dump's progress (§2.3)."""
    return (
        '\r\n<INSTANCE CLASSNAME="BLUESCREEN">\r\n'
        '<PROPERTY NAME="STOPCODE" TYPE="string"><VALUE>"0xE2"</VALUE></PROPERTY>'
        f"{machine_info.rstrip()}\r\n</INSTANCE>\r\n\r\n!SAC>"
        "\r\nYour PC ran into a problem and needs to restart.\r\n"
        "We're just collecting some error info, and then we'll restart for you.\r\n"
        "0% complete\r\n"
    )
