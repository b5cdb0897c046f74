"""The shipped recordings replay as they were recorded; a changed keystroke does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serialfix.errors import ReplayMismatch
from serialfix.record.cast import read_cast
from serialfix.remediation.replay import replay
from tests.support.make_recordings import PROFILES, SCENARIOS, Scenario


FOLDER = Path(__file__).parent.parent.parent / "recordings"
ALL = [(profile, scenario) for profile in PROFILES for scenario in SCENARIOS]


@pytest.mark.parametrize(
    ("profile", "scenario"), ALL, ids=[f"{profile}-{each.name}" for profile, each in ALL]
)
def test_a_recording_replays(profile: str, scenario: Scenario) -> None:
    """Same keystrokes, same end, on both renderers."""
    path = FOLDER / profile / f"{scenario.name}.cast"
    assert replay(path).outcome == scenario.ends


def test_every_recording_says_where_it_is_from() -> None:
    """Made in the lab: nobody takes it for a real VM's."""
    paths = sorted(FOLDER.rglob("*.cast"))
    assert len(paths) == len(ALL)
    for path in paths:
        assert "made in the serialfix lab" in read_cast(path).about["origin"]


def test_a_changed_keystroke_fails_with_both_sides(tmp_path: Path) -> None:
    """Strictly: one key of one line."""
    lines = (FOLDER / "ws2022" / "success.cast").read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if '"i"' in line and "SYSTEM" in line)
    event = json.loads(lines[at])
    event[2] = event[2].replace("SYSTEM", "SISTEM", 1)
    lines[at] = json.dumps(event)
    changed = tmp_path / "changed.cast"
    changed.write_text("\n".join(lines) + "\n")
    with pytest.raises(ReplayMismatch) as caught:
        replay(changed)
    assert "recorded:" in str(caught.value)
    assert "typed:" in str(caught.value)


def test_no_secret_is_in_a_recording() -> None:
    """The lab's password and anything like a token."""
    from serialfix.lab.guest import PASSWORD

    for path in FOLDER.rglob("*.cast"):
        text = path.read_text()
        assert PASSWORD not in text
        assert "eyJ" not in text
