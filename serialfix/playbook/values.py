"""What a playbook may hold: key paths, names, data, and the texts that Windows would misread.

The published articles got these wrong (catalogue.md §4.1): quoted or blank-edged value names,
`ffffffff`, keys that reg.exe would create instead of finding.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

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
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lo", "Nd"})
_TEXTS = (RegistryType.SZ, RegistryType.EXPAND_SZ)


def check_typable(text: str, what: str) -> None:
    """Refuse what a keyboard line cannot carry, or what a reader cannot see."""
    if text.isascii() and text.isprintable():
        return
    for character in text:
        category = unicodedata.category(character)
        if category.startswith("C") or (category.startswith("Z") and character != " "):
            name = unicodedata.name(character, "a control character")
            raise ValueError(f"{what} holds U+{ord(character):04X} ({name}); retype it by hand")


def is_part_of_a_word(text: str) -> bool:
    """Whether a text is nothing but a part of a word to every shell, in quotes or without.

    Not even a blank: without quotes it would begin another argument. Letters that are modifiers
    are none: code pages make quotes of some.
    """
    letters = [char for char in text if unicodedata.category(char) in _LETTERS]
    return (
        bool(letters)
        and text[0] in letters
        and text[-1] in letters
        and (set(text) <= {*letters, *"._-:@\\"})
    )


def check_bare(text: str, what: str) -> None:
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
    check_typable(text, "the key")
    check_bare(text, "the key")
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
    check_typable(text, "the value name")
    check_bare(text, "the value name")
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


def registry_value(kind: RegistryType, data: object) -> RegistryValue:
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


def _name(text: str) -> str:
    check_typable(text, "the name")
    check_bare(text, "the name")
    return text


def _command(text: str) -> str:
    check_typable(text, "the command")
    if text != text.strip():
        raise ValueError("the command begins or ends with a blank")
    return text


Name = Annotated[str, AfterValidator(_name), StringConstraints(min_length=1, max_length=255)]
"""What something is called in Windows: an account, a rule, an adapter."""


_NO_ACCOUNT = re.compile(r'["/\[\]:;|=,+*?<>]')


def _account_name(text: str) -> str:
    if (found := _NO_ACCOUNT.search(text)) is not None:
        raise ValueError(
            f"no account or group of Windows has {found[0]} in its name, unlike {text}: `net` "
            "would read it as a switch or a question"
        )
    return _name(text)


AccountName = Annotated[
    str, AfterValidator(_account_name), StringConstraints(min_length=1, max_length=255)
]
"""An account or a local group, with or without its domain."""


def _service_name(text: str) -> str:
    if "/" in text or "\\" in text:
        raise ValueError(f"the name of a service holds neither / nor \\, unlike {text}")
    return _name(text)


ServiceName = Annotated[
    str, AfterValidator(_service_name), StringConstraints(min_length=1, max_length=255)
]
"""Short, as `sc` takes it; instances of SQL Server have a dollar sign in it."""
CommandLine = Annotated[str, AfterValidator(_command), StringConstraints(min_length=1)]


class Model(BaseModel):
    """A part of the format: frozen, strict, and refusing keys that it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def one_of(*names: str) -> ConfigDict:
    """Model settings that tell editors that exactly one of these keys stands there."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


def exactly_one(model: BaseModel, *names: str) -> str:
    """The one of these fields that is given. Raises ValueError for none and for several."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ValueError(f"exactly one of {', '.join(names)} must stand here, found {found}")
    return given[0]
