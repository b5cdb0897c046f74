"""What the tests of hives need, and what is not shown where it cannot be had."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from serialfix.errors import ConfigError
from serialfix.offline import libhivex


# A SYSTEM hive of a Windows 10, out of the tests of a package that reads hives.
_PACKAGE, _VERSION = "dissect.regf", "3.14"
_ARCHIVE = "0df90d4e68453dae1e75a50bd343d84ffc413f4e65d527c05f657b7ea9f30f33"
_HIVE = "bf50b7616c960f03a7c429e2972d480fffe717d71b5562b29801e4be0df0b55b"


@pytest.fixture(autouse=True)
def _library() -> None:
    try:
        libhivex.library()
    except ConfigError as error:
        pytest.skip(f"{error}: not shown is that hives are changed right")


def _fetched(folder: Path) -> Path | None:
    """The archive, by name, version and hash; pip takes it from where it takes everything."""
    archive = folder / f"dissect_regf-{_VERSION}.tar.gz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = ["--no-deps", "--no-binary", _PACKAGE, f"{_PACKAGE}=={_VERSION}"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *wanted, "-d", str(folder)]
        try:
            subprocess.run(command, capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
    if not archive.exists():
        return None
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert found == _ARCHIVE, f"{archive} is not the archive that is meant"
    return archive


@pytest.fixture(scope="session")
def windows_10() -> bytes:
    """A real SYSTEM hive."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("SERIALFIX_CACHE_DIR")
    archive = _fetched((Path(chosen) if chosen else user_cache_path("serialfix")) / "hives")
    if archive is None:
        pytest.skip(f"{_PACKAGE} {_VERSION} cannot be had: not shown is a hive that Windows wrote")
    with tarfile.open(archive) as files:
        packed = files.extractfile(f"dissect_regf-{_VERSION}/tests/_data/SYSTEM.gz")
        assert packed is not None
        content = gzip.decompress(packed.read())
    assert hashlib.sha256(content).hexdigest() == _HIVE
    return content
