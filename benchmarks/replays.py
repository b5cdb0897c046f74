"""How much faster than real time the shipped recordings replay."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks._shared import report
from serialfix.remediation.replay import replay


if __name__ == "__main__":
    recorded = spent = 0.0
    paths = sorted(Path(__file__).parent.parent.joinpath("recordings").rglob("*.cast"))
    replay(paths[0])  # what is imported on first use is no part of a replay
    for path in paths:
        start = time.perf_counter()
        recorded += replay(path).seconds
        spent += time.perf_counter() - start
    report("replay_over_real_time", recorded / spent, limit=">= 500", recordings=len(paths))
