"""`python -m serialfix`, as the worker in the background is started."""

from __future__ import annotations

import subprocess
import sys

import serialfix


def ended(*args: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "serialfix", *args], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_it_is_the_command() -> None:
    assert ended("--version") == (0, f"serialfix {serialfix.__version__}\n", "")


def test_its_exit_codes_are_the_commands() -> None:
    code, out, err = ended("fleet", "worker", "--database", "mysql://somewhere/else")
    assert (code, out) == (2, "")
    assert "mysql is neither postgresql nor sqlite" in err
