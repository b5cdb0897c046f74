from __future__ import annotations

import pytest

from serialfix.fleet.database import open_database
from serialfix.fleet.presence import FilePresence
from tests.cli.conftest import Stage


def test_a_file_has_one_worker(stage: Stage) -> None:
    database = open_database(str(stage.state / "fleet.db"))
    presence = FilePresence(database)
    code, _, err = stage.run("fleet", "worker", "--until-idle")
    presence.close()
    database.close()
    assert (code, "another process works on" in err, "need PostgreSQL" in err) == (2, True, True)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--database", "mysql://x"), "mysql is neither postgresql nor sqlite"),
        (("--worker-concurrency", "0"), "--worker-concurrency"),
        (("--takeover-after", "0.5"), "--takeover-after"),
        (("--drain", "-1"), "--drain"),
    ],
)
def test_wrong_usage(stage: Stage, args: tuple[str, ...], said: str) -> None:
    code, _, err = stage.run("fleet", "worker", *args)
    assert (code, said in err) == (2, True)
