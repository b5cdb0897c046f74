from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import jsonschema
import pytest

from serialfix.errors import MachineMisuse, RecordError, TargetError
from serialfix.model import Outcome
from serialfix.remediation.events import Observer
from serialfix.report.machine import run_schema
from serialfix.result import run_json
from tests.cli.conftest import Stage
from tests.report.examples import FAILED, RESULT, rdp_plan


RUN = ("run", "--vm", "myvm", "--playbook", "rdp-reset", "--yes")


def test_a_run_and_everything_it_is_told(stage: Stage) -> None:
    code, out, err = stage.run(*RUN, "-g", "rg", "--subscription", "sub", "--snapshot")
    assert code == 0
    ((what, playbook, options),) = stage.calls
    assert (what, playbook.playbook.name) == ("run", "rdp-reset")
    assert (options.vm, options.resource_group, options.subscription) == ("myvm", "rg", "sub")
    assert (options.check, options.snapshot, options.restart) == (False, True, True)
    assert options.guest.password.reveal() == "s3cret!"
    assert "/s/evidence" in out
    assert "s3cret" not in out + err


def test_every_option_has_its_variable(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "VM": "other",
        "PLAYBOOK": "rdp-reset",
        "RESOURCE_GROUP": "rg",
        "NO_RESTART": "1",
        "YES": "true",
        "OUTPUT": "json",
        "GUEST_DOMAIN": "CORP",
    }.items():
        monkeypatch.setenv(f"SERIALFIX_{name}", value)
    code, out, _ = stage.run("run")
    assert code == 0
    assert (stage.options.vm, stage.options.restart) == ("other", False)
    assert stage.options.guest.domain == "CORP"
    assert json.loads(out)["run_id"] == RESULT.run_id


def test_json_on_stdout_is_the_result_and_nothing_else(stage: Stage) -> None:
    _, out, _ = stage.run(*RUN, "-o", "json")
    jsonschema.Draft7Validator(run_schema()).validate(json.loads(out))
    assert json.loads(out) == run_json(RESULT)


@pytest.mark.parametrize("command", ["run", "undo", "resume"])
def test_without_a_terminal_and_yes_nothing_begins(stage: Stage, command: str) -> None:
    arguments = ("--vm", "myvm", "--playbook", "rdp-reset") if command == "run" else ("some-run",)
    code, out, err = stage.run(command, *arguments)
    assert (code, out, stage.calls) == (2, "", [])
    assert "--yes" in err


@pytest.mark.parametrize("args", [("check",), ("run", "--check"), ("run", "--dry-run")])
def test_a_check_needs_no_consent(stage: Stage, args: tuple[str, ...]) -> None:
    code, _, _ = stage.run(*args, "--vm", "myvm", "--playbook", "rdp-reset")
    assert code == 0
    assert stage.options.check


def test_the_environment_can_make_a_check_of_a_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERIALFIX_CHECK", "1")
    stage.run(*RUN)
    assert stage.options.check


@pytest.mark.parametrize(
    ("outcome", "flags", "code"),
    [
        (Outcome.WOULD_CHANGE, ("--exit-code",), 20),
        (Outcome.WOULD_CHANGE, (), 0),
        (Outcome.OK, ("--exit-code",), 0),
    ],
)
def test_exit_code_20_is_asked_for(
    stage: Stage, outcome: Outcome, flags: tuple[str, ...], code: int
) -> None:
    stage.result = replace(RESULT, outcome=outcome)
    got, out, _ = stage.run("check", "--vm", "v", "--playbook", "rdp-reset", "-o", "json", *flags)
    assert (got, json.loads(out)["exit_code"]) == (code, code)


def test_a_failed_run_ends_with_its_code_and_its_error_on_stderr(stage: Stage) -> None:
    stage.result = FAILED
    code, out, err = stage.run(*RUN, "-o", "json")
    assert (code, json.loads(out)["error"]["slug"]) == (7, "console.echo_mismatch")
    assert "could not be typed right" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RecordError("disk full", remedy="Free some space."), 2, "Free some space."),
        (MachineMisuse("odd"), 1, "recording of the session"),
        (ZeroDivisionError("oops"), 1, "A bug in serialfix: ZeroDivisionError: oops"),
    ],
)
def test_errors_that_leave_no_result(stage: Stage, error: Exception, code: int, words: str) -> None:
    stage.error = error
    got, out, err = stage.run(*RUN)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert "Traceback" in stage.run(*RUN, "--debug")[2]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("run", "--playbook", "rdp-rest", "--vm", "v", "--yes"), "did you mean rdp-reset?"),
        (("run", "--playbook", "rdp-reset", "--yes"), "no VM is named"),
        (("run", "--vm", "v", "--yes"), "--playbook"),
        ((*RUN, "--ids", "/subscriptions/x"), "leave out --vm"),
        (("run", "--playbook", "rdp-reset", "--yes", "--ids", "/a /b"), "names 2 VMs"),
        ((*RUN, "-o", "xml"), "xml"),
        (("rnu",), "run"),
    ],
)
def test_wrong_use_is_2_and_begins_nothing(stage: Stage, args: tuple[str, ...], words: str) -> None:
    code, out, err = stage.run(*args)
    assert (code, out, stage.calls) == (2, "", [])
    assert words in err


def test_a_wrong_playbook_names_its_line(stage: Stage) -> None:
    file = stage.state.parent / "bad.yaml"
    file.write_text("schema: 1\nname: [\n")
    code, _, err = stage.run("run", "--vm", "v", "--yes", "--playbook", str(file))
    assert code == 2
    assert f"{file}:3:1: not YAML" in err


def test_parameters_reach_the_run(stage: Stage) -> None:
    file = stage.state.parent / "asks.yaml"
    file.write_text(
        "schema: 1\nname: asks\nversion: '1'\ntitle: T\nrestart: never\n"
        "parameters: {user: {example: bob, why: Who.}}\n"
        "steps:\n"
        "  - id: a\n"
        "    why: w\n"
        "    registry: {key: 'HKLM\\A\\B', value: V, type: REG_SZ, data: '${user}'}\n"
    )
    book = ("--vm", "v", "--playbook", str(file))
    code, _, err = stage.run("run", "--yes", *book)
    assert (code, stage.calls) == (2, [])
    assert "--set user=...  Who." in err
    code, _, err = stage.run("run", "--yes", *book, "--set", "user")
    assert (code, stage.calls) == (2, [])
    assert "NAME=VALUE" in err
    code, _, err = stage.run("check", *book, "--set", "user=a", "--set", "user=b")
    assert code == 2
    assert "twice" in err
    assert stage.run("check", *book, "--set", "user=a=b")[0] == 0
    assert stage.calls[0][1].playbook.steps[0].registry.data == "a=b"


def test_an_id_names_the_vm(stage: Stage) -> None:
    stage.run("run", "--playbook", "rdp-reset", "--yes", "--ids", RESULT.vm_id)
    assert (stage.options.vm, stage.options.vm_id) == (None, RESULT.vm_id)


@pytest.mark.parametrize("what", ["undo", "resume"])
def test_undo_and_resume_go_by_the_run(stage: Stage, what: str) -> None:
    code, _, _ = stage.run(what, "2026", "--yes")
    assert code == 0
    assert [call[:2] for call in stage.calls] == [(what, "2026")]
    stage.error = TargetError("no run 2026")
    assert stage.run(what, "2026", "--yes")[0] == 3


def test_progress_goes_to_stderr_and_can_be_switched_off(stage: Stage) -> None:
    def script(observer: Observer) -> None:
        observer.phase("find", "myvm")
        observer.plan(rdp_plan())
        assert observer.confirm(rdp_plan())

    stage.script = script
    _, out, err = stage.run(*RUN, "-o", "none")
    assert out == ""
    assert "KeepAliveEnable" in err
    assert "find took" in err
    assert "find" not in stage.run(*RUN, "--only-show-errors")[2]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_has_the_code_of_its_signal(
    stage: Stage, number: signal.Signals, code: int
) -> None:
    stage.script = lambda _: os.kill(os.getpid(), number)
    stage.result = replace(FAILED, exit_code=130)
    got, out, err = stage.run(*RUN, "-o", "json")
    assert (got, json.loads(out)["exit_code"]) == (code, code)
    assert "Leaving the console first" in err


def test_a_missing_password_is_told_before_anything(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERIALFIX_GUEST_PASSWORD")
    code, _, err = stage.run(*RUN)
    assert (code, stage.calls) == (2, [])
    assert "--credential-command" in err


# --- any console --------------------------------------------------------------------------------

ON_CONSOLE = ("run", "--console", "virsh console vm", "--playbook", "rdp-reset", "--yes")


def test_a_console_in_place_of_azure(stage: Stage) -> None:
    code, _, err = stage.run(*ON_CONSOLE, "--restart-command", "virsh reboot vm")
    assert code == 0, err
    options = stage.options
    assert (options.console, options.restart_command) == ("virsh console vm", "virsh reboot vm")
    assert (options.vm, options.vm_id, options.restart_by) == (None, None, None)
    stage.calls.clear()
    assert stage.run("check", *ON_CONSOLE[1:-1])[0] == 0
    assert (stage.options.console, stage.options.check) == ("virsh console vm", True)


def test_a_console_by_the_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERIALFIX_CONSOLE", "nc -U /run/vm")
    monkeypatch.setenv("SERIALFIX_RESTART_BY", "sac")
    assert stage.run("run", "--playbook", "rdp-reset", "--yes")[0] == 0
    assert (stage.options.console, stage.options.restart_by) == ("nc -U /run/vm", "sac")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--vm", "v"), "--console and --vm contradict each other"),
        (("-g", "rg"), "--resource-group"),
        (("--subscription", "s"), "--subscription"),
        (("--ids", "/subscriptions/x"), "--ids"),
        (("--instance-id", "1"), "--instance-id"),
        (("--snapshot",), "--snapshot"),
        (("--lab",), "--lab"),
        (("--restart-by", "sac", "--restart-command", "x"), "not both"),
        (("--restart-by", "hand"), "hand"),
        (("--restart-command", "x --password S3CRET"), "--restart-command has a password"),
    ],
)
def test_what_does_not_go_with_a_console(stage: Stage, more: tuple[str, ...], words: str) -> None:
    code, out, err = stage.run(*ON_CONSOLE, *more)
    assert (code, out, stage.calls) == (2, "", [])
    assert words in err
    assert "S3CRET" not in err


@pytest.mark.parametrize("option", [("--restart-by", "sac"), ("--restart-command", "x")])
def test_a_vm_in_azure_is_restarted_through_azure(stage: Stage, option: tuple[str, str]) -> None:
    code, _, err = stage.run(*RUN, *option)
    assert (code, stage.calls) == (2, [])
    assert f"{option[0]} goes with --console" in err


@pytest.mark.parametrize("console", ["ssh host", "sshpass -p S3CRET ssh -e none h", "'", ""])
def test_commands_that_are_refused(stage: Stage, console: str) -> None:
    code, _, err = stage.run("run", "--console", console, "--playbook", "rdp-reset", "--yes")
    assert (code, stage.calls) == (2, [])
    assert "--console" in err
    assert "S3CRET" not in err
