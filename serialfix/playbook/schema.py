"""The playbook format, version 1, as frozen models.

A playbook names wanted ends, never commands; what is typed is decided on the floors below. The
models refuse what the published articles got wrong (catalogue.md §4.1): quoted or blank-edged value
names, `ffffffff`, keys that reg.exe would create instead of finding.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue


_HIVES = {
    "HKLM": "HKLM",
    "HKEY_LOCAL_MACHINE": "HKLM",
    "HKU": "HKU",
    "HKEY_USERS": "HKU",
    "HKCR": "HKCR",
    "HKEY_CLASSES_ROOT": "HKCR",
    "HKCC": "HKCC",
    "HKEY_CURRENT_CONFIG": "HKCC",
}
_QUOTES = "'\u2018\u2019`\u00b4"
_INTEGERS = {RegistryType.DWORD: 32, RegistryType.QWORD: 64}
_TEXTS = (RegistryType.SZ, RegistryType.EXPAND_SZ)


def _typable(text: str, what: str) -> None:
    """Refuse what a keyboard line cannot carry, or what a reader cannot see."""
    for character in text:
        category = unicodedata.category(character)
        if category.startswith("C") or (category.startswith("Z") and character != " "):
            name = unicodedata.name(character, "a control character")
            raise ValueError(f"{what} holds U+{ord(character):04X} ({name}); retype it by hand")


def _bare(text: str, what: str) -> None:
    if text != text.strip():
        raise ValueError(f"{what} {text!r} begins or ends with a blank: Windows would keep it")
    if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        raise ValueError(
            f"{what} {text} stands in single quotes: reg.exe would create another value whose name"
            f" has the quotes, and report success; write {text.strip(_QUOTES)}"
        )
    if '"' in text:
        raise ValueError(f"{what} must not hold a double quote; serialfix quotes it when it types")


def _key(text: str) -> str:
    """Check a key path and give it with the short name of its hive."""
    _typable(text, "the key")
    _bare(text, "the key")
    hive, _, path = text.partition("\\")
    if hive.upper() in ("HKCU", "HKEY_CURRENT_USER"):
        raise ValueError(f"{hive} is whoever logs in on the console; name the user under HKU")
    if hive.upper() not in _HIVES:
        raise ValueError(f"the key must begin with one of HKLM, HKU, HKCR, HKCC, not {hive!r}")
    if text.endswith("\\"):
        raise ValueError("the key ends with a backslash: before the quote reg.exe reads it as part")
    for part in path.split("\\"):
        if not part:
            raise ValueError("the key has an empty part; write one backslash between its parts")
        if len(part) > 255:
            raise ValueError("a part of the key is longer than 255 characters")
        if part != part.strip():
            raise ValueError(f"the part {part!r} of the key begins or ends with a blank")
        if "*" in part or "?" in part:
            raise ValueError("the key must be spelled in full, without wildcards")
    return f"{_HIVES[hive.upper()]}\\{path}"


def _value_name(text: str) -> str:
    _typable(text, "the value name")
    _bare(text, "the value name")
    return text


def _integer(data: object, bits: int) -> int:
    number = data
    if isinstance(data, str):
        if not re.fullmatch(r"0[xX][0-9a-fA-F]+", data):
            hint = f"0x{data}" if re.fullmatch(r"(?=.*[a-fA-F])[0-9a-fA-F]+", data) else "0x..."
            raise ValueError(
                f"{data!r} is not a number: write it without quotes, or as {hint} (reg.exe refuses"
                " hexadecimal digits without 0x)"
            )
        number = int(data, 16)
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError("the data must be a number")  # noqa: TRY004 - pydantic wants ValueError
    if not 0 <= number < 1 << bits:
        hint = f"; -1 is written 0x{'f' * (bits // 4)}" if number == -1 else ""
        raise ValueError(f"{number} does not fit in {bits} bits without a sign{hint}")
    return number


def _text(data: object) -> str:
    if not isinstance(data, str):
        raise ValueError("the data must be a text; put it in quotes")  # noqa: TRY004
    for character in data:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"the data holds U+{ord(character):04X}, which cannot be typed")
    return data


def _registry_value(kind: RegistryType, data: object) -> RegistryValue:
    if kind in _INTEGERS:
        return RegistryValue(kind, _integer(data, _INTEGERS[kind]))
    if kind in _TEXTS:
        return RegistryValue(kind, _text(data))
    if kind is RegistryType.MULTI_SZ:
        if not isinstance(data, tuple):
            raise ValueError("the data of REG_MULTI_SZ is a list of texts")
        return RegistryValue(kind, tuple(_text(item) for item in data))
    if not isinstance(data, str) or not re.fullmatch(r"([0-9a-fA-F]{2})*", data):
        raise ValueError(f"the data of {kind} is pairs of hexadecimal digits in quotes")
    return RegistryValue(kind, bytes.fromhex(data))


KeyPath = Annotated[
    str, AfterValidator(_key), Field(json_schema_extra={"pattern": r"^[Hh][Kk][A-Za-z_]+\\.+"})
]
ValueName = Annotated[str, AfterValidator(_value_name), StringConstraints(min_length=1)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
Sentence = Annotated[str, StringConstraints(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _one_of(*names: str) -> ConfigDict:
    """Model settings that tell editors that exactly one of these keys stands there."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


def _exactly_one(model: BaseModel, *names: str) -> str:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ValueError(f"exactly one of {', '.join(names)} must stand here, found {found}")
    return given[0]


class RegistryStep(_Model):
    """A registry value with this type and data, or (`state: absent`) no such value."""

    key: KeyPath
    value: ValueName
    state: Literal["present", "absent"] = "present"
    type: Annotated[RegistryType, Field(strict=False)] | None = None
    data: int | str | tuple[str, ...] | None = None
    policy_twin: KeyPath | None = None

    @field_validator("data", mode="after")
    @classmethod
    def _check_data(cls, data: object, info: ValidationInfo) -> object:
        if data is not None and (kind := info.data.get("type")) is not None:
            _registry_value(kind, data)
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = (self.type is not None) + (self.data is not None)
        if self.state == "absent" and given:
            raise ValueError("an absent value has neither type nor data")
        if self.state == "present" and given < 2:
            raise ValueError("a present value needs type and data")
        return self

    @property
    def wanted(self) -> RegistryValue | None:
        """What must be there in the end; None means that the value must not exist."""
        if self.type is None:
            return None
        return _registry_value(self.type, self.data)

    @classmethod
    def restoring(cls, key: str, value: str, former: RegistryValue | None) -> RegistryStep:
        """The step that puts `former` back (None: removes the value).

        Raises UnsafeStep when the former data cannot be typed on a console.
        """
        try:
            if former is None:
                return cls(key=key, value=value, state="absent")
            data = former.data.hex() if isinstance(former.data, bytes) else former.data
            return cls(key=key, value=value, type=former.type, data=data)
        except ValueError as error:
            raise UnsafeStep(
                f"{key}, value {value}: what is there now could not be put back: {error}",
                remedy="Export the key by hand, then remove the value or change this step.",
            ) from error


class RegistryKeyStep(_Model):
    """No such key; it is removed only when it holds neither values nor keys."""

    key: KeyPath
    state: Literal["absent"]


class Step(_Model):
    """One wanted end and the reason for it; exactly one kind is given."""

    model_config = _one_of("registry", "registry_key")

    id: Slug
    why: Sentence
    registry: RegistryStep | None = None
    registry_key: RegistryKeyStep | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _exactly_one(self, "registry", "registry_key")
        return self

    @property
    def kind(self) -> str:
        """`registry` or `registry_key`."""
        return "registry" if self.registry is not None else "registry_key"

    @property
    def title(self) -> str:
        """The step in one line, as plans and reports show it."""
        if self.registry is not None:
            return f"{self.registry.key}, {self.registry.value}"
        assert self.registry_key is not None  # noqa: S101 - _check holds it
        return self.registry_key.key


class ServiceProof(_Model):
    """A Windows service is in this state."""

    name: Slug
    state: Literal["running"]


class ListenerProof(_Model):
    """Something in the guest listens on this TCP port."""

    port: Annotated[int, Field(ge=1, le=65535)]


class Proof(_Model):
    """What must hold at the end; registry values are proven without being named here."""

    model_config = _one_of("service", "listener")

    service: ServiceProof | None = None
    listener: ListenerProof | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _exactly_one(self, "service", "listener")
        return self

    @property
    def id(self) -> str:
        """`service:TermService` or `listener:3389`."""
        if self.service is not None:
            return f"service:{self.service.name}"
        assert self.listener is not None  # noqa: S101 - _check holds it
        return f"listener:{self.listener.port}"


class Playbook(_Model):
    """One named fix."""

    model_config = ConfigDict(title="serialfix playbook, version 1")

    format: Literal[1] = Field(alias="schema")
    name: Slug
    version: Sentence
    title: Sentence
    description: str = ""
    symptoms: tuple[Sentence, ...] = ()
    sources: tuple[Sentence, ...] = ()
    security: tuple[Sentence, ...] = Field(default=(), description="What this playbook lowers.")
    restart: Literal["never", "if_changed", "always"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=500)]
    proofs: tuple[Proof, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: dict[tuple[str, ...], int] = {}
        for number, step in enumerate(self.steps):
            ends: list[tuple[str, ...]] = [(step.id,)]
            if step.registry is not None:
                ends.append((step.registry.key.casefold(), step.registry.value.casefold()))
            for end in ends:
                if end in seen:
                    what = "has the same id as" if len(end) == 1 else "sets the same value as"
                    raise PydanticCustomError(
                        "twice",
                        "this step {what} step {other}",
                        {"what": what, "other": seen[end], "at": ("steps", number)},
                    )
                seen[end] = number + 1
        return self


def json_schema() -> dict[str, Any]:
    """The format as JSON Schema draft-07, the newest that YAML language servers read."""
    schema = Playbook.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
