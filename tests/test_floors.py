"""The house: a module imports only from its own floor or below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
FLOORS = {
    "__init__": 0,
    "errors": 0,
    "model": 0,
    "secrets": 0,
    "result": 0,
    "printable": 0,
    "console": 1,
    "windows": 2,
    "playbook": 3,
    "transport": 4,
    "record": 4,
    "azure": 4,
    "report": 4,
    "virtual_time": 4,
    "session": 5,
    "remediation": 6,
    "byhand": 6,
    "offline": 6,
    "lab": 7,
    "fleet": 7,
    "cli": 8,
    "__main__": 8,
}
MODULES = sorted((ROOT / "serialfix").rglob("*.py"))
# Floors 0 to 2 are sans-I/O: what they do depends on what they are given, and on nothing else.
WORLD = {
    *("asyncio", "socket", "ssl", "subprocess", "threading", "select", "signal", "time", "random"),
    *("os", "shutil", "tempfile", "pathlib", "io", "logging", "platformdirs", "urllib.request"),
}


def room(module: str) -> str:
    """`serialfix.lab.arm` is in the room `lab`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every import, also those within functions."""
    package = name_of(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    return {room(name) for name in imports(path) if name.split(".")[0] == "serialfix"} & set(FLOORS)


def foreign(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)} - {"serialfix"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_its_own_floor_or_below(path: Path) -> None:
    floor = FLOORS[room(name_of(path))]
    above = {name for name in ours(path) if FLOORS[name] > floor}
    assert not above


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_foreign_packages_stay_behind_their_adapter(path: Path) -> None:
    here, packages = room(name_of(path)), foreign(path)
    assert here == "azure" or "azure" not in packages
    assert here == "transport" or "websockets" not in packages
    assert here in ("azure", "lab") or "aiohttp" not in packages
    if FLOORS[here] <= 2:
        assert not packages & WORLD


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(name_of(path)) == "lab"], ids=name_of
)
def test_the_lab_knows_nothing_of_the_driver(path: Path) -> None:
    assert not {name for name in ours(path) if FLOORS[name] in (1, 4, 5, 6)}
