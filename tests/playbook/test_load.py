from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import PlaybookError
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.load import (
    MAX_BYTES,
    bind,
    dump_playbook,
    find_playbook,
    load_playbook,
    parse_playbook,
)
from serialfix.playbook.schema import Playbook, Step
from serialfix.playbook.steps.registry import RegistryStep


BOOK = r"""schema: 1
name: acme
version: "1"
title: Acme
restart: never
steps:
  - id: one
    why: because
    registry:
      key: HKLM\SOFTWARE\Acme
      value: One
      type: REG_DWORD
      data: 1
  - id: two
    why: because
    registry_key:
      key: HKLM\SOFTWARE\Gone
      state: absent
proofs:
  - listener: {port: 3389}
"""
LISTENER = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp"
POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"


def refusal(text: str) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        parse_playbook(text, file="b.yaml")
    assert caught.value.exit_code == 2
    return caught.value


def test_a_good_playbook() -> None:
    loaded = parse_playbook(BOOK, file="b.yaml")
    one, two = loaded.playbook.steps
    assert one.registry is not None
    assert one.registry.wanted == RegistryValue(RegistryType.DWORD, 1)
    assert two.kind == "registry_key"
    assert loaded.sha256 == hashlib.sha256(BOOK.encode()).hexdigest()
    assert (loaded.text, loaded.path) == (BOOK, "b.yaml")


def test_a_mistake_in_the_only_step_is_told_at_its_place() -> None:
    """Not that there is no step: pydantic counts only those that are right."""
    only = BOOK[: BOOK.index("  - id: two")].replace("why:", "wy:")
    error = refusal(only)
    assert (error.line, error.column) == (8, 5)
    assert "needs at least one entry" not in str(error)
    assert "needs at least one entry" in str(refusal(BOOK[: BOOK.index("steps:")] + "steps: []\n"))


def test_parameters_that_are_misspelt_are_told_and_not_that_one_is_missing() -> None:
    text = BOOK.replace("port: 3389", 'port: "${port}"')
    given = "parameters: {port: {type: integer, why: because, default: 1}}\n"
    assert parse_playbook(given + text).playbook.parameters
    error = refusal(given.replace("parameters", "parametres") + text)
    assert (error.line, error.column) == (1, 1)
    assert "did you mean parameters?" in str(error)
    assert "there is no parameter port" in str(refusal(text))


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("restart: never", "restart: no", (5, 10), "must be 'never'"),
        ("restart: never", "restart: nevr", (5, 10), "did you mean never?"),
        ("restart: never", "restrat: never", (5, 1), "unknown key restrat; did you mean restart?"),
        ("restart: never\n", "", (1, 1), "the key restart is missing"),
        ("data: 1", "data: ffffffff", (13, 13), "0xffffffff"),
        ("data: 1", "data: -1", (13, 13), "-1 is written 0xffffffff"),
        ("data: 1", "data: 010", (13, 13), "not a number"),
        ("data: 1", "data: 1_0", (13, 13), "not a number"),
        ("data: 1", "data: off", (13, 13), "YAML reads off as true or false"),
        ("data: 1\n", "data:\n", (10, 7), "needs type and data"),
        ('version: "1"', "version: 1.10", (3, 10), "write '1.10' in quotes"),
        ("title: Acme", "title: yes", (4, 8), "write 'yes' in quotes"),
        ("title: Acme", "title:", (4, 7), "nothing stands after the colon"),
        ("title: Acme", "title: ''", (4, 8), "must not be empty"),
        ("title: Acme", "title: [Acme]", (4, 8), "must be a text"),
        ("name: acme", "name: a b", (2, 7), "may hold only letters"),
        ("value: One", "value: \"'One'\"", (11, 14), "single quotes"),
        ("value: One", "valeu: One", (11, 7), "did you mean value?"),
        ("type: REG_DWORD", "type: REG_DWRD", (12, 13), "did you mean REG_DWORD?"),
        ("HKLM\\SOFTWARE\\Acme", "HKXX\\a", (10, 12), "begin with one of HKLM"),
        ("id: two", "id: one", (14, 5), "same id as step 1"),
        ("- listener: {port: 3389}", "- listener: {port: 0}", (20, 22), "greater than or equal"),
        ("- listener: {port: 3389}", "- listener: 3389", (20, 15), "must be a mapping"),
        ("- listener: {port: 3389}", "- {}", (20, 5), "exactly one of service, listener"),
        ("schema: 1", "schema: 2", (1, 9), "must be 1"),
        ("title: Acme", "title: a: b", (4, 9), "not YAML"),
        ("title: Acme", "title: Acme\ntitle: Acme", (5, 1), "stands twice (line 4)"),
        ("title: Acme", "title: !!str Acme", (4, 8), "tag"),
        ("title: Acme", "3: Acme", (4, 1), "a key must be a text"),
        ("title: Acme", "title: *nobody", (4, 8), "*nobody"),
        ("title: Acme", "title: Acme\n---\nschema: 1", (5, 1), "one document"),
    ],
)
def test_every_mistake_has_its_place(
    old: str, new: str, place: tuple[int, int], words: str
) -> None:
    assert old in BOOK
    error = refusal(BOOK.replace(old, new, 1))
    assert (error.line, error.column) == place, str(error)
    assert str(error).startswith(f"b.yaml:{place[0]}:{place[1]}: ")
    assert words in str(error)


def test_all_mistakes_are_told_in_one_go_in_the_order_of_the_file() -> None:
    error = refusal(BOOK.replace("data: 1", "data: -1").replace("restart: never", "restart: no"))
    first, second = str(error).splitlines()
    assert first.startswith("b.yaml:5:10: restart")
    assert second.startswith("b.yaml:13:13: steps.1.registry.data")


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "- 1", "text", "{", "a: 'open", "\x00", "a: \x07", "a: [" * 30]
)
def test_what_is_no_playbook_at_all(text: str) -> None:
    assert "b.yaml" in str(refusal(text))


def test_an_alias_may_repeat_a_text() -> None:
    text = BOOK.replace("key: HKLM\\SOFTWARE\\Acme", "key: &acme HKLM\\SOFTWARE\\Acme")
    text = text.replace("key: HKLM\\SOFTWARE\\Gone", "key: *acme")
    step = parse_playbook(text).playbook.steps[1].registry_key
    assert step is not None
    assert step.key == "HKLM\\SOFTWARE\\Acme"


def test_bombs_are_refused_before_they_go_off() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )
    assert "alias" in str(refusal(bomb))
    assert "KiB" in str(refusal("#" * (MAX_BYTES + 1)))
    assert "nest" in str(refusal("[" * 10_000))  # PyYAML 6.0.4 says it itself: "nesting depth"


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BOOK.encode())
    assert load_playbook(path).playbook.name == "acme"
    path.write_bytes(b"schema: 1\nname: \xff\n")
    with pytest.raises(PlaybookError, match=r"b.yaml:2:1: not UTF-8"):
        load_playbook(path)
    with pytest.raises(PlaybookError, match="cannot be read: No such file"):
        load_playbook(tmp_path / "none.yaml")
    path.write_bytes(b"#" * (MAX_BYTES + 5))
    with pytest.raises(PlaybookError, match="larger than"):
        load_playbook(path)


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(PlaybookError, match="did you mean rdp-reset") as caught:
        find_playbook("rdp-rest", environ={})
    assert "serialfix playbook list" in caught.value.remedy
    with pytest.raises(PlaybookError, match="cannot be read"):
        find_playbook("./rdp-reset", environ={})


def test_own_folders_win_and_names_must_agree(tmp_path: Path) -> None:
    environ = {"SERIALFIX_PLAYBOOK_PATH": str(tmp_path)}
    (tmp_path / "rdp-reset.yaml").write_text(BOOK.replace("name: acme", "name: rdp-reset"))
    assert find_playbook("rdp-reset", environ=environ).playbook.title == "Acme"
    (tmp_path / "other.yaml").write_text(BOOK)
    with pytest.raises(PlaybookError, match="named alike"):
        find_playbook("other", environ=environ)
    assert find_playbook(str(tmp_path / "other.yaml"), environ={}).playbook.name == "acme"


def test_rdp_reset_holds_the_sixteen_writes_of_the_article_in_its_order() -> None:
    book = find_playbook("rdp-reset", environ={}).playbook
    steps = [step.registry for step in book.steps]
    found = [
        (step.key, step.value, step.wanted.data, step.wanted.type)
        for step in steps
        if step is not None and step.wanted is not None
    ]
    assert found == [
        (key, value, data, RegistryType.DWORD)
        for key, value, data in (
            (LISTENER, "SecurityLayer", 0),
            (LISTENER, "MinEncryptionLevel", 1),
            (LISTENER, "fQueryUserConfigFromLocalMachine", 1),
            (LISTENER, "KeepAliveTimeout", 1),
            (POLICY, "KeepAliveEnable", 1),
            (POLICY, "KeepAliveInterval", 1),
            (LISTENER, "fInheritReconnectSame", 0),
            (LISTENER, "fReconnectSame", 1),
            (POLICY, "fDisableAutoReconnect", 0),
            (LISTENER, "fInheritMaxSessionTime", 1),
            (LISTENER, "fInheritMaxDisconnectionTime", 1),
            (LISTENER, "MaxDisconnectionTime", 0),
            (LISTENER, "MaxConnectionTime", 0),
            (LISTENER, "fInheritMaxIdleTime", 1),
            (LISTENER, "MaxIdleTime", 0),
            (LISTENER, "MaxInstanceCount", 0xFFFFFFFF),
        )
    ]
    twins = {step.value for step in steps if step is not None and step.policy_twin == POLICY}
    assert twins == {
        "SecurityLayer",
        "MinEncryptionLevel",
        "fReconnectSame",
        "MaxDisconnectionTime",
        "MaxConnectionTime",
        "MaxIdleTime",
        "MaxInstanceCount",
    }
    assert book.restart == "if_changed"
    assert [proof.id for proof in book.proofs] == ["service:TermService", "listener:3389"]
    assert "RESTARTS" in book.description
    assert any("TLS off" in text for text in book.security)


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
data = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200)
books = st.builds(
    lambda title, why, items: Playbook(
        schema=1,
        name="undo-1",
        version=title,
        title=title,
        symptoms=(why,),
        restart="if_changed",
        steps=tuple(
            Step(
                id=f"s{number}",
                why=why,
                registry=RegistryStep(
                    key="HKLM\\a", value=f"v{number}", type=RegistryType.MULTI_SZ, data=item
                ),
            )
            for number, item in enumerate(items)
        ),
    ),
    words,
    words,
    st.lists(st.lists(data, max_size=3).map(tuple), min_size=1, max_size=3),
)


@pytest.mark.parametrize(
    "data", ["a\u2028b", "a\u2029", "\ufeffa", "\u00a0", "été 操作", " ' \" # "]
)
def test_former_data_with_odd_characters_comes_back(data: str) -> None:
    former = RegistryValue(RegistryType.SZ, data)
    step = Step(id="a", why="\x85", registry=RegistryStep.having("HKLM\\a", "v", former))
    book = Playbook(schema=1, name="u", version="1", title="t", restart="never", steps=(step,))
    assert parse_playbook(dump_playbook(book)).playbook == book


@given(books)
def test_what_is_dumped_is_read_back_equal(book: Playbook) -> None:
    assert parse_playbook(dump_playbook(book)).playbook == book


def refused_with_the_file_or_accepted(text: str) -> bool:
    try:
        parse_playbook(text, file="b.yaml")
    except PlaybookError as error:
        return str(error).startswith("b.yaml:")
    return True


@given(st.text(max_size=300))
def test_any_text_is_a_playbook_or_a_refusal_with_the_file(text: str) -> None:
    assert refused_with_the_file_or_accepted(text)


@given(st.data())
def test_any_damage_to_a_playbook_is_answered(draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(BOOK)))
    end = draw.draw(st.integers(start, min(len(BOOK), start + 20)))
    scrap = draw.draw(st.text(alphabet="{}[]:-#&*!'\" \n\taX0", max_size=5))
    assert refused_with_the_file_or_accepted(BOOK[:start] + scrap + BOOK[end:])


# --- parameters, facts, conditions ---------------------------------------------------------------

ASKING = r"""schema: 1
name: asking
version: "1"
title: Asks
restart: never
parameters:
  port: {type: integer, default: 3389, why: The port., minimum: 1, maximum: 65535}
  user: {example: bob, why: The account., pattern: "[a-z]+"}
  mode: {default: soft, choices: [soft, hard], why: How.}
  force: {type: boolean, default: false, why: Whether.}
facts:
  - id: level
    registry: {key: HKLM\SOFTWARE\Acme, value: "${mode}"}
steps:
  - id: one
    why: because of $${this} and ${user}
    when: {fact: level, is_not: [4, absent]}
    registry: {key: HKLM\SOFTWARE\Acme, value: Port, type: REG_DWORD, data: "${port}"}
  - id: two
    why: w
    when: {parameter: force, is: [true]}
    account: {name: "${user}", enabled: true}
proofs:
  - listener: {port: "${port}"}
"""


def test_parameters_keep_their_types_and_stand_where_they_are_named() -> None:
    loaded = parse_playbook(ASKING)
    one, two = loaded.playbook.steps
    assert loaded.needed == ("user",)
    assert one.why == "because of ${this} and bob"
    assert one.registry is not None
    assert one.registry.wanted == RegistryValue(RegistryType.DWORD, 3389)
    assert two.account is not None
    assert two.account.name == "bob"
    assert loaded.playbook.facts[0].registry.value == "soft"
    assert loaded.playbook.proofs[0].id == "listener:3389"


def test_given_values_are_in_the_text_that_is_kept() -> None:
    loaded = parse_playbook(ASKING)
    bound = bind(loaded, {"user": "al", "port": "0xd3e", "force": "yes"})
    again = parse_playbook(bound.text).playbook
    assert again == bound.playbook
    assert bound.needed == ()
    assert bound.sha256 == loaded.sha256
    assert again.steps[0].why == "because of ${this} and al"
    assert again.proofs[0].id == "listener:3390"
    assert again.applies(again.steps[1], {})
    assert not loaded.playbook.applies(loaded.playbook.steps[1], {})
    assert parse_playbook(dump_playbook(again)).playbook == again


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "must be told: user"),
        ({"user": "al", "prot": "1"}, "did you mean port?"),
        ({"user": "al", "port": "0"}, "less than 1"),
        ({"user": "al", "port": "65536"}, "more than 65535"),
        ({"user": "al", "port": "x"}, "no number"),
        ({"user": "al", "force": "perhaps"}, "neither true nor false"),
        ({"user": "al", "mode": "both"}, "none of soft, hard"),
        ({"user": "AL"}, "does not match"),
    ],
)
def test_values_that_a_parameter_does_not_take(given: dict[str, str], words: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        bind(parse_playbook(ASKING), given)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


LINES = """schema: 1
name: lines
version: "1"
title: Values in command lines
restart: never
parameters:
  user: {example: bob, why: The account.}
steps:
  - id: it
    why: w
    STEP
"""
STEPS = (
    "look: {command: 'net user \"${user}\"'}",
    "command: {check: 'net user ${user}', run: ver, undo: ver}",
    "command: {check: ver, run: 'net user ${user} /active:yes', no_undo: none}",
    "command: {check: ver, run: ver, undo: 'powershell -Command \"Disable-X ${user}\"'}",
    'account: {name: "${user}", enabled: true}',
    'account: {name: bob, member_of: "${user}", member: true}',
    'service: {name: "${user}", state: running}',
    'firewall_rule: {rule: "${user}", enabled: true}',
    'bcd: {entry: "{current}", element: safeboot, value: "${user}"}',
)
TRICKS = (
    *('a" & del x', "a&del x", "a|b", "a>b", "a\nb", "a\r\nb", "%path%", "!x!", "a^", "a\\"),
    *(
        "/delete",
        "a /delete",
        "-Force",
        "*",
        "",
        " ",
        "$(x)",
        "`x",
        "a'b",
        "a;b",
        "\uff02",
        "\u02ba",
    ),
    *("a\x00b", "a\u200bb", "a\u2028b"),
)


@pytest.mark.parametrize("step", STEPS[:4])
@pytest.mark.parametrize("value", TRICKS)
def test_a_value_never_becomes_syntax(step: str, value: str) -> None:
    loaded = parse_playbook(LINES.replace("STEP", step), file="b.yaml")
    assert bind(loaded, {"user": "Jürgen.2@acme"}).playbook
    with pytest.raises(PlaybookError, match=r"lines with --set user: .* is ") as caught:
        bind(loaded, {"user": value})
    assert "b.yaml:" not in str(caught.value), "that text is not the one in the file"


@pytest.mark.parametrize(
    ("step", "value"),
    [
        *((4, value) for value in ("/delete", "*", "/active:no", 'a"b', "a\nb")),
        *((5, value) for value in ("/delete", "a /delete", "*")),
        *((6, value) for value in ("\\\\server", 'a"', "a/b")),
        *((7, value) for value in ("a -Enabled", "a;b", "a|b", "*", "a\n")),
        *((8, value) for value in ("/store", 'a" b')),
    ],
)
def test_a_value_never_becomes_a_switch(step: int, value: str) -> None:
    loaded = parse_playbook(LINES.replace("STEP", STEPS[step]))
    assert bind(loaded, {"user": "minimal"}).playbook
    with pytest.raises(PlaybookError, match="lines with --set user: "):
        bind(loaded, {"user": value})


def test_a_value_is_put_in_once() -> None:
    """What it holds is no parameter again."""
    text = ASKING.replace('pattern: "[a-z]+"', 'pattern: ".+"')
    bound = bind(parse_playbook(text), {"user": "${port}"})
    assert parse_playbook(bound.text).playbook.steps[0].why == "because of ${this} and ${port}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("and ${user}", "and ${usr}", "did you mean user?"),
        ("enabled: true", "enabled: on", "write true or false, not on"),
        ("fact: level", "fact: lvl", "there is no fact lvl"),
        ("parameter: force", "parameter: from", "there is no parameter from"),
        ("is: [true]", "is: []", "needs at least one entry"),
        ("default: soft,", "default: soft, defualt: 1,", "did you mean default?"),
        ("default: soft,", "default: mild,", "none of soft, hard"),
        ("minimum: 1,", "minimum: no,", "must be a number"),
    ],
)
def test_mistakes_in_them_are_named_by_their_line(old: str, new: str, words: str) -> None:
    line = ASKING[: ASKING.index(old)].count("\n") + 1
    error = refusal(ASKING.replace(old, new))
    assert f"b.yaml:{line}:" in str(error)
    assert words in str(error)


def test_a_condition_holds_for_what_was_read() -> None:
    playbook = parse_playbook(ASKING).playbook
    step = playbook.steps[0]
    for found, holds in (
        (RegistryValue(RegistryType.DWORD, 4), False),
        (None, False),
        (RegistryValue(RegistryType.DWORD, 3), True),
        (RegistryValue(RegistryType.SZ, "4"), True),
    ):
        assert playbook.applies(step, {"level": found}) is holds
