"""Whether a run was right, by what the lab knows to be true and not by what the driver says."""

from __future__ import annotations

import json
import re
from typing import Any

from serialfix.lab.guest import PASSWORD, USERNAME
from serialfix.model import RegistryValue, RunResult
from serialfix.playbook.schema import Playbook
from serialfix.record.journal import Journal
from serialfix.remediation.history import fold
from serialfix.result import run_json
from tests.support.world import World


HARMLESS_AT_SAC = re.compile(r"|cmd|ch|ch -[sc]n cmd\d{4}", re.IGNORECASE)
"""All that may ever be entered at SAC."""
HARMLESS_AT_BANG_SAC = re.compile(r"[\x1b\t0\b ]*")
"""What looks for SAC may end up at `!SAC>`, whose commands are words."""
Flat = dict[tuple[str, str], RegistryValue | None]
_UNKNOWN_RESTART = "whether the VM restarted is not known"


def flat(dump: Any, path: str = "") -> Flat:
    """Every value by lower-case key and name; every key as a value without name that is None."""
    found: Flat = {}
    for name, entry in dump.items():
        if isinstance(entry, dict):
            below = f"{path}\\{name[:-1]}".lstrip("\\").lower()
            found |= {(below, ""): None} | flat(entry, below)
        elif isinstance(entry, RegistryValue):
            found[path, name.lower() or "(default)"] = entry
    return found


class Judge:
    """Looks at a world after each run on it; `wrong` is what must not be."""

    def __init__(self, world: World, playbook: Playbook) -> None:
        self.world = world
        self.wrong: list[str] = []
        self.before = flat(world.before)
        # of a registration that comes late, too: they are the first channels of a boot
        self.orphans = {f"Cmd{number:04}" for number in range(1, world.guest.faults.orphans + 1)}
        self.told: set[str] = set()
        self.unnamed = False
        self.killed = False
        self.wanted: Flat = {}
        self.steps: dict[str, tuple[str, str]] = {}
        for step in playbook.steps:
            assert step.registry is not None
            place = (_on_disk(step.registry.key), step.registry.value.lower())
            self.wanted[place] = step.registry.wanted
            self.steps[step.id] = place

    def look(self, result: RunResult | None, *, healed: bool = False) -> None:
        """After a run, None when it was killed; `healed`: nothing was wrong in it."""
        after = flat(self.world.guest.registry.dump())
        prefix = "resumed: " if healed else ""
        checks = [
            *self._lines(),
            *self._registry(after),
            *self._journal(after),
            *self._secrets(result),
        ]
        if result is not None:
            checks += self._outcome(result, after) + self._console(result)
        else:
            self.killed = True
        if result is not None and healed:
            checks += self._good_end(result)
        self.wrong += [prefix + text for text in checks]

    def _lines(self) -> list[str]:
        """What was entered is what was meant; nothing in anybody else's channel."""
        found = []
        names = " ".join(mishap.name for mishap in self.world.all_mishaps)
        # an Enter that comes twice, or behind a lock that came with it, is an empty answer
        empty = any(word in names for word in ("doubled", "tripled", "lock", "idle"))
        for line in self.world.lines:
            where, text = line.entered.where, line.entered.line
            if where == "SAC":
                good = HARMLESS_AT_SAC.fullmatch(text) is not None
            elif where == "!SAC":
                good = any(
                    known.fullmatch(text) for known in (HARMLESS_AT_BANG_SAC, HARMLESS_AT_SAC)
                )
            elif where == "login":
                good = text == line.meant or (empty and not text)
                good &= text in ("", USERNAME, "*" * len(PASSWORD)) or not good
                # a key of somebody else that comes with our Enter; such a logon is refused
                good |= "somebody's key" in names and text == f"{line.meant}*"
            elif where in self.orphans and self.world.guest.boots == 1:
                good = False
            else:
                good = text in ("", line.meant) and where.startswith("Cmd")
            if not good:
                found.append(f"entered at {where}: {text!r}, meant: {line.meant!r}")
        return found

    def _registry(self, after: Flat) -> list[str]:
        """Nothing outside of the playbook; each of its values is as it was, or as wanted."""
        found = []
        made = {place for place in self.wanted if self.wanted[place] is not None}
        ways = {key[: at + 1] for key, _ in made for at in range(len(key))}
        for place in self.before.keys() | after.keys():
            was, now = self.before.get(place, "none"), after.get(place, "none")
            if was == now:
                continue
            key, name = place
            allowed = place in self.wanted and now == self.wanted[place]
            allowed |= not name and now is None and was == "none" and key in ways
            if not allowed:
                found.append(f"registry: {place} was {was}, is {now}")
        commands, guest = self.world.restarts
        if commands > 1 or guest > 1:
            found.append(f"restarts: {commands} asked for, {guest} happened")
        if commands and any(after.get(place) != value for place, value in self.wanted.items()):
            found.append("restarted before all was changed")
        return found

    def _journal(self, after: Flat) -> list[str]:
        found = []
        now = fold(Journal.read(self.world.journal))
        for step, place in self.steps.items():
            is_, was = after.get(place), self.before.get(place)
            if step in now.verified:
                if is_ != self.wanted[place]:
                    found.append(f"journal: {step} is verified, the registry has {is_}")
            elif step not in now.former and is_ != was:
                found.append(f"journal: {step} is untouched, the registry has {is_}, had {was}")
            if step in now.former:
                told = now.former[step]
                if told != was:
                    found.append(f"journal: {step} was {told}, the registry had {was}")
        return found

    def _outcome(self, result: RunResult, after: Flat) -> list[str]:
        found = []
        changed = any(after.get(place) != self.before.get(place) for place in self.wanted)
        if (result.exit_code == 0) != (result.error is None):
            found.append(f"exit code {result.exit_code} with {result.error}")
        if result.exit_code in (1, 130, 143):
            found.append(f"a bug of ours: {result.error}")
        if result.touched == "no" and changed:
            found.append(f"touched is no, and the registry was changed: {result.error}")
        if result.touched == "yes" and not changed:
            found.append(f"touched is yes, and the registry is as it was: {result.error}")
        if not result.exit_code:
            found += [
                f"success, and {place} is {after.get(place)}"
                for place, value in self.wanted.items()
                if after.get(place) != value
            ]
            if self.world.restarts[0] != 1 or self.world.guest.boots < 2:
                found.append(f"success with restarts {self.world.restarts}")
        for step in result.steps:
            place = self.steps[step.id]
            if step.outcome in ("changed", "ok") and after.get(place) != self.wanted[place]:
                found.append(f"{step.id} is {step.outcome}, the registry has {after.get(place)}")
        return found

    def _console(self, result: RunResult) -> list[str]:
        """Nothing of ours is open, but for what was told to stay behind."""
        told = re.findall(r"(channel \w+) was left behind", " ".join(result.warnings))
        self.told |= {text.removeprefix("channel ") for text in told}
        if self.killed:  # who is killed before the channel's name is known can tell nobody
            others = re.findall(
                r"channels are open on this VM \((.*?)\)", " ".join(result.warnings)
            )
            self.told |= {name for names in others for name in names.split(", ")}
        self.unnamed |= any("may have opened a channel" in text for text in result.warnings)
        ours = set(self.world.guest.channels) - self.orphans - self.told
        if self.unnamed and len(ours) == 1:  # it was told of before its name was known
            return []
        return [f"left behind: {sorted(ours)}; {result.error}"] if ours else []

    def _secrets(self, result: RunResult | None) -> list[str]:
        """No eight characters of the password in a row, in no file and in no result."""
        pieces = [PASSWORD[at : at + 8] for at in range(len(PASSWORD) - 7)]
        texts = {"result": json.dumps(run_json(result)) if result else ""}
        for path in self.world.state.rglob("*"):
            if path.is_file():
                texts[path.name] = path.read_text("utf-8", "replace")
        return [
            f"a piece of the password is in {name}"
            for name, text in texts.items()
            if any(piece in text for piece in pieces)
            or any(p in _typed(name, text) for p in pieces)
        ]

    def _good_end(self, result: RunResult) -> list[str]:
        """In a world that is well a run is completed, unless nobody can know of its restart."""
        error = result.error or {}
        if result.exit_code == 0 or _UNKNOWN_RESTART in error.get("message", ""):
            return []
        broken = {"a failed restart", "a restart without end", "a lost operation"}
        if result.exit_code == 8 and broken & {m.name for m in self.world.all_mishaps}:
            return []
        return [f"not completed: {error.get('slug')}: {error.get('message')}"]


def _typed(name: str, text: str) -> str:
    """What was typed in a recording, joined over its events."""
    if not name.endswith(".cast"):
        return ""
    events = [json.loads(row) for row in text.splitlines()[1:]]
    return "".join(event[2] for event in events if event[1] == "i")


def _on_disk(key: str) -> str:
    path = key.lower().replace("hklm\\", "hkey_local_machine\\", 1)
    return path.replace("currentcontrolset", "controlset001")
