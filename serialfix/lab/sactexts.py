"""What SAC says, word for word (sac.md §2, §3). Never localised."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from serialfix.lab.faults import Refusal


SAC_TYPE = "63d02270-8aa4-11d5-bccf-806d6172696f"
CMD_TYPE = "63d02271-8aa4-11d5-bccf-00b0d014a2d0"

BOOT = (
    "\r\nComputer is booting, SAC started and initialized.\r\n"
    '\r\nUse the "ch -?" command for information about using channels.\r\n'
    'Use the "?" command for general help.\r\n\r\n\r\n'
)
PROMPT = "SAC>"
CMD_AVAILABLE = "EVENT: The CMD command is now available."
CREATED = 'EVENT:   A new channel has been created.  Use "ch -?" for channel help.'
CLOSED = "EVENT:   A channel has been closed."
UNAVAILABLE_SOON = "The SAC will become unavailable soon.  The computer is shutting down."
LAUNCHED = "The Command Prompt session was successfully launched."
LOCKED = "Locked access to all Command Prompt channels."
UNKNOWN = "Unrecognized command.  Try the 'help' command for more details."
BAD_ARGUMENT = "A parameter was incorrect or missing.  Try the 'help' command for more details."
NO_SUCH_NAME = "Error: Could not find a channel with that name."
NO_SUCH_SLOT = "Error: There is no channel present at the specified index."
NOT_CLOSABLE = "Error: The SAC channel cannot be closed."
RESTART_FAILED = "SAC failed to restart the system.\r\nFailed with status 0xC0000022."
MORE = "----Press <Enter> for more----"

REFUSED: Mapping[Refusal, str] = MappingProxyType(
    {
        "not_registered": (
            "Error: Unable to launch a Command Prompt.  The service responsible for launching\r\n"
            "       Command Prompt channels has not yet registered.  This may be because the\r\n"
            "       service is not yet started, is disabled by the administrator, is\r\n"
            "       malfunctioning or is unresponsive."
        ),
        "timeout": (
            "Timeout: Unable to launch a Command Prompt.  The service responsible for\r\n"
            "         launching Command Prompt channels has timed out.  This may be\r\n"
            "         because the service is malfunctioning or is unresponsive."
        ),
        "failed": "Error: The SAC Command Console session failed to be created.",
        "disabled": "Launching of Command Prompt channels is disabled.",
        "maximum": "The maximum number of channels has been reached.",
    }
)

CHANNEL_HELP = """\
Channel management commands:
ch                   List all channels.
Status Legend: (AB)
A: Channel operational status
    'A' = Channel is active.
    'I' = Channel is inactive.
B: Channel Type
    'V' = VT-UTF8 emulation.
    'R' = Raw - no emulation.
ch -si <#>           Switch to a channel by its number.
ch -sn <name>        Switch to a channel by its name.
ch -ci <#>           Close a channel by its number.
ch -cn <name>        Close a channel by its name.
Press <esc><tab> to select a channel.
Press <esc><tab>0 to return to the SAC channel."""

HELP = """\
ch                  Channel management commands.  Use ch -? for more help.
cmd                 Create a Command Prompt channel.
d                   Dump the current kernel log.
f                   Toggle detailed or abbreviated tlist info.
? or help           Display this list.
i                   List all IP network numbers and their IP addresses.
i <#> <ip> <subnet> <gateway> Set IPv4 addr., subnet and gateway.
id                  Display the computer identification information.
k <pid>             Kill the given process.
l <pid>             Lower the priority of a process to the lowest possible.
lock                Lock access to Command Prompt channels.
m <pid> <MB-allow>  Limit the memory usage of a process to <MB-allow>.
p                   Toggle paging the display.
r <pid>             Raise the priority of a process by one.
s                   Display the current time and date (24 hour clock used).
s mm/dd/yyyy hh:mm  Set the current time and date (24 hour clock used).
t                   Tlist.
restart             Restart the system immediately.
shutdown            Shutdown the system immediately.
crashdump           Crash the system. You must have crash dump enabled."""


def machine_info(name: str, guid: str, build: int, product: str) -> str:
    """The XML of a boot, one element per line."""
    return "\r\n".join(
        (
            '<?xml version="1.0"?>',
            "<machine-info>",
            f"<name>{name}</name>",
            f"<guid>{guid}</guid>",
            "<processor-architecture>AMD64</processor-architecture>",
            "<os-version>10.0</os-version>",
            f"<os-build-number>{build}</os-build-number>",
            f"<os-product>{product}</os-product>",
            "<os-service-pack>None</os-service-pack>",
            "</machine-info>",
            "",
        )
    )


_CLEAR = "\x1b[2J\x1b[1;1H\x1b[40;37m\x1b[0m"


def channel_switch(name: str, description: str, short: str, guid: str, application: str) -> str:
    """A switch: XML that is wiped at once, then the banner that waits for a key (§4)."""
    return _CLEAR + "\r\n".join(
        (
            '<?xml version="1.0"?>',
            "<channel-switch>",
            f"<name>{name}</name>",
            f"<description>{description}</description>",
            "<type>VT-UTF8</type>",
            f"<guid>{guid}</guid>",
            f"<application-type>{application}</application-type>",
            "</channel-switch>",
            f"{_CLEAR}Name:                  {name}",
            f"Description:           {short}",
            "Type:                  VT-UTF8",
            f"Channel GUID:          {guid}",
            f"Application Type GUID: {application}",
            "",
            "Press <esc><tab> for next channel.",
            "Press <esc><tab>0 to return to the SAC channel.",
            "Use any other key to view this channel.",
            "",
            "",
        )
    )
