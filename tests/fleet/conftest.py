from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serialfix.fleet.database import Database, open_database


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "fleet.db")


@pytest.fixture
def opened(where: str) -> Iterator[Database]:
    """The same, with our tables."""
    database = open_database(where)
    yield database
    database.close()
