from __future__ import annotations

import os

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core: tests of real time and of Wine wait for most of their time."""
    return 2 * (os.cpu_count() or 1)
