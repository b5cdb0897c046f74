"""A fleet's plan for people: grouped, with the first few of each group, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from serialfix.fleet.cost import Span
from serialfix.fleet.plan import FleetPlan
from serialfix.fleet.policy import Policy
from serialfix.fleet.share import vms
from serialfix.fleet.targets import Reason
from serialfix.model import VmRef
from serialfix.printable import printable
from serialfix.report.tables import grid


if TYPE_CHECKING:
    from serialfix.fleet.cost import Region

FIRST = 3
REASONS = {
    Reason.NOT_FOUND: "not found",
    Reason.DUPLICATE: "named more than once",
    Reason.NOT_ASKED: "does not match",
    Reason.LINUX: "Linux",
    Reason.CLIENT: "client Windows",
    Reason.BOOT_DIAGNOSTICS: "boot diagnostics off",
    Reason.NOT_RUNNING: "not running",
}


def plan_view(plan: FleetPlan) -> RenderableType:
    """Waves, what is skipped, what it takes, and the hashes that it is known by."""
    parts: list[RenderableType] = []
    if plan.waves:
        parts += [
            grid(
                ("wave", "VMs", "first"),
                (
                    (str(number), str(len(wave)), _first([vm.id for vm in wave]))
                    for number, wave in enumerate(plan.waves, 1)
                ),
            ),
            Text(),
        ]
    if plan.chosen.skipped:
        parts += [grid(("skipped", "VMs", "first"), _skipped(plan)), Text()]
    if plan.waves:
        parts += [grid(("subscription", "region", "VMs", "calls", "fits"), _regions(plan))]
        parts += [Text(), *(Text(line) for line in _words(plan))]
    parts += [Text(f"Note: {printable(note)}", style="yellow") for note in plan.notes]
    playbook = plan.loaded.playbook
    parts += [
        Text(f"\n{printable(playbook.name)} {printable(playbook.version)} on {vms(plan.total)}"),
        Text(f"playbook  {plan.loaded.sha256}", overflow="fold"),
        Text(f"targets   {plan.chosen.sha256}", overflow="fold"),
    ]
    return Group(*parts)


def duration(seconds: float) -> str:
    """`40 s`, `7 min`, `3.5 h`, `12 days`: an estimate has no more digits than that."""
    for size, word, digits in ((86_400, "days", 0), (3600, "h", 1), (60, "min", 0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{digits}f} {word}"
    return f"{seconds:.0f} s"


def _words(plan: FleetPlan) -> Iterator[str]:
    fits = all(region.fits for region in plan.regions)
    yield f"Estimate: {_span(plan.per_vm)} for a VM, {_span(plan.in_all)} for all of them,"
    yield "from quick guests to slow ones, when every step has to change something."
    if plan.budget.allowed < plan.total:
        bad = f"{plan.budget.allowed} of {plan.total}"
        yield f"{plan.at_once} at once. The run stops when more than {bad} failed, are"
        yield "unreachable or unknown, and when nothing went well in a whole wave."
    else:
        yield f"{plan.at_once} at once. The run goes on whatever goes wrong."
    yield from _held(plan.policy)
    calls = sum(region.calls for region in plan.regions)
    yield f"About {sum(plan.calls.values())} ARM calls for a VM, {calls} in all."
    if fits:
        yield "That fits Azure's budgets, when nobody else needs much of them."
    else:
        yield from _too_much(plan.regions)


def _held(policy: Policy) -> Iterator[str]:
    """What else is between a target and its start."""
    if policy.max_per_region is not None:
        yield f"In a subscription and region at most {policy.max_per_region} at once."
    if policy.approve_after is not None:
        yield f"After wave {policy.approve_after} it waits until somebody approves."
    if window := policy.opening():
        yield "Started only within (what runs is let to its end, the estimate is without pauses):"
        yield from (f"  {each.strip()}" for each in window.text.split(";"))
    if policy.retries:
        times = "once" if policy.retries == 1 else f"up to {policy.retries} times"
        first = duration(policy.retry_delay_s)
        yield f"A VM that is not reached is tried again {times}, first after {first}."


def _too_much(regions: Iterable[Region]) -> Iterator[str]:
    """The worst need of each budget that does not suffice."""
    yield "That is more than Azure's budgets for a subscription and region:"
    needs = [need for region in regions for need in region.needs if not need.fits]
    for budget in dict.fromkeys(need.budget for need in needs):
        worst = max((n for n in needs if n.budget == budget), key=lambda n: n.per_minute)
        yield (
            f"  {budget}: {worst.per_minute} a minute of {worst.limit_per_minute}, "
            f"{worst.at_once} at once of {worst.limit_at_once}"
        )
    yield "A smaller --max-concurrency fits; else Azure makes calls wait."


def _regions(plan: FleetPlan) -> Iterator[Sequence[str]]:
    for region in plan.regions[:20]:
        yield (
            *(region.subscription_id, region.location),
            *(str(region.targets), str(region.calls), "yes" if region.fits else "no"),
        )
    if more := plan.regions[20:]:
        calls = sum(region.calls for region in more)
        yield (
            *(f"and {len(more)} more", "", str(sum(region.targets for region in more))),
            *(str(calls), "yes" if all(region.fits for region in more) else "no"),
        )


def _skipped(plan: FleetPlan) -> Iterator[Sequence[str]]:
    for reason, number in plan.chosen.reasons.most_common():
        ids = [each.id for each in plan.chosen.skipped if each.reason is reason]
        yield REASONS[reason], str(number), _first(ids)


def _first(ids: Sequence[str]) -> str:
    names = ", ".join(VmRef.parse(each).label for each in ids[:FIRST])
    return f"{names}, ..." if len(ids) > FIRST else names


def _span(span: Span) -> str:
    least, most = duration(span.least), duration(span.most)
    return least if least == most else f"{least} to {most}"
