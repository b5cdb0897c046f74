from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmDelays
from serialfix.lab.vm import LabVm
from tests.lab.arm_client import Client
from tests.lab.doubles import FakeGuest


@pytest.fixture
def vm() -> LabVm:
    return LabVm(guest=FakeGuest())


@pytest.fixture
async def lab(vm: LabVm) -> AsyncIterator[Lab]:
    async with Lab([vm], delays=ArmDelays.instant(), page_size=2) as lab:
        yield lab


@pytest.fixture
async def arm(lab: Lab) -> AsyncIterator[Client]:
    client = Client(lab)
    yield client
    await client.session.close()
