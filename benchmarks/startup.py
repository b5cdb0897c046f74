"""`serialfix --help` against the import of what it is drawn with."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks._shared import SERIALFIX, report


def seconds(*command: str) -> float:
    """Wall time of one command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    ours, floor = [], []
    for _ in range(15):
        ours.append(seconds(SERIALFIX, "--help"))
        floor.append(seconds(sys.executable, "-c", "import typer, rich"))
    report(
        "help_over_import",
        statistics.median(ours) / statistics.median(floor),
        limit="<= 1.5",
        help_s=round(statistics.median(ours), 3),
    )
