"""Reading, writing and proving in a lab guest: nothing blindly, nothing twice, nothing untold."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from wcwidth import wcwidth

from serialfix.errors import CommandFailed, SerialfixError, Touched, UnsafeStep
from serialfix.lab.console import width
from serialfix.lab.disk import RCM
from serialfix.lab.faults import Faults, ServiceFault
from serialfix.lab.profiles import Language, Renderer, dword, install_service
from serialfix.lab.registry import Registry
from serialfix.model import Outcome, RegistryType, RegistryValue
from serialfix.playbook.load import parse_playbook
from serialfix.playbook.plan import Plan
from serialfix.playbook.schema import Playbook
from serialfix.record.journal import MemoryJournal, Record
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.history import fold
from serialfix.secrets import Redactor, Secret
from serialfix.session import Credentials
from serialfix.windows import registry
from tests.support.rig import (
    LST,
    PASSWORD,
    POL,
    RENDERERS,
    USERNAME,
    Outing,
    Rig,
    applied,
    expanded,
    scene,
    small,
    wanted,
)
from tests.support.wired import Wired


both = pytest.mark.parametrize("renderer", RENDERERS)


def little() -> Playbook:
    return small({"value": "MaxIdleTime", "data": 0})


# --- reading ----------------------------------------------------------------------------------


@both
def test_reading_takes_few_lines(renderer: Renderer) -> None:
    """16 values in two lines; three more for the keys that `reg add` would create."""

    async def script(stage: Rig) -> Outing:
        return await stage.check()

    outing = scene(renderer, script)
    reading = [line for line in outing.lines if not line.startswith("echo [")]
    assert len(reading) == len(["prompt", "for", "for", "key", "key", "key", "exit"])
    assert [step.before for step in outing.plan.steps if step.before is None] == [None] * 5
    assert outing.plan.changes == 16
    planned = next(r for r in outing.journal.records if r["kind"] == "planned")
    assert planned["absent_keys"] == [POL.lower(), POL.lower().rpartition("\\")[0]]


@both
def test_policy_twins_are_read_and_warned_about(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        stage.guest.registry.set(POL, "SecurityLayer", dword(2))
        return await stage.check()

    outing = scene(renderer, script)
    assert any("SecurityLayer is REG_DWORD 0x2" in text for text in outing.work.warnings)


@both
@pytest.mark.parametrize("profile", ["ws2016", "ws2019", "ws2022", "ws2025"])
def test_names_may_be_printed_as_typed_or_as_stored(renderer: Renderer, profile: str) -> None:
    """Unknown which (sac.md §9): they are compared without regard to case."""
    playbook = small({"value": "MAXIDLETIME", "data": 120_000}, {"value": "shadow", "data": 1})
    outing = applied(renderer, profile=profile, playbook=playbook)
    assert outing.outcomes() == [Outcome.OK, Outcome.OK]
    assert outing.writes == []


@both
@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("NWLogonServer", "REG_SZ", ""),
        ("InitialProgram", "REG_SZ", "C:\\Program Files\\a & b\\c^d (x86)\\"),
        ("Comment", "REG_SZ", "l" * 300),
        ("Wallpaper", "REG_EXPAND_SZ", "plain"),
        ("Names", "REG_MULTI_SZ", ["one", "two words", "three"]),
        ("Blob", "REG_BINARY", "00ff10"),
        ("Big", "REG_QWORD", 0x1_0000_0001),
        ("Most", "REG_DWORD", 0xFFFFFFFF),
    ],
)
def test_every_type_is_written_and_read_back(
    renderer: Renderer, name: str, kind: str, data: Any
) -> None:
    playbook = small({"value": name, "type": kind, "data": data})
    step = playbook.steps[0].registry
    assert step is not None
    outing = applied(renderer, playbook=playbook, seed=1)
    assert outing.slug == "ok", outing.error
    assert outing.after == wanted(outing.before, playbook)


@both
def test_a_batch_that_is_not_understood_is_asked_one_by_one(renderer: Renderer) -> None:
    """Without `find` the guest answers with its shell's message: that is no absence."""

    async def script(stage: Rig) -> Outing:
        from serialfix.lab import commands

        programs = {name: run for name, run in commands.EXTERNAL.items() if name != "find"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("serialfix.lab.sacsess.EXTERNAL", programs)
            return await stage.check()

    outing = scene(renderer, script)
    assert outing.plan.changes == 16
    befores = {step.id: step.before for step in outing.plan.steps}
    assert befores["security-layer"] == dword(2)
    assert befores["keep-alive-enable"] is None


# --- writing ----------------------------------------------------------------------------------


@both
def test_a_write_that_fails(renderer: Renderer) -> None:
    """Exit code 7; the value is seen to be what it was; what came before stays told."""
    outing = applied(renderer, faults=Faults(reg_fails_for="MaxIdleTime"))
    assert outing.slug == "step.command_failed"
    assert outing.error is not None
    assert outing.error.exit_code == 7
    assert "exit code 1" in str(outing.error)
    assert outing.error.touched is Touched.NO  # by this step
    assert outing.outcomes() == [Outcome.CHANGED] * 14 + [Outcome.FAILED]
    assert outing.channels == []
    now = fold(outing.journal.records)
    assert (now.touched, len(now.verified), len(now.former)) == ("yes", 14, 14)


@both
def test_a_write_that_lies(renderer: Renderer) -> None:
    """Success text and exit code 0, and nothing was written: only the read-back tells."""
    outing = applied(renderer, playbook=little(), faults=Faults(reg_lies_for="MaxIdleTime"))
    assert outing.slug == "step.verify_mismatch"
    assert outing.error is not None
    assert outing.error.exit_code == 7
    assert "0x1d4c0" in str(outing.error)
    assert outing.error.touched is Touched.NO
    assert outing.after == outing.before
    assert fold(outing.journal.records).touched == "no"
    assert len(outing.writes) == 1


@both
def test_a_value_that_appears_after_the_plan_is_not_overwritten(renderer: Renderer) -> None:
    playbook = small({"value": "fInheritMaxIdleTime", "data": 1})

    async def script(stage: Rig) -> Outing:
        async def somebody(_plan: object) -> bool:
            stage.guest.registry.set(LST, "fInheritMaxIdleTime", dword(7))
            return True

        return await stage.apply(decide=somebody)

    outing = scene(renderer, script, playbook=playbook)
    assert outing.slug == "step.verify_mismatch"
    assert outing.writes == []
    assert outing.error is not None
    assert outing.error.touched is Touched.NO


def with_key_step(*keys: str) -> Playbook:
    steps = "".join(
        f"  - id: key-{number}\n    why: For tests.\n"
        f"    registry_key: {{key: '{key}', state: absent}}\n"
        for number, key in enumerate(keys)
    )
    return parse_playbook(
        "schema: 1\nname: keys\nversion: '1.0'\ntitle: Keys\ndescription: For tests.\n"
        f"restart: never\nsteps:\n{steps}"
    ).playbook


@both
def test_an_empty_key_is_removed_and_a_full_one_stays(renderer: Renderer) -> None:
    empty = r"HKLM\SOFTWARE\Policies\Microsoft\Leftover"

    async def script(stage: Rig) -> tuple[Outing, Outing]:
        stage.guest.registry.key(empty, create=True)
        removed = await stage.apply(playbook=with_key_step(empty))
        full = await stage.apply(playbook=with_key_step(LST))
        return removed, full

    removed, full = scene(renderer, script)
    assert removed.slug == "ok", removed.error
    assert removed.outcomes() == [Outcome.CHANGED]
    assert removed.before != removed.after
    assert full.slug == "step.command_failed"
    assert "not empty" in str(full.error)
    assert (full.writes, full.after) == ([], full.before)


# --- what is told before it is done -----------------------------------------------------------


class Watching(MemoryJournal):
    """Notes for every record how many keys had been typed."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.wired: Wired | None = None
        self.keys: list[tuple[Record, bytes]] = []

    async def append(self, kind: str, /, **facts: Any) -> Record:
        record = await super().append(kind, **facts)
        assert self.wired is not None
        self.keys.append((record, bytes(self.wired.typed)))
        return record


@both
def test_a_write_is_on_record_before_its_first_key(renderer: Renderer) -> None:
    journal = Watching()

    async def script(stage: Rig) -> Outing:
        journal.wired = stage.wired
        return await stage.apply(journal=journal)

    outing = scene(renderer, script)
    entering = [(r, typed) for r, typed in journal.keys if r["kind"] == "step_entering"]
    assert len(entering) == 16
    for record, typed in entering:
        assert record["line"].encode() not in typed
        assert typed.endswith(b"\r")  # not even its first key
    for record, typed in journal.keys:
        if record["kind"] == "step_verified":
            line = next(r["line"] for r, _ in entering if r["step"] == record["step"])
            shown = expanded(typed.decode().replace("\b", ""))
            assert line.replace(" ", "") in shown.replace(" ", "")
    kinds = [kind for kind in outing.kinds() if kind.startswith(("step", "planned", "left"))]
    assert kinds == ["planned", *["step_entering", "step_verified"] * 16, "left"]


@both
def test_the_journal_is_the_registrys_truth(renderer: Renderer) -> None:
    """Folded, it holds each former value as it was; `verified` are those that changed."""
    outing = applied(renderer)
    now = fold(outing.journal.records)
    by_id = {step.id: step.registry for step in outing.plan.playbook.steps}
    assert set(now.former) == set(now.verified) == set(by_id)
    for step, former in now.former.items():
        wish = by_id[step]
        assert wish is not None
        before = find(outing.before, wish.key, wish.value)
        assert before == former


def find(dump: Any, key: str, name: str) -> RegistryValue | None:
    full = key.replace("HKLM", "HKEY_LOCAL_MACHINE").replace("CurrentControlSet", "ControlSet001")
    for part in full.split("\\"):
        dump = next((v for k, v in dump.items() if k.lower() == f"{part}\\".lower()), None)
        if dump is None:
            return None
    found = next((v for k, v in dump.items() if k.lower() == name.lower()), None)
    assert found is None or isinstance(found, RegistryValue)
    return found


@both
def test_a_former_value_that_cannot_be_kept_stops_before_the_first_key(renderer: Renderer) -> None:
    """The journal redacts a secret: the way back would be lost."""
    secret = "sesame-street-9"
    journal = MemoryJournal(redactor=Redactor([Secret(secret, "other")]))
    playbook = small({"value": "Comment", "type": "REG_SZ", "data": "new"})

    async def script(stage: Rig) -> Outing:
        text = RegistryValue(RegistryType.SZ, f"open {secret}")
        stage.guest.registry.set(LST, "Comment", text)
        return await stage.apply(journal=journal)

    outing = scene(renderer, script, playbook=playbook)
    assert outing.slug == "usage.unsafe_step"
    assert outing.writes == []
    assert outing.after == outing.before
    assert secret not in str(outing.error)
    assert fold(journal.records).touched == "no"


# --- drops ------------------------------------------------------------------------------------


@cache
def keys_of_a_run(renderer: Renderer) -> int:
    async def script(stage: Rig) -> int:
        await stage.apply()
        return len(stage.wired.typed)

    return scene(renderer, script, playbook=little())


@both
@pytest.mark.parametrize("share", [number / 23 for number in range(23)])
def test_a_drop_at_any_key(renderer: Renderer, share: float) -> None:
    """Before the login it is an error; from then on: back, look, go on, one write."""
    at = 150 + int(share * (keys_of_a_run(renderer) - 150))

    async def script(stage: Rig) -> tuple[Outing, int]:
        stage.wired.drop_after = at
        return await stage.apply(), stage.wired.connects

    outing, connects = scene(renderer, script, playbook=little(), seed=at)
    assert outing.slug == "ok", (at, outing.error)
    assert outing.after == wanted(outing.before, little())
    assert len(outing.writes) == 1
    assert (outing.logins, connects) == (1, 2)
    assert outing.channels == []


@both
@pytest.mark.parametrize("moment", [0.0, 0.001, 0.005, 0.01, 0.02, 0.05])
def test_a_drop_just_after_enter(renderer: Renderer, moment: float) -> None:
    """The write was entered and its answer is lost: the value is read, not written again."""

    async def script(stage: Rig) -> Outing:
        class Dropping(Wired):
            async def send(self, keys: bytes, *, secret: bool = False) -> None:
                await super().send(keys, secret=secret)
                line = bytes(self.typed).rsplit(b"\r", 2)[-2:][0]
                if keys == b"\r" and b"reg adD" in line and self.connects == 1:
                    asyncio.get_running_loop().call_later(moment, self.cut)

        stage.wired = Dropping(stage.guest)
        return await stage.apply()

    outing = scene(renderer, script, playbook=little())
    assert outing.slug == "ok", outing.error
    assert len(outing.writes) == 1
    assert outing.after == wanted(outing.before, little())
    assert "dropped" in outing.kinds()
    assert "rejoined" in outing.kinds()


@both
def test_a_write_whose_line_was_lost_is_entered_after_the_value_was_seen(
    renderer: Renderer,
) -> None:
    """The connection is cut before Enter: the value is read, is the former one, and is written."""

    async def script(stage: Rig) -> Outing:
        class Dropping(Wired):
            async def send(self, keys: bytes, *, secret: bool = False) -> None:
                if b"reg adD" in keys and self.connects == 1:
                    self.cut()
                await super().send(keys, secret=secret)

        stage.wired = Dropping(stage.guest)
        return await stage.apply()

    outing = scene(renderer, script, playbook=little())
    assert outing.slug == "ok", outing.error
    assert len(outing.writes) == 1
    assert outing.kinds().count("step_entering") == 2


def test_a_console_that_keeps_dropping_ends_the_run() -> None:
    async def script(stage: Rig) -> tuple[Outing, int]:
        class Flaky(Wired):
            async def send(self, keys: bytes, *, secret: bool = False) -> None:
                await super().send(keys, secret=secret)
                if b"MaxIdleTime" in keys:
                    self.cut()

        stage.wired = Flaky(stage.guest)
        outing = await stage.apply(guest_patience=GuestPatience(rejoins=3))
        return outing, stage.wired.connects

    outing, connects = scene("conpty", script, playbook=little())
    assert outing.slug == "transport.gateway_closed"
    assert connects == 1 + 3 + 1  # the first, three rejoins, and one to leave it clean
    assert outing.channels == []
    assert outing.after == outing.before


# --- proving ----------------------------------------------------------------------------------


@both
def test_values_are_proved_without_policy_twins(renderer: Renderer) -> None:
    async def script(stage: Rig) -> tuple[Outing, Outing]:
        applied = await stage.apply()
        return applied, await stage.prove(None)

    _, proof = scene(renderer, script)
    assert proof.slug == "ok", proof.error
    asked = [line for line in proof.lines if line.startswith("for ")]
    assert len(asked) == 2
    assert [p.outcome for p in proof.work.proof] == [Outcome.OK] * 3


@both
def test_a_value_that_is_gone_again_is_named(renderer: Renderer) -> None:
    async def script(stage: Rig) -> Outing:
        await stage.apply()
        stage.guest.registry.set(LST, "MaxIdleTime", dword(60_000))
        return await stage.prove(None)

    outing = scene(renderer, script)
    assert outing.slug == "restart"
    assert "MaxIdleTime is REG_DWORD 0xea60" in str(outing.error)


def test_a_key_that_should_be_gone_is_proved_too() -> None:
    async def script(stage: Rig) -> Outing:
        return await stage.prove(None, playbook=with_key_step(LST))

    outing = scene("conpty", script)
    assert outing.slug == "restart"
    assert "is in use" in str(outing.error)


def test_a_service_that_stays_down_is_named() -> None:
    async def script(stage: Rig) -> Outing:
        return await stage.prove(None, guest_patience=GuestPatience(proof=20.0))

    outing = scene("conpty", script, faults=Faults(stopped_service=True), playbook=proofs_only())
    assert outing.slug == "restart"
    assert "service TermService is STOPPED" in str(outing.error)
    assert "nothing listens on TCP port 3389" in str(outing.error)


def proofs_only() -> Playbook:
    return small(
        {"value": "MaxIdleTime", "data": 120_000},
        proofs=[
            {"service": {"name": "TermService", "state": "running"}},
            {"listener": {"port": 3389}},
        ],
    )


def test_a_service_that_comes_up_late_is_waited_for() -> None:
    async def script(stage: Rig) -> Outing:
        async def start() -> None:
            await asyncio.sleep(30)
            sac = stage.guest._sac
            assert sac is not None
            sac._machine.start_service("TermService")

        starter = asyncio.create_task(start())
        outing = await stage.prove(None)
        await starter
        return outing

    outing = scene("conpty", script, faults=Faults(stopped_service=True), playbook=proofs_only())
    assert outing.slug == "ok", outing.error


def test_errors_are_ours() -> None:
    """Whatever a guest says, nothing but SerialfixError comes out (`Rig.go` lets others pass)."""
    outing = applied("conpty", faults=Faults(hang_on="echo"))
    assert isinstance(outing.error, SerialfixError)


def test_a_batch_fits_on_the_screen() -> None:
    names = [f"fInheritMaxDisconnectionTi{number:02d}" for number in range(40)]
    for batch in registry.batches(names):
        typed = len(registry.query_many(LST, batch)) + 6
        assert -(-typed // 80) + len(batch) + 2 <= 24


@both
def test_blanks_at_the_end_of_a_former_text_come_back(renderer: Renderer) -> None:
    """No screen shows them; undo must not report success on another value."""
    playbook = small({"value": "Comment", "data": 1})

    async def script(stage: Rig) -> tuple[Outing, Outing]:
        stage.guest.registry.set(LST, "Comment", RegistryValue(RegistryType.SZ, "0  "))
        done = await stage.apply(playbook=playbook)
        undone = await stage.apply(playbook=stage.way_back(done))
        return done, undone

    done, undone = scene(renderer, script)
    assert (done.slug, undone.slug) == ("ok", "ok")
    assert done.plan.steps[0].before == RegistryValue(RegistryType.SZ, "0  ")
    assert undone.after == done.before


# --- services -----------------------------------------------------------------------------------


def one_step(**step: Any) -> Playbook:
    """A playbook of one step of any kind."""
    text = {
        **{"schema": 1, "name": "one", "version": "1", "title": "One step", "restart": "never"},
        "steps": [{"id": "it", "why": "For tests.", **step}],
    }
    return parse_playbook(yaml.safe_dump(text, allow_unicode=True)).playbook


RESTARTED = one_step(service={"name": "Base", "state": "running", "restart": True})


def with_base(stage: Rig, *needing: str) -> set[str]:
    """A service that others need; all run. The names of all that run."""
    for name in ("Base", *needing):
        install_service(
            stage.guest.registry,
            name,
            display=f"{name}, the one with the rather long name of a service",
            image=rf"C:\acme\{name}.exe",
            needs=("Base",) if name != "Base" else (),
        )
        machine(stage).start_service(name)
    return set(machine(stage).running)


def machine(stage: Rig) -> Any:
    sac = stage.guest._sac
    assert sac is not None
    return sac._machine


def test_a_service_that_shares_its_process_restarts_once() -> None:
    """Until Windows 10 1703 it is in the same svchost again, with the same process id."""

    async def script(stage: Rig) -> Outing:
        return await stage.apply()

    step = one_step(service={"name": "Dnscache", "state": "running", "restart": True})
    outing = scene("scraper", script, profile="ws2016", playbook=step)
    assert outing.slug == "ok", outing.error
    assert [words for words in outing.arguments if words[:2] == ("net", "stop")] == [
        ("net", "stop", "dnscache", "/y")
    ]


def test_all_that_was_stopped_with_a_service_runs_again() -> None:
    """More than the buffer of `sc enumdepend` holds by itself; with names that need quotes."""
    names = ["Acme Agent", "ACME$ONE", "Größe", *(f"Needs{number}" for number in range(5))]

    async def script(stage: Rig) -> tuple[Outing, set[str], set[str]]:
        before = with_base(stage, *names)
        return await stage.apply(), before, set(machine(stage).running)

    outing, before, after = scene("conpty", script, playbook=RESTARTED)
    assert outing.slug == "ok", outing.error
    assert after == before


def test_what_starts_slowly_is_waited_for() -> None:
    faults = Faults(services={"A": ServiceFault(slow_start=20.0)})

    async def script(stage: Rig) -> tuple[Outing, set[str], set[str]]:
        before = with_base(stage, "A", "B")
        return await stage.apply(), before, set(machine(stage).running)

    outing, before, after = scene("conpty", script, playbook=RESTARTED, faults=faults)
    assert outing.slug == "ok", outing.error
    assert after == before


def test_undo_starts_what_a_failed_restart_left_stopped() -> None:
    async def script(stage: Rig) -> tuple[Outing, Outing, set[str], set[str]]:
        before = with_base(stage, "Acme Agent", "B")
        stage.guest.faults = Faults(services={"Base": ServiceFault(start_code=1053)})
        failed = await stage.apply()
        stage.guest.faults = Faults()
        undone = await stage.apply(playbook=stage.way_back(failed))
        return failed, undone, before, set(machine(stage).running)

    failed, undone, before, after = scene("conpty", script, playbook=RESTARTED)
    assert (failed.slug, undone.slug) == ("step.command_failed", "ok"), undone.error
    assert after == before


def test_a_service_that_ends_just_before_it_is_stopped_is_started_again() -> None:
    """`net stop` ends with 2 then, as it does for one that it waited for in vain."""

    async def script(stage: Rig) -> tuple[Outing, set[str], set[str]]:
        before, scm = with_base(stage), machine(stage).scm
        refusal = scm.stop_refusal

        def crash(key: Any) -> int:
            scm.end(key.name, 1067)
            return int(refusal(key))

        scm.stop_refusal = crash
        return await stage.apply(), before, set(machine(stage).running)

    outing, before, after = scene("conpty", script, playbook=RESTARTED)
    assert outing.slug == "ok", outing.error
    assert after == before


# --- values that go unread ----------------------------------------------------------------------


@both
def test_nothing_is_deleted_without_a_whole_export(renderer: Renderer) -> None:
    """Not even by a resumed run, which finds half a file."""
    playbook = one_step(registry_removal={"key": RCM, "values": ["Certificate"]})

    async def script(stage: Rig) -> tuple[Outing, Outing]:
        failed = await stage.apply()
        former = fold(failed.journal.records).former
        return failed, await stage.apply(earlier=former)

    for outing in scene(
        renderer,
        script,
        playbook=playbook,
        broken="licence-certificates",
        faults=Faults(export_fails=True),
    ):
        assert outing.slug == "step.command_failed", outing.error
        assert outing.after == outing.before
        assert not [words for words in outing.writes if "delete" in words]


@pytest.mark.parametrize("only_if_present", [True, False])
def test_a_policy_that_went_while_the_plan_was_read_is_not_made(only_if_present: bool) -> None:
    playbook = small({"value": "MaxIdleTime", "data": 7, "only_if_present": only_if_present})

    async def script(stage: Rig) -> Outing:
        async def decide(_plan: Plan) -> bool:
            stage.guest.registry.delete(LST, "MaxIdleTime")
            return True

        stage.guest.registry.set(LST, "MaxIdleTime", dword(5))
        return await stage.apply(decide=decide)

    outing = scene("conpty", script, playbook=playbook)
    if only_if_present:
        assert outing.slug == "step.verify_mismatch"
        assert outing.writes == []
    else:
        assert outing.slug == "ok", outing.error


# --- any data -----------------------------------------------------------------------------------

_SHOWN = st.characters(
    max_codepoint=0xFFFF,
    exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me", "Zl", "Zp"),
).filter(lambda char: wcwidth(char) == width(char))  # terminals disagree on some: no clear answer
_TEXT = st.text(_SHOWN, max_size=300) | st.text(
    st.sampled_from("aab  \"%^&|<>!'\\;,=()漢é"), max_size=120
)
VALUES = st.one_of(
    st.builds(RegistryValue, st.just(RegistryType.SZ), _TEXT),
    st.builds(RegistryValue, st.just(RegistryType.EXPAND_SZ), _TEXT),
    st.builds(
        RegistryValue,
        st.just(RegistryType.MULTI_SZ),
        st.lists(_TEXT.filter(bool), max_size=4).map(tuple),
    ),
    st.builds(RegistryValue, st.just(RegistryType.DWORD), st.integers(0, 2**32 - 1)),
    st.builds(RegistryValue, st.just(RegistryType.QWORD), st.integers(0, 2**64 - 1)),
    st.builds(RegistryValue, st.just(RegistryType.BINARY), st.binary(max_size=200)),
    st.builds(
        RegistryValue, st.just(RegistryType.NONE), _TEXT.map(lambda t: f"{t}\0".encode("utf-16-le"))
    ),
)
NAMES = st.text(_SHOWN, min_size=1, max_size=40).filter(lambda name: name == name.strip())


@pytest.mark.parametrize("language", ["en", "ja"])
@both
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3))
@example(values=[("n" * 20, RegistryValue(RegistryType.SZ, "x" * 42))])
@example(values=[("東" * 10, RegistryValue(RegistryType.MULTI_SZ, ("00", "東" * 16)))])
@example(values=[("n", RegistryValue(RegistryType.MULTI_SZ, (";", " ")))])
@example(values=[("n", RegistryValue(RegistryType.MULTI_SZ, (" ", "a", " ", "  ")))])
@example(values=[("0" * 14 + "⺀⺀⺀", RegistryValue(RegistryType.NONE, b"0\0" * 9 + b"\0\0"))])
def test_what_the_playbook_says_is_what_the_registry_holds(
    renderer: Renderer, language: Language, values: list[tuple[str, RegistryValue]]
) -> None:
    """Or it is refused before anything is typed; and what is there is read to the letter."""

    async def script(stage: Rig) -> None:
        outing = stage.work()
        guest, session = outing.work._guest, outing.work.session
        await session.connect()
        await session.open_channel()
        await session.login(Credentials(USERNAME, Secret(PASSWORD, "guest_password")))
        for name, value in values:
            typed = len(stage.guest.entered)
            try:
                line = registry.add(LST, name, value)
            except UnsafeStep:
                assert len(stage.guest.entered) == typed
                continue
            assert await guest.lines.write(line)
            assert stage.guest.registry.get(LST, name) == value, line
            try:
                read = await guest.values.one(LST, name)
            except CommandFailed:
                assert len(str(value)) > 800  # a text longer than the screen
            else:
                assert read == value
        await session.leave()

    scene(renderer, script, language=language)


# --- the last key before Enter ------------------------------------------------------------------


class LastKey(Wired):
    """The last key of a line that ends so comes twice, too late for its echo; or the Enter on a
    line with this in it is lost, while something else writes on the port."""

    doubled = lost = b""
    times = 1

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        line = bytes(self.typed.rpartition(b"\r")[2]).replace(b"\b", b"").lower()
        if keys == b"\r" and self.times and self.doubled and line.endswith(self.doubled):
            self.times -= 1
            await super().send(line[-1:])
        if keys == b"\r" and self.times and self.lost and self.lost in line:
            self.times -= 1
            await asyncio.sleep(0.1)
            self.guest.interject()
            return
        await super().send(keys, secret=secret)


AB = r"HKLM\SOFTWARE\ABCD"
LONG = r"HKLM\SOFTWARE\Contoso\Products\Something"
PERCENT = r"HKLM\SOFTWARE\50%vat"


@both
@pytest.mark.parametrize(
    ("key", "names", "mishap"),
    [
        (AB, ("Na-m", "Go-ne"), {"lost": b"/v na-m"}),
        (AB, ("Nam",), {"doubled": b"/v nam"}),
        (AB, ("Nam",), {"doubled": b"/v nam", "times": 2}),
        (AB, ("Nam",), {"doubled": b">nul"}),
        (LONG, ("A-b", "C-d", "E-f", "G-h"), {"lost": b'set "k1='}),
        (LONG, ("A-b", "C-d", "E-f", "G-h"), {"doubled": b'something"'}),
        (PERCENT, ("N", "M"), {}),
    ],
)
def test_an_answer_to_another_line_is_none(
    renderer: Renderer, key: str, names: tuple[str, ...], mishap: dict[str, Any]
) -> None:
    """What is there is not taken for absent: it is removed, or the run says that it is not sure."""
    there = names[:1] if "Go-ne" in names else names

    async def script(stage: Rig) -> tuple[Outing, list[str]]:
        for name in there:
            stage.guest.registry.set(key, name, dword(1))
        wire = LastKey(stage.guest)
        for what, value in mishap.items():
            setattr(wire, what, value)
        absent = ({"key": key, "value": name, "state": "absent", "type": None} for name in names)
        outing = await stage.apply(playbook=small(*absent), transport=wire)
        return outing, [name for name in there if stage.guest.registry.get(key, name)]

    outing, left = scene(renderer, script)
    assert outing.slug == "ok", outing.error
    assert left == []
    before = [step.before for step in outing.work.steps.values()]
    assert before.count(dword(1)) == len(there)


@both
def test_a_password_that_grew_by_a_late_star_is_not_entered(renderer: Renderer) -> None:
    """It would be a failed logon, and those lock accounts."""
    for seed in (7, 42, 99):
        outing = applied(renderer, seed=seed, faults=Faults(double_keys=0.002, late_keys=0.3))
        stars = [e.line for e in outing.entered if e.where == "login" and "*" in e.line]
        assert set(stars) <= {"*" * len(PASSWORD)}, (seed, stars)


@both
def test_a_key_that_a_refused_value_leaves_behind_is_told(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reg add` makes the key first; something then keeps the value away."""
    keep = Registry.set

    def refuse(registry: Registry, path: str, name: str, value: RegistryValue) -> None:
        if name == "Guarded":
            registry.key(path, create=True)
        else:
            keep(registry, path, name, value)

    monkeypatch.setattr(Registry, "set", refuse)
    outing = applied(
        renderer, playbook=small({"key": r"HKLM\SOFTWARE\New\Sub", "value": "Guarded", "data": 1})
    )
    assert outing.slug == "step.verify_mismatch"
    assert outing.error is not None
    assert outing.error.touched is Touched.MAYBE


# the last two fill a row of the screen to its end
@pytest.mark.parametrize(
    "text",
    ["a\tb", "a\n", "a\r\n", "a\r\nb", "abc\rde", "x" * 61 + "\n", "x" * 61 + "\r\n"],
)
@both
def test_a_text_with_tabs_or_line_ends_is_not_read_as_another(
    renderer: Renderer, text: str
) -> None:
    async def script(stage: Rig) -> Outing:
        stage.guest.registry.set(LST, "T", RegistryValue(RegistryType.SZ, text))
        return await stage.apply(playbook=small({"value": "T", "type": "REG_SZ", "data": "new"}))

    outing = scene(renderer, script)
    assert outing.slug == "step.command_failed"
    assert (outing.writes, outing.after) == ([], outing.before)


@both
def test_a_line_that_could_not_be_typed_is_refused_before_the_first_change(
    renderer: Renderer,
) -> None:
    key = "HKLM\\SOFTWARE\\" + "\\".join(["ab" * 100] * 4 + ["cd" * 66])
    steps = (
        {"value": "Shadow", "data": 7},
        {"key": key, "value": "N", "type": "REG_SZ", "data": "x"},
    )
    outing = applied(renderer, playbook=small(*steps))
    assert isinstance(outing.error, UnsafeStep)
    assert (outing.writes, outing.error.touched, outing.error.exit_code) == ([], Touched.NO, 2)


@both
def test_names_of_any_length(renderer: Renderer) -> None:
    steps = ({"value": f"N{number}".ljust(78, "x"), "data": 1} for number in range(13))
    outing = applied(renderer, playbook=small(*steps))
    assert outing.slug == "ok", outing.error
    assert outing.outcomes() == [Outcome.CHANGED] * 13
