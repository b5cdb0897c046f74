"""Commands that a person gives for a console or a restart: split as a shell would, and harmless.

They are kept in the journal, so that a run can be resumed and undone; a password in one would be
kept, too, and is visible to everybody on this machine while the command runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from serialfix.errors import ConfigError


_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"\bsshpass\s(?:.*\s)?-p", "a key in ssh's agent, or `sshpass -e`"),
        (r"\bipmitool\s(?:.*\s)?-P", "`ipmitool -E`, or `-f FILE`"),
        (r"\s-pw\b", "a key, or `-pwfile FILE`"),
        (r"(?i)\s--?(?:password|passwd|passphrase|secret|token)(?:[=\s]|$)", "a file or a key"),
        (r"(?<![\w-])[A-Z0-9_]*(?:PASS|SECRET|TOKEN)[A-Z0-9_]*=", "a variable of your shell"),
        (r"://[^/\s@:]*:[^/\s@]+@", "a file or a key"),
    )
)
"""Where command lines hold passwords, and what does without."""

_SSH = re.compile(r"(?:^|[\s/'\"])ssh\s")
_NO_ESCAPE = re.compile(r"\s-\w*e\s*none\b|EscapeChar[=\s]+none\b", re.IGNORECASE)


def split_command(text: str, option: str) -> tuple[str, ...]:
    """The words of a command, as a shell splits them. Raises ConfigError, without showing it."""
    for pattern, instead in _SECRETS:
        if pattern.search(text):
            raise ConfigError(
                f"{option} has a password on its command line, where others can read it",
                remedy=f"Use {instead} instead. The command is kept in the journal as it is.",
            )
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError(f"{option} cannot be split into words: {error}") from None
    if not words:
        raise ConfigError(f"{option} is empty")
    if "\0" in text:
        raise ConfigError(f"{option} holds a NUL character")
    return words


def console_command(text: str) -> tuple[str, ...]:
    """The words of a command that opens a console; it must carry every key as it is."""
    words = split_command(text, "--console")
    if _SSH.search(text) and not _NO_ESCAPE.search(text):
        raise ConfigError(
            "--console runs ssh with its escape character: a `~` after Enter, as a password may "
            "begin with, would be a command to ssh",
            remedy="Give ssh the option `-e none`.",
        )
    return words


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What such a command gets: all but the guest's password, which is none of its business."""
    kept = {name: value for name, value in environ.items() if name != "SERIALFIX_GUEST_PASSWORD"}
    return {"TERM": "vt100", **kept}
