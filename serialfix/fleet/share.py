"""A number of targets, or a part of them in percent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from serialfix.errors import UsageError


@dataclass(frozen=True, slots=True)
class Share:
    """`5` or `10%`; what it comes to depends on how many there are in all."""

    number: int
    percent: bool = False

    @classmethod
    def parse(cls, text: str, *, option: str, least: int = 0) -> Self:
        """Read it. Raises UsageError, which names the option."""
        found = re.fullmatch(r"([0-9]{1,9})(%?)", text.strip())
        if found is None:
            raise UsageError(f"{option} takes a number or a percentage such as 10%, not {text!r}")
        share = cls(int(found[1]), bool(found[2]))
        if share.percent and share.number > 100:
            raise UsageError(f"{option}: {text.strip()} is more than all")
        if share.number < least:
            raise UsageError(f"{option}: {text.strip()} is too little; the least is {least}")
        return share

    def up(self, total: int) -> int:
        """Of so many, a fraction counted as one more."""
        return -(-total * self.number // 100) if self.percent else self.number

    def down(self, total: int) -> int:
        """Of so many, a fraction left out."""
        return total * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"


def vms(number: int) -> str:
    """`1 VM`, `37 VMs`."""
    return "1 VM" if number == 1 else f"{number} VMs"
