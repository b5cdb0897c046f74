"""How long `serialfix --help` takes, against the import of what it is made of."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


RUNS = 20
LIMIT = 1.5


def fastest(*command: str) -> float:
    """The shortest of some runs, in seconds: the others waited for the machine."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the figure."""
    command = fastest(str(Path(sys.executable).with_name("serialfix")), "--help")
    imports = fastest(sys.executable, "-c", "import typer, rich")
    figure = {
        "bench": "help",
        "seconds": round(command, 4),
        "ratio": round(command / imports, 3),
        "limit": LIMIT,
    }
    print(json.dumps(figure))


if __name__ == "__main__":
    main()
