from __future__ import annotations

import subprocess
import sys

import pytest

from serialfix import __version__
from tests.cli.conftest import Stage


HEAVY = (
    *("azure", "aiohttp", "websockets", "pydantic", "yaml", "cryptography", "pyte", "jsonschema"),
    *("rich", "asyncio", "serialfix.lab", "serialfix.remediation", "serialfix.console"),
)


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from serialfix.cli.main import end_of; end_of(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(stage: Stage) -> None:
    assert stage.run("--version") == (0, f"serialfix {__version__}\n", "")


@pytest.mark.parametrize(
    "command",
    ["run", "check", "undo", "resume", "attach", "runs", "playbook", "replay", "lab", "doctor"],
)
def test_every_command_is_listed_and_has_help_in_eighty_columns(stage: Stage, command: str) -> None:
    assert f"\n  {command} " in stage.run("--help")[1]
    code, out, _ = stage.run(command, "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_nothing_at_all_shows_the_help(stage: Stage) -> None:
    code, out, err = stage.run()
    assert code == 2
    assert "Commands:" in out + err


def test_completion_knows_the_playbooks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from serialfix.cli.main import main; main()"],
        env={
            "_SERIALFIX_COMPLETE": "complete_bash",
            "COMP_WORDS": "serialfix run --playbook nla-",
            "COMP_CWORD": "3",
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["nla-off", "nla-on"]


def test_a_reader_that_had_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -c 'from serialfix.cli.main import main; main()' playbook schema"
        " | head -1; exit ${PIPESTATUS[0]}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("{\n", "", 0)
