"""Plays many seeds of the fault matrix on all cores: `make soak`.

    python -m tests.support.soak --seeds 10000                 # goes on where the last one ended
    python -m tests.support.soak --seed 71                     # one, with all that was said

A failing seed is printed with what is wrong; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from serialfix.record.cast import read_cast
from serialfix.record.transcript import transcript
from serialfix.secrets import Redactor
from serialfix.virtual_time import run_virtual
from tests.support import matrix


_BATCH = 20


def _batch(seeds: range) -> list[tuple[int, list[str]]]:
    return [(seed, wrong) for seed in seeds if (wrong := matrix.play(seed))]


def soak(first: int, count: int, *, jobs: int, done: Path) -> int:
    """Play `count` seeds from `first`; the number of those that went wrong."""
    start, failed, played = time.monotonic(), 0, 0
    batches = (
        range(seed, min(seed + _BATCH, first + count))
        for seed in range(first, first + count, _BATCH)
    )
    with ProcessPoolExecutor(jobs) as pool:
        # A few batches ahead, in order: so the file tells from where to go on.
        while ahead := list(islice(batches, 4 * jobs)):
            for seeds, found in zip(ahead, pool.map(_batch, ahead), strict=True):
                for seed, wrong in found:
                    failed += 1
                    print(f"{matrix.scenario(seed)}", *wrong, sep="\n    ", flush=True)
                    print(f"    again: {sys.executable} -m tests.support.soak --seed {seed}")
                played += len(seeds)
                done.write_text(json.dumps({"next": seeds.stop}))
            print(
                f"{played} of {count} played, {failed} wrong, {time.monotonic() - start:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return failed


def show(seed: int) -> int:
    """Play one seed and tell all of it."""
    what = matrix.scenario(seed)
    print(what)
    with tempfile.TemporaryDirectory() as folder:
        wrong, world, results = run_virtual(matrix.perform(what, Path(folder)))
        for line in world.lines:
            meant = "" if line.meant == line.entered.line else f"   meant: {line.meant!r}"
            print(f"{line.entered.time:10.3f} {line.entered.where:8} {line.entered.line}{meant}")
        for row in world.journal.read_text().splitlines():
            record = json.loads(row)
            record.pop("continuation_token", None)
            print(record)
        for result in results:
            for path in result.recordings:
                print(transcript(read_cast(Path(path)), redactor=Redactor()))
            print(result.outcome, result.exit_code, result.touched, result.warnings)
            print(json.dumps(result.error, indent=2))
    print(world.guest.channels, *wrong, sep="\n    ")
    return int(bool(wrong))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, help="from this seed, not where the last soak ended")
    parser.add_argument("--seed", type=int, help="play this one alone and tell all of it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--state", type=Path, default=Path(".soak.json"), help="where it stands")
    asked = parser.parse_args()
    if asked.seed is not None:
        return show(asked.seed)
    first = asked.first
    if first is None:
        first = json.loads(asked.state.read_text())["next"] if asked.state.exists() else 0
    print(f"seeds {first} to {first + asked.seeds - 1}", file=sys.stderr)
    return int(soak(first, asked.seeds, jobs=asked.jobs, done=asked.state) > 0)


if __name__ == "__main__":
    sys.exit(main())
