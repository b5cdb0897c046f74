"""Text that is safe on a terminal, in an editor, a ticket or a pipeline's log.

What acts or hides is an escape.
"""

from __future__ import annotations

import re


_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that show nothing, though Unicode does not count them as format characters."""
_COMMANDS = re.compile(r"##(?=vso\[|\[)|::(?=[a-z][\w-]*(?:[ \t][^\n]*)?::)", re.IGNORECASE)
"""What pipelines take for orders to them wherever a log shows it: `##vso[task.setvariable …]` of
Azure DevOps, `##[…]` and `::add-mask::…` of GitHub. Two colons of an address stay as they are."""


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with every character that is not plainly printable shown as its escape.

    That is every control (C0, DEL, C1), format and bidi character, every blank but the space, and
    every character that shows nothing. Line feeds too, unless they are in `keep`. What a pipeline
    would obey is no order any more.

    >>> printable("a\x1b]52;c;eA==\x07\u202e\xa0b")
    'a\\x1b]52;c;eA==\\x07\\u202e\\xa0b'
    """
    if "##" in text or "::" in text:
        text = _COMMANDS.sub(lambda found: f"\\x{ord(found[0][0]):x}{found[0][1]}", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char in keep or (char.isprintable() and not _INVISIBLE.match(char))
        else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )
