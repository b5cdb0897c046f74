from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pexpect
import pyte
import pytest
from rich.console import Console

from serialfix.fleet.live import (
    EVERY,
    JsonLines,
    LiveView,
    NoView,
    PlainLines,
    TerminalView,
    detached,
    live_view,
)
from serialfix.fleet.pace import Pace
from serialfix.fleet.result import fleet_json
from serialfix.fleet.standing import Standing, State, Target
from serialfix.model import Outcome
from serialfix.report.formats import WatchFormat
from serialfix.report.machine import shipped_schema
from tests.fleet.standings import (
    BEGUN,
    HOSTILE,
    at_its_end,
    ended,
    fleet_run,
    over,
    running,
    standing_of,
    under_way,
    waiting,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Seen:
    """A terminal view, and what a terminal of that size shows of it."""

    def __init__(self, width: int = 80, height: int = 24) -> None:
        self.stream, self.clock = io.StringIO(), Clock()
        self.console = Console(
            file=self.stream, force_terminal=True, width=width, height=height, markup=False
        )
        self.view = TerminalView(self.console, clock=self.clock, refresh=None)
        self.screen = pyte.Screen(width, height)
        self.bytes = pyte.Stream(self.screen)

    def drawn(self) -> str:
        """What was written since the last time."""
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        self.bytes.feed(text.replace("\n", "\r\n"))  # as a terminal's line discipline does
        return text

    def rows(self) -> list[str]:
        self.drawn()
        return [row.rstrip() for row in self.screen.display]


def standings(total: int) -> list[Standing]:
    """From the start to the end of a run."""
    run = fleet_run(total)
    end = at_its_end(total)
    shown: list[Standing] = []
    for step in range(0, total + 1, max(1, total // (10 if total < 1000 else 3))):
        busy = [running(each) for each in end[step : step + 5]]
        targets = [*end[:step], *busy, *waiting(total)[step + 5 :]]
        shown.append(standing_of(run, targets, at=BEGUN + timedelta(seconds=30 * len(shown))))
    return [*shown, standing_of(over(run), end)]


@pytest.mark.parametrize("total", [1, 40, 10_000])
def test_each_picture_is_drawn_over_the_one_before(total: int) -> None:
    seen = Seen()
    first, *others = standings(total)
    seen.view.update(first)
    assert seen.rows()[0] == f"{first.run.id}: running"
    for standing in others:
        seen.view.update(standing)
        text = seen.drawn()
        assert text.startswith("\x1b[H")  # from the corner on,
        assert not re.search(r"\x1b\[\d*[JK]", text)  # and nothing is erased: nothing flickers
        assert seen.screen.display[0].rstrip().startswith(standing.run.id)
    assert f"{total} of {total} ended" in " ".join(seen.rows())
    seen.view.close()
    assert seen.drawn() == "\x1b[?25h\x1b[?1049l"  # the terminal is as it was


def test_a_resize_leaves_nothing_of_the_old_picture() -> None:
    seen = Seen()
    standing = standing_of(fleet_run(1000), under_way(1000))
    seen.view.update(standing)
    seen.drawn()
    for width, height in ((60, 18), (40, 12), (120, 40), (80, 24)):
        seen.console.size = seen.console.size._replace(width=width, height=height)
        seen.screen.resize(height, width)
        seen.view.update(standing)
        other = Seen(width, height)
        other.view.update(standing)
        assert seen.rows() == other.rows()
        other.view.close()
    seen.view.close()


def test_ages_go_on_between_two_standings() -> None:
    seen = Seen()
    standing = standing_of(fleet_run(9), [running(each) for each in waiting(9)])
    seen.view.update(standing)
    assert "web-0001  apply    12 min 00 s  germanywestcentral" in seen.rows()
    seen.clock.now += 65
    seen.view._live.refresh()
    assert "web-0001  apply    13 min 05 s  germanywestcentral" in seen.rows()
    seen.view.close()


def test_what_a_guest_says_does_not_act_on_the_terminal() -> None:
    seen = Seen()
    bad = [ended(each, Outcome.FAILED, message=HOSTILE) for each in waiting(3)]
    seen.view.update(standing_of(fleet_run(3), bad))
    text = seen.drawn()
    assert "\x1b[2J" not in text
    assert "\x1b[31mred" not in text
    assert "\x07" not in text
    assert r"[bold]see[/] \x1b[31mred" in " ".join("".join(seen.screen.display).split())
    seen.view.close()


def test_a_view_that_showed_nothing_is_closed() -> None:
    seen = Seen()
    seen.view.close()
    assert seen.drawn() == ""


class Lines:
    def __init__(self) -> None:
        self.stream, self.clock = io.StringIO(), Clock()
        self.view = PlainLines(self.stream, clock=self.clock)

    def update(self, targets: Sequence[Target], seconds: float = 0.0, **more: Any) -> list[str]:
        """What this standing adds, without the time of day."""
        self.clock.now += seconds
        run = more.pop("run", fleet_run(40))
        self.view.update(standing_of(run, targets, **more))
        return self.taken()

    def taken(self) -> list[str]:
        lines = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        assert all(re.match(r"\d\d:\d\d:\d\dZ ", line) for line in lines)
        return [line[10:] for line in lines]


def test_plain_lines_only_when_something_changed_and_not_too_often() -> None:
    lines, vms = Lines(), waiting(40)
    assert lines.update(vms) == ["running, wave 1 of 3: 0 of 40 ended; 40 waiting."]
    assert lines.update(vms, 2 * EVERY) == []
    one = [ended(vms[0], Outcome.CHANGED), *vms[1:]]
    wave = "running, wave 2 of 3: 1 of 40 ended; 1 changed; 39 waiting"
    assert lines.update(one, EVERY) == [f"{wave}."]
    told = f"{wave}; waiting: approval of wave 1."
    assert lines.update(one, EVERY / 2, waiting_for="approval of wave 1") == []
    assert lines.update(one, EVERY / 2, waiting_for="approval of wave 1") == [told]
    assert lines.update(one, EVERY, workers=0) == [f"{wave}; no worker is alive."]
    done = over(fleet_run(40), why="cancelled by ada")
    assert lines.update(at_its_end(40), 0.1, run=done, errors=()) == [
        f"error: 7 more that went wrong; serialfix fleet show {done.id}"
    ]
    lines.view.close()
    (last,) = lines.taken()  # what was held back
    assert last.startswith("ended, wave 3 of 3: 40 of 40 ended; ")
    assert last.endswith("7 errors of 2 allowed; cancelled by ada.")
    lines.view.close()
    assert lines.taken() == []


def test_every_error_has_a_line_at_once_and_only_one() -> None:
    lines, vms = Lines(), waiting(40)
    lines.update(vms)
    bad = [ended(each, Outcome.FAILED, message=HOSTILE + "x" * 300) for each in vms[:3]]
    found = lines.update([*bad, *vms[3:]], 0.1)
    assert [line.split(" in ")[0] for line in found] == [f"error: web-000{n}" for n in (1, 2, 3)]
    assert all(line.endswith("x" * 300) for line in found)
    assert not {"\x1b", "\x07", "\u202e"} & set("".join(found))
    assert lines.update([*bad, *vms[3:]], 0.1) == []
    again = replace(bad[0], attempt=2)
    assert len(lines.update([again, *bad[1:], *vms[3:]], 0.1)) == 1
    many = [ended(each, Outcome.UNREACHABLE) for each in vms[:30]]
    found = lines.update([again, *bad[1:], *many[3:], *vms[30:]], 0.1)
    assert found[0].startswith("error: 17 more that went wrong")
    assert len(found) == 11


def test_who_begins_to_watch_late_is_not_told_of_all_errors_before() -> None:
    lines = Lines()
    found = lines.update(at_its_end(40))
    assert not any("more that went wrong" in line for line in found)


def test_plain_lines_tell_how_long_it_takes() -> None:
    lines = Lines()
    lines.view = PlainLines(lines.stream, pace=Pace.of(at_its_end(40)), clock=lines.clock)
    (*_, last) = lines.update([running(waiting(40)[0]), *waiting(40)[1:]])
    assert re.search(r"39 waiting\. About \d+ (s|min) to go\.$", last)


def objects(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_are_a_status_a_change_and_the_result_at_last() -> None:
    stream = io.StringIO()
    view = JsonLines(stream)
    shown = standings(40)
    for standing in shown:
        view.update(standing)
        view.update(replace(standing, at=standing.at + timedelta(seconds=1)))  # time alone
    view.close(fleet_json(shown[-1], at_its_end(40)))
    *status, result = objects(stream)
    assert len(status) == len(shown)
    for each in status:
        jsonschema.Draft7Validator(shipped_schema("fleet-status-1")).validate(each)
    jsonschema.Draft7Validator(shipped_schema("fleet-1")).validate(result)
    assert status[-1]["exit_code"] == result["exit_code"] == 9
    assert status[0]["eta_s"] is None
    assert any(each["eta_s"] for each in status)
    assert status[-1]["eta_s"] is None


def test_json_lines_hold_any_text_and_obey_none() -> None:
    stream = io.StringIO()
    bad = ended(waiting(1)[0], Outcome.FAILED, message=HOSTILE + "\ud800\u2028")
    view = JsonLines(stream)
    view.update(standing_of(fleet_run(1), [bad]))
    view.close()
    text = stream.getvalue()
    assert text.isascii()
    assert text.count("\n") == 1
    assert "##vso[" not in text
    (status,) = objects(stream)
    assert status["errors"][0]["error"]["message"] == HOSTILE + "\ud800\u2028"


@pytest.mark.parametrize("output", list(WatchFormat))
def test_progress_goes_to_stderr_and_json_lines_to_stdout(
    output: WatchFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def made(stderr: io.StringIO, *, quiet: bool = False) -> LiveView:
        return live_view(output, stdout=stdout, stderr=stderr, quiet=quiet)

    stdout, stderr = io.StringIO(), io.StringIO()
    if output is WatchFormat.JSONL:
        assert isinstance(made(Terminal()), JsonLines)
        made(stderr, quiet=True).update(standings(1)[0])
        assert objects(stdout)
        assert stderr.getvalue() == ""
        return
    assert isinstance(made(Terminal()), TerminalView)
    assert isinstance(made(stderr), PlainLines)
    assert isinstance(made(Terminal(), quiet=True), NoView)
    made(stderr).update(standings(1)[0])
    quiet = made(stderr, quiet=True)
    quiet.update(standings(1)[0])
    quiet.close()
    assert stdout.getvalue() == ""
    assert len(stderr.getvalue().splitlines()) == 1
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(made(Terminal()), PlainLines)


def test_who_detaches_is_told_that_the_run_goes_on_and_where() -> None:
    standing = standing_of(fleet_run(40, id="R"), under_way(40))
    ways = [f"  serialfix fleet {verb} R" for verb in ("watch", "pause", "cancel")]
    assert detached(standing, embedded=True).splitlines() == [
        "Detached; the run goes on in the background, while this machine is up.",
        *ways,
    ]
    first = detached(standing, embedded=False).splitlines()[0]
    assert first == "Detached; the run goes on with 2 workers."
    nobody = detached(replace(standing, workers=0), embedded=False)
    assert "No worker is alive: nothing goes on until `serialfix fleet worker` runs." in nobody
    done = replace(standing, run=replace(standing.run, state=State.ENDED))
    assert detached(done, embedded=True) == "It has ended: serialfix fleet show R"


def test_a_real_terminal_is_filled_anew_after_a_resize_and_given_back() -> None:
    """A process of its own under a pty; nobody tells the view of the resize but the terminal."""
    screen = pyte.Screen(80, 24)
    stream = pyte.Stream(screen)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tests.support.watched"],
        cwd=str(Path(__file__).parents[2]),
        dimensions=(24, 80),
        encoding="utf-8",
        env={"TERM": "xterm", "PATH": "/usr/bin", "LANG": "C.UTF-8"},
    )

    def until(*wanted: str) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            shown = "\n".join(row.rstrip() for row in screen.display)
            if all(each in shown for each in wanted):
                return shown
            try:
                stream.feed(child.read_nonblocking(4096, timeout=0.5))
            except (pexpect.TIMEOUT, pexpect.EOF):
                continue
        pytest.fail(f"never showed {wanted}: {shown}")

    try:
        whole = until("wave 1 " + "░" * 24, "slowest", "web-0005  apply", "westeurope")
        assert whole.startswith(fleet_run(1).id)
        child.setwinsize(16, 60)
        screen.resize(16, 60)
        narrow = until("wave 1 " + "░" * 8 + " 0 of 1", "web-0005  apply")
        assert "░" * 9 not in narrow
        assert narrow.count("slowest") == narrow.count(fleet_run(1).id) == 1
        child.sendintr()
        child.expect_exact("\x1b[?1049l")
        child.expect_exact("Detached; the run goes on in the background")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert child.exitstatus == 0
