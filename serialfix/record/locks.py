"""Files that one process holds at a time; the system lets them go when the process ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def lock_file(path: Path) -> int:
    """Open a file, made when missing and readable for its owner only, and hold it.

    Returns the descriptor; closing it lets the file go. Raises BlockingIOError when it is held
    already, also by this process, and OSError when it cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        lock_opened(file)
    except BaseException:
        os.close(file)
        raise
    return file


def lock_opened(file: int) -> None:
    """Hold a file that is open already. Raises BlockingIOError, or OSError."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, 1 << 30, os.SEEK_SET)  # a locked byte cannot be read: take one far away
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from None
        os.lseek(file, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class VmBusy(Exception):
    """Somebody else holds the VM: `holder` says who, empty when it cannot be read."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class VmLock:
    """Claims a VM on this host for one run or person. Raises VmBusy, or OSError."""

    def __init__(self, path: Path, *, holder: str) -> None:
        try:
            self._file = lock_file(path)
        except BlockingIOError:
            raise VmBusy(path.read_text("utf-8", "replace").strip()) from None
        try:
            os.ftruncate(self._file, 0)
            os.write(self._file, holder.encode())
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let the VM go; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> VmLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
