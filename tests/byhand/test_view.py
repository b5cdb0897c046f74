from __future__ import annotations

import pytest

from serialfix.byhand.view import Privacy, View
from serialfix.lab.sactexts import CMD_TYPE, SAC_TYPE, channel_switch, machine_info


TO_CMD = channel_switch("Cmd0001", "Command Prompt", "Command", "guid", CMD_TYPE).encode()
TO_SAC = channel_switch("SAC", "Special", "Special", "guid", SAC_TYPE).encode()


def view(*pieces: bytes) -> View:
    seen = View()
    for piece in pieces:
        seen.feed(piece)
    return seen


@pytest.mark.parametrize(
    ("shown", "at_sac"),
    [
        (b"SAC>", True),
        (b"SAC>re", True),
        (b"!SAC>", False),
        (b"C:\\>echo SAC>", False),
        (b"SAC>\r\nEVENT", False),
        (TO_CMD + b"\x1b[2JSAC>", False),  # a prompt of that name in a CMD channel
        (TO_CMD + TO_SAC + b"\x1b[2JSAC>", True),
        (TO_CMD + machine_info("X", "g", 1, "p").encode() + b"\x1b[2JSAC>", True),
    ],
)
def test_where_sac_is_proven(shown: bytes, *, at_sac: bool) -> None:
    assert view(shown).at_sac is at_sac


def test_the_channel_in_view() -> None:
    seen = view(TO_CMD)
    assert seen.in_cmd
    assert seen.channel is not None
    assert seen.channel.name == "Cmd0001"
    seen.reattached()
    assert not seen.in_cmd


@pytest.mark.parametrize(
    "row",
    [
        "Password: ",
        "Password: ***",
        "Enter the password for Administrator:",
        "Kennwort für X: ",
        "Geben Sie das Passwort ein:",
        "Mot de passe : ",
        "パスワード： ",
        "***",
    ],
)
def test_questions_for_a_password(row: str) -> None:
    assert view(row.encode()).at_password


@pytest.mark.parametrize("row", ["Username: ", "C:\\>echo password: x", "password", "SAC>"])
def test_what_asks_for_no_password(row: str) -> None:
    assert not view(row.encode()).at_password


class TestPrivacy:
    @pytest.mark.parametrize("shown", [b"", b"Connected to the serial port.\r\n", b"***"])
    def test_where_nothing_tells_what_is_asked(self, shown: bytes) -> None:
        assert Privacy(view(shown)).secret

    def test_a_login_at_the_pace_of_the_screen(self) -> None:
        seen = view(b"\x1b[2JUsername: ")
        privacy = Privacy(seen)
        assert not privacy.secret
        for answer, secret in ((b"\r\nDomain  : ", False), (b"\r\nPassword: ", True)):
            privacy.entered()
            assert privacy.secret  # until the next prompt shows
            seen.feed(answer[:2])
            privacy.seen()
            assert privacy.secret
            seen.feed(answer[2:])
            privacy.seen()
            assert privacy.secret is secret
        seen.feed(b"***")
        privacy.seen()
        assert privacy.secret
        privacy.entered()
        seen.feed(b"\r\nAttempting to authenticate...\r\n")
        privacy.seen()
        assert privacy.secret
        seen.feed(b"\x1b[2J\x1b[1;1HC:\\Windows>")
        privacy.seen()
        assert not privacy.secret

    def test_ahead_of_the_screen(self) -> None:
        """Two answers are on their way; the first prompt that shows does not end the secret."""
        seen = view(b"Username: ")
        privacy = Privacy(seen)
        privacy.entered()
        privacy.entered()
        seen.feed(b"admin\r\nDomain  : ")
        privacy.seen()
        assert privacy.secret
        seen.feed(b"\r\nPassword: ")
        privacy.seen()
        assert privacy.secret

    def test_two_prompts_in_one_piece(self) -> None:
        seen = view(b"Username: ")
        privacy = Privacy(seen)
        privacy.entered()
        privacy.entered()
        seen.feed(b"admin\r\nDomain  : \r\nPassword: ****")
        privacy.seen()
        privacy.entered()
        seen.feed(b"\r\nAttempting to authenticate...\r\n\x1b[2J\x1b[H\r\nC:\\>")
        privacy.seen()
        assert not privacy.secret

    def test_enter_elsewhere_is_no_secret(self) -> None:
        seen = view(b"SAC>cmd")
        privacy = Privacy(seen)
        privacy.entered()
        assert not privacy.secret
