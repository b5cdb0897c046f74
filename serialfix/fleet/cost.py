"""What a run on many VMs takes: time as an estimate, and calls held against Azure's budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from serialfix.azure.discovery import FoundVm
from serialfix.azure.limits import LIMITS, budgets_of
from serialfix.playbook.schema import Playbook


MostOf = Callable[[int], int | None]
"""How many of a region with so many targets are worked on at once; None: as many as in all."""


@dataclass(frozen=True, slots=True)
class Span:
    """From a quick guest to a slow one, in seconds."""

    least: float
    most: float

    def times(self, number: int) -> Span:
        """So many one after the other."""
        return Span(self.least * number, self.most * number)

    def and_then(self, other: Span) -> Span:
        """One after the other."""
        return Span(self.least + other.least, self.most + other.most)


# Of experience, no promise: a restart as every plan tells it; a line is some ninety keys, and a
# console may take ten times as long as another (users.md §3.10).
ATTACH = Span(10, 40)
LINE = Span(1.5, 8)
LINES_PER_STEP = 3
"""Looked up, written, read back."""
RESTART = Span(120, 300)
POLLS = 12
"""Looks at a restart under way: one every five seconds for a minute."""


@dataclass(frozen=True, slots=True)
class Calls:
    """One kind of call: how often in a run on one VM, and how much more often with a restart."""

    action: str
    always: int
    restarting: int


CALLS = (
    Calls("Microsoft.Compute/virtualMachines/read", 1, 0),
    Calls("Microsoft.SerialConsole/consoleServices/read", 1, 0),
    Calls("Microsoft.SerialConsole/serialPorts/connect/action", 1, 1),
    Calls("Microsoft.Compute/virtualMachines/restart/action", 0, 1),
    Calls("Microsoft.Compute/locations/operations/read", 0, POLLS),
    Calls("Microsoft.Compute/virtualMachines/instanceView/read", 0, 1),
)


@dataclass(frozen=True, slots=True)
class Need:
    """What is needed of one budget at worst, and whether that fits.

    `per_minute` when all that are worked on at once are here and quick, `at_once` when they start
    together; `limit_per_minute` is refilled, `limit_at_once` is the size of the bucket.
    """

    budget: str
    per_minute: int
    limit_per_minute: int
    at_once: int
    limit_at_once: int

    @property
    def fits(self) -> bool:
        """Whether nobody would be throttled, as far as nobody else works there."""
        return self.per_minute <= self.limit_per_minute and self.at_once <= self.limit_at_once


@dataclass(frozen=True, slots=True)
class Region:
    """The targets of one subscription in one region: they share Azure's budgets."""

    subscription_id: str
    location: str
    targets: int
    calls: int
    needs: tuple[Need, ...]

    @property
    def fits(self) -> bool:
        """Whether all budgets suffice."""
        return all(need.fits for need in self.needs)


def restarts(playbook: Playbook) -> bool:
    """Whether a VM on which something is changed restarts."""
    return playbook.restart != "never"


def calls_per_vm(*, restart: bool) -> dict[str, int]:
    """How often each action is called in a run on one VM that goes well."""
    counted = {each.action: each.always + each.restarting * restart for each in CALLS}
    return {action: number for action, number in counted.items() if number}


def seconds_per_vm(playbook: Playbook) -> Span:
    """A run in which every step has to change something."""
    once = ATTACH.and_then(LINE.times(LINES_PER_STEP * len(playbook.steps)))
    return once.and_then(RESTART).and_then(ATTACH) if restarts(playbook) else once


def seconds_in_all(
    waves: Sequence[Sequence[FoundVm]], *, at_once: int, most_of: MostOf, per_vm: Span
) -> Span:
    """All waves, one after the other, each with so many at once in all and in each region."""
    totals = Counter(map(_place, (vm for wave in waves for vm in wave)))
    rounds = 0
    for wave in waves:
        places = Counter(map(_place, wave))
        by_place = (-(-n // min(most_of(totals[p]) or at_once, at_once)) for p, n in places.items())
        rounds += max(-(-len(wave) // at_once), *by_place, 0)
    return per_vm.times(rounds)


def regions(
    targets: Iterable[FoundVm], *, restart: bool, at_once: int, most_of: MostOf, per_vm: Span
) -> tuple[Region, ...]:
    """The calls of every subscription and region, held against its budgets."""
    counted = Counter(map(_place, targets))
    per_call = calls_per_vm(restart=restart)
    return tuple(
        Region(
            *place,
            number,
            number * sum(per_call.values()),
            _needs(number, restart, min(most_of(number) or at_once, at_once), per_vm),
        )
        for place, number in sorted(counted.items())
    )


def _place(vm: FoundVm) -> tuple[str, str]:
    return vm.subscription_id.lower(), vm.location.lower()


def _needs(number: int, restart: bool, at_once: int, per_vm: Span) -> tuple[Need, ...]:
    together = min(number, at_once)
    # nobody does more than all there is to do
    runs = min(number, together * 60 / per_vm.least)
    needs = []
    for budget, (per_minute, size) in LIMITS.items():
        calls = sum(
            each.always + each.restarting * restart
            for each in CALLS
            if budget in budgets_of(each.action)
        )
        if calls:
            at_worst = -int(-calls * runs // 1)
            needs.append(Need(budget, at_worst, int(per_minute), together, int(size)))
    return tuple(needs)
