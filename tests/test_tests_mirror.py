"""tests/ mirrors serialfix/ folder by folder, and no module is without a test of its own folder."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
SOURCE, TESTS = ROOT / "serialfix", ROOT / "tests"
HOUSE_RULES = {"test_floors.py", "test_tests_mirror.py"}
# nothing but a protocol, constants or options: there is nothing to run
WORDS_ONLY = {
    *("transport/base.py", "remediation/events.py", "cli/options.py", "report/formats.py"),
    "record/storage.py",
}
MODULES = sorted(
    path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name != "__init__.py"
)


def imported(test: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(test.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_every_test_lies_where_its_module_lies() -> None:
    for test in TESTS.rglob("test_*.py"):
        place = test.relative_to(TESTS)
        if place.parts[0] == "e2e" or place.as_posix() in HOUSE_RULES:
            continue
        module = SOURCE / place.with_name(place.name.removeprefix("test_"))
        assert module.exists() or len(place.parts) > 1, f"{place} is about no module"
        assert module.parent.is_dir(), f"{place} is in a folder that serialfix does not have"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_a_test(module: Path) -> None:
    folder = TESTS / module.parent
    if module.as_posix() in WORDS_ONLY or (folder / f"test_{module.name}").exists():
        return
    name = ".".join(("serialfix", *module.with_suffix("").parts))
    assert any(name in imported(test) for test in folder.glob("test_*.py"))
