"""Where playbooks are found. Imports no parser, so that shell completion is instant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """First the user's own, then those that are shipped."""
    for part in environ.get("SERIALFIX_PLAYBOOK_PATH", "").split(os.pathsep):
        if part:
            yield Path(part)
    package = Path(__file__).resolve().parents[1]
    yield package / "playbooks"  # in a wheel
    yield package.parent / "playbooks"  # in a checkout


def playbook_files(environ: Mapping[str, str]) -> dict[str, Path]:
    """All playbooks that can be named, sorted by name; the first folder that has a name wins."""
    found: dict[str, Path] = {}
    for folder in _folders(environ):
        for path in folder.glob("*.yaml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))
