"""A playbook for places where the console is not needed: .reg, batch, PowerShell, Ansible.

The same wanted ends, in the words of another tool. What a format cannot carry, or cannot decide,
is refused by name; with `partial` it is left out, and listed in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from serialfix.errors import UnsafeStep
from serialfix.playbook import export_ansible, export_cmd, export_ps1, export_reg
from serialfix.playbook.exporting import LeftOut, Written
from serialfix.playbook.schema import Playbook


Format = Literal["reg", "cmd", "ps1", "ansible"]
_WRITERS: Mapping[str, Callable[[Playbook], Written]] = MappingProxyType(
    {
        "reg": export_reg.write,
        "cmd": export_cmd.write,
        "ps1": export_ps1.write,
        "ansible": export_ansible.write,
    }
)
_ENCODINGS = {"reg": "utf-16-le", "ps1": "utf-8"}
_MARKED = ("reg", "ps1")
"""Windows PowerShell 5.1 reads a script without a mark as ANSI, reg.exe a file so as regedit4."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The bytes of the file, and what is not in it."""

    content: bytes
    left_out: tuple[LeftOut, ...]


def export(playbook: Playbook, form: Format, *, partial: bool = False) -> Exported:
    """Write a playbook in another form.

    Raises UnsafeStep that names every step which the form cannot carry, unless `partial`.
    """
    text, left_out = _WRITERS[form](playbook)
    missing = [left for left in left_out if left.matters]
    if missing and not partial:
        raise UnsafeStep(
            f"{playbook.name} is not whole as {form}:\n" + "\n".join(map(str, missing)),
            remedy="--partial leaves that out; or take another --format.",
        )
    mark = "\ufeff" if form in _MARKED else ""
    encoded = (mark + text).encode(_ENCODINGS.get(form, "utf-8"), "surrogatepass")
    return Exported(encoded, tuple(left_out))
