"""What many targets come to: what went wrong by cause and region, what differs by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from serialfix.fleet.result import WELL, Results, differing
from serialfix.fleet.share import vms
from serialfix.fleet.standing import FleetRun, Kind, Target
from serialfix.model import Outcome


RETRIED = (Outcome.FAILED, Outcome.UNREACHABLE, Outcome.NOT_STARTED)
"""What may be tried again without a look: what is known not to be half way."""

_ITSELF = "\0"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The targets that went wrong in the same way in the same region.

    `of` is how many targets of the run are there: all of them in trouble is a region, not a VM.
    """

    slug: str
    location: str
    """Empty for what has nothing to do with a place: targets that were never started."""
    targets: tuple[Target, ...]
    of: int

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How they ended, the most frequent first."""
        return tuple(each for each, _ in Counter(map(_outcome, self.targets)).most_common())

    @property
    def message(self) -> str:
        """What most of them say, or the first; and how many do where others say something else.

        That each of them names itself is no difference.
        """
        said = self._said("message")
        if not said:
            return ""
        ((text, number),) = said.most_common(1)
        text = text.replace(_ITSELF, self.targets[0].name)
        return text if len(said) == 1 else f"{text} ({number} of {len(self.targets)} say so)"

    @property
    def remedy(self) -> str:
        """What now, by most of them."""
        said = next((text for text, _ in self._said("remedy").most_common(1)), "")
        return said.replace(_ITSELF, self.targets[0].name)

    def __str__(self) -> str:
        outcomes = ", ".join(self.outcomes)
        what = outcomes if self.slug in self.outcomes else f"{outcomes}, {self.slug}"
        number = len(self.targets)
        if not self.location:
            return f"{vms(number)}: {what}"
        many = f"all {vms(number)}" if number == self.of > 1 else vms(number)
        return f"{many} in {self.location}: {what}"

    def _said(self, name: str) -> Counter[str]:
        return Counter(
            text.replace(each.name, _ITSELF)
            for each in self.targets
            if (text := (each.error or {}).get(name))
        )


def troubles(targets: Iterable[Target]) -> tuple[Trouble, ...]:
    """What went wrong, by the error's slug and the region, the most frequent first."""
    there: Counter[str] = Counter()
    groups: dict[tuple[str, str], list[Target]] = {}
    for each in targets:
        there[each.location] += 1
        if each.outcome is not None and each.outcome not in WELL:
            groups.setdefault(_cause(each), []).append(each)
    return tuple(
        Trouble(slug, location, tuple(group), there[location])
        for (slug, location), group in sorted(
            groups.items(), key=lambda item: (not item[0][1], -len(item[1]), item[0])
        )
    )


def slug(target: Target) -> str:
    """The error's name, or how it ended where there is no error."""
    return (target.error or {}).get("slug") or str(_outcome(target))


@dataclass(frozen=True, slots=True)
class Drift:
    """What a check found: which targets differ from the playbook, and in which steps."""

    differing: tuple[tuple[Target, tuple[str, ...]], ...]
    alike: int
    unseen: int
    """Of these no step was looked at."""
    steps: Counter[str]
    """How many targets differ in a step."""

    def __str__(self) -> str:
        seen = self.alike + len(self.differing)
        told = f"{len(self.differing)} of {vms(seen)} differ from the playbook"
        return f"{told}; {vms(self.unseen)} could not be looked at" if self.unseen else told


def drift(run: FleetRun, targets: Iterable[Target], results: Results) -> Drift | None:
    """None unless the run is a check and results of its targets are there."""
    if run.kind is not Kind.CHECK or not results:
        return None
    found: list[tuple[Target, tuple[str, ...]]] = []
    alike = unseen = 0
    for each in targets:
        steps = differing(results.get(each.number))
        if steps is None:
            unseen += 1
        elif steps:
            found.append((each, tuple(steps)))
        else:
            alike += 1
    return Drift(tuple(found), alike, unseen, Counter(step for _, steps in found for step in steps))


def next_steps(run: FleetRun, outcomes: Counter[Outcome]) -> Iterator[str]:
    """What a person does now, once the run has ended."""
    if again := [str(each) for each in RETRIED if outcomes[each]]:
        yield f"serialfix fleet retry {run.id} --only {','.join(again)}"
    if outcomes[Outcome.CHANGED] and run.kind is not Kind.CHECK:
        yield f"serialfix fleet undo {run.id}"


def evidence(run: FleetRun) -> str:
    """How to get at all that is known of one VM."""
    return f"serialfix fleet show {run.id} --vm NAME --evidence FILE"


def few(names: Sequence[str], first: int) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - first
    told = ", ".join(names[:first])
    return f"{told} and {more} more" if more > 0 else told


def _outcome(target: Target) -> Outcome:
    return target.outcome or Outcome.NOT_STARTED


def _cause(target: Target) -> tuple[str, str]:
    place = "" if target.outcome is Outcome.NOT_STARTED else target.location
    return slug(target), place
