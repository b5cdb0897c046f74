"""A VM behind a command: what is refused before anything is kept, and the restart by a command."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serialfix.errors import ConfigError, RestartError, RestartFailed, RestartRefused
from serialfix.model import Outcome
from serialfix.record.journal import MemoryJournal
from serialfix.remediation.azure_vm import AzureVm
from serialfix.remediation.console_vm import CommandRestarter, ConsoleVm, SacRestarter
from serialfix.remediation.events import Silence
from serialfix.remediation.history import Standing, fold
from serialfix.remediation.options import RunOptions
from serialfix.remediation.place import VmName, place_of
from serialfix.remediation.restarting import Restart
from serialfix.secrets import Secret
from serialfix.session import Credentials


NO_WORK: Any = None
OPTIONS = RunOptions(
    guest=Credentials("azureadmin", Secret("s3cret!", "guest_password")),
    environ=os.environ,
    console="virsh  console 'my vm'",
)


def runs(pid: str) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def restarter(*command: str, timeout: float = 20) -> CommandRestarter:
    return CommandRestarter(command, environ=os.environ, timeout=timeout)


# --- the place ----------------------------------------------------------------------------------


async def test_a_command_is_the_name_of_its_vm() -> None:
    vm = place_of(OPTIONS)
    assert vm.wanted == VmName("console:virsh console 'my vm'", "virsh console 'my vm'")
    assert await vm.find() == vm.wanted
    assert (await vm.preflight()).vm == vm.wanted
    assert isinstance(place_of(replace(OPTIONS, console=None, vm="myvm")), AzureVm)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"console": ""}, "--console is empty"),
        ({"console": "ssh host"}, "escape character"),
        ({"restart_command": " "}, "--restart-command is empty"),
        ({"restart_by": "hand"}, "takes sac"),
        ({"restart_by": "sac", "restart_command": "x"}, "not both"),
        ({"snapshot": True}, "--snapshot"),
        ({"console": "open s3cret!"}, "password stands in a command"),
        ({"restart_command": "restart s3cret!"}, "password stands in a command"),
    ],
)
def test_what_is_refused_before_anything_is_kept(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        place_of(replace(OPTIONS, **more))
    assert "s3cret" not in str(caught.value)


def test_the_ways_to_restart() -> None:
    assert "neither --restart-command nor --restart-by" in ConsoleVm(OPTIONS).no_restart
    for more, kind in (
        ({"restart_by": "sac"}, SacRestarter),
        ({"restart_command": "virsh reboot vm"}, CommandRestarter),
    ):
        vm = ConsoleVm(replace(OPTIONS, **more))  # type: ignore[arg-type]
        assert vm.no_restart == ""
        way = vm.restarter(NO_WORK)
        assert isinstance(way, kind)
        assert not way.reports  # only the guest can show that it restarted


async def kept() -> None:
    """The request, in some journal."""


# --- by a command -------------------------------------------------------------------------------


async def test_it_runs_after_the_request_is_kept_and_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERIALFIX_GUEST_PASSWORD", "s3cret!")
    seen = tmp_path / "seen"
    requests: list[bool] = []
    way = restarter("sh", "-c", f"sleep 0.1; env > {seen}; ps -o sid= $$ >> {seen}; cat")

    async def requested() -> None:
        requests.append(seen.exists())

    operation = await way.begin(requested)
    assert requests == [False]
    assert "PATH=" in seen.read_text()
    assert "s3cret" not in seen.read_text()
    await operation.wait(timeout=0)
    again = await way.resume(operation.continuation_token)
    assert (again.id, again.continuation_token) == (None, operation.continuation_token)
    assert await way.power_state() is None


async def test_a_code_is_a_failure_with_the_last_words() -> None:
    with pytest.raises(RestartFailed, match=r"exit code 3: no such domain$") as caught:
        await restarter("sh", "-c", "echo one; echo no such domain >&2; exit 3").begin(kept)
    assert "restart it by hand" in caught.value.remedy


@pytest.mark.parametrize("program", ["does-not-exist", "/"])
async def test_what_cannot_be_run_restarted_nothing(program: str) -> None:
    with pytest.raises(RestartRefused, match=f"cannot be run: {program}: "):
        await restarter(program).begin(kept)


async def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    way = restarter("sh", "-c", f"sleep 1000 & echo $! > {pids}; wait", timeout=0.5)
    with pytest.raises(RestartError, match=r"has not ended after 0\.5 s") as caught:
        await way.begin(kept)
    assert type(caught.value) is RestartError  # neither refused nor failed: unknown
    async with asyncio.timeout(20):
        while runs(pids.read_text().strip()):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


async def test_a_child_that_keeps_the_output_open_is_not_waited_for() -> None:
    await restarter("sh", "-c", "sleep 5 &", timeout=3).begin(kept)


# --- once ---------------------------------------------------------------------------------------


def once(journal: MemoryJournal, *command: str) -> Restart:
    return Restart(restarter(*command), journal=journal, observer=Silence(), timeout=1)


def kinds(journal: MemoryJournal) -> list[str]:
    return [record["kind"] for record in journal.records]


async def test_asked_for_is_unknown_until_the_guest_shows_it() -> None:
    one = once(journal := MemoryJournal(), "true")
    await one.once(Standing())
    assert kinds(journal) == ["restart_requested", "restart_accepted", "restart_done"]
    for shown, outcome in ((False, Outcome.UNKNOWN), (True, Outcome.CHANGED)):
        one.shown(shown)
        assert one.result is not None
        assert one.result.outcome is outcome


@pytest.mark.parametrize("upto", [2, 3])
async def test_one_that_was_asked_for_is_never_asked_for_again(tmp_path: Path, upto: int) -> None:
    ran = tmp_path / "ran"
    one = once(journal := MemoryJournal(), "sh", "-c", f"echo x >> {ran}")
    await one.once(Standing())
    again = once(MemoryJournal(), "sh", "-c", f"echo x >> {ran}")
    await again.once(fold(journal.records[:upto]))
    assert again.result is not None
    assert again.result.outcome is Outcome.UNKNOWN
    assert ran.read_text() == "x\n"


async def test_one_whose_end_was_not_kept_is_for_a_person() -> None:
    one = once(MemoryJournal(), sys.executable, "-c", "raise SystemExit('never')")
    with pytest.raises(RestartError, match="not restarted again") as caught:
        await one.once(Standing(restart_requested=True))
    assert "makes the proof" in caught.value.remedy
    assert one.result is not None
    assert one.result.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("program", "last"), [("nothing-there", "refused"), ("false", "requested")]
)
async def test_only_what_did_not_begin_may_be_asked_for_again(program: str, last: str) -> None:
    one = once(journal := MemoryJournal(), program)
    with pytest.raises(RestartError):
        await one.once(Standing())
    assert kinds(journal)[-1] == f"restart_{last}"
    assert fold(journal.records).restart_requested == (last == "requested")
    assert one.result is not None
    assert one.result.outcome is Outcome.FAILED
