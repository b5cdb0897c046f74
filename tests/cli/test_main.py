from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from serialfix import __version__
from serialfix.cli.main import build
from tests.cli.conftest import Stage


ROOT = Path(__file__).parents[2]
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
    [
        *("run", "check", "undo", "resume", "attach", "runs", "playbook", "offline"),
        *("replay", "lab", "doctor"),
    ],
)
def test_every_command_is_listed_and_has_help_in_eighty_columns(stage: Stage, command: str) -> None:
    assert f"\n  {command} " in stage.run("--help")[1]
    code, out, _ = stage.run(command, "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_the_documents_show_commands_and_options_that_there_are() -> None:
    tree: Any = get_command(build())
    shown = [
        line
        for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        for line in re.findall(
            r"(?m)(?:^|`)serialfix (\S[^`|>#\n]*)", document.read_text("utf-8").replace("\\\n", " ")
        )
    ]
    assert len(shown) > 200
    for line in shown:
        words, command = shlex.split(line), tree
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        known = {"--help", *(name for each in command.params for name in each.opts)}
        assert {word for word in words if re.match("--?[a-z]", word)} <= known, line


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
