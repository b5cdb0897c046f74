from __future__ import annotations

from serialfix.lab.build import AT_ONCE, make_lab, make_vm
from serialfix.lab.faults import Delays
from serialfix.lab.guest import Guest
from serialfix.lab.server import Lab
from serialfix.lab.unmade import UnmadeGuest
from serialfix.lab.vm import GuestPort
from tests.lab.arm_client import Client
from tests.lab.doubles import FakeGuest


class Maker:
    """Counts what it makes."""

    def __init__(self) -> None:
        self.made: list[FakeGuest] = []

    def __call__(self) -> GuestPort:
        self.made.append(FakeGuest())
        return self.made[-1]


def test_what_the_lab_does_to_all_guests_makes_none() -> None:
    maker = Maker()
    guest = UnmadeGuest(maker)
    guest.power_on()
    assert guest.running
    guest.listen(None)
    guest.power_off()
    assert not guest.running
    assert not guest.made
    assert maker.made == []


def test_it_is_made_once_with_the_power_it_was_given() -> None:
    maker = Maker()
    guest = UnmadeGuest(maker)
    guest.power_on()
    guest.write(b"x")
    guest.restart()
    guest.power_off()
    assert guest.made
    (made,) = maker.made
    assert (made.calls, made.written) == (["power_on", "restart", "power_off"], b"x")


def test_without_power_it_does_not_boot() -> None:
    maker = Maker()
    assert UnmadeGuest(maker).history(10) == b""
    assert maker.made[0].calls == []


def test_attributes_are_those_of_the_guest() -> None:
    maker = Maker()
    guest = UnmadeGuest(maker)
    guest.log = b"stale"
    assert (guest.log, guest.restarts) == (b"stale", 0)
    assert maker.made[0].log == b"stale"
    assert len(maker.made) == 1


def test_a_guest_made_later_is_the_same_guest() -> None:
    now, later = (make_vm(at_once=when, seed=7, broken="firewall-on") for when in (True, False))
    assert isinstance(now.guest, Guest)
    assert isinstance(later.guest, UnmadeGuest)
    assert now.truth() == later.truth()


async def test_a_thousand_vms_cost_what_is_used_of_them() -> None:
    async with make_lab(1000, delays=Delays.instant()) as lab:
        assert [made(lab, n) for n in (0, AT_ONCE - 1, AT_ONCE, 999)] == [True, True, False, False]
        assert {vm.power_state for vm in lab.vms} == {"running"}
        arm = Client(lab)
        status, body, _ = await arm("POST", f"{lab.vm('myvm500').id}/restart")
        await arm.session.close()
        assert (status, body) == (202, None)
        assert [n for n in range(AT_ONCE, 1000) if made(lab, n)] == [499]
        assert lab.vm("myvm500").truth()["restarts"] == 1


def made(lab: Lab, number: int) -> bool:
    guest = lab.vms[number].guest
    return guest.made if isinstance(guest, UnmadeGuest) else isinstance(guest, Guest)
