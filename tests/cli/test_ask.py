from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from serialfix.cli.ask import ask_yes, guest_account, require_consent, wait_for_enter
from serialfix.errors import ConfigError, UsageError


def account(
    username: str | None = "admin", command: str | None = None, **environ: str
) -> tuple[str, str, str]:
    name, password, domain = guest_account(username, None, command, environ=environ, no_input=True)
    return name, password.reveal(), domain


@contextmanager
def terminal() -> Iterator[int]:
    """A terminal on stdin and stderr; gives the end at which the person sits.

    Not a fixture: pytest puts its own streams back between a fixture and its test.
    """
    person, ours = pty.openpty()
    with (
        pytest.MonkeyPatch.context() as patch,
        os.fdopen(ours, "r") as stdin,
        os.fdopen(os.dup(ours), "w") as stderr,
    ):
        patch.setattr(sys, "stdin", stdin)
        patch.setattr(sys, "stderr", stderr)
        yield person
    os.close(person)


def test_nobody_there_and_no_yes_is_refused_before_anything() -> None:
    with pytest.raises(UsageError, match="nobody is there") as caught:
        require_consent(yes=False, no_input=False)
    assert "--yes" in caught.value.remedy
    require_consent(yes=True, no_input=True)


def test_on_a_terminal_the_question_can_wait() -> None:
    with terminal():
        require_consent(yes=False, no_input=False)
        with pytest.raises(UsageError):
            require_consent(yes=False, no_input=True)


@pytest.mark.parametrize(("answer", "yes"), [(b"\n", True), (b"no\n", False), (b"\x04", False)])
def test_enter_alone_goes_on(answer: bytes, *, yes: bool) -> None:
    with terminal() as person:
        os.write(person, answer)
        assert wait_for_enter("Press Enter") is yes


@pytest.mark.parametrize(
    ("answer", "yes"), [(b"y\n", True), (b"YES\n", True), (b"\n", False), (b"yep\n", False)]
)
def test_only_yes_is_a_yes(answer: bytes, yes: bool) -> None:
    with terminal() as person:
        os.write(person, answer)
        assert ask_yes("Make these changes?") is yes
        shown = b""
        while b"Make these changes? [y/N]" not in shown:  # the answer's echo may come first
            shown += os.read(person, 1000)


def test_a_signal_ends_the_question_with_no() -> None:
    looks = iter([False, False, True])
    with terminal():
        assert ask_yes("Go?", stop=lambda: next(looks, True)) is False


def test_the_password_comes_from_the_environment() -> None:
    assert account(SERIALFIX_GUEST_PASSWORD="pw", SERIALFIX_GUEST_DOMAIN="CORP") == (
        "admin",
        "pw",
        "CORP",
    )
    assert account(None, SERIALFIX_GUEST_USERNAME="bob", SERIALFIX_GUEST_PASSWORD="pw") == (
        "bob",
        "pw",
        "",
    )


def test_a_command_wins_and_only_its_first_line_counts() -> None:
    command = f"{sys.executable} -c \"print('from vault'); print('noise')\""
    assert account(command=command, SERIALFIX_GUEST_PASSWORD="env")[1] == "from vault"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (f"{sys.executable} -c \"print('s3cret'); exit(3)\"", "ended with 3"),
        (f"{sys.executable} -c pass", "printed nothing"),
        ("/does/not/exist", "could not be run"),
        ("'open quote", "could not be run"),
    ],
)
def test_a_command_that_fails_never_shows_what_it_printed(command: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        account(command=command)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("username", "words"), [(None, "SERIALFIX_GUEST_USERNAME"), ("a", "--credential-command")]
)
def test_what_is_missing_is_named_with_every_way_to_give_it(
    username: str | None, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        account(username)
    assert words in caught.value.remedy


def test_a_person_is_asked_and_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = []

    def typed(prompt: str, stream: object) -> str:
        prompts.append(prompt)
        return "typed"

    monkeypatch.setattr("getpass.getpass", typed)
    with terminal() as person:
        os.write(person, b"carol\n")
        name, password, _ = guest_account(None, None, None, environ={}, no_input=False)
    assert (name, password.reveal()) == ("carol", "typed")
    assert str(password) == "<redacted:guest_password>"
    assert prompts == ["Password of carol in the guest: "]


def test_an_empty_password_cannot_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: "")
    with terminal(), pytest.raises(ConfigError, match="empty"):
        guest_account("a", None, None, environ={}, no_input=False)
