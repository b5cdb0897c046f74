from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from tests.support.postgres import Postgres


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core: tests of real time and of Wine wait for most of their time."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL of this worker's own, with the first test that wants one."""
    from tests.support.postgres import Postgres, missing

    if reason := missing():
        pytest.skip(f"{reason}: not shown is that a fleet works with PostgreSQL")
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty database of this test's own, in a server that runs whatever the last test did."""
    if not postgres_server.running:
        postgres_server.start()
    yield postgres_server.database("test")
    if not postgres_server.running:
        postgres_server.start()
    postgres_server.drop("test")
