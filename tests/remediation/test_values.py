"""Registry values read over a session; test_guest has them read under faults."""

from __future__ import annotations

from serialfix.lab.profiles import LST, POL, dword
from serialfix.playbook.plan import value_id
from serialfix.secrets import Secret
from serialfix.session import Credentials
from tests.support.rig import PASSWORD, USERNAME, Rig, scene


async def _read(stage: Rig) -> tuple[object, object, object, int]:
    outing = stage.work()
    session = outing.work.session
    await session.connect()
    await session.open_channel()
    await session.login(Credentials(USERNAME, Secret(PASSWORD, "guest_password")))
    values = outing.work._guest.values
    before = len(stage.guest.entered)
    many = await values.many([(LST, "SecurityLayer"), (LST, "PortNumber"), (LST, "NotThere")])
    lines = len([each for each in stage.guest.entered[before:] if "reg query" in each.line.lower()])
    keys: dict[str, bool] = {}
    await values.look_for(rf"{POL}\Sub", keys)
    one = await values.one(LST, "WdName")
    await session.leave()
    return many, keys, one, lines


def test_many_values_in_one_line_and_keys_from_the_bottom_up() -> None:
    many, keys, one, lines = scene("conpty", _read)
    assert many == {
        value_id(LST, "SecurityLayer"): dword(2),
        value_id(LST, "PortNumber"): dword(3389),
        value_id(LST, "NotThere"): None,
    }
    assert lines == 1
    assert isinstance(keys, dict)
    assert keys[rf"{POL}\sub".lower()] is False
    assert keys[POL.lower()] is False
    assert one is not None
    assert str(one) == "REG_SZ 'Microsoft RDP 8.0'"
