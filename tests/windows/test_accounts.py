"""net user and net localgroup."""

from __future__ import annotations

from serialfix.windows import accounts


def test_an_answer_that_is_too_short_tells_nothing() -> None:
    assert accounts.is_active(["User name    bob", ""]) is None


def test_a_name_above_the_dashes_is_no_member() -> None:
    assert not accounts.is_member(["bob", "-------", "alice"], "bob")
    assert accounts.is_member(["-------", "Alice ", "bob"], "ALICE")


def test_names_with_blanks_are_quoted() -> None:
    assert accounts.set_member("Remote Desktop Users", "a b", member=False) == (
        'net localgroup "Remote Desktop Users" "a b" /delete'
    )


def test_a_comment_is_no_list_of_members() -> None:
    rows = [
        "Alias name  X",
        "Comment  one",
        "-----",
        "bob",
        "Members",
        "",
        "-------",
        "al",
        "done.",
    ]
    assert not accounts.is_member(rows, "bob")
    assert accounts.is_member(rows, "al")


def test_a_comment_of_several_lines_is_not_read_as_the_answer() -> None:
    rows = [
        "User name                    bob",
        "Full Name",
        "Comment                      one",
        "two",
        "three",
        "User's comment               Yes",
        "Country/region code          000 (System Default)",
        "Account active               No",
    ]
    assert accounts.is_active(rows) is None
    assert accounts.is_active([*rows[:3], *rows[5:]]) is False
