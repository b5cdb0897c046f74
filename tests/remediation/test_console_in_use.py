"""A console in the middle of somebody else's session: refused where that is asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serialfix.errors import ConsoleInUse, SessionTakenOver
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.profiles import Renderer
from serialfix.model import Outcome, RunResult
from serialfix.playbook.load import dump_playbook, parse_playbook
from serialfix.playbook.plan import Plan
from serialfix.record.journal import Journal
from serialfix.remediation.history import fold
from serialfix.remediation.outcomes import outcome
from serialfix.remediation.replay import replay
from serialfix.virtual_time import run_virtual
from tests.support.rig import NONCE, RENDERERS, Outing, Rig, scene, small, wanted
from tests.support.somebody import AWAY, HOME, PROGRAM, SHELL, WORKING, Theirs, somebody
from tests.support.world import Killed, Mishap, World, kill


both = pytest.mark.parametrize("renderer", RENDERERS)
ONE = small({"value": "MaxIdleTime", "data": 0})
THEIRS_AFTER_OURS = (HOME, " ", "cmd\r", "ch -sn Cmd0002\r", " ", "azur")


def come(
    renderer: Renderer,
    name: str,
    typed: Sequence[str],
    *,
    refuse: bool = True,
    record: Path | None = None,
    **rig: Any,
) -> tuple[Outing, Theirs]:
    """We come where somebody has typed this."""

    async def script(stage: Rig) -> tuple[Outing, Theirs]:
        await somebody(stage.guest, typed)
        theirs = Theirs(stage.guest, name)
        return await stage.apply(refuse_foreign=refuse, record=record), theirs

    faults = rig.pop("faults", Faults(hang_on=PROGRAM))
    return scene(renderer, script, playbook=ONE, faults=faults, **rig)


def assert_refused(outing: Outing) -> ConsoleInUse:
    error = outing.error
    assert isinstance(error, ConsoleInUse), error
    assert (error.exit_code, error.touched) == (5, "no")
    assert outcome(error, error.touched, restart=None, plan=None) is Outcome.REFUSED
    assert (outing.after, outing.lines, outing.logins) == (outing.before, [], 0)
    return error


@both
@pytest.mark.parametrize("what", WORKING)
def test_who_is_in_the_middle_of_something_is_left_in_peace(renderer: Renderer, what: str) -> None:
    """Not one key reaches their channel; it is in view again, and nobody logged in beside them."""
    name, typed = WORKING[what]
    outing, theirs = come(renderer, name, typed)
    error = assert_refused(outing)
    assert theirs.as_they_left_it(), (bytes(theirs.keys), theirs.picture)
    assert f"channel {name} was in view" in str(error)
    assert all(words in error.remedy for words in ("Wait until", "serialfix attach", "--take-over"))
    assert {entry.line for entry in outing.entered} == {"", "ch", f"ch -sn {name}"}
    assert outing.watcher.warnings == []
    assert outing.kinds() == []


@both
def test_the_error_shows_what_they_had_on_the_screen(renderer: Renderer) -> None:
    outing, _ = come(renderer, *WORKING["in the middle of a line"])
    assert assert_refused(outing).screen.rstrip().endswith(r">del C:\imp")


@both
@pytest.mark.parametrize("what", WORKING)
def test_who_asks_for_the_console_works_beside_them(renderer: Renderer, what: str) -> None:
    name, typed = WORKING[what]
    outing, theirs = come(renderer, name, typed, refuse=False)
    assert outing.slug == "ok", outing.error
    assert outing.after == wanted(outing.before, ONE)
    assert (bytes(theirs.keys), theirs.picture) == (b"", theirs.was)
    assert name in outing.channels
    assert any(name in text for text in outing.watcher.warnings)


@both
@pytest.mark.parametrize("what", AWAY)
def test_what_lies_in_the_background_is_nobody_s_session(renderer: Renderer, what: str) -> None:
    async def script(stage: Rig) -> Outing:
        await somebody(stage.guest, AWAY[what])
        return await stage.apply(refuse_foreign=True)

    outing = scene(renderer, script, playbook=ONE)
    assert outing.slug == "ok", outing.error
    assert outing.after == wanted(outing.before, ONE)


@both
@pytest.mark.parametrize(
    "rig",
    [
        {"faults": Faults(split_writes=True, nul_everywhere=True)},
        {"faults": Faults(stale_backlog=True, event_while_typing=True)},
        {"delays": Delays(link_speed=960)},
        {"delays": Delays.instant()},
        {"faults": Faults(late_keys=0.3)},
    ],
    ids=["cuts", "an old backlog", "9600 baud", "no time", "late keys"],
)
def test_it_is_known_on_a_bad_console_too(renderer: Renderer, rig: dict[str, Any]) -> None:
    outing, theirs = come(renderer, *WORKING["in the middle of a line"], **rig)
    assert_refused(outing)
    assert theirs.as_they_left_it()


@pytest.mark.parametrize("seed", range(10))
def test_lost_keys_make_it_doubtful_and_doubt_refuses(seed: int) -> None:
    async def script(stage: Rig) -> tuple[Outing, Theirs]:
        await somebody(stage.guest, WORKING["in the middle of a line"][1])
        theirs = Theirs(stage.guest, "Cmd0001")
        stage.guest.faults = Faults(lose_keys=0.15)
        return await stage.apply(refuse_foreign=True), theirs

    outing, theirs = scene("conpty", script, playbook=ONE, seed=seed)
    assert outing.slug == "preflight.console_in_use", outing.error
    assert (outing.logins, outing.lines, outing.after) == (0, [], outing.before)
    assert b"\r" not in theirs.keys


def test_a_console_that_dropped_while_we_looked_is_doubtful() -> None:
    """We have moved it to SAC, so that the second look cannot tell what was in view at first."""

    async def script(stage: Rig) -> tuple[Outing, Theirs]:
        await somebody(stage.guest, SHELL)
        theirs = Theirs(stage.guest, "Cmd0001")
        stage.wired.drop_after = 6
        return await stage.apply(refuse_foreign=True), theirs

    outing, theirs = scene("conpty", script, playbook=ONE)
    error = assert_refused(outing)
    assert "could not be told, and CMD channels are open (Cmd0001)" in str(error)
    assert not theirs.keys


@both
def test_a_console_that_drops_on_the_way_back_is_attached_once_more(renderer: Renderer) -> None:
    async def script(stage: Rig) -> tuple[Outing, Theirs]:
        await somebody(stage.guest, SHELL)
        theirs = Theirs(stage.guest, "Cmd0001")
        outing = stage.work(refuse_foreign=True)
        leave = outing.work._leave

        async def dropping(**more: Any) -> None:
            stage.wired.drop_after = len(stage.wired.typed) + 90
            await leave(**more)

        outing.work._leave = dropping  # type: ignore[method-assign]
        return await stage.go(outing, outing.work.check()), theirs

    outing, theirs = scene(renderer, script, playbook=ONE)
    assert_refused(outing)
    assert theirs.as_they_left_it()


def test_who_comes_back_before_we_are_out_finds_sac_and_we_say_so() -> None:
    async def script(stage: Rig) -> Outing:
        await somebody(stage.guest, SHELL)
        outing = stage.work(refuse_foreign=True)
        leave = outing.work._leave

        async def taken(**more: Any) -> None:
            stage.wired.error = SessionTakenOver
            stage.wired.cut()
            await leave(**more)

        outing.work._leave = taken  # type: ignore[method-assign]
        return await stage.go(outing, outing.work.check())

    outing = scene("conpty", script, playbook=ONE)
    assert_refused(outing)
    (warning,) = outing.watcher.warnings
    assert "not left clean: Cmd0001, which was in view, is not any more" in warning


# --- ours, and those who come later -------------------------------------------------------------


async def _nothing(**_more: Any) -> None:
    pass


@both
def test_our_own_channel_of_before_is_nobody_else_s(renderer: Renderer) -> None:
    """A killed run left it in view, with an administrator logged in: it is gone on with."""

    async def script(stage: Rig) -> tuple[Outing, Outing]:
        first = stage.work()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(first.work, "_leave", _nothing)
            await stage.go(first, first.work.check())
        assert stage.channels == ["Cmd0001"]
        stage.nonce = "h4mxd"
        second = stage.work(refuse_foreign=True)
        second.work.session.channel = fold(first.journal.records).last_channel
        second.work.session.prompt = f"{NONCE}>"
        return first, await stage.go(second, second.work.apply(_yes, reclaim=True))

    first, second = scene(renderer, script, playbook=ONE)
    assert second.slug == "ok", second.error
    assert second.after == wanted(first.before, ONE)
    assert (second.logins, second.channels) == (0, [])


async def _yes(_plan: Plan) -> bool:
    return True


def killed_and_somebody_came(renderer: Renderer, **more: Any) -> tuple[Outing, Theirs]:
    """Our channel of before is there, and somebody works in one of theirs."""

    async def script(stage: Rig) -> tuple[Outing, Theirs]:
        first = stage.work()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(first.work, "_leave", _nothing)
            await stage.go(first, first.work.check())
        await somebody(stage.guest, THEIRS_AFTER_OURS)
        theirs = Theirs(stage.guest, "Cmd0002")
        second = stage.work(refuse_foreign=True, **more)
        second.work.session.channel, second.work.session.prompt = "Cmd0001", f"{NONCE}>"
        return await stage.go(second, second.work.apply(_yes, reclaim=True)), theirs

    return scene(renderer, script, playbook=ONE)


@both
def test_our_channel_of_before_is_closed_and_theirs_given_back(renderer: Renderer) -> None:
    outing, theirs = killed_and_somebody_came(renderer)
    assert_refused(outing)
    assert theirs.as_they_left_it()
    assert outing.channels == ["Cmd0002"]


@both
def test_what_was_begun_is_brought_to_its_end(renderer: Renderer) -> None:
    """A step was entered by the process before: a VM is not left half changed."""
    outing, theirs = killed_and_somebody_came(renderer, earlier={"step-1": None})
    assert outing.slug == "ok", outing.error
    assert outing.after == wanted(outing.before, ONE)
    assert not theirs.keys


@both
@pytest.mark.parametrize("mark", ["plan", "step:1 step-1"])
def test_somebody_who_comes_while_we_work(renderer: Renderer, mark: str) -> None:
    """The console drops; when it is there again somebody works in a channel of theirs. Before the
    first change that ends the run, from then on it is brought to its end.
    """

    async def script(stage: Rig) -> tuple[Outing, Theirs]:
        outing = stage.work(refuse_foreign=True)
        seen: list[Theirs] = []
        connect = stage.wired.connect

        async def after_them() -> None:
            stage.wired.connect = connect  # type: ignore[method-assign]
            await somebody(stage.guest, THEIRS_AFTER_OURS)
            seen.append(Theirs(stage.guest, "Cmd0002"))
            await connect()

        def drop(text: str) -> None:
            if text == mark:
                stage.wired.connect = after_them  # type: ignore[method-assign]
                stage.wired.cut()

        outing.work.session.marker = drop
        await stage.go(outing, outing.work.apply(_yes))
        return outing, seen[0]

    outing, theirs = scene(renderer, script, playbook=ONE)
    assert not theirs.keys
    assert outing.channels == ["Cmd0002"]
    if mark == "plan":
        assert isinstance(outing.error, ConsoleInUse)
        assert outing.after == outing.before
        assert theirs.as_they_left_it()
    else:
        assert outing.slug == "ok", outing.error
        assert outing.after == wanted(outing.before, ONE)


def test_who_throws_us_out_before_the_first_change_makes_it_unreachable() -> None:
    async def script(stage: Rig) -> Outing:
        async def taken(_plan: Plan) -> bool:
            stage.wired.error = SessionTakenOver
            stage.wired.cut()
            return True

        return await stage.apply(decide=taken, refuse_foreign=True)

    outing = scene("conpty", script, playbook=ONE)
    assert (outing.slug, outing.after) == ("transport.session_taken_over", outing.before)
    assert outing.error is not None
    assert outing.error.touched == "no"
    ended = outcome(outing.error, outing.error.touched, restart=None, plan=None)
    assert ended is Outcome.UNREACHABLE


def test_a_refusal_is_replayed(tmp_path: Path) -> None:
    record = tmp_path / "session-1-apply.cast"
    outing, _ = come("conpty", *WORKING["at a prompt"], record=record)
    assert_refused(outing)
    assert replay(record).outcome == "preflight.console_in_use"


# --- whole runs, killed anywhere while they attach ----------------------------------------------


def killed_at_key(
    folder: Path,
    key: int,
    *,
    after: Sequence[str] = (),
    again: bool = False,
    restarts: bool = False,
    **more: Any,
) -> tuple[RunResult, World]:
    """A run that is killed at its n-th key, and `resume`; with `again` a new run instead of it.
    In between the guest `restarts`, and somebody types `after`.
    """
    more = {"refuse_foreign": True, "restart": False, **more}

    async def play() -> tuple[RunResult, World]:
        world = World(folder, mishaps=(Mishap("a kill", kill, "key", key),))
        world.transcripts = False
        await world.boot()
        playbook = parse_playbook(dump_playbook(ONE))
        with contextlib.suppress(Killed):
            await world.run(playbook, **more)
        world.mishaps = ()
        if restarts:
            world.guest.reset()
        await asyncio.sleep(60.0)
        await somebody(world.guest, after)
        if not again:
            return await world.resume(**more), world
        former = Journal.read(world.journal)
        return await world.run(playbook, former_attempts=former, **more), world

    return run_virtual(play())


KEYS = (1, 60, 95, 96, 105, 110, 111, 112, 113, 140, 160)
"""While it looks, asks for its channel, is told its name, switches to it, and logs in."""


@pytest.mark.parametrize("again", [False, True], ids=["resumed", "tried again"])
@pytest.mark.parametrize("key", KEYS)
def test_a_run_that_was_killed_is_not_taken_for_somebody(
    tmp_path: Path, key: int, again: bool
) -> None:
    result, world = killed_at_key(tmp_path, key, again=again)
    assert (result.exit_code, result.outcome) == (0, "changed"), result.error
    assert len(world.guest.channels) <= 1


@pytest.mark.parametrize("key", [111, 200])
def test_a_check_that_was_killed_is_made_again_in_its_channel(tmp_path: Path, key: int) -> None:
    """A check is never resumed; the channel of a killed one shows an administrator's prompt."""
    result, world = killed_at_key(tmp_path, key, again=True, check=True)
    assert (result.exit_code, result.outcome) == (0, "would_change"), result.error
    assert world.guest.channels == ["Cmd0001"] * (key == 111)


def test_a_name_of_ours_that_somebody_has_since_a_restart_is_left_alone(tmp_path: Path) -> None:
    result, world = killed_at_key(
        tmp_path, 200, again=True, check=True, restarts=True, after=WORKING["at a prompt"][1]
    )
    assert (result.exit_code, result.outcome) == (0, "would_change"), result.error
    assert world.guest.channels == ["Cmd0001"]


@pytest.mark.parametrize("again", [False, True], ids=["resumed", "tried again"])
def test_somebody_who_came_since_it_was_killed_is_somebody(tmp_path: Path, again: bool) -> None:
    result, world = killed_at_key(tmp_path, 111, after=THEIRS_AFTER_OURS, again=again)
    assert result.error is not None
    assert (result.exit_code, result.outcome, result.touched) == (5, "refused", "no")
    assert "channel Cmd0002 was in view" in result.error["message"]
    assert Theirs(world.guest, "Cmd0002").in_view


def test_who_was_killed_while_it_looked_leaves_doubt(tmp_path: Path) -> None:
    """It has moved the console on to SAC, with somebody in the middle of something before."""

    async def play() -> RunResult:
        world = World(tmp_path, mishaps=(Mishap("a kill", kill, "key", 50),))
        world.transcripts = False
        await world.boot()
        await somebody(world.guest, WORKING["in the middle of a line"][1])
        playbook = parse_playbook(dump_playbook(ONE))
        with contextlib.suppress(Killed):
            await world.run(playbook, refuse_foreign=True)
        world.mishaps = ()
        return await world.resume(refuse_foreign=True)

    result = run_virtual(play())
    assert result.error is not None
    assert (result.outcome, result.error["slug"]) == ("refused", "preflight.console_in_use")
    assert "could not be told" in result.error["message"]
