"""Replay: the tables, the plan and the steps against a recording, with no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serialfix.console.actions import CR
from serialfix.console.machine import Patience
from serialfix.console.others import Arrival
from serialfix.errors import RecordError, ReplayMismatch, SerialfixError
from serialfix.playbook.load import parse_playbook
from serialfix.playbook.plan import Plan
from serialfix.record.cast import INPUT, MARKER, Cast, Event, read_cast
from serialfix.record.journal import MemoryJournal
from serialfix.remediation.events import Silence
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.history import state
from serialfix.remediation.work import DECLINED, OUTCOME, Purpose, Work, WorkPatience
from serialfix.secrets import Secret
from serialfix.session import Credentials, Session
from serialfix.transport.replay import ReplayTransport
from serialfix.virtual_time import run_virtual


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """A replay that went as recorded. `outcome` is `ok` or the slug of the error it ended with."""

    outcome: str
    keys: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"replayed as recorded: {self.keys} keystrokes, {self.seconds:.1f} s of session, "
            f"ended with {self.outcome}"
        )


def replay(path: Path) -> ReplayResult:
    """Play a recording of ours again. Costs no waiting: time is virtual.

    Raises ReplayMismatch at the first keystroke that differs, and when it ends otherwise than
    recorded; RecordError when the file is no recording of a serialfix session.
    """
    cast = read_cast(path)
    return run_virtual(_replay(path, cast))


async def _replay(path: Path, cast: Cast) -> ReplayResult:
    about = cast.about
    try:
        work = _work(cast, about, transport := ReplayTransport(cast))
        purpose = Purpose(about["purpose"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path} is not a recording of a serialfix session: {error}",
            remedy="Replay works on the session-*.cast files of a run.",
        ) from None
    markers = [event.data for event in cast.events if event.code == MARKER]
    recorded = next((m.removeprefix(OUTCOME) for m in markers if m.startswith(OUTCOME)), None)
    ended = "ok"
    try:
        await _perform(work, purpose, about, declined=DECLINED in markers)
    except ReplayMismatch:
        raise
    except SerialfixError as error:
        ended = error.slug
    transport.finish()
    if recorded is not None and ended != recorded:
        raise ReplayMismatch(
            f"the replay ended with {ended}, the recording with {recorded}",
            expected=recorded,
            screen=work.session.console.screen.text(),
        )
    keys = sum(_keys(event) for event in cast.events if event.code == INPUT)
    return ReplayResult(ended, keys, cast.events[-1].time if cast.events else 0.0)


def _work(cast: Cast, about: Any, transport: ReplayTransport) -> Work:
    password = Secret("x" * _password_keys(cast), "guest_password")
    session = Session(transport, nonce=about["nonce"], patience=Patience(**about["patience"]))
    if arrival := about.get("arrival"):
        session.arrival = Arrival(**arrival)
    if about["reclaim"]:
        session.channel, session.prompt = about["reclaim"], about["reclaim_prompt"]
    return Work(
        playbook=parse_playbook(about["playbook"], file="the recording's playbook").playbook,
        session=session,
        credentials=Credentials(about["username"], password, about["domain"]),
        journal=MemoryJournal(),
        observer=Silence(),
        restart_allowed=about["restart_allowed"],
        restart_reported=about.get("restart_reported", True),
        refuse_foreign=about.get("refuse_foreign", False),
        earlier=_states(about["earlier"]),
        facts=None if about.get("facts") is None else _states(about["facts"]),
        patience=WorkPatience(**about["work_patience"]),
        guest_patience=GuestPatience(**about["guest_patience"]),
    )


def _states(kept: Any) -> dict[str, Any]:
    """States by step or fact; older recordings have only the names of the steps."""
    if isinstance(kept, list):
        return dict.fromkeys(kept)
    return {name: state(value) for name, value in kept.items()}


async def _perform(work: Work, purpose: Purpose, about: Any, *, declined: bool) -> None:
    async def decide(_plan: Plan) -> bool:
        return not declined

    async def requested() -> None:
        """Its journal was the recorded run's."""

    match purpose:
        case Purpose.CHECK:
            await work.check(reclaim=bool(about["reclaim"]))
        case Purpose.APPLY:
            await work.apply(decide, reclaim=bool(about["reclaim"]))
        case Purpose.RESTART:
            await work.restart(requested)
        case Purpose.PROVE:
            await work.prove(former_channel=about["former_channel"], reclaim=bool(about["reclaim"]))


def _keys(event: Event) -> int:
    hidden = event.secret_keys
    return len(event.data) if hidden is None else hidden


def _password_keys(cast: Cast) -> int:
    """How many keys the password has: the longest try, and one more when no try was entered."""
    longest, now, entered = 0, 0, False
    for event in cast.events:
        if event.code == INPUT and event.secret_keys is not None:
            now += event.secret_keys
            longest = max(longest, now)
        elif event.code == INPUT:
            entered |= now > 0 and event.data == CR
            now = 0
    return longest if entered else longest + 1
