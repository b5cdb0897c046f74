from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import PreflightError, RecordError, TargetError
from serialfix.model import Outcome, RegistryType, RegistryValue
from serialfix.record.journal import (
    BY_HAND,
    Journal,
    JournalPort,
    MemoryJournal,
    Record,
    RunStore,
    attached_path,
    claim_vm,
    default_state_dir,
    to_its_end,
)
from serialfix.record.storage import RunStorage
from serialfix.secrets import Redactor, Secret
from tests.support.journals import tell


VM = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/myvm"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('aü\n"\0', max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("kl"), inner),
    max_leaves=4,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.jsonl")) as it:
        yield it


class TestAppend:
    async def test_one_line_each_on_disk_at_once(self, journal: Journal) -> None:
        await journal.append("run", vm=VM)
        record = await journal.append("step.entering", step="security-layer", before=None)
        lines = journal.path.read_text("ascii").splitlines()
        assert [json.loads(line) for line in lines] == list(journal.records)
        assert record == journal.records[1]
        assert list(record) == ["seq", "at", "kind", "step", "before"]
        assert (record["seq"], record["kind"]) == (2, "step.entering")
        assert datetime.fromisoformat(record["at"]).utcoffset() == timedelta(0)

    async def test_it_is_synced_before_it_returns(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes = []
        sync = os.fsync

        def watch(file: int) -> None:
            sizes.append(os.fstat(file).st_size)
            sync(file)

        monkeypatch.setattr(os, "fsync", watch)
        await journal.append("run")
        assert sizes == [journal.path.stat().st_size]

    def test_only_the_owner_reads_it(self, journal: Journal) -> None:
        assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600

    async def test_our_nouns_are_kept_as_json(self) -> None:
        journal = MemoryJournal(
            now=lambda: datetime(2030, 1, 1, 2, tzinfo=timezone(-timedelta(hours=2)))
        )
        record = await journal.append(
            "step.verified",
            outcome=Outcome.CHANGED,
            after=RegistryValue(RegistryType.BINARY, b"\1"),
            raw=b"\xff",
            path=Path("a"),
            rows=("x",),
            secret=Secret("pw", "guest_password"),
        )
        assert record == {
            "seq": 1,
            "at": "2030-01-01T04:00:00.000+00:00",
            "kind": "step.verified",
            "outcome": "changed",
            "after": {"type": "REG_BINARY", "data": "01"},
            "raw": "ff",
            "path": "a",
            "rows": ["x"],
            "secret": "<redacted:guest_password>",
        }

    async def test_secrets_do_not_come_in(self, tmp_path: Path) -> None:
        redactor = Redactor([Secret("hunter2", "pw")])
        before = RegistryValue(RegistryType.SZ, "hunter2")
        with closing(Journal(tmp_path / "j", redactor=redactor)) as journal:
            record = await journal.append("step.entering", before=before, screen=["is hunter2"])
        assert "hunter2" not in (tmp_path / "j").read_text()
        assert record["before"] != before.to_json()

    async def test_misuse(self, journal: Journal) -> None:
        with pytest.raises(ValueError, match="seq"):
            await journal.append("run", seq=1)
        with pytest.raises(TypeError, match="object"):
            await journal.append("run", thing=object())
        assert journal.records == ()
        assert journal.path.read_bytes() == b""


class TestDiskFull:
    async def test_nothing_of_the_line_stays(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await journal.append("run")
        whole = journal.path.read_bytes()
        write = os.write

        def half(file: int, data: bytes) -> int:
            if len(data) < 20:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(file, data[: len(data) // 2])

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(RecordError, match="No space left") as caught:
            await journal.append("step.entering", step="one")
        assert (caught.value.exit_code, caught.value.touched) == (2, "no")
        assert "--state-dir" in caught.value.remedy
        assert journal.path.read_bytes() == whole
        monkeypatch.undo()
        assert (await journal.append("again"))["seq"] == 2
        assert [each["kind"] for each in Journal.read(journal.path)] == ["run", "again"]

    async def test_a_failed_sync_is_a_failed_append(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(file: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(RecordError, match="Input/output"):
            await journal.append("run")
        assert Journal.read(journal.path) == []

    async def test_a_closed_journal_takes_nothing(self, journal: Journal) -> None:
        journal.close()
        with pytest.raises(RecordError):
            await journal.append("run")

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match="No such file"):
            Journal(tmp_path / "no" / "journal.jsonl")


class Slow(MemoryJournal):
    """Its records are on their way until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: list[Record] = []
        self.begun = asyncio.Event()
        self.through = asyncio.Event()
        self.error: RecordError | None = None

    async def _store(self, record: Record) -> None:
        self.begun.set()
        await self.through.wait()
        if self.error is not None:
            raise self.error
        self.stored.append(record)


class TestStoredElsewhere:
    async def test_two_tasks_at_once_take_turns(self) -> None:
        journal = Slow()
        both = [asyncio.ensure_future(journal.append(kind)) for kind in ("one", "two")]
        await journal.begun.wait()
        assert journal.records == ()
        journal.through.set()
        kept: list[Record] = await asyncio.gather(*both)
        assert [(record["seq"], record["kind"]) for record in kept] == [(1, "one"), (2, "two")]
        assert list(journal.records) == journal.stored == kept

    async def test_what_is_told_is_what_it_was_when_it_was_told(self) -> None:
        journal, steps = Slow(), ["one"]
        append = asyncio.ensure_future(journal.append("planned", steps=steps))
        await journal.begun.wait()
        steps.append("two")
        journal.through.set()
        assert (await append)["steps"] == ["one"]

    @pytest.mark.parametrize("times", [1, 2])
    async def test_one_that_was_begun_is_kept_before_a_cancellation_goes_on(
        self, times: int
    ) -> None:
        journal = Slow()
        begun, waiting = (asyncio.ensure_future(journal.append(kind)) for kind in ("one", "two"))
        await journal.begun.wait()
        for _ in range(times):
            for task in (begun, waiting):
                task.cancel(143)
            await asyncio.sleep(0)
        assert not begun.done()
        journal.through.set()
        for task in (begun, waiting):
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.args == (143,)
        assert [each["kind"] for each in journal.records] == ["one", "two"]
        assert list(journal.records) == journal.stored

    async def test_one_that_failed_is_not_there_and_leaves_its_number(self) -> None:
        journal = Slow()
        append = asyncio.ensure_future(journal.append("one"))
        await journal.begun.wait()
        journal.error = RecordError("the database is gone")
        journal.through.set()
        with pytest.raises(RecordError, match="is gone"):
            await append
        assert list(journal.records) == []
        journal.error = None
        assert (await journal.append("two"))["seq"] == 1
        assert [each["kind"] for each in journal.records] == ["two"]

    async def test_one_that_goes_on_with_records_of_before(self) -> None:
        former = MemoryJournal()
        await former.append("one")
        journal = MemoryJournal(records=former.records)
        assert (await journal.append("two"))["seq"] == 2
        assert [each["kind"] for each in journal.records] == ["one", "two"]


async def test_what_was_begun_is_ended_before_a_cancellation_goes_on() -> None:
    ended: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        ended.append("yes")

    task = asyncio.ensure_future(to_its_end(work()))
    await asyncio.sleep(0)
    task.cancel(143)
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert (ended, caught.value.args) == (["yes"], (143,))


async def test_an_error_of_what_was_begun_comes_through() -> None:
    async def work() -> None:
        raise RecordError("no")

    with pytest.raises(RecordError):
        await to_its_end(work())


class TestRead:
    @settings(deadline=None)
    @given(
        facts=st.lists(st.dictionaries(st.sampled_from("abc"), JSON), min_size=1, max_size=3),
        cut=st.integers(0, 400),
    )
    def test_torn_anywhere(
        self, tmp_path_factory: pytest.TempPathFactory, facts: list[dict[str, object]], cut: int
    ) -> None:
        path = tmp_path_factory.mktemp("journal") / "j"
        with closing(Journal(path)) as journal:
            ends = []
            for each in facts:
                tell(journal, "x", **each)
                ends.append(path.stat().st_size)
            records = list(journal.records)
        assert Journal.read(path) == records
        os.truncate(path, min(cut, ends[-1]))
        whole = records[: sum(end <= cut for end in ends)]
        assert Journal.read(path) == whole
        with closing(Journal(path)) as journal:  # going on after the kill
            assert list(journal.records) == whole
            tell(journal, "resumed")
        assert [each["seq"] for each in Journal.read(path)] == list(range(1, len(whole) + 2))

    async def test_nul_bytes_after_a_power_cut(self, tmp_path: Path) -> None:
        path = tmp_path / "j"
        with closing(Journal(path)) as journal:
            await journal.append("run")
        path.write_bytes(path.read_bytes() + b"\0" * 512)
        assert [each["kind"] for each in Journal.read(path)] == ["run"]

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"{",
            b"[]",
            b"\xff",
            b'{"seq": 1, "at": "t", "kind": "again"}',
            b'{"seq": 2, "kind": "no time"}',
            b'{"seq": 2, "at": "t"}',
        ],
    )
    def test_damage_names_the_line(self, tmp_path: Path, line: bytes) -> None:
        path = tmp_path / "j"
        path.write_bytes(b'{"seq": 1, "at": "t", "kind": "run"}\n' + line + b"\n")
        with pytest.raises(RecordError, match="j:2: not a record"):
            Journal.read(path)
        with pytest.raises(RecordError, match="j:2: not a record"):
            Journal(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match="No such file"):
            Journal.read(tmp_path / "j")


async def test_a_run_is_held_by_one(journal: Journal) -> None:
    with pytest.raises(RecordError, match="another process works on the run"):
        Journal(journal.path)
    await journal.append("run")
    journal.close()
    with closing(Journal(journal.path)) as second:
        assert (await second.append("resume"))["seq"] == 2


async def test_both_journals_fit_the_port(journal: Journal) -> None:
    ports: list[JournalPort] = [journal, MemoryJournal()]
    kept = [await port.append("run", vm="x") for port in ports]
    assert [set(each) for each in kept] == [{"seq", "at", "kind", "vm"}] * 2
    assert datetime.fromisoformat(kept[1]["at"]) <= datetime.now(UTC) + timedelta(seconds=1)


class TestRunStore:
    async def test_create_list_open(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path / "a" / "state")
        assert store.list() == []
        with store.create("20300101-abc") as run, store.create("20300102-def") as other:
            await run.journal.append("run")
            assert other.run_id == "20300102-def"
            assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
            assert stat.S_IMODE(run.path.parent.stat().st_mode) == 0o700
        assert [each.run_id for each in store.list()] == ["20300101-abc", "20300102-def"]
        assert store.open("20300101").path == run.path
        with store.open("20300101-abc") as again:
            assert (await again.journal.append("resume"))["seq"] == 2

    def test_an_id_may_be_the_beginning_of_another(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        for name in ("a1", "a1b"):
            store.create(name)
        assert store.open("a1").run_id == "a1"

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ("2030", r"several runs begin with '2030': 20300101-abc, 20300102-def"),
            ("20300101-abd", r"no run '20300101-abd'; near: 20300101-abc"),
            ("zzz", r"no run 'zzz'$"),
            ("", r"no run ''$"),
            ("../runs/20300101-abc", "no run"),
        ],
    )
    def test_unknown_and_ambiguous(self, tmp_path: Path, asked: str, message: str) -> None:
        store = RunStore(tmp_path)
        store.create("20300101-abc")
        store.create("20300102-def")
        with pytest.raises(TargetError, match=message) as caught:
            store.open(asked)
        assert caught.value.exit_code == 3

    def test_create_refuses(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        store.create("one")
        with pytest.raises(RecordError, match="File exists"):
            store.create("one")
        with pytest.raises(RecordError, match="not a name"):
            store.create("../one")
        (tmp_path / "file").write_text("")
        with pytest.raises(RecordError, match="cannot make the folder"):
            RunStore(tmp_path / "file").create("one")

    async def test_documents(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run: RunStorage = RunStore(tmp_path).create("one")
        path = run.path / "undo.yaml"
        assert run.undo == str(path)
        assert await run.kept("undo.yaml") is None
        for text in ("ä: 1\n", "ä: 2\n"):
            await run.keep("undo.yaml", text)
            assert await run.kept("undo.yaml") == text
        assert path.read_text("utf-8") == "ä: 2\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

        def fail(file: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(RecordError, match=r"undo\.yaml: No space left") as caught:
            await run.keep("undo.yaml", "ä: 3\n")
        assert "--state-dir" in caught.value.remedy
        assert await run.kept("undo.yaml") == "ä: 2\n"  # the former one, whole
        path.write_bytes(b"\xff")
        with pytest.raises(RecordError, match=r"cannot read .*undo\.yaml"):
            await run.kept("undo.yaml")

    async def test_reading_does_not_hold_the_run(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path, redactor=Redactor([Secret("pw", "pw")]))
        with store.create("one") as run:
            await run.journal.append("run", text="pw")
            read = Journal.read(store.open("one").journal_path)
        assert read[0]["text"] == "<redacted:pw>"

    def test_one_run_at_a_time_on_a_vm(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        one, two = store.create("one"), store.create("two")
        with one.lock_vm(VM):
            with pytest.raises(
                PreflightError, match=r"run one is working on this VM: /SUBS"
            ) as caught:
                two.lock_vm(VM.upper() + "/")
            assert caught.value.exit_code == 5
            two.lock_vm(VM + "2").close()
        two.lock_vm(VM).close()

    def test_a_person_at_the_console_is_named(self, tmp_path: Path) -> None:
        run = RunStore(tmp_path).create("one")
        with claim_vm(tmp_path, VM, holder=f"{BY_HAND} (ada, process 7)"):
            with pytest.raises(PreflightError, match=r"attach` \(ada, process 7\) is") as caught:
                run.lock_vm(VM)
            assert "Leave that console" in caught.value.remedy

    def test_a_lock_that_cannot_be_made(self, tmp_path: Path) -> None:
        run = RunStore(tmp_path).create("one")
        (tmp_path / "locks").write_text("")
        with pytest.raises(RecordError, match="locks"):
            run.lock_vm(VM)


def test_recordings_of_attached_consoles_lie_beside_the_runs(tmp_path: Path) -> None:
    now = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    first = attached_path(tmp_path, "my/ss..\n1", now=now)
    assert first == tmp_path / "attached" / "20260203-040506-my-ss..-1.cast"
    first.touch()
    assert attached_path(tmp_path, "my/ss..\n1", now=now).name.endswith("-2.cast")
    assert RunStore(tmp_path).list() == []


def test_default_state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_state_dir({"SERIALFIX_STATE_DIR": str(tmp_path)}) == tmp_path
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_state_dir({}).name == "serialfix"
