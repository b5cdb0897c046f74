"""1,000 playbooks from files, loaded and planned, in seconds; and against PyYAML's bare reading."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import yaml

from benchmarks._shared import report
from serialfix.playbook.load import find_playbook, load_playbook
from serialfix.playbook.plan import Present, make_plan


COUNT = 1000


def main() -> None:
    """Copies of rdp-reset under other names, each held against a guest that has none of it."""
    text = find_playbook("rdp-reset").text
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"copy-{number}.yaml") for number in range(COUNT)]
        for number, path in enumerate(paths):
            path.write_text(text.replace("name: rdp-reset", f"name: copy-{number}"), "utf-8")
        start = time.perf_counter()
        for path in paths:
            yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        changes = 0
        for path in paths:
            playbook = load_playbook(path).playbook
            present = Present(dict.fromkeys(step.id for step in playbook.steps))
            changes += make_plan(playbook, present).changes
        seconds = time.perf_counter() - start
    assert changes == 16 * COUNT
    report(
        "load_and_plan_1000_playbooks_s",
        seconds,
        limit="< 2",
        over_bare_yaml=round(seconds / bare, 2),
    )


if __name__ == "__main__":
    main()
