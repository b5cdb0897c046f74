from __future__ import annotations

import pytest

from serialfix.byhand.guard import HAZARDS
from serialfix.cli.attach import introduction
from serialfix.errors import UsageError
from tests.cli.conftest import Stage


def test_nobody_there_is_refused_before_anything(stage: Stage) -> None:
    code, out, err = stage.run("attach", "--vm", "myvm")
    assert (code, out) == (UsageError.exit_code, "")
    assert "needs a terminal" in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--vm", "x", "--no-input"), "--no-input forbids it"),
        ((), "no VM is named"),
        (("--vm", "x", "--menu-key", "^M"), "not a key for the menu"),
    ],
)
def test_wrong_usage(stage: Stage, args: tuple[str, ...], words: str) -> None:
    code, _, err = stage.run("attach", *args)
    assert code == 2
    assert words in err


def test_the_introduction_says_what_people_stumble_over() -> None:
    text = introduction("my\x1b[2Jvm", "\x1d", "/state/x.cast", guard=True)
    assert "Attaching to my\\x1b[2Jvm by hand." in text
    assert "Ctrl-] opens the menu" in text
    assert max(map(len, text.splitlines())) <= 80
    bare = introduction("myvm", "\x14", "/state/x.cast", guard=False)
    assert "Ctrl-T opens the menu" in bare
    for sac, ours in HAZARDS:
        assert sac in text
        assert sac in bare
        assert ours in text
        assert f"here {ours}" not in bare
