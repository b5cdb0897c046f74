"""What the measurements share: a lab of their own process, and one line of output."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


SERIALFIX = str(Path(sys.executable).with_name("serialfix"))


def report(name: str, value: float, *, limit: str = "", **more: object) -> None:
    """One figure as one JSON line; `limit` is what the project promises."""
    print(
        json.dumps({"figure": name, "value": round(value, 4), "limit": limit, **more}), flush=True
    )


@contextmanager
def lab(*options: str) -> Iterator[dict[str, str]]:
    """A lab in another process; gives the environment that leads to it."""
    with subprocess.Popen(
        [SERIALFIX, "lab", *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            env = dict(os.environ)
            assert process.stdout is not None
            for line in process.stdout:
                if not line.startswith("export "):
                    break
                name, _, value = shlex.split(line)[1].partition("=")
                env[name] = value
            yield env
        finally:
            process.terminate()
