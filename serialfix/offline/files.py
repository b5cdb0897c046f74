"""One hive file: held while it is worked on, changed in a copy, and put in its place in one step.

Whatever kills the process, the file is the old hive or the new one, whole, and from the moment it
is the new one the old one lies beside it, with a note of what was changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serialfix.errors import ConfigError, HiveRefused, VerifyMismatch
from serialfix.offline.hive import Hive, Stored, examine, unusable
from serialfix.record.locks import lock_opened


MARK = ".serialfix-"
"""Stands between a hive's name and the time in the names of backups: `SYSTEM.serialfix-2026…`."""
_NTFS = ("system.ntfs_acl", "system.ntfs_security", "system.ntfs_attrib_be", "system.ntfs_attrib")
"""What the drivers for NTFS call access rights and attributes; no list of attributes has them."""


_SAME = ("st_ino", "st_dev", "st_size", "st_mtime_ns")
"""What tells that a file is still the one that was read."""


@dataclass(frozen=True, slots=True)
class Write:
    """A value that a hive shall have in the end, or (None) not have."""

    path: str
    name: str
    wanted: Stored | None


class HiveFile:
    """A hive file held by this process. Raises HiveRefused for one that must not be touched.

    With `write` the file must be writable, though it is never written in place.
    """

    def __init__(self, path: Path, kind: str, *, write: bool) -> None:
        path = path.resolve()  # a link stays one: what it leads to is replaced
        self.path = path
        self._copy: Path | None = None
        self._made: tuple[Path, ...] = ()
        if not path.exists():
            raise ConfigError(
                f"{path} does not exist",
                remedy="Give the file in Windows/System32/config of the attached disk.",
            )
        if not path.is_file():  # a pipe is waited for, and a device has no end
            raise ConfigError(
                f"{path} is not a file",
                remedy="Give the file in Windows/System32/config of the attached disk.",
            )
        try:
            self._descriptor = os.open(
                path, (os.O_RDWR if write else os.O_RDONLY) | getattr(os, "O_BINARY", 0)
            )
        except OSError as error:
            raise unusable(path, error) from error
        try:
            self._hold()
            self._stat = os.fstat(self._descriptor)
            self.content = path.read_bytes()
            examine(self.content, path)
            self.hive = Hive(path)
            self.hive.require_kind(kind)
        except OSError as error:
            self.close()
            raise unusable(path, error) from error
        except BaseException:
            self.close()
            raise

    def _hold(self) -> None:
        try:
            lock_opened(self._descriptor)
        except BlockingIOError:
            raise HiveRefused(
                f"{self.path} is in use by another process",
                remedy="Wait until it ends, then try again. Nothing was changed.",
            ) from None

    def __enter__(self) -> HiveFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go. What was made for a change that did not come is taken away: on a disk
        that is full it would be in the way of the next try."""
        if self._copy is not None and self._copy.exists():
            for left in (self._copy, *self._made):
                with suppress(OSError):
                    left.unlink(missing_ok=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def sha256(self) -> str:
        """Of the file as it was found."""
        return hashlib.sha256(self.content).hexdigest()

    def prepare(self, writes: Sequence[Write], note: Mapping[str, Any], stamp: str) -> Path:
        """Make the backup with its note, and a changed copy beside it, for `put`.

        Returns the backup. Raises VerifyMismatch when the copy does not read back as wanted.
        """
        backup = self.path.with_name(f"{self.path.name}{MARK}{stamp}")
        self._copy = backup.with_name(f"{backup.name}.new")
        self._made = tuple(
            each.with_name(f"{each.name}{part}")
            for each in (backup, note_of(backup))
            for part in ("", ".part")
        )
        try:
            self._clear_up()
            _write(self._copy, self.content)
            with Hive(self._copy, write=True) as hive:
                for write in writes:
                    hive.set(write.path, write.name, write.wanted)
                hive.commit()
            changed = self._copy.read_bytes()
            self._verify(self._copy, changed, writes)
            after = hashlib.sha256(changed).hexdigest()
            facts = {**note, "sha256": self.sha256, "sha256_after": after}
            _write_new(note_of(backup), json.dumps(facts, indent=2).encode())
            _write_new(backup, self.content, like=self.path)
        except OSError as error:
            raise unusable(self.path, error) from error
        return backup

    def prepare_bytes(self, content: bytes, stamp: str) -> None:
        """Make a copy with these bytes, which are a hive, for `put`."""
        self._copy = self.path.with_name(f"{self.path.name}{MARK}{stamp}.new")
        try:
            self._clear_up()
            _write(self._copy, content)
        except OSError as error:
            raise unusable(self.path, error) from error

    def put(self) -> None:
        """The prepared copy in the place of the file, unless something has changed it meanwhile."""
        assert self._copy is not None  # noqa: S101 - prepared before
        try:
            _like(self.path, self._copy)
            _sync(self._copy)
            now = os.stat(self.path)
            if any(getattr(now, name) != getattr(self._stat, name) for name in _SAME):
                raise HiveRefused(
                    f"{self.path} was changed by something else meanwhile",
                    remedy="See who uses the disk, then try again. Nothing was changed.",
                )
            os.replace(self._copy, self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise unusable(self.path, error) from error

    def _clear_up(self) -> None:
        """Copies that a killed process left; we hold the file, so that nobody works on them."""
        for left in self.path.parent.glob(f"{self.path.name}{MARK}*"):
            if left.suffix in (".new", ".part"):
                left.unlink()

    def _verify(self, copy: Path, changed: bytes, writes: Sequence[Write]) -> None:
        """The copy differs in the wanted values and in nothing else, also for a second reader."""
        examine(changed, copy)
        wanted = {path: dict(values) for path, values in self.hive.tree().items()}
        for write in writes:
            path = write.path.lower()
            parts = path.split("\\")
            for depth in range(1, len(parts) + 1 if write.wanted is not None else 1):
                wanted.setdefault("\\".join(parts[:depth]), {})
            if write.wanted is not None:
                wanted[path][write.name.lower()] = write.wanted
            else:
                wanted.get(path, {}).pop(write.name.lower(), None)
        with Hive(copy) as hive:
            found = hive.tree()
        if found != wanted:
            raise _mismatch(self.path, _first_difference(found, wanted))
        from serialfix.offline.second import reader

        if (second := reader(copy)) is not None:
            for write in writes:
                typed = write.wanted.typed if write.wanted is not None else None
                if second.reads(write.name) and second.get(write.path, write.name) != typed:
                    raise _mismatch(self.path, f"{write.path}, {write.name} for regipy")


def note_of(backup: Path) -> Path:
    """What was changed, beside the backup: `SYSTEM.serialfix-2026….json`."""
    return backup.with_name(f"{backup.name}.json")


def _write(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read: a hive holds secrets."""
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)


def _write_new(path: Path, content: bytes, *, like: Path | None = None) -> None:
    """A new file that is there whole, and on the disk, or not at all."""
    part = path.with_name(f"{path.name}.part")
    _write(part, content)
    if like is not None:
        shutil.copystat(like, part)
    _sync(part)
    os.replace(part, path)
    _sync_folder(path.parent)


def _like(model: Path, copy: Path) -> None:
    """Give a copy the owner, rights and attributes of a file, as far as the system lets us."""
    shutil.copystat(model, copy)
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(copy, model.stat().st_uid, model.stat().st_gid)
    for name in _NTFS if hasattr(os, "getxattr") else ():
        with suppress(OSError):
            os.setxattr(copy, name, os.getxattr(model, name))


def _sync(path: Path) -> None:
    """Have a file on the disk, not in memory alone."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make new names in a folder durable; Windows needs no such thing and has none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _mismatch(path: Path, what: str) -> VerifyMismatch:
    return VerifyMismatch(
        f"{path}: the changed copy does not read back as wanted: {what}",
        remedy="The hive is as it was. Change it on a Windows recovery VM:"
        " `serialfix playbook show NAME --offline`.",
    )


def _first_difference(
    found: Mapping[str, Mapping[str, Stored]], wanted: Mapping[str, Mapping[str, Stored]]
) -> str:
    return next(path for path in sorted({*found, *wanted}) if found.get(path) != wanted.get(path))
