"""The fold of a journal, and the list of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serialfix.record.journal import MemoryJournal, RunStore
from serialfix.remediation.history import Standing, fold, left_behind, runs
from tests.support.journals import tell


def folded(*records: tuple[str, dict[str, Any]]) -> Standing:
    journal = MemoryJournal()
    for kind, facts in records:
        tell(journal, kind, **facts)
    return fold(journal.records)


def entering(step: str, former: Any) -> tuple[str, dict[str, Any]]:
    return "step_entering", {"step": step, "former": former, "line": "reg add"}


def test_nothing_is_known_of_an_empty_journal() -> None:
    now = folded()
    assert (now.touched, now.complete, now.former) == ("no", False, {})


@pytest.mark.parametrize(
    ("records", "touched"),
    [
        ([entering("a", 1)], "maybe"),
        ([entering("a", 1), ("step_verified", {"step": "a", "after": 2})], "yes"),
        ([entering("a", 1), ("step_untouched", {"step": "a", "former": 1})], "no"),
        ([entering("a", None), ("step_untouched", {"step": "a", "former": None})], "no"),
        # what a former process saw at first is not what was read back now
        ([entering("a", 1), ("step_untouched", {"step": "a", "former": 3})], "maybe"),
        ([("step_untouched", {"step": "a", "former": None})], "no"),
    ],
)
def test_touched(records: list[tuple[str, dict[str, Any]]], touched: str) -> None:
    assert folded(*records).touched == touched


def test_the_first_former_value_counts() -> None:
    now = folded(entering("a", 1), entering("b", None), entering("a", 2))
    assert now.former == {"a": 1, "b": None}
    assert list(now.former) == ["a", "b"]


def test_channels_are_known_until_they_are_left() -> None:
    opened = ("channel_opened", {"channel": "Cmd0002", "prompt": "q>", "others": []})
    now = folded(opened)
    assert (now.channel, now.last_channel, now.prompt) == ("Cmd0002", "Cmd0002", "q>")
    now = folded(opened, ("rejoined", {"channel": "Cmd0003", "same": False}))
    assert (now.channel, now.last_channel) == ("Cmd0003", "Cmd0003")
    now = folded(opened, ("left", {"clean": True}))
    assert (now.channel, now.last_channel) == (None, "Cmd0002")
    assert folded(opened, ("left", {"clean": False})).channel == "Cmd0002"


def test_the_restart_is_followed() -> None:
    requested: tuple[str, dict[str, Any]] = ("restart_requested", {})
    accepted = ("restart_accepted", {"operation": "op", "continuation_token": "t"})
    assert folded(requested).restart_requested
    now = folded(requested, accepted, ("restart_done", {"power_state": "running"}))
    assert (now.restart_token, now.restart_operation, now.restart_done) == ("t", "op", True)


def test_a_restart_is_proven_by_the_channel_before_it() -> None:
    """The proof opens a channel too: when it is made again, that one proves nothing."""
    opened = [
        ("channel_opened", {"channel": f"Cmd000{number}", "prompt": "q>", "others": []})
        for number in (3, 1)
    ]
    requested: tuple[str, dict[str, Any]] = ("restart_requested", {})
    now = folded(opened[0], requested, opened[1])
    assert (now.channel, now.last_channel) == ("Cmd0001", "Cmd0003")
    assert (
        folded(opened[0], requested, ("restart_refused", {}), opened[1]).last_channel == "Cmd0001"
    )


def test_only_the_first_plan_tells_which_keys_were_absent() -> None:
    now = folded(
        ("planned", {"steps": [], "absent_keys": ["a"]}),
        ("planned", {"steps": [], "absent_keys": []}),
    )
    assert now.absent_keys == ("a",)


def test_the_list_of_runs(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    with store.create("20260101-000000-aaaaa") as folder:
        tell(folder.journal, "run_started", playbook="rdp-reset", purpose="apply", undo_of=None)
        tell(folder.journal, "target", vm_id="/subscriptions/s/x/myvm")
        tell(folder.journal, "step_entering", step="a", former=None, line="reg add")
    with store.create("20260102-000000-bbbbb") as folder:
        tell(folder.journal, "run_started", playbook="rdp-reset", purpose="apply", undo_of=None)
        tell(folder.journal, "run_ended", outcome="ok", exit_code=0)
    with store.create("20260103-000000-ccccc") as folder:
        folder.journal_path.write_text("not a journal\n", "utf-8")
    found = {run.run_id[-5:]: run for run in runs(tmp_path)}
    assert {name: (run.outcome, run.touched) for name, run in found.items()} == {
        "ccccc": ("damaged", "unknown"),
        "bbbbb": ("ok", "no"),
        "aaaaa": ("interrupted", "maybe"),
    }
    assert found["aaaaa"].vm == "myvm"
    with store.create("20260104-000000-ddddd") as folder:
        tell(folder.journal, "target", vm_id="console:nc -U /run/vm")
    assert runs(tmp_path)[0].vm == "nc -U /run/vm"
    assert runs(tmp_path / "none") == []


def test_what_is_left_on_the_console_is_known_over_several_runs() -> None:
    """A channel that is open, one whose name nobody learned, and a look that was not finished."""
    opened = {"kind": "channel_opened", "channel": "Cmd0001", "prompt": "q7kzb>", "others": []}
    asked = {"kind": "channel_asked", "others": ["Cmd0001"]}
    target = {"kind": "target", "vm_id": "x"}
    ended = {"kind": "run_ended", "outcome": "refused", "exit_code": 5}
    rejoined = {"kind": "rejoined", "channel": "Cmd0002", "same": True, "prompt": "h4mxd>"}
    nothing = {"channel": None, "prompt": "", "beside": None, "looking": False}
    assert left_behind([]) == nothing
    assert left_behind([target]) == {**nothing, "looking": True}
    assert left_behind([target, ended]) == nothing
    assert left_behind([target, asked]) == {**nothing, "beside": ("Cmd0001",)}
    ours = {**nothing, "channel": "Cmd0001", "prompt": "q7kzb>"}
    assert left_behind([target, asked, opened]) == ours
    assert left_behind([target, asked, opened, target]) == {**ours, "looking": True}
    again = left_behind([opened, target, rejoined, target, ended])
    assert again == {**nothing, "channel": "Cmd0002", "prompt": "h4mxd>"}
    assert left_behind([opened, {"kind": "left", "clean": True}])["channel"] is None
