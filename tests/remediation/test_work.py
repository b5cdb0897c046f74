"""A session with a purpose, end to end on a lab guest: apply, again, take back, restart, prove."""

from __future__ import annotations

import asyncio

import pytest

from serialfix.errors import Touched
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.profiles import POL, Renderer, dword
from serialfix.model import Outcome
from serialfix.playbook.plan import Plan
from serialfix.remediation.history import fold
from serialfix.remediation.work import WorkPatience
from tests.support.rig import (
    LST,
    NONCE,
    RENDERERS,
    Outing,
    Rig,
    applied,
    rdp_reset,
    scene,
    small,
    wanted,
)


both = pytest.mark.parametrize("renderer", RENDERERS)


def expected_writes() -> list[tuple[str, ...]]:
    """Spelled out here, independent of the code that builds the lines."""
    writes = []
    for step in rdp_reset().steps:
        wish = step.registry
        assert wish is not None
        words = [
            "reg",
            "add",
            wish.key,
            "/v",
            wish.value,
            "/t",
            "reg_dword",
            "/d",
            str(wish.data),
            "/f",
        ]
        writes.append(tuple(word.lower() for word in words))
    return writes


@both
def test_the_playbook_is_applied(renderer: Renderer) -> None:
    """16 writes in the article's order, each read back; nothing else in the registry changed."""
    outing = applied(renderer)
    assert outing.slug == "ok", outing.error
    assert outing.writes == expected_writes()
    assert outing.after == wanted(outing.before, rdp_reset())
    assert outing.outcomes() == [Outcome.CHANGED] * 16
    entered = outing.arguments
    for write in expected_writes():
        assert entered[entered.index(write) + 1] == ("reg", "query", *write[2:5])
    assert outing.lines[-1] == "exit"
    assert outing.channels == []
    assert outing.watcher.phases == ["attach", "login", "plan", "apply", "leave"]


@both
def test_a_second_run_finds_everything_right(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        await stage.apply()
        return await stage.apply()

    outing = scene(renderer, script)
    assert outing.slug == "ok", outing.error
    assert outing.outcomes() == [Outcome.OK] * 16
    assert outing.writes == []
    assert outing.after == outing.before
    assert not outing.plan.restart
    assert [proof.outcome for proof in outing.work.proof] == [Outcome.OK] * 3
    asked = [line for line in outing.lines if not line.startswith("echo [")]
    assert len(asked) == len(["prompt", "for", "for", "for: twins", "sc", "netstat", "exit"])


@both
def test_the_way_back_brings_back_equality(renderer: Renderer) -> None:
    """Former values, values that were absent, and keys that `reg add` created."""

    async def script(stage: Rig) -> tuple[Outing, Outing, Outing]:
        there = await stage.apply()
        back = await stage.apply(playbook=stage.way_back(there))
        again = await stage.apply(playbook=stage.way_back(there))
        return there, back, again

    there, back, again = scene(renderer, script)
    assert back.slug == "ok", back.error
    assert back.after == there.before
    assert set(back.outcomes()) == {Outcome.CHANGED}
    assert set(again.outcomes()) == {Outcome.OK}
    assert (again.writes, again.after) == ([], there.before)


@both
def test_a_created_key_that_somebody_uses_stays(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        there = await stage.apply()
        stage.guest.registry.set(POL, "Somebody", dword(1))
        return await stage.apply(playbook=stage.way_back(there))

    outing = scene(renderer, script)
    assert outing.slug == "step.command_failed"
    assert "not empty" in str(outing.error)
    assert outing.channels == []


@both
def test_a_check_changes_nothing(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        return await stage.check()

    outing = scene(renderer, script)
    assert outing.slug == "ok"
    assert (outing.plan.changes, outing.writes, outing.after) == (16, [], outing.before)
    assert outing.plan.restart
    assert outing.plan.seconds > 0
    assert outing.channels == []


def test_a_declined_plan_changes_nothing() -> None:
    async def script(stage: Rig) -> Outing:
        async def no(_plan: Plan) -> bool:
            return False

        return await stage.apply(decide=no)

    outing = scene("conpty", script)
    assert outing.slug == "usage"
    assert (outing.writes, outing.after, outing.channels) == ([], outing.before, [])


def test_where_nothing_restarts_the_proof_is_made_at_once() -> None:
    playbook = small({"value": "MaxIdleTime", "data": 0}, restart="never")
    outing = applied("conpty", playbook=playbook)
    assert [proof.id for proof in outing.work.proof] == ["registry"]
    assert outing.watcher.phases == ["attach", "login", "plan", "apply", "prove", "leave"]


# --- going on where another process ended -------------------------------------------------------


@both
def test_a_killed_process_is_followed_in_its_channel(renderer: Renderer) -> None:
    """The channel of before is found by its name and our prompt; what is right is not typed."""

    async def script(stage: Rig) -> tuple[Outing, Outing]:
        first = stage.work()
        verified = asyncio.Event()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(first.watcher, "step", lambda *_: verified.set())
            patch.setattr(first.work, "_leave", _nothing)  # killed: nobody leaves
            task = asyncio.create_task(first.work.apply(_yes))
            await verified.wait()
            await asyncio.sleep(0.13)  # somewhere in a line
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert stage.channels == ["Cmd0001"]
        now = fold(first.journal.records)
        stage.nonce = "h4mxd"
        second = stage.work(earlier=dict(now.former))
        second.work.session.channel = now.last_channel
        second.work.session.prompt = f"{NONCE}>"
        return first, await stage.go(second, second.work.apply(_yes, reclaim=True))

    first, second = scene(renderer, script)
    assert second.slug == "ok", second.error
    assert second.after == wanted(first.before, rdp_reset())
    assert set(second.outcomes()) == {Outcome.CHANGED}
    assert len(second.writes) < 16
    assert second.channels == []


async def _yes(_plan: Plan) -> bool:
    return True


async def _nothing() -> None:
    pass


# --- after the restart --------------------------------------------------------------------------


@both
def test_a_restarted_guest_is_proved(renderer: Renderer) -> None:
    async def script(stage: Rig) -> tuple[Outing, Outing]:
        there = await stage.apply()
        stage.guest.restart()
        return there, await stage.prove("Cmd0001")

    there, proof = scene(renderer, script)
    assert proof.slug == "ok", proof.error
    assert [each.outcome for each in proof.work.proof] == [Outcome.OK] * 3
    assert "prove" in proof.watcher.phases
    assert proof.writes == []
    assert proof.after == there.after
    assert proof.channels == []
    assert proof.watcher.warnings == []


@both
@pytest.mark.parametrize("late", [0.0, 0.1, 0.3, 0.5, 1.0, 2.0])
def test_a_dying_console_proves_nothing(renderer: Renderer, late: float) -> None:
    """Attached while Windows goes down: its old banner is painted again, and is not believed."""

    async def script(stage: Rig) -> tuple[Outing, Outing, int]:
        there = await stage.apply()
        stage.guest.restart()
        await asyncio.sleep(late)
        return there, await stage.prove("Cmd0001"), stage.guest.boots

    delays = Delays(shutdown=30.0, boot=60.0, cmd_available=20.0)

    async def script_after_boot(stage: Rig) -> tuple[Outing, Outing, int]:
        await asyncio.sleep(90)
        return await script(stage)

    there, proof, boots = scene(renderer, script_after_boot, delays=delays)
    assert proof.slug == "ok", proof.error
    assert boots == 2
    assert proof.after == there.after
    assert proof.channels == []


@both
def test_a_boot_may_take_minutes(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        await asyncio.sleep(700)
        await stage.apply()
        stage.guest.restart()
        return await stage.prove("Cmd0001")

    delays = Delays(boot=400.0, cmd_available=200.0)
    outing = scene(renderer, script, delays=delays)
    assert outing.slug == "ok", outing.error


def test_a_guest_that_never_comes_back() -> None:
    async def script(stage: Rig) -> Outing:
        await stage.apply()
        stage.guest.power_off()
        return await stage.prove("Cmd0001", work_patience=WorkPatience(boot=300.0))

    outing = scene("conpty", script)
    assert outing.slug == "restart"
    assert outing.error is not None
    assert outing.error.exit_code == 8
    assert "resume" in outing.error.remedy


@both
def test_no_sign_of_a_restart_is_a_warning(renderer: Renderer) -> None:
    """Channel numbers climb on: the guest itself did not restart, whatever Azure says."""

    async def script(stage: Rig) -> Outing:
        await stage.apply()
        return await stage.prove("Cmd0001")

    outing = scene(renderer, script)
    assert outing.slug == "ok"
    assert any("no sign" in text for text in outing.watcher.warnings)
    assert outing.channels == []


@both
def test_a_restart_that_nobody_reports_is_waited_for(renderer: Renderer) -> None:
    """A command has asked for it, as clouds are asked: it may begin minutes later."""

    async def script(stage: Rig) -> tuple[Outing, Outing, int]:
        there = await stage.apply()
        asyncio.get_running_loop().call_later(200.0, stage.guest.restart)
        proof = await stage.prove("Cmd0001", restart_reported=False)
        return there, proof, stage.guest.boots

    there, proof, boots = scene(renderer, script)
    assert (proof.slug, proof.work.restart_shown, boots) == ("ok", True, 2), proof.error
    assert proof.after == there.after
    assert proof.channels == []
    assert not any("no sign" in text for text in proof.watcher.warnings)
    assert proof.logins <= 7  # each look is a logon


@both
def test_one_that_nobody_reports_and_nobody_sees_is_no_restart(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        await stage.apply()
        return await stage.prove("Cmd0001", restart_reported=False)

    outing = scene(renderer, script)
    assert (outing.slug, outing.work.restart_shown) == ("restart", False)
    assert "showed no sign of it within 900 s" in str(outing.error)
    assert outing.work.proof == []
    assert outing.channels == []
    assert outing.logins <= 20


@both
def test_a_password_refused_after_the_restart_is_tried_once(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        await stage.apply()
        stage.guest.restart()
        await asyncio.sleep(10)
        return await stage.prove("Cmd0001", password="Wrong-1")

    outing = scene(renderer, script)
    assert outing.slug == "restart"
    assert outing.logins == 1


# --- bad luck -----------------------------------------------------------------------------------


@both
def test_a_failed_step_ends_the_work_there(renderer: Renderer) -> None:
    outing = applied(renderer, faults=Faults(reg_lies_for="KeepAliveTimeout"))
    assert outing.slug == "step.verify_mismatch"
    assert outing.outcomes() == [Outcome.CHANGED] * 3 + [Outcome.FAILED]
    assert outing.writes == expected_writes()[:4]
    assert outing.watcher.phases[-1] == "leave"
    assert outing.channels == []


@both
def test_a_crash_in_mid_write_is_unknown(renderer: Renderer) -> None:
    """Entered and not verifiable: `touched` is maybe, or yes once a step was verified."""
    lines = applied(renderer).entered
    first = next(n for n, entry in enumerate(lines, start=1) if "reg adD" in entry.line)
    outing = applied(renderer, faults=Faults(bugcheck_after=first))
    assert outing.slug == "console.guest_rebooted"
    assert outing.error is not None
    assert outing.error.touched is Touched.MAYBE
    assert outing.outcomes() == [Outcome.UNKNOWN]
    assert fold(outing.journal.records).touched == "maybe"


def test_channels_count_anew_only_after_a_restart() -> None:
    async def script(stage: Rig) -> list[str | None]:
        names = []
        for restart in (False, False, True):
            if restart:
                stage.guest.restart()
                await asyncio.sleep(10)
            outing = await stage.check(playbook=small({"value": "Shadow", "data": 1, "key": LST}))
            names.append(fold(outing.journal.records).last_channel)
        return names

    assert scene("conpty", script) == ["Cmd0001", "Cmd0002", "Cmd0001"]
