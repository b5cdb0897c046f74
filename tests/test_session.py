"""Whole sessions on a lab guest, in virtual time: whatever the console does, the lines are right.

What is entered is taken from the guest's own record of what Enter was pressed on; `Rig.go` asserts
in every scenario that nothing but SAC's own commands was entered at SAC.
"""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serialfix.console.cmd import CommandResult
from serialfix.console.machine import Patience
from serialfix.errors import EchoMismatch, GatewayClosed, SessionTakenOver
from serialfix.lab.faults import Delays, Faults, Refusal
from serialfix.lab.profiles import Renderer
from serialfix.playbook.schema import Playbook
from serialfix.secrets import Secret
from serialfix.session import Credentials, Session, new_nonce
from tests.support.rig import (
    NONCE,
    PASSWORD,
    RENDERERS,
    USERNAME,
    Outing,
    Rig,
    applied,
    rdp_reset,
    scene,
    small,
    wanted,
)
from tests.support.wired import Wired


both = pytest.mark.parametrize("renderer", RENDERERS)


@cache
def undisturbed(renderer: Renderer) -> tuple[str, ...]:
    """What is entered in our channel when nothing goes wrong."""
    return tuple(applied(renderer).lines)


def little() -> Playbook:
    return small({"value": "MaxIdleTime", "data": 0})


def assert_perfect(outing: Outing, renderer: Renderer) -> None:
    assert outing.slug == "ok", outing.error
    assert tuple(outing.lines) == undisturbed(renderer)
    assert outing.after == wanted(outing.before, rdp_reset())
    assert outing.logins == 1
    assert outing.channels == []


FAULTS: dict[str, dict[str, Any]] = {
    "any chunks": {"faults": Faults(split_writes=True)},
    "NULs everywhere": {"faults": Faults(nul_everywhere=True)},
    "stale backlog": {"faults": Faults(stale_backlog=True)},
    "not ASCII": {"faults": Faults(utf8_everywhere=True, split_writes=True)},
    "9600 baud": {"delays": Delays(link_speed=960)},
    "115200 baud in pieces": {
        "delays": Delays(link_speed=11520),
        "faults": Faults(split_writes=True),
    },
    "a slow renderer": {"delays": Delays(scraper_tick=0.2, conpty_frame=0.1)},
    "nothing takes time": {"delays": Delays.instant()},
    "late keys": {"faults": Faults(late_keys=0.3), "seed": 4},
    "repeats dropped below 125 ms": {"faults": Faults(drop_repeats=0.125), "seed": 2},
    "repeats dropped below 1.5 s": {"faults": Faults(drop_repeats=1.5), "seed": 2},
    "repeats tripled": {"faults": Faults(multiply_repeats=0.5), "seed": 2},
    "one key in a hundred lost": {"faults": Faults(lose_keys=0.01), "seed": 1},
    "one key in thirty lost": {"faults": Faults(lose_keys=0.03), "seed": 1},
    "first keys eaten": {"faults": Faults(eat_first_keys=8.0)},
    "events while typing": {"faults": Faults(event_while_typing=True)},
    "half a line at SAC": {"faults": Faults(half_line="restart")},
    "half a line at SAC, and events": {
        "faults": Faults(half_line="shutdown", event_while_typing=True)
    },
    "sacsvr registers late": {"faults": Faults(late_cmd=120.0)},
    "the channel comes late": {"delays": Delays(cmd_event=20.0)},
    "the channel comes very late": {"delays": Delays(cmd_event=34.0)},
    "everything": {
        "faults": Faults(
            split_writes=True,
            nul_everywhere=True,
            stale_backlog=True,
            utf8_everywhere=True,
            event_while_typing=True,
            drop_repeats=0.125,
            lose_keys=0.005,
            eat_first_keys=8.0,
            late_keys=0.05,
        ),
        "seed": 1,
    },
}


@both
@pytest.mark.parametrize("fault", FAULTS)
def test_the_lines_are_right_whatever_the_console_does(renderer: Renderer, fault: str) -> None:
    """Not one line more, less or different; the registry has the 16 values; the console is clean.

    "half a line": `restart` that somebody left at SAC is erased, never entered.
    """
    assert_perfect(applied(renderer, **FAULTS[fault]), renderer)


class Rechunked:
    """A transport that gives what another one gives, in pieces of its own."""

    def __init__(self, inner: Wired, sizes: list[int]) -> None:
        self._inner = inner
        self._sizes = sizes
        self._count = 0
        self._rest = b""
        self.connect, self.send, self.close = inner.connect, inner.send, inner.close

    async def receive(self) -> bytes:
        if not self._rest:
            self._rest = await self._inner.receive()
        size = self._sizes[self._count % len(self._sizes)]
        self._count += 1
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(RENDERERS),
    st.lists(st.integers(1, 60), min_size=1, max_size=12),
    st.integers(0, 3),
)
def test_any_chunking_gives_the_same_result(
    renderer: Renderer, sizes: list[int], seed: int
) -> None:
    async def script(stage: Rig) -> Outing:
        return await stage.apply(transport=Rechunked(stage.wired, sizes))

    whole = applied(renderer, playbook=little(), seed=seed)
    cut = scene(renderer, script, playbook=little(), seed=seed)
    assert (cut.slug, cut.lines, cut.after) == ("ok", whole.lines, whole.after)
    assert [step.after for step in cut.work.steps.values()] == [
        step.after for step in whole.work.steps.values()
    ]


# --- login --------------------------------------------------------------------------------------


@both
def test_a_wrong_password_is_tried_once(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        return await stage.apply(password="Wrong-1")

    outing = scene(renderer, script)
    assert outing.slug == "console.login_rejected"
    assert outing.logins == 1
    assert outing.lines == []
    assert outing.channels == []  # sacsess ended it
    assert outing.after == outing.before
    assert outing.error is not None
    assert "lock accounts" in str(outing.error)
    assert outing.error.exit_code == 6
    assert "Wrong-1" not in str(outing.error.facts())


@both
def test_a_domain_is_typed_where_there_is_one(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        return await stage.apply(domain="CONTOSO")

    outing = scene(renderer, script)
    typed = [entry.line for entry in outing.entered if entry.where == "login"]
    assert typed == [USERNAME, "CONTOSO", "*" * len(PASSWORD)]
    assert outing.slug == "console.login_rejected"
    assert "CONTOSO\\azureadmin" in str(outing.error)


@both
def test_a_switch_during_the_login_is_not_called_a_wrong_password(renderer: Renderer) -> None:
    """The seventh line is the password; what ends there may be tried again by a person."""
    outing = applied(renderer, faults=Faults(unsolicited_switch_after=7))
    assert outing.slug == "console.channel"
    assert outing.logins == 1
    assert outing.channels == []


@both
@pytest.mark.parametrize("at", [5, 6, 7])
def test_a_restart_during_the_login_is_not_called_a_wrong_password(
    renderer: Renderer, at: int
) -> None:
    outing = applied(renderer, faults=Faults(reboot_after=at))
    assert outing.slug in ("console.guest_rebooted", "console.channel")
    assert outing.after == outing.before


def test_the_password_shows_nothing_but_its_length() -> None:
    """Doubled keys and others are typed alike, one by one, each behind its star."""

    def rhythm(password: str) -> list[tuple[int, float]]:
        sends: list[tuple[int, float]] = []

        class Timed(Wired):
            async def send(self, keys: bytes, *, secret: bool = False) -> None:
                if secret:
                    sends.append((len(keys), round(asyncio.get_running_loop().time(), 4)))
                await super().send(keys, secret=secret)

        async def script(stage: Rig) -> Outing:
            stage.wired = Timed(stage.guest)
            return await stage.apply(password=password)

        assert scene("conpty", script, playbook=little(), password=password).slug == "ok"
        return sends

    assert rhythm("aabbccdd") == rhythm("abcdefgh")
    assert [count for count, _ in rhythm("aabbccdd")] == [1] * 8


# --- what is at the console when we come --------------------------------------------------------


@both
@pytest.mark.parametrize("in_view", [False, True])
def test_somebodys_session_is_left_alone(renderer: Renderer, in_view: bool) -> None:
    """Its half-typed `dir C:\\imp` stays as it is; it is not entered, and a warning names it."""

    async def script(stage: Rig) -> tuple[Outing, str]:
        outing = await stage.apply()
        sac = stage.guest._sac
        assert sac is not None
        console = sac.sessions[0]._renderer
        assert console is not None
        return outing, "\n".join("".join(row).rstrip() for row in console.shown)

    faults = Faults(orphans=1, orphan_in_view=in_view)
    outing, shown = scene(renderer, script, faults=faults)
    assert outing.slug == "ok"
    assert outing.after == wanted(outing.before, rdp_reset())
    assert outing.channels == ["Cmd0001"]
    assert {entry.where for entry in outing.entered} == {"SAC", "login", "Cmd0002"}
    assert shown.rstrip().endswith(r">dir C:\imp")
    assert [text for text in outing.watcher.warnings if "Cmd0001" in text]


@both
@pytest.mark.parametrize(
    ("faults", "says"),
    [
        (Faults(sac_absent="silence"), "no SAC prompt"),
        (Faults(sac_absent="health_report"), "health reports: EMS is off"),
        (Faults(sac_absent="bang_sac"), "only !SAC> answers"),
    ],
)
def test_no_sac(renderer: Renderer, faults: Faults, says: str) -> None:
    outing = applied(renderer, faults=faults)
    assert outing.slug == "console.sac_unavailable"
    assert outing.error is not None
    assert says in str(outing.error)
    assert outing.error.remedy
    assert outing.error.touched == "no"
    assert set(entry.line for entry in outing.entered) <= {""}


def test_a_silent_console_is_called_silent() -> None:
    async def script(stage: Rig) -> Outing:
        stage.wired.backlog = 0
        return await stage.apply()

    outing = scene("conpty", script, faults=Faults(sac_absent="silence"))
    assert "silent" in str(outing.error)


def test_no_key_is_pressed_in_the_boot_menu() -> None:
    async def script(stage: Rig) -> tuple[Outing, bytes]:
        return await stage.apply(), bytes(stage.wired.typed)

    outing, typed = scene("conpty", script, faults=Faults(sac_absent="boot_manager"))
    assert outing.slug == "console.sac_unavailable"
    assert "Windows Boot Manager" in str(outing.error)
    assert typed == b""


@both
@pytest.mark.parametrize(
    ("refused", "says"),
    [
        ("not_registered", "sacsvr"),
        ("timeout", "sacsvr"),
        ("failed", "failed to launch"),
        ("disabled", "disabled"),
        ("maximum", "no free channel"),
    ],
)
def test_each_refusal_of_sac(renderer: Renderer, refused: Refusal, says: str) -> None:
    outing = applied(renderer, faults=Faults(channel_refused=refused))
    assert outing.slug == "console.channel"
    assert outing.error is not None
    assert says in str(outing.error)
    assert outing.error.remedy
    assert (outing.after, outing.channels) == (outing.before, [])


@both
def test_nine_channels_are_named_and_stay(renderer: Renderer) -> None:
    outing = applied(renderer, faults=Faults(orphans=9))
    assert outing.slug == "console.channel"
    names = [f"Cmd000{number}" for number in range(1, 10)]
    assert all(name in str(outing.error) for name in names)
    assert outing.channels == names


def test_a_guest_that_still_boots_is_waited_for() -> None:
    async def script(stage: Rig) -> Outing:
        stage.guest.power_off()
        await asyncio.sleep(1)
        stage.guest.power_on()
        return await stage.apply()

    outing = scene("conpty", script, delays=Delays(boot=20.0, cmd_available=60.0))
    assert_perfect(outing, "conpty")


# --- what happens in between --------------------------------------------------------------------


@both
@pytest.mark.parametrize("at", range(1, 92, 9))
def test_a_switch_by_somebody_else_is_noticed(renderer: Renderer, at: int) -> None:
    """At any line: back to our channel by name, look, go on; no write is entered twice."""
    outing = applied(renderer, faults=Faults(unsolicited_switch_after=at), seed=at)
    if outing.slug == "ok":
        assert outing.after == wanted(outing.before, rdp_reset())
        assert len(outing.writes) == 16
    else:  # at the login nobody logs in a second time by himself
        assert outing.slug == "console.channel"
        assert outing.after == outing.before
    assert len(set(outing.writes)) == len(outing.writes)
    assert outing.logins <= 1
    assert outing.channels == []


@both
def test_a_lost_channel_asks_for_the_password_again(renderer: Renderer) -> None:
    """SAC's time-out locks the channel (sac.md §5): the login is made again, once for each."""

    async def script(stage: Rig) -> Outing:
        async def lock_later() -> None:
            await asyncio.sleep(1.2)
            sac = stage.guest._sac
            assert sac is not None
            for session in sac.sessions:
                session.lock()
            sac.switch_away()

        locker = asyncio.create_task(lock_later())
        outing = await stage.apply()
        await locker
        return outing

    outing = scene(renderer, script)
    assert outing.slug == "ok"
    assert outing.logins == 2
    assert outing.after == wanted(outing.before, rdp_reset())
    assert len(outing.writes) == 16
    assert outing.channels == []


@both
@pytest.mark.parametrize("at", [1, 3, 4, 5, 8, 9, 30, 31, 60, 85])
def test_a_crash_is_called_a_crash(renderer: Renderer, at: int) -> None:
    outing = applied(renderer, faults=Faults(bugcheck_after=at))
    assert outing.slug in ("console.guest_rebooted", "console.sac_unavailable")
    assert "Stop error 0xE2" in str(outing.error)
    assert len(set(outing.writes)) == len(outing.writes)


@both
@pytest.mark.parametrize("at", [8, 9, 30, 31, 60])
def test_a_restart_of_the_guest_is_called_so(renderer: Renderer, at: int) -> None:
    """It is not worked on as if nothing had been: what was in RAM is gone."""
    outing = applied(renderer, faults=Faults(reboot_after=at))
    assert outing.slug == "console.guest_rebooted"
    assert outing.error is not None
    assert "resume" in outing.error.remedy
    assert len(set(outing.writes)) == len(outing.writes)
    assert outing.channels == []


@both
def test_a_command_that_takes_minutes(renderer: Renderer) -> None:
    """As long as it prints it is waited for, and the person is told; what is bounded is silence."""
    told: list[str] = []

    async def script(stage: Rig) -> tuple[CommandResult, float]:
        session = stage.work().work.session
        session.alive = told.append
        await session.connect()
        await session.open_channel()
        await session.login(Credentials(USERNAME, Secret(PASSWORD, "guest_password")))
        loop = asyncio.get_running_loop()
        start = loop.time()
        result = await session.run("for /l %i in (1,1,40) do @echo %i & ping -n 6 localhost >nul")
        return result, loop.time() - start

    result, seconds = scene(renderer, script)
    assert result.exit_code == 0
    assert seconds > 3 * Patience().run
    assert len(told) == int(seconds / Patience().alive)
    assert told[0] == "after 15 s still waiting for the command to end"


@both
def test_a_command_that_hangs(renderer: Renderer) -> None:
    """The error names state, expectation and screen; the hung channel, which is ours, is closed."""
    outing = applied(renderer, faults=Faults(hang_on="reg add"))
    assert outing.slug == "console.expect_timeout"
    assert outing.error is not None
    facts = outing.error.facts()
    assert facts["state"] == "RUN"
    assert facts["expected"] == "the command to end"
    assert "reg adD" in facts["screen"]
    assert facts["touched"] == "maybe"
    assert len(outing.writes) == 1
    assert outing.channels == []
    assert outing.watcher.warnings == []


def test_a_dead_keyboard_is_an_error_before_anything_is_entered() -> None:
    outing = applied("conpty", faults=Faults(eat_first_keys=1e6))
    assert isinstance(outing.error, EchoMismatch)
    assert outing.lines == []
    assert outing.error.touched == "no"
    assert outing.channels == []  # closed from SAC


# --- drops --------------------------------------------------------------------------------------


@both
def test_a_take_over_is_not_fought(renderer: Renderer) -> None:
    async def script(stage: Rig) -> tuple[Outing, int]:
        stage.wired.error = SessionTakenOver
        stage.wired.drop_after = 600
        return await stage.apply(), stage.wired.connects

    outing, connects = scene(renderer, script)
    assert outing.slug == "transport.session_taken_over"
    assert connects == 1
    assert outing.channels == ["Cmd0001"]
    assert any("Cmd0001 was left behind" in text for text in outing.watcher.warnings)
    assert outing.error is not None
    assert "resume" in outing.error.remedy


def test_what_a_dropped_login_leaves_is_cleaned_up() -> None:
    """An administrator's prompt must not stay behind: for that alone we attach once more."""

    async def script(stage: Rig) -> tuple[Outing, int]:
        stage.wired.drop_after = 140  # `prompt …` is being typed
        return await stage.apply(), stage.wired.connects

    outing, connects = scene("conpty", script)
    assert outing.slug == "transport.gateway_closed"
    assert (outing.logins, connects) == (1, 2)
    assert outing.channels == []
    assert outing.watcher.warnings == []


@both
def test_a_drop_in_the_middle_of_a_password_is_not_a_login(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        stage.wired.drop_after = 128
        return await stage.apply()

    outing = scene(renderer, script)
    assert outing.slug == "ok"
    assert outing.logins == 1  # the half-typed one was never entered
    assert outing.channels == []


@both
def test_a_drop_behind_the_password_is_final(renderer: Renderer) -> None:
    """Whether it was taken is not known: failed logons lock accounts."""

    async def script(stage: Rig) -> Outing:
        class Dropping(Wired):
            async def send(self, keys: bytes, *, secret: bool = False) -> None:
                await super().send(keys, secret=secret)
                if keys == b"\r" and self.secret:
                    self.cut()
                self.secret = secret

            secret = False

        stage.wired = Dropping(stage.guest)
        return await stage.apply()

    outing = scene(renderer, script)
    assert outing.slug == "transport.gateway_closed"
    assert outing.logins <= 1


def test_a_network_that_is_gone_for_good() -> None:
    async def script(stage: Rig) -> Outing:
        class Gone(Wired):
            async def connect(self) -> None:
                if self.connects:
                    raise GatewayClosed("gone")
                await super().connect()

        stage.wired = Gone(stage.guest)
        stage.wired.drop_after = 600
        return await stage.apply()

    outing = scene("conpty", script)
    assert outing.slug == "transport.gateway_closed"
    assert any("was left behind" in text for text in outing.watcher.warnings)


# --- small things -------------------------------------------------------------------------------


def test_a_nonce_has_no_equal_neighbours() -> None:
    for _ in range(200):
        nonce = new_nonce()
        assert re.fullmatch(r"[a-z][a-z0-9]{4}", nonce)
        assert len(set(nonce)) == 5


def test_leaving_without_a_channel_does_nothing() -> None:
    async def script(stage: Rig) -> tuple[str, bytes]:
        session = Session(stage.wired, nonce=NONCE)
        await session.connect()
        said = await session.leave()
        await session.close()
        await session.close()
        return said, bytes(stage.wired.typed)

    assert scene("conpty", script) == ("", b"")


def test_a_session_runs_a_line_and_says_whether_it_was_entered() -> None:
    async def script(stage: Rig) -> None:
        session = Session(stage.wired, nonce=NONCE)
        await session.connect()
        await session.open_channel()
        await session.login(Credentials(USERNAME, Secret(PASSWORD, "guest_password")))
        result = await session.run("ver")
        assert (result.line, result.exit_code, result.complete) == ("ver", 0, True)
        assert "Microsoft Windows [Version 10.0.20348.2227]" in result.output
        assert session.entered
        missing = await session.run("no-such-program")
        assert missing.exit_code == 9009
        assert await session.leave() == ""
        assert session.channel is None

    scene("conpty", script)
