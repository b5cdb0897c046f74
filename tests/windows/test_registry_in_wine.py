"""What is typed for `reg add`, held against a real cmd.exe and reg.exe that nobody here wrote.

The lines are run in one cmd.exe; what Wine's own registry files hold then is compared with what was
meant. Names in percent signs are left out: Wine expands a variable where cmd.exe, which looks for
one whose name begins with a caret, does not (docs/lab.md).
"""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serialfix.errors import UnsafeStep
from serialfix.lab.wineprefix import missing
from serialfix.model import RegistryType, RegistryValue
from serialfix.windows import registry
from tests.lab.wine_prompt import WinePrompt


KEY = r"HKLM\SOFTWARE\Lab & Sons ^1 100!\(a,b;c=d)"
KINDS = st.sampled_from([RegistryType.SZ, RegistryType.EXPAND_SZ, RegistryType.NONE])
TEXTS = st.text(
    st.sampled_from("aab  \"^&|<>!'\\;,=()~`@#$*?/-.:[]{}0011ÄÖÜßéñ東京漢字ｶﾅ") | st.just("%"),
    max_size=40,
).filter(lambda text: not re.search("%[^%]+%", text))
SINGLE = st.builds(
    lambda kind, text: RegistryValue(
        kind, f"{text}\0".encode("utf-16-le") if kind is RegistryType.NONE else text
    ),
    KINDS,
    TEXTS,
)
VALUES = st.one_of(
    SINGLE,
    SINGLE,
    st.lists(TEXTS.filter(bool), max_size=4).map(
        lambda items: RegistryValue(RegistryType.MULTI_SZ, tuple(items))
    ),
    st.integers(0, 2**32 - 1).map(lambda n: RegistryValue(RegistryType.DWORD, n)),
    st.integers(0, 2**64 - 1).map(lambda n: RegistryValue(RegistryType.QWORD, n)),
    st.binary(max_size=60).map(lambda raw: RegistryValue(RegistryType.BINARY, raw)),
)
NAMES = TEXTS.filter(lambda name: name == name.strip() and name)
WISHES = st.lists(
    st.tuples(NAMES, VALUES), min_size=20, max_size=40, unique_by=lambda wish: wish[0].lower()
)


async def stored(lines: list[str]) -> dict[str, RegistryValue]:
    """The values in the key after these lines, out of Wine's files."""
    async with WinePrompt() as cmd:
        cmd.may_scroll = True
        for line in lines:
            await cmd.enter("cls")
            await cmd.enter(line)
        key = cmd.stored().key(KEY)
        return {name.lower(): value for name, value in key.values.values()} if key else {}


@pytest.mark.skipif(
    bool(missing()),
    reason=f"{missing()}: not shown is that a real cmd.exe and reg.exe store what is typed",
)
@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(wishes=WISHES)
def test_a_real_reg_exe_stores_what_is_meant(wishes: list[tuple[str, RegistryValue]]) -> None:
    wanted: dict[str, RegistryValue] = {}
    lines = []
    for name, value in wishes:
        try:
            lines.append(registry.add(KEY, name, value))
        except UnsafeStep:
            continue
        wanted[name.lower()] = value
    assert asyncio.run(stored(lines)) == wanted
