from __future__ import annotations

import csv
import hashlib
import json
import stat
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.errors import RecordError, UsageError
from serialfix.model import (
    Outcome,
    ProofResult,
    RegistryType,
    RegistryValue,
    RunResult,
    StepResult,
    correlation_id,
)
from serialfix.record.evidence import (
    SUMS,
    WHAT,
    contents,
    operations,
    pack,
    require_whole,
    write_evidence,
)
from serialfix.record.journal import Journal, MemoryJournal
from serialfix.result import run_json
from serialfix.secrets import Redactor, Secret
from tests.report.examples import EARLY, RESULT
from tests.support.journals import tell


REDACTOR = Redactor([Secret("hunter2", "guest_password")])
LEAKING = replace(
    RESULT,
    steps=(
        RESULT.steps[0],
        StepResult(
            "a|b",
            "registry",
            "a|b",
            Outcome.FAILED,
            RegistryValue(RegistryType.SZ, "hunter2 \x1b[31m"),
            None,
            ["x"],
        ),
    ),
)


def whole(tmp_path: Path, result: RunResult = LEAKING) -> Path:
    """The evidence of a run, with every part of it."""
    (tmp_path / "session-1.cast").write_text("recording")
    journal = Journal(tmp_path / "journal.jsonl")
    tell(journal, "run_started", playbook="rdp-reset", user="ada", version="0.1.0")
    tell(journal, "restart_requested")
    tell(journal, "restart_accepted", operation="o-1", continuation_token="eyJzaWdu")
    journal.close()
    return write_evidence(
        tmp_path / "evidence",
        redactor=REDACTOR,
        result=result,
        journal=journal.records,
        transcript_text="typed hunter2\n",
        recordings=[tmp_path / "session-1.cast"],
        playbook_text="schema: 1\n",
        undo_text="schema: 1\n# hunter2\n",
    )


def names(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}


class TestWriteEvidence:
    def test_all_parts(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        assert folder == tmp_path / "evidence"
        files = {name: folder / name for name in names(folder)}
        assert set(files) == {*WHAT} - {"MISSING.txt", "recordings"} | {"recordings/session-1.cast"}
        assert not any("hunter2" in path.read_text() for path in files.values())
        assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        data = json.loads(files["result.json"].read_text())
        assert data["steps"][0] == run_json(RESULT)["steps"][0]
        assert data["evidence"] == str(folder)
        assert json.loads(files["before-after.json"].read_text()) == data["steps"]
        rows = list(csv.reader(files[SUMS].read_text().splitlines(), delimiter=" "))
        sums = {name: digest for digest, _, name in rows}
        assert sums == {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in files.items()
            if name != SUMS
        }
        assert list(sums) == sorted(sums)

    def test_the_readme_names_every_file_and_no_other(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        lines = (folder / "README.txt").read_text().splitlines()
        told = {line.split()[0].rstrip("/") for line in lines if line.startswith("  ")}
        assert told == {name.split("/")[0] for name in names(folder)}
        assert max(map(len, lines)) <= 80
        assert RESULT.run_id in lines[0]

    def test_the_table(self, tmp_path: Path) -> None:
        table = (whole(tmp_path) / "before-after.md").read_text().splitlines()
        assert table == [
            "# `rdp-reset` on `myvm`",
            "",
            "| step | outcome | before | after | wanted |",
            "| --- | --- | --- | --- | --- |",
            "| `security-layer` | ok | `REG_DWORD 0x0 (0)` | `REG_DWORD 0x0 (0)` "
            "| `REG_DWORD 0x0 (0)` |",
            r"| `a\|b` | failed | `REG_SZ '<redacted:guest_password> \x1b[31m'` |  | `x` |",
        ]

    def test_a_run_that_failed_early(self, tmp_path: Path) -> None:
        folder = write_evidence(
            tmp_path / "evidence",
            redactor=REDACTOR,
            result=EARLY,
            recordings=[tmp_path / "gone.cast"],
        )
        assert {path.name for path in folder.iterdir()} == {
            *("result.json", "before-after.md", "before-after.json", "report.md", "junit.xml"),
            *("README.txt", "MISSING.txt", "SHA256SUMS"),
        }
        missing = (folder / "MISSING.txt").read_text()
        assert "gone.cast: No such file or directory\n" in missing

    def test_nothing_at_all(self, tmp_path: Path) -> None:
        folder = write_evidence(tmp_path / "evidence", redactor=REDACTOR)
        assert [path.name for path in folder.iterdir()] == ["SHA256SUMS"]

    def test_the_token_of_a_restart_stays_at_home(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        assert not any("eyJzaWdu" in (folder / name).read_text() for name in names(folder))
        assert '"operation": "o-1"' in (folder / "journal.jsonl").read_text()
        assert '"operation": "o-1"' in (folder / "operations.json").read_text()

    def test_sums_are_checkable(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        done = subprocess.run(
            ["sha256sum", "--strict", "-c", "SHA256SUMS"],
            cwd=folder,
            capture_output=True,
            check=True,
            text=True,
        )
        listed = {line.removesuffix(": OK") for line in done.stdout.splitlines()}
        assert listed == names(folder) - {SUMS}

    def test_written_again_after_a_resume(self, tmp_path: Path) -> None:
        write_evidence(tmp_path / "e", redactor=REDACTOR, undo_text="x")
        (tmp_path / "e.new").mkdir()  # left by a process that was killed while writing
        folder = write_evidence(tmp_path / "e", redactor=REDACTOR, playbook_text="x")
        assert names(folder) == {"README.txt", "playbook.yaml", "SHA256SUMS"}
        assert [path.name for path in tmp_path.iterdir()] == ["e"]

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RecordError, match="cannot write the evidence") as caught:
            write_evidence(tmp_path / "file" / "e", redactor=REDACTOR)
        assert "--state-dir" in caught.value.remedy


# Not among them: what any report may hold by chance, such as a digit, or our own words.
PASSWORDS = st.text(
    st.sampled_from("Pw%&<>\"'\\`|/ ~éß\u202e\x1b\n") | st.characters(exclude_categories=["Cs"]),
    min_size=4,
    max_size=16,
).map(lambda text: f"Zq{text}qZ")


@settings(deadline=None, max_examples=30)
@given(password=PASSWORDS)
def test_the_password_is_in_no_file_in_no_form(
    password: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Wherever a guest may echo it, and however a format writes it."""
    import html
    from urllib.parse import quote
    from xml.sax.saxutils import escape

    from serialfix.printable import printable

    redactor = Redactor([Secret(password, "guest_password")])
    said = f"before {password} after"
    step = StepResult(
        "s", "look", "t", Outcome.FAILED, {"start": said}, [said, said], said, said, said
    )
    result = replace(
        RESULT,
        outcome=Outcome.FAILED,
        exit_code=7,
        steps=(step, replace(step, kind="registry", after=RegistryValue(RegistryType.SZ, said))),
        proof=(ProofResult("p", Outcome.FAILED, said),),
        warnings=(said,),
        error={"slug": "step", "message": said, "screen": said, "remedy": said},
        user=said,
    )
    tmp_path = tmp_path_factory.mktemp("evidence")
    journal = Journal(tmp_path / "journal.jsonl", redactor=redactor)
    tell(journal, "run_started", user=said, version=said)
    tell(journal, "snapshot", id=said)
    journal.close()
    folder = write_evidence(
        tmp_path / "e",
        redactor=redactor,
        result=result,
        journal=journal.records,
        transcript_text=said,
        playbook_text=said,
        undo_text=said,
    )
    forms = {
        *(password, printable(password), repr(password)[1:-1], json.dumps(password)[1:-1]),
        *(quote(password), quote(password, safe=""), html.escape(password), escape(password)),
        password.replace("|", r"\|"),
        printable(password).replace("|", r"\|"),
        escape(printable(password)),
        html.escape(printable(password)),
    }
    for name in names(folder):
        text = (folder / name).read_bytes().decode("utf-8")
        assert not [form for form in forms if form in text], name
        assert name in (SUMS, "README.txt") or "<redacted:" in text or "&lt;redacted:" in text


class TestOperations:
    def journal(self, *records: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        journal = MemoryJournal()
        for kind, facts in records:
            tell(journal, kind, **facts)
        return operations(journal.records, "20261121-084500-abcde")

    def test_what_azure_knows_it_by(self) -> None:
        facts = self.journal(
            ("run_started", {"user": "ada", "version": "1"}),
            ("target", {"vm_id": "/s/vm"}),
            ("snapshot", {"id": "/s/snap"}),
            ("restart_requested", {}),
            ("run_resumed", {"version": "2"}),
            ("restart_accepted", {"operation": "o-1", "continuation_token": "secret"}),
            ("restart_done", {"power_state": None}),
        )
        assert facts["correlation_id"] == correlation_id("20261121-084500-abcde")
        assert [(each["user"], each["version"]) for each in facts["processes"]] == [
            ("ada", "1"),
            (None, "2"),
        ]
        assert facts["vm_id"] == "/s/vm"
        assert facts["snapshot"]["id"] == "/s/snap"
        assert facts["restart"]["operation"] == "o-1"
        assert set(facts["restart"]) == {"operation", "requested", "accepted", "done"}
        assert "secret" not in json.dumps(facts)

    def test_a_restart_that_azure_refused(self) -> None:
        facts = self.journal(("restart_requested", {}), ("restart_refused", {}))
        assert set(facts["restart"]) == {"operation", "requested", "refused"}

    def test_a_run_that_did_nothing(self) -> None:
        facts = self.journal()
        assert (facts["processes"], facts["snapshot"], facts["restart"]) == ([], None, None)


class TestContents:
    def test_as_written(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        files = contents(folder)
        assert {each.name for each in files} == names(folder) - {SUMS}
        assert {each.state for each in files} == {"ok"}
        assert all(each.what and each.bytes for each in files)
        require_whole(folder, files)

    def test_what_was_changed_or_is_gone_is_named(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        (folder / "report.md").write_text("all was well")
        (folder / "undo.yaml").unlink()
        linked = folder / "transcript.txt"
        same = linked.rename(tmp_path / "elsewhere.txt")
        linked.symlink_to(same)
        states = {each.name: each.state for each in contents(folder) if each.state != "ok"}
        assert states == {
            "report.md": "changed",
            "undo.yaml": "missing",
            "transcript.txt": "changed",
        }
        with pytest.raises(RecordError, match=r"report\.md \(changed\)") as caught:
            require_whole(folder, contents(folder))
        assert "undo.yaml (missing)" in str(caught.value)

    @pytest.mark.parametrize(
        "sums", ["", "x  report.md\n", f"{'0' * 64}  ../../other\n", f"{'0' * 64}  /etc/passwd\n"]
    )
    def test_a_list_that_is_none(self, tmp_path: Path, sums: str) -> None:
        folder = whole(tmp_path)
        (folder / SUMS).write_text(sums)
        if not sums:
            (folder / SUMS).unlink()
        with pytest.raises(RecordError, match="cannot be told"):
            contents(folder)


class TestPack:
    def test_what_is_listed_and_nothing_else(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        (folder / "notes.txt").write_text("mine")
        pack(folder, tmp_path / "ticket.zip")
        with zipfile.ZipFile(tmp_path / "ticket.zip") as packed:
            assert packed.testzip() is None
            packed.extractall(tmp_path / "out")
        out = tmp_path / "out" / "ticket"
        assert names(out) == names(folder) - {"notes.txt"}
        require_whole(out, contents(out))
        assert stat.S_IMODE((tmp_path / "ticket.zip").stat().st_mode) == 0o600

    def test_a_damaged_folder_is_not_handed_over(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        (folder / "report.md").write_text("all was well")
        with pytest.raises(RecordError, match="not as it was written"):
            pack(folder, tmp_path / "ticket.zip")
        assert not (tmp_path / "ticket.zip").exists()

    def test_nothing_is_overwritten_and_nothing_half_left(self, tmp_path: Path) -> None:
        folder = whole(tmp_path)
        (tmp_path / "ticket.zip").write_text("another's")
        with pytest.raises(UsageError, match="exists"):
            pack(folder, tmp_path / "ticket.zip")
        assert (tmp_path / "ticket.zip").read_text() == "another's"
        with pytest.raises(RecordError, match="cannot write"):
            pack(folder, tmp_path / "ticket.zip" / "x.zip")
        with pytest.raises(RecordError, match="cannot write"):
            pack(folder, tmp_path / "no" / "x.zip")
