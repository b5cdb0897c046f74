"""No place to write: without a journal nobody touches a guest."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import IN_THREE, Machine, Site
from tests.e2e.test_refusals import says


def args(site: Site, machine: Machine, *more: str) -> tuple[str, ...]:
    return ("run", "--vm", machine.name, "--playbook", site.three, "--yes", *more)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB with nothing free; what a skip leaves unseen is ENOSPC itself."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        ).returncode
    )
    if not mounted:
        pytest.skip("cannot mount a small file system here: ENOSPC is shown by a write that fails")
    try:
        (folder / "fill").write_bytes(bytes(64 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(site: Site, full_disk: Path) -> None:
    machine = site.machine()
    ended = site.command(*args(site, machine, "--state-dir", str(full_disk)))
    assert ended.code == 2, ended.err
    says(ended.err, "No space left on device", "Free some space", "--state-dir")
    machine.untouched(attached=False)
    assert "bug" not in ended.err.lower()


def test_no_file_may_grow(site: Site) -> None:
    machine = site.machine()
    ended = site.command(
        *args(site, machine),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert ended.code == 2, ended.err
    says(ended.err, "cannot write", "File too large", "Free some space")
    machine.untouched(attached=False)


@pytest.mark.parametrize("limit", [1_000, 3_000, 6_000, 12_000, 16_000])
def test_the_disk_fills_up_on_the_way(site: Site, limit: int) -> None:
    machine = site.machine()
    ended = site.command(
        *args(site, machine, "-o", "json"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "bug in serialfix" not in ended.err
    entered = [r for r in site.journal() if r["kind"] == "step_entering"] if site.runs else []
    assert len(machine.writes) <= len(entered)  # never a write that the journal does not know
    assert machine.channels == []
    if ended.code == 0:
        machine.repaired(IN_THREE)
    else:
        assert ended.code in (2, 7, 8), ended.err
        says(ended.err, "File too large")
        touched = machine.registry != machine.before
        assert (ended.code == 2) is (not touched)
        assert ended.result["touched"] == ("yes" if touched else "no")


@pytest.mark.parametrize(("nth", "code", "touched"), [(1, 2, "no"), (2, 7, "yes")])
def test_full_at_the_journal_of_a_step(
    site: Site, nth: int, code: int, touched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = site.machine()
    write, seen = os.write, 0

    def full(file: int, data: bytes) -> int:
        nonlocal seen
        seen += b'"kind": "step_entering"' in data
        if seen >= nth and b'"seq"' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    ended = site.run(machine, playbook=site.three)
    assert ended.code == code
    assert ended.result["touched"] == touched
    says(ended.err, "cannot write the journal", "No space left on device")
    assert len(machine.writes) == nth - 1
    assert (machine.restarts, machine.channels) == (0, [])
    monkeypatch.setattr(os, "write", write)
    resumed = site.inside("resume", site.runs[0].name, "--yes", "-o", "json")
    assert resumed.code == 0, resumed.err
    machine.repaired(IN_THREE)


def test_a_state_folder_that_cannot_be_made(site: Site) -> None:
    machine = site.machine()
    (site.home / "file").write_text("in the way")
    ended = site.command(*args(site, machine, "--state-dir", str(site.home / "file" / "state")))
    assert (ended.code, ended.out) == (2, "")
    says(ended.err, "cannot make the folder", "Not a directory", "--state-dir")
    machine.untouched(attached=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_of_somebody_else(site: Site) -> None:
    machine = site.machine()
    folder = site.home / "theirs"
    folder.mkdir(mode=0o500)
    ended = site.command(*args(site, machine, "--state-dir", str(folder / "state")))
    assert (ended.code, ended.out) == (2, "")
    says(ended.err, "cannot make the folder", "Permission denied")
    machine.untouched(attached=False)
