"""A playbook applied to hive files: planned, agreed to, changed in copies, put in place; undone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serialfix.errors import (
    ConfigError,
    HiveRefused,
    Interrupted,
    SerialfixError,
    Touched,
    UsageError,
)
from serialfix.model import Outcome, RegistryType, RegistryValue
from serialfix.offline.files import MARK, HiveFile, Write, note_of
from serialfix.offline.hive import Hive, Stored, unusable
from serialfix.playbook.load import LoadedPlaybook
from serialfix.playbook.offline import SELECT, Edit, LeftOut, Twin, compile_twin, control_sets
from serialfix.windows import firewall


NOTE_SCHEMA = "serialfix.offline-backup/1"
OPTIONS = {"SYSTEM": "--system-hive", "SOFTWARE": "--software-hive"}


@dataclass(frozen=True, slots=True)
class HiveStep:
    """One value of one hive: what was there, and what is there in the end (None: no such value)."""

    edit: Edit
    before: RegistryValue | None
    after: RegistryValue | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class HiveBackup:
    """The file as it was, beside the file."""

    hive: str
    path: Path
    backup: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class OfflineResult:
    """What was done, or would be."""

    loaded: LoadedPlaybook
    twin: Twin
    sets: tuple[str, ...]
    steps: tuple[HiveStep, ...]
    warnings: tuple[str, ...]
    outcome: Outcome
    backups: tuple[HiveBackup, ...] = ()

    @property
    def changes(self) -> int:
        """How many values differ from what is wanted."""
        return sum(step.outcome is not Outcome.OK for step in self.steps)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What has no offline form."""
        return self.twin.left_out

    @property
    def lowered(self) -> tuple[str, ...]:
        """What a change lowers in security."""
        return self.loaded.playbook.security if self.outcome is not Outcome.OK else ()


Decide = Callable[[OfflineResult], bool]


def apply(
    loaded: LoadedPlaybook, paths: Mapping[str, Path], *, check: bool, decide: Decide
) -> OfflineResult:
    """Apply a playbook to these files, by the names of the hives.

    Raises ConfigError for a hive that is needed and not given, HiveRefused for one that must not
    be touched, UsageError when `decide` says no.
    """
    needed = compile_twin(loaded.playbook, ["ControlSet001"]).hives
    if not needed:
        raise ConfigError(
            f"{loaded.playbook.name} has nothing that can be done to a hive",
            remedy=f"`serialfix playbook show {loaded.playbook.name} --offline` says why.",
        )
    if missing := [OPTIONS[hive] for hive in needed if hive not in paths]:
        raise ConfigError(f"{loaded.playbook.name} needs {' and '.join(missing)}")
    if len({path.resolve() for path in paths.values()}) < len(paths):
        raise ConfigError(f"{' and '.join(OPTIONS[hive] for hive in paths)} name the same file")
    with ExitStack() as stack:
        files = {
            kind: stack.enter_context(HiveFile(path, kind, write=not check))
            for kind, path in paths.items()
        }
        hives = {kind: file.hive for kind, file in files.items()}
        plan = _planned(loaded, hives)
        if check or not plan.changes:
            return plan
        if not decide(plan):
            raise UsageError("the plan was not confirmed", remedy="Nothing was changed.")
        return _changed(plan, files)


def _planned(loaded: LoadedPlaybook, hives: Mapping[str, Hive]) -> OfflineResult:
    sets = _sets(hives["SYSTEM"]) if "SYSTEM" in hives else []
    twin = compile_twin(loaded.playbook, sets)
    steps = [step for edit in twin.edits if (step := _step(edit, hives)) is not None]
    changes = any(step.outcome is Outcome.WOULD_CHANGE for step in steps)
    return OfflineResult(
        loaded,
        twin,
        tuple(sets),
        tuple(steps),
        tuple(_warnings(twin, hives)),
        Outcome.WOULD_CHANGE if changes else Outcome.OK,
    )


def _sets(system: Hive) -> list[str]:
    """The control sets to be changed. Raises HiveRefused when Select names none."""
    select = {
        name: value.data
        for name in SELECT
        if (value := _typed(system.get("Select", name))) is not None and isinstance(value.data, int)
    }
    if not (sets := control_sets(select, system.keys())):
        raise HiveRefused(
            f"{system.path}: Select names no control set that exists",
            remedy="Take the hive from a snapshot or backup of the disk. Nothing was changed.",
        )
    return sets


def _typed(stored: Stored | None) -> RegistryValue | None:
    """The value; what reg.exe has no type for is shown as bytes."""
    if stored is None:
        return None
    return stored.typed or RegistryValue(RegistryType.BINARY, stored.data)


def _step(edit: Edit, hives: Mapping[str, Hive]) -> HiveStep | None:
    """One edit held against its hive; None when its condition does not hold."""
    place, condition = edit.place, edit.condition
    if condition is not None:
        asked = condition.place
        if not condition.holds(_typed(hives[asked.hive].get(asked.path, asked.name))):
            return None
    stored = hives[place.hive].get(place.path, place.name)
    before = _typed(stored)
    after = edit.after(before)
    unclear = after is not None and edit.rule_enabled is not None
    if (edit.absent == "refuse" and stored is None) or (
        unclear and after and firewall.rule_enabled(after) is not edit.rule_enabled
    ):
        raise HiveRefused(
            f"{place.path}, {place.name} is not there to be changed (step {edit.step})",
            remedy="This Windows has no such service or rule. Nothing was changed.",
        )
    right = after == before and (stored is None or stored.typed is not None)
    return HiveStep(edit, before, after, Outcome.OK if right else Outcome.WOULD_CHANGE)


def _warnings(twin: Twin, hives: Mapping[str, Hive]) -> Iterator[str]:
    """Policies that will override a value (catalogue.md §3.5)."""
    for override in twin.overrides:
        place = override.place
        if place.hive not in hives:
            continue
        found = _typed(hives[place.hive].get(place.path, place.name))
        if found is not None and found != override.harmless:
            yield (
                f"policy {place.hive}\\{place.path}, {place.name} is {found}:"
                f" it overrides step {override.step}"
            )


def _changed(plan: OfflineResult, files: Mapping[str, HiveFile]) -> OfflineResult:
    """Prepare all hives, then put all in place; each of that is one step of the file system."""
    stamp = _stamp(files.values())
    backups: list[HiveBackup] = []
    for kind, file in files.items():
        changes = [
            step
            for step in plan.steps
            if step.edit.place.hive == kind and step.outcome is Outcome.WOULD_CHANGE
        ]
        if changes:
            backup = file.prepare(list(map(_write, changes)), _note(plan, kind, changes), stamp)
            backups.append(HiveBackup(kind, file.path, backup, file.sha256))
    done: list[str] = []
    for made in backups:
        try:
            files[made.hive].put()
        except SerialfixError as error:
            if done:
                error.touched = Touched.YES
                error.remedy = f"{' and '.join(done)} changed already: run it again, or undo that."
            raise
        except KeyboardInterrupt:
            raise Interrupted(
                "ended by Ctrl-C while the hives were put in place",
                touched=Touched.MAYBE,
                remedy="--check shows what is there now; the backups lie beside the hives.",
            ) from None
        done.append(made.hive)
    steps = (
        replace(step, outcome=Outcome.CHANGED) if step.outcome is Outcome.WOULD_CHANGE else step
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps), outcome=Outcome.CHANGED, backups=tuple(backups))


def _write(step: HiveStep) -> Write:
    wanted = None if step.after is None else Stored.of(step.after)
    return Write(step.edit.place.path, step.edit.place.name, wanted)


def _note(plan: OfflineResult, kind: str, changes: Sequence[HiveStep]) -> dict[str, Any]:
    playbook = plan.loaded.playbook
    return {
        "schema": NOTE_SCHEMA,
        "hive": kind,
        "playbook": playbook.name,
        "version": playbook.version,
        "playbook_sha256": plan.loaded.sha256,
        "values": [
            {
                "key": step.edit.place.path,
                "value": step.edit.place.name,
                "before": step.before.to_json() if step.before else None,
                "after": step.after.to_json() if step.after else None,
            }
            for step in changes
        ],
    }


def _stamp(files: Any) -> str:
    """The time, for the names of backups; a number behind it where there is one of that second."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folders = {file.path.parent for file in files}
    taken = {path.name for folder in folders for path in folder.glob(f"*{MARK}{now}*")}
    return f"{now}-{len(taken) + 1}" if taken else now


def undo(backup: Path, *, check: bool, decide: Callable[[str], bool]) -> tuple[Outcome, Path]:
    """Put a backup back in the place of its hive; the hive's path is returned.

    Only over the very file that was written then: Windows may have worked with it since, and all
    of that would be lost. Raises ConfigError, HiveRefused.
    """
    note, content = _read_backup(backup)
    path = backup.with_name(backup.name.rpartition(MARK)[0])
    with HiveFile(path, note["hive"], write=not check) as file:
        if file.sha256 == note["sha256"]:
            return Outcome.OK, path
        if file.sha256 != note["sha256_after"]:
            raise HiveRefused(
                f"{path} is not the file any more that was written with this backup: something has"
                " changed it since, and that would be lost",
                remedy=f"The former values are in {note_of(backup)}; a playbook or reg.exe can put"
                " them back one by one. Nothing was changed.",
            )
        if check:
            return Outcome.WOULD_CHANGE, path
        if not decide(f"Put {backup.name} back in the place of {path}?"):
            raise UsageError("the undo was not confirmed", remedy="Nothing was changed.")
        file.prepare_bytes(content, _stamp([file]))
        file.put()
    return Outcome.CHANGED, path


def _read_backup(backup: Path) -> tuple[dict[str, Any], bytes]:
    """The note of a backup, and its bytes, which must be those of the note."""
    remedy = "Give the file that `serialfix offline apply` named: FILE.serialfix-TIME."
    try:
        note = json.loads(note_of(backup).read_text("utf-8"))
        content = backup.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"{error.filename} does not exist", remedy=remedy) from None
    except OSError as error:
        raise unusable(backup, error) from error
    except ValueError as error:
        raise ConfigError(f"{note_of(backup)} is no note: {error}", remedy=remedy) from error
    told = note if isinstance(note, dict) else {}
    whole = all(isinstance(told.get(name), str) for name in ("hive", "sha256", "sha256_after"))
    if told.get("schema") != NOTE_SCHEMA or not whole or told["hive"] not in OPTIONS:
        raise ConfigError(f"{note_of(backup)} is no note of a backup", remedy=remedy)
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise HiveRefused(f"{backup} is not the file any more that was kept", remedy=remedy)
    return told, content
