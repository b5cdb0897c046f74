"""What the journals of this machine tell: past runs, and where an interrupted one stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serialfix.errors import RecordError
from serialfix.model import RegistryValue
from serialfix.record.journal import Journal, Record, RunStore


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a list. `outcome` is `interrupted` when the run has no end in its journal."""

    run_id: str
    started: str
    vm: str
    playbook: str
    outcome: str
    touched: str


@dataclass(slots=True)
class Standing:
    """The fold of a journal: what of a run is done, and what is not known."""

    playbook: str = ""
    sha256: str = ""
    vm_id: str = ""
    purpose: str = ""
    absent_keys: tuple[str, ...] = ()
    facts: dict[str, Any] | None = None
    """What decided which steps apply; None before the plan."""
    planned: bool = False
    former: dict[str, Any] = field(default_factory=dict)
    """Former values of the steps that were entered, in the order of their first entering."""
    verified: set[str] = field(default_factory=set)
    channel: str | None = None
    """The channel that is still open, as far as the journal knows."""
    last_channel: str | None = None
    """The last one before the restart was asked for: channels that count anew prove it."""
    prompt: str = ""
    beside: tuple[str, ...] | None = None
    """The channels of others when one was asked for whose name the journal does not have."""
    looking: bool = False
    """Whether it may have moved the console on, without having learned whose session it was."""
    restart_requested: bool = False
    restart_token: str | None = None
    restart_operation: str | None = None
    restart_done: bool = False
    outcome: str = ""
    undo_of: str | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    """The options that decide what a run does, by their names in RunOptions."""

    def use(self, channel: str) -> None:
        """Our channel is this one now."""
        self.channel, self.looking = channel, False
        if not self.restart_requested:
            self.last_channel = channel

    @property
    def touched(self) -> str:
        """`yes` with a verified step, `maybe` with one that was only entered."""
        if self.verified:
            return "yes"
        return "maybe" if self.former else "no"

    @property
    def complete(self) -> bool:
        """Whether the run came to its good end."""
        return self.outcome in ("ok", "changed", "would_change")


def fold(records: Iterable[Record]) -> Standing:
    """Where a run stands after these records."""
    now = Standing()
    for record in records:
        match record["kind"]:
            case "run_started":
                now.playbook = record["playbook"]
                now.sha256 = record.get("sha256", "")
                now.purpose = record["purpose"]
                now.undo_of = record.get("undo_of")
                now.asked = record.get("asked", {})
            case "target":
                now.vm_id, now.looking = record["vm_id"], True
            case "planned" if not now.planned:
                now.planned = True
                now.absent_keys = tuple(record["absent_keys"])
                facts = record.get("facts", {})
                now.facts = {name: state(value) for name, value in facts.items()}
            case "step_entering":
                now.former.setdefault(record["step"], state(record["former"]))
            case "step_untouched":
                # read back after all, and seen to be what it was at first
                if now.former.get(record["step"]) == state(record["former"]):
                    now.former.pop(record["step"], None)
            case "step_verified":
                now.verified.add(record["step"])
            case "channel_asked":
                now.beside, now.looking = tuple(record["others"]), False
            case "channel_opened":
                now.use(record["channel"])
                now.prompt, now.beside = record["prompt"], None
            case "rejoined":
                now.use(record["channel"])
                now.prompt = record.get("prompt", now.prompt)
            case "left":
                now.channel = None if record["clean"] else now.channel
            case "restart_requested":
                now.restart_requested = True
            case "restart_refused":
                now.restart_requested = False
            case "restart_accepted":
                now.restart_token = record["continuation_token"]
                now.restart_operation = record["operation"]
            case "restart_done":
                now.restart_done = True
            case "run_ended":
                now.outcome, now.looking = record["outcome"], False
    return now


def left_behind(records: Iterable[Record]) -> dict[str, Any]:
    """What these runs, one after the other, may have left on the console: fields of a Standing."""
    now = fold(records)
    return {name: getattr(now, name) for name in ("channel", "prompt", "beside", "looking")}


def state(kept: Any) -> Any:
    """A state out of a journal or a recording."""
    if isinstance(kept, dict) and kept.keys() == {"type", "data"}:
        return RegistryValue.from_json(kept)
    return kept


def runs(state_dir: Path) -> list[RunSummary]:
    """The runs of a state folder, newest first; a damaged journal shows as `damaged`."""
    found = []
    for folder in RunStore(state_dir).list():
        try:
            records = Journal.read(folder.journal_path)
        except RecordError:
            found.append(RunSummary(folder.run_id, "", "", "", "damaged", "unknown"))
            continue
        now = fold(records)
        found.append(
            RunSummary(
                run_id=folder.run_id,
                started=records[0]["at"] if records else "",
                vm=short_name(now.vm_id),
                playbook=now.playbook,
                outcome=now.outcome or "interrupted",
                touched=now.touched,
            )
        )
    # two runs may begin in one millisecond: their ids carry the second, and then they are as listed
    return sorted(found, key=lambda run: (run.started, run.run_id), reverse=True)


def short_name(vm_id: str) -> str:
    """A name for a list: the last part of an ARM id, or a console's command."""
    command = vm_id.removeprefix("console:")
    return command if command != vm_id else vm_id.rsplit("/", 1)[-1]
