from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serialfix.lab.wineprefix import Prefix, missing


class RealWindows:
    """Wine's programs and registry, for files that are to be run or imported there."""

    def __init__(self, prefix: Prefix) -> None:
        self.prefix = prefix

    def run(self, name: str, content: bytes) -> int:
        """Run a batch file, or import a .reg file; its exit code."""
        file = self.prefix.folder / "drive_c/windows/temp" / name
        file.write_bytes(content)
        inside = f"C:\\windows\\temp\\{name}"
        how = ("reg", "import") if name.endswith(".reg") else ("cmd.exe", "/c")
        return self.prefix.run(*how, inside)

    def reg(self, *arguments: str) -> int:
        """Run reg.exe."""
        return self.prefix.run("reg", *arguments)

    def files(self, pattern: str) -> list[Path]:
        """What lies below the folder for temporary files."""
        return sorted((self.prefix.folder / "drive_c/windows/temp").glob(pattern))


@pytest.fixture
def windows() -> Iterator[RealWindows]:
    if reason := missing():
        pytest.skip(f"{reason}: not shown is that a real reg.exe and cmd.exe take this")
    prefix = Prefix("en")
    try:
        prefix.boot()
        yield RealWindows(prefix)
    finally:
        prefix.remove()
