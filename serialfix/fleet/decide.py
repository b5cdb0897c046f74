"""What a fleet run does next. No clock, no I/O, no memory: how it stands is all that counts.

Whoever asks may be killed between two questions, or between an answer and what it asks for; the
next one who asks gets the answer for what was done by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from serialfix.errors import MachineMisuse
from serialfix.fleet.budget import ErrorBudget
from serialfix.fleet.policy import DAY_S, Policy
from serialfix.fleet.share import vms
from serialfix.fleet.standing import FleetRun, Kind, State, WaveStanding
from serialfix.model import Outcome


PlaceKey = tuple[str, str]
WELL = (Outcome.OK, Outcome.CHANGED)
CONSOLE_LOST = ("transport", "console", "preflight.azure_refused")
"""How the slugs begin of errors after which a run may be gone on with: going on looks first. Azure
refuses a VM that was touched when its region goes down under it."""
LOGIN_REJECTED = "console.login_rejected"
"""Failed logons lock accounts: there is no second try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A subscription in one region: its targets share Azure's budgets."""

    subscription_id: str
    location: str
    waiting: int
    """Of the current wave, ready to be started."""
    busy: int = 0
    """Of the current wave, ready but for another fleet run that works on them."""
    retry_at: datetime | None = None
    """When the first of those that are not ready is tried again."""
    running: int
    total: int
    """Of the whole run, as `running` is."""

    @property
    def key(self) -> PlaceKey:
        """What it is known by."""
        return self.subscription_id, self.location


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """How a fleet run stands, as far as the next decision needs it."""

    run: FleetRun
    waves: tuple[WaveStanding, ...]
    places: tuple[Place, ...]
    """Those with targets of the current wave that wait, ready or not."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Start:
    """So many of the targets that are ready, by place."""

    numbers: Mapping[PlaceKey, int]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be started before something happens, or before `until`."""

    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Start nothing any more; what runs is let to its end."""

    why: str
    over_budget: bool


@dataclass(frozen=True, slots=True)
class End:
    """Nothing runs, and nothing is left that may be started."""


Decision = Start | Wait | Stop | End


def decide(situation: Situation) -> Decision:
    """The next thing to do. Raises MachineMisuse for a run that has ended."""
    run, waves = situation.run, situation.waves
    running = sum(wave.running for wave in waves)
    if run.state is State.ENDED:
        raise MachineMisuse(f"the fleet run {run.id} has ended: there is nothing to decide")
    if run.state is State.STOPPING:
        if not running:
            return End()
        return Wait(f"{_are(running)} let to the end, nothing else is started: {run.why}")
    if why := _over_budget(run, waves):
        return Stop(why, over_budget=True)
    current = next((wave for wave in waves if not wave.ended), None)
    if current is None:
        return End()
    if current.waiting and (wait := _held(situation, current, running)):
        return wait
    return _start(situation, current, running)


def approvable(run: FleetRun, waves: tuple[WaveStanding, ...]) -> int | None:
    """The wave that has ended, and whose approval is what the next one waits for."""
    after = run.policy.approve_after
    current = next((wave.number for wave in waves if not wave.ended), None)
    if after is None or current is None or not run.approved < after < current:
        return None
    return after


def retry(
    policy: Policy,
    outcome: Outcome,
    touched: str,
    slug: str,
    *,
    attempt: int,
    now: datetime,
    jitter: float,
) -> datetime | None:
    """When a target that ended so at its `attempt`th start is tried again; None: it is not.

    Safe to try again is what was never touched, and what lost its console on the way (`slug` is
    that of its error): the next attempt goes on with the same journal, and looks before it types.
    `jitter`, from 0 to 1, is a part of the delay that is added: a region that comes back is not met
    by all of its VMs at one moment.
    """
    if attempt > policy.retries or not _may_go_on(outcome, touched, slug):
        return None
    delay = min(policy.retry_delay_s * 2 ** (attempt - 1), DAY_S)
    return now + timedelta(seconds=delay * (1 + jitter))


def _may_go_on(outcome: Outcome, touched: str, slug: str) -> bool:
    if slug == LOGIN_REJECTED:
        return False
    if outcome is Outcome.UNREACHABLE:
        return touched == "no"
    return slug.startswith(CONSOLE_LOST) and outcome in (Outcome.FAILED, Outcome.UNKNOWN)


def exit_code(run: FleetRun, outcomes: Mapping[Outcome, int]) -> int:
    """Of a fleet run with these outcomes: 0 all is well, 9 not all, 10 stopped by the budget."""
    if run.over_budget:
        return 10
    well = (*WELL, Outcome.WOULD_CHANGE) if run.kind is Kind.CHECK else WELL
    return 0 if sum(outcomes.get(each, 0) for each in well) == run.total else 9


def _over_budget(run: FleetRun, waves: tuple[WaveStanding, ...]) -> str:
    budget = ErrorBudget(run.errors_allowed, run.total)
    outcomes = sum((wave.outcomes for wave in waves), Counter[Outcome]())
    if why := budget.stop(outcomes):
        return why
    for wave in waves:
        if wave.ended and (why := budget.stop(outcomes, wave.outcomes)):
            return f"wave {wave.number}: {why}"
    return ""


def _held(situation: Situation, current: WaveStanding, running: int) -> Wait | None:
    """What nothing at all may be started for: approval, a pause, the maintenance window."""
    run, now = situation.run, situation.now
    waiting = sum(wave.waiting for wave in situation.waves)
    if (after := approvable(run, situation.waves)) is not None:
        before = next(wave for wave in situation.waves if wave.number == after)
        return Wait(
            f"approval of wave {after} ({_counted(before.outcomes)}); "
            f"wave {current.number} has {vms(current.total)}"
        )
    if run.state is State.PAUSED:
        return Wait(f"paused: {_do(running, 'run')}, {_do(waiting, 'wait')}")
    window = run.policy.opening()
    if window is None or window.open_at(now):
        return None
    opens = window.opens(now)
    when = f"it opens {window.told(opens)}" if opens else "it does not open within two weeks"
    return Wait(f"the window {window} is closed, {_do(waiting, 'wait')}: {when}", opens)


def _start(situation: Situation, current: WaveStanding, running: int) -> Decision:
    """As many as there is room for, or what they wait for."""
    run, wave = situation.run, f"wave {current.number}"
    room = run.at_once - running
    left: dict[PlaceKey, int] = {}
    full = []
    for place in situation.places:
        most = run.policy.most_of_region(place.total)
        free = place.waiting if most is None else min(place.waiting, most - place.running)
        if free > 0:
            left[place.key] = free
        elif place.waiting:
            full.append(f"{place.subscription_id} {place.location} ({place.running} of {most})")
    if left and room > 0:
        return Start(_spread(left, room))
    busy = sum(each.busy for each in situation.places)
    again = min((each.retry_at for each in situation.places if each.retry_at), default=None)
    waiting = _do(current.waiting, "wait")
    if left:
        return Wait(f"{wave}: all {run.at_once} that may run at once do, {waiting}", again)
    if full:
        more = f" and {len(full) - 2} more" if len(full) > 2 else ""
        where = f"{', '.join(full[:2])}{more}"
        return Wait(f"{wave}: {waiting} for room in their region: {where} running", again)
    if busy:
        return Wait(f"{wave}: {_do(busy, 'wait')} for other fleet runs that work on them", again)
    if again:
        at = f"{again.astimezone(UTC):%H:%M:%S} UTC"
        return Wait(f"{wave}: {waiting} to be tried again, the first at {at}", again)
    if current.waiting:
        return Wait(f"{wave}: {waiting} that cannot be started yet, {_do(running, 'run')}")
    return Wait(f"{wave}: {_do(running, 'run')}, nothing of it waits any more")


def _spread(left: Mapping[PlaceKey, int], room: int) -> dict[PlaceKey, int]:
    """One after the other for each place, those with most left first, while there is room."""
    given: Counter[PlaceKey] = Counter()
    while room and (open_ := [key for key in left if given[key] < left[key]]):
        for key in sorted(open_, key=lambda key: (given[key] - left[key], key))[:room]:
            given[key] += 1
            room -= 1
    return dict(given)


def _counted(outcomes: Mapping[Outcome, int]) -> str:
    told = [f"{outcomes[each]} {each}" for each in Outcome if outcomes.get(each)]
    return ", ".join(told).replace("_", " ") or "nothing was tried"


def _are(number: int) -> str:
    return f"{vms(number)} {'is' if number == 1 else 'are'}"


def _do(number: int, verb: str) -> str:
    return f"{vms(number)} {verb}{'s' if number == 1 else ''}"
