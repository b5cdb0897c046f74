from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.schema import (
    ListenerProof,
    Playbook,
    Proof,
    ServiceProof,
    Step,
    json_schema,
)
from serialfix.playbook.steps.registry import RegistryKeyStep, RegistryStep


KEY = r"HKLM\SOFTWARE\Acme"
SCHEMA_FILE = Path(__file__).parents[2] / "playbooks" / "schema" / "playbook-v1.json"


def dword(data: int | str, **more: Any) -> RegistryStep:
    return RegistryStep(key=KEY, value="V", type=RegistryType.DWORD, data=data, **more)


@pytest.mark.parametrize(
    ("data", "number"), [(0, 0), (4294967295, 4294967295), ("0xffffffff", 4294967295), ("0X0a", 10)]
)
def test_a_dword_is_a_number_however_it_is_written(data: int | str, number: int) -> None:
    assert dword(data).wanted == RegistryValue(RegistryType.DWORD, number)


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ("ffffffff", "0xffffffff"),
        (-1, "0xffffffff"),
        (4294967296, "32 bits"),
        ("1", "without quotes"),
        ("0x", "not a number"),
        (("1",), "must be a number"),
    ],
)
def test_a_dword_that_reg_exe_would_refuse_is_refused_with_a_hint(data: Any, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        dword(data)


@pytest.mark.parametrize(
    ("kind", "data", "wanted"),
    [
        (RegistryType.QWORD, (1 << 64) - 1, (1 << 64) - 1),
        (RegistryType.SZ, "", ""),
        (RegistryType.EXPAND_SZ, "%SystemRoot%\\x", "%SystemRoot%\\x"),
        (RegistryType.MULTI_SZ, ("a", "b"), ("a", "b")),
        (RegistryType.BINARY, "00fF", b"\x00\xff"),
        (RegistryType.NONE, "", b""),
    ],
)
def test_all_types(kind: RegistryType, data: Any, wanted: Any) -> None:
    step = RegistryStep(key=KEY, value="V", type=kind, data=data)
    assert step.wanted == RegistryValue(kind, wanted)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (RegistryType.SZ, 1),
        (RegistryType.SZ, "two\nlines"),
        (RegistryType.MULTI_SZ, "a"),
        (RegistryType.MULTI_SZ, ("a\x00",)),
        (RegistryType.BINARY, "0"),
        (RegistryType.BINARY, "zz"),
        (RegistryType.BINARY, 1),
        (RegistryType.QWORD, 1 << 64),
    ],
)
def test_data_that_is_not_of_its_type(kind: RegistryType, data: Any) -> None:
    with pytest.raises(ValidationError):
        RegistryStep(key=KEY, value="V", type=kind, data=data)


def test_present_needs_type_and_data_and_absent_has_neither() -> None:
    assert RegistryStep(key=KEY, value="V", state="absent").wanted is None
    with pytest.raises(ValidationError, match="needs type and data"):
        RegistryStep(key=KEY, value="V", type=RegistryType.DWORD)
    with pytest.raises(ValidationError, match="neither"):
        dword(1, state="absent")


@pytest.mark.parametrize("quote", ["'", "\u2019", "`"])
def test_the_published_defect_is_refused_and_named(quote: str) -> None:
    with pytest.raises(ValidationError, match=r"another value whose name.*write SecurityLayer"):
        RegistryStep(key=KEY, value=f"{quote}SecurityLayer{quote}", state="absent")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (" MaxIdleTime", "blank"),
        ("MaxIdleTime ", "blank"),
        ('a"b', "double quote"),
        ("", "at least 1"),
        ("a\tb", r"U\+0009"),
        ("Max\u200bIdle", r"U\+200B"),
        ("Max\u00a0Idle", r"U\+00A0"),
    ],
)
def test_value_names_that_windows_would_take_literally(name: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        RegistryStep(key=KEY, value=name, state="absent")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("HKCU\\Software", "logs in"),
        ("SOFTWARE\\Acme", "begin with"),
        ("HKLM", "empty part"),
        ("HKLM\\a\\", "ends with a backslash"),
        ("HKLM\\\\a", "empty part"),
        ("HKLM\\a*", "wildcard"),
        ("HKLM\\a\\ b", "blank"),
        ("'HKLM\\a'", "single quotes"),
        ('HKLM\\a"', "double quote"),
        ("HKLM\\a\nb", r"U\+000A"),
        ("HKLM\\" + "a" * 256, "255"),
    ],
)
def test_keys_that_reg_exe_would_create_or_misread(key: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        RegistryKeyStep(key=key, state="absent")


@pytest.mark.parametrize(
    ("key", "short"),
    [
        (r"HKEY_LOCAL_MACHINE\SOFTWARE\Acme", KEY),
        (r"hklm\SOFTWARE\Acme", KEY),
        (r"HKEY_USERS\.DEFAULT", r"HKU\.DEFAULT"),
    ],
)
def test_hives_get_their_short_name(key: str, short: str) -> None:
    assert RegistryKeyStep(key=key, state="absent").key == short


def test_a_step_is_of_exactly_one_kind() -> None:
    with pytest.raises(ValidationError, match="found none"):
        Step(id="a", why="w")
    with pytest.raises(ValidationError, match="found registry and registry_key"):
        Step(
            id="a",
            why="w",
            registry=dword(1),
            registry_key=RegistryKeyStep(key=KEY, state="absent"),
        )
    step = Step(id="a", why="w", registry=dword(1))
    assert (step.kind, step.title) == ("registry", KEY + ", V")
    step = Step(id="a", why="w", registry_key=RegistryKeyStep(key=KEY, state="absent"))
    assert (step.kind, step.title) == ("registry_key", KEY)


def test_a_proof_is_of_exactly_one_kind() -> None:
    with pytest.raises(ValidationError, match="found none"):
        Proof()
    assert Proof(listener=ListenerProof(port=3389)).id == "listener:3389"
    assert Proof(service=ServiceProof(name="TermService", state="running")).id == (
        "service:TermService"
    )


def playbook(*steps: Step) -> Playbook:
    return Playbook(schema=1, name="acme", version="1", title="Acme", restart="never", steps=steps)


def test_steps_must_not_repeat_each_other() -> None:
    with pytest.raises(ValidationError, match="same id as step 1"):
        playbook(Step(id="a", why="w", registry=dword(1)), Step(id="a", why="w", registry=dword(1)))
    upper = RegistryStep(key=KEY.upper(), value="v", state="absent")
    with pytest.raises(ValidationError, match="same value as step 1"):
        playbook(Step(id="a", why="w", registry=dword(1)), Step(id="b", why="w", registry=upper))


def test_a_playbook_cannot_be_changed() -> None:
    book = playbook(Step(id="a", why="w", registry=dword(1)))
    with pytest.raises(ValidationError, match="frozen"):
        book.name = "b"


texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
values = st.one_of(
    st.none(),
    st.builds(RegistryValue, st.just(RegistryType.DWORD), st.integers(0, (1 << 32) - 1)),
    st.builds(RegistryValue, st.just(RegistryType.QWORD), st.integers(0, (1 << 64) - 1)),
    st.builds(RegistryValue, st.sampled_from([RegistryType.SZ, RegistryType.EXPAND_SZ]), texts),
    st.builds(RegistryValue, st.just(RegistryType.MULTI_SZ), st.lists(texts).map(tuple)),
    st.builds(
        RegistryValue, st.sampled_from([RegistryType.BINARY, RegistryType.NONE]), st.binary()
    ),
)


@given(values)
def test_restoring_wants_exactly_what_was_there(former: RegistryValue | None) -> None:
    assert RegistryStep.having(KEY, "V", former).wanted == former


def test_what_cannot_be_typed_back_is_an_unsafe_step() -> None:
    with pytest.raises(UnsafeStep, match="could not be put back"):
        RegistryStep.having(KEY, "V", RegistryValue(RegistryType.SZ, "two\nlines"))


def test_the_shipped_json_schema_is_that_of_the_models() -> None:
    assert json.loads(SCHEMA_FILE.read_text("utf-8")) == json_schema()
    jsonschema.Draft7Validator.check_schema(json_schema())


def test_the_json_schema_accepts_and_refuses_like_the_models() -> None:
    validator = jsonschema.Draft7Validator(json_schema())
    good = playbook(Step(id="a", why="w", registry=dword(1))).model_dump(
        mode="json", by_alias=True, exclude_defaults=True
    )
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "restart": "no"})
    assert not validator.is_valid({**good, "steps": [{"id": "a", "why": "w"}]})
    for key, fine in (("hklm\\a", True), ("HKLM", False), ("C:\\a", False)):
        good["steps"][0]["registry"]["key"] = key
        assert validator.is_valid(good) is fine, key


def test_the_json_schema_takes_what_the_loader_takes() -> None:
    """Editors must not mark a shipped playbook, nor a parameter in place of a number."""
    validator = jsonschema.Draft7Validator(json_schema())
    files = sorted(SCHEMA_FILE.parents[1].glob("*.yaml"))
    assert len(files) > 40
    texts = {path: path.read_text("utf-8") for path in files}
    assert any('port: "${port}"' in text for text in texts.values())
    wrong = {path.name: list(validator.iter_errors(yaml.safe_load(texts[path]))) for path in files}
    assert {name: errors for name, errors in wrong.items() if errors} == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("restart: if_changed", "restart: sometimes"),
        ("type: REG_DWORD", "type: REG_DWRD"),
        ("schema: 1", "schema: ${one}"),
        ("key: HKLM", "key: XKLM"),
        ("      data: 0", "      dada: 0"),
    ],
)
def test_the_json_schema_refuses_what_the_loader_refuses(old: str, new: str) -> None:
    text = (SCHEMA_FILE.parents[1] / "rdp-reset.yaml").read_text("utf-8")
    assert old in text
    validator = jsonschema.Draft7Validator(json_schema())
    assert list(validator.iter_errors(yaml.safe_load(text.replace(old, new, 1))))
