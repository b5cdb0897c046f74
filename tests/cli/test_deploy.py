"""The examples under docs/deploy: what they call is there, and they are what they say they are."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from serialfix.cli.main import build


DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
SERVICE = DEPLOY / "serialfix-worker.service"


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(SERVICE.read_text())
    return parser


def args_in(data: Any) -> Iterator[list[str]]:
    """Every `args` of a manifest."""
    if isinstance(data, dict):
        if "args" in data:
            yield data["args"]
        for value in data.values():
            yield from args_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from args_in(value)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def commands() -> Iterator[list[str]]:
    yield shlex.split(unit()["Service"]["ExecStart"])[1:]
    container = (DEPLOY / "Containerfile").read_text()
    yield json.loads(re.findall(r"^CMD (\[.*\])$", container, re.MULTILINE)[0])
    for name in ("kubernetes.yaml", "container-apps.yaml"):
        yield from (args for document in documents(name) for args in args_in(document))
    comment = (DEPLOY / "container-apps.yaml").read_text().replace("\\\n#", "")
    yield shlex.split(re.findall(r"--args (fleet run .*)$", comment, re.MULTILINE)[0])


def test_all_of_them_are_seen() -> None:
    assert [args[:2] for args in commands()] == [
        ["fleet", "worker"],
        ["fleet", "worker"],
        ["fleet", "worker"],
        ["fleet", "run"],
        ["fleet", "worker"],
        ["fleet", "run"],
    ]


@pytest.mark.parametrize("args", list(commands()), ids=" ".join)
def test_a_command_has_the_options_that_it_is_given(args: list[str]) -> None:
    group: Any = typer.main.get_command(build())
    command = group.commands["fleet"].commands[args[1]]
    known = {name for each in command.params for name in each.opts}
    assert {each for each in args[2:] if each.startswith("-")} <= known
    command.make_context(args[1], list(args[2:]))  # it is read, and nothing is done


def test_every_service_has_more_time_than_its_worker_takes() -> None:
    drains = {int(args[args.index("--drain") + 1]) for args in commands() if "--drain" in args}
    deployment, _ = documents("kubernetes.yaml")
    (apps,) = documents("container-apps.yaml")
    assert int(unit()["Service"]["TimeoutStopSec"]) > 900
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 900
    assert apps["properties"]["template"]["terminationGracePeriodSeconds"] > 540
    assert drains == {900, 540}


def test_systemd_takes_the_unit() -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze: not shown is that systemd takes the unit")
    done = subprocess.run(
        [program, "verify", "--man=no", str(SERVICE)], capture_output=True, text=True, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if str(SERVICE.name) in line]
    assert [line for line in said if "is not executable" not in line] == []
