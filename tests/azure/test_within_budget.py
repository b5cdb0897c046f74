"""Many runs and one Azure: the policy, the retries and the lab's limits together.

At size in virtual time, with the numbers of Azure; and on the wire, with smaller ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from serialfix.azure.budget import ArmBudget
from serialfix.azure.identity import Azure, AzurePatience
from serialfix.azure.limits import LIMITS, Limit
from serialfix.azure.restart import begin_restart, reserve_restart
from serialfix.azure.serialport import connect
from serialfix.azure.vm import preflight
from serialfix.errors import AzureRefused, AzureUnreachable, SerialfixError
from serialfix.lab import throttle
from serialfix.lab.cloud import Cloud
from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmDelays, ArmFaults, Outage
from serialfix.lab.throttle import Limiter
from serialfix.lab.vm import LabVm
from serialfix.virtual_time import run_virtual
from tests.lab.doubles import FakeGuest
from tests.support.nearby import BASE, NearbyAzure


CONNECT = "Microsoft.SerialConsole/serialPorts/connect/action"
ONCE = AzurePatience(retries=0)
SMALL = {"reads": (600.0, 20.0), "writes": (300.0, 10.0)}
"""For the wire: refilled in a minute, and held at most. The headroom is half a second's calls."""
SMALL_LIMITS = {**LIMITS, **{name: Limit(*rate) for name, rate in SMALL.items()}}


def vms(number: int, **more: Any) -> list[LabVm]:
    return [LabVm(guest=FakeGuest(), name=f"vm{n:03}", **more) for n in range(number)]


@dataclass
class Runs:
    """What became of many that began at once."""

    errors: list[SerialfixError]
    ended: list[float]
    """When, in seconds after the beginning."""


async def begin(azure: Azure, vm: LabVm) -> None:
    """What every run asks Azure first."""
    await preflight(azure, vm.ref)
    await connect(azure, vm.ref)


async def together(*runs: Awaitable[object]) -> Runs:
    """All of them at once."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    result = Runs([], [])

    async def one(run: Awaitable[object]) -> None:
        try:
            await run
        except SerialfixError as error:
            result.errors.append(error)
        result.ended.append(loop.time() - start)

    await asyncio.gather(*map(one, runs))
    return result


@contextlib.asynccontextmanager
async def nearby(cloud: Cloud, **options: Any) -> AsyncIterator[Azure]:
    """Signed in to a cloud in this process."""
    cloud.base_url = BASE

    class Here(NearbyAzure):
        alive = staticmethod(lambda: None)

    Here.cloud = cloud
    async with Here(environ={}, **options) as azure:
        yield azure


def play(number: int, script: Callable[[Cloud], Awaitable[None]], **cloud: Any) -> None:
    async def scene() -> None:
        await script(Cloud(vms(number), **cloud))

    run_virtual(scene())


ENFORCED = ArmFaults(enforce_limits=True)


def test_300_vms_at_once_are_refused_by_azures_numbers() -> None:
    """Without a budget: the lab can fail what the next test shows."""

    async def script(cloud: Cloud) -> None:
        async with nearby(cloud, patience=ONCE) as azure:
            runs = await together(*(begin(azure, vm) for vm in cloud.vms))
        assert cloud.limiter.refused > 50
        assert all("429" in str(error) for error in runs.errors)
        assert len(runs.errors) > 50

    play(300, script, faults=ENFORCED)


def test_300_vms_at_once_keep_within_the_budget() -> None:
    async def script(cloud: Cloud) -> None:
        budget = ArmBudget()
        azure = {"patience": ONCE, "budget": budget, "region": "westeurope"}
        async with nearby(cloud, **azure) as first, nearby(cloud, **azure) as second:
            runs = await together(
                *(begin(first if n % 2 else second, vm) for n, vm in enumerate(cloud.vms))
            )
        assert runs.errors == []
        assert cloud.limiter.refused == 0
        assert cloud.calls[CONNECT] == 300
        # 600 reads, 200 of them at once and 20 in a second; the connects come meanwhile
        assert max(runs.ended) == pytest.approx(20, abs=1)

    play(300, script, faults=ENFORCED)


class Deaf(ArmBudget):
    """Does not hear what Azure says is left."""

    def answered(self, *_: Any, **__: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "share", "refused"),
    [(ArmBudget, 0.5, False), (ArmBudget, 1.0, False), (Deaf, 0.5, False), (Deaf, 1.0, True)],
)
def test_two_workers_with_one_identity(kind: type[ArmBudget], share: float, refused: bool) -> None:
    """Their shares keep them within the limits; if they do not know each other, Azure's word."""

    async def script(cloud: Cloud) -> None:
        cloud.limiter = Limiter(arm={**throttle.ARM, **SMALL}, step=0.05)
        more = {"patience": ONCE, "region": "westeurope"}
        one, two = (kind(share=share, limits=SMALL_LIMITS) for _ in range(2))
        async with nearby(cloud, budget=one, **more) as a, nearby(cloud, budget=two, **more) as b:
            await together(*(preflight((a, b)[n % 2], vm.ref) for n, vm in enumerate(cloud.vms)))
        assert bool(cloud.limiter.refused) is refused

    play(40, script, faults=ENFORCED)


def test_a_storm_is_sat_out_by_all_and_fed_by_nobody() -> None:
    async def script(cloud: Cloud) -> None:
        cloud.faults = ArmFaults(throttle={CONNECT: 2}, throttle_seconds=300)
        async with nearby(cloud, budget=ArmBudget(), region="westeurope") as azure:
            runs = await together(*(begin(azure, vm) for vm in cloud.vms))
        assert runs.errors == []
        # each time one call tried it: nobody retried on his own
        assert cloud.calls[CONNECT] == len(cloud.vms) + 2
        assert min(runs.ended) == pytest.approx(600, abs=1)
        assert max(runs.ended) == pytest.approx(600 + 50 / 8, abs=1)

    play(50, script)


def test_without_a_budget_each_is_told_of_a_long_wait_at_once() -> None:
    async def script(cloud: Cloud) -> None:
        cloud.faults = ArmFaults(throttle={CONNECT: 50}, throttle_seconds=300)
        async with nearby(cloud) as azure:
            runs = await together(*(begin(azure, vm) for vm in cloud.vms))
        assert len(runs.errors) == 50
        assert max(runs.ended) < 1

    play(50, script)


@pytest.mark.parametrize(("seconds", "times"), [(1.0, 20), (40.0, 20)])
def test_twenty_refusals_in_a_row_are_no_end(seconds: float, times: int) -> None:
    async def script(cloud: Cloud) -> None:
        cloud.faults = ArmFaults(throttle={CONNECT: times}, throttle_seconds=seconds)
        async with nearby(cloud, budget=ArmBudget(), region="westeurope") as azure:
            runs = await together(begin(azure, cloud.vms[0]))
        assert runs.errors == []
        assert cloud.calls[CONNECT] == times + 1

    play(1, script)


def test_a_storm_without_an_end_is_told() -> None:
    async def script(cloud: Cloud) -> None:
        cloud.faults = ArmFaults(throttle={CONNECT: 10**6}, throttle_seconds=60)
        patience = AzurePatience(storm=600)
        async with nearby(
            cloud, budget=ArmBudget(), region="westeurope", patience=patience
        ) as azure:
            runs = await together(*(begin(azure, vm) for vm in cloud.vms))
        assert len(runs.errors) == 20
        assert all(isinstance(error, AzureRefused) and error.passing for error in runs.errors)
        assert max(runs.ended) <= 2 * 600
        assert cloud.calls[CONNECT] <= 25

    play(20, script)


def test_a_retry_that_names_no_time_is_one_of_a_few() -> None:
    """Nothing would bound it in time, and it must not spin."""

    async def script(cloud: Cloud) -> None:
        cloud.faults = ArmFaults(throttle={CONNECT: 10**6}, throttle_seconds=0)
        async with nearby(cloud, budget=ArmBudget(), region="westeurope") as azure:
            runs = await together(begin(azure, cloud.vms[0]))
        assert "429" in str(runs.errors[0])
        assert 1 < cloud.calls[CONNECT] <= AzurePatience().retries + 1

    play(1, script)


@pytest.mark.parametrize("instance", [None, "7"])
def test_the_room_of_a_restart_is_that_of_its_call(instance: str | None) -> None:
    """The SDK words the path of the call, we that of the room."""

    async def script(cloud: Cloud) -> None:
        vm, budget = cloud.vms[0], ArmBudget(headroom=0)
        vm.scale_set, vm.instance_id = (instance and "set"), instance
        async with nearby(cloud, budget=budget, region="westeurope") as azure:
            await reserve_restart(azure, vm.ref)
            levels = {key.budget: bucket.level for key, bucket in budget._buckets.items()}
            assert levels == {"writes": 199, "UpdateVM": 1499}
            await begin_restart(azure, vm.ref)
        assert {key.budget: bucket.level for key, bucket in budget._buckets.items()} == levels
        assert vm.commands["restart"] == 1

    play(1, script)


def test_a_region_that_is_down_costs_the_others_nothing() -> None:
    async def script(cloud: Cloud) -> None:
        cloud.vms += vms(20, location="eastus", resource_group="there")
        cloud.go_down("westeurope")
        budget = ArmBudget()
        async with (
            nearby(cloud, budget=budget, region="westeurope") as here,
            nearby(cloud, budget=budget, region="eastus") as there,
        ):
            down, well = await asyncio.gather(
                together(*(begin(here, vm) for vm in cloud.vms[:20])),
                together(*(begin(there, vm) for vm in cloud.vms[20:])),
            )
        assert well.errors == []
        assert max(well.ended) < 1
        assert len(down.errors) == 20
        assert all(isinstance(error, AzureRefused) and error.passing for error in down.errors)
        assert "503 ServiceUnavailable" in str(down.errors[0])

    play(20, script, faults=ENFORCED)


# --- on the wire --------------------------------------------------------------------------------


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    async with Lab(vms(15), faults=ENFORCED, delays=ArmDelays.instant()) as lab:
        lab.cloud.limiter = Limiter(arm={**throttle.ARM, **SMALL}, step=0.05)
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        yield lab


@pytest.mark.parametrize("budgeted", [False, True])
async def test_over_tls(lab: Lab, budgeted: bool) -> None:
    if not budgeted:  # a slow machine must not keep within the limits by itself
        lab.cloud.limiter = Limiter(arm={"reads": (1, 20), "writes": (1, 10)}, step=0.05)
    budget = ArmBudget(limits=SMALL_LIMITS) if budgeted else None
    async with Azure(environ=lab.env, patience=ONCE, budget=budget, region="westeurope") as azure:
        await azure.token()
        runs = await together(*(begin(azure, vm) for vm in lab.vms))
    assert bool(runs.errors) is not budgeted
    assert bool(lab.cloud.limiter.refused) is not budgeted


async def test_one_refusal_on_the_wire_is_waited_for_by_all(lab: Lab) -> None:
    lab.cloud.faults = ArmFaults(throttle={CONNECT: 1}, throttle_seconds=0.4)
    lab.cloud.limiter = Limiter()
    told = asyncio.Event()
    async with Azure(
        environ=lab.env,
        budget=ArmBudget(),
        region="westeurope",
        observer=lambda text: told.set() if "429" in text else None,
    ) as azure:
        first = asyncio.create_task(begin(azure, lab.vms[0]))
        async with asyncio.timeout(10):
            await told.wait()
        rest = await together(*(begin(azure, vm) for vm in lab.vms[1:10]))
        await first
    assert rest.errors == []
    assert min(rest.ended) >= 0.35
    assert lab.cloud.calls[CONNECT] == 11


@pytest.mark.parametrize(
    ("outage", "kind"), [(Outage(), AzureRefused), (Outage(after=30), AzureUnreachable)]
)
async def test_a_region_that_is_down_on_the_wire(
    lab: Lab, outage: Outage, kind: type[SerialfixError]
) -> None:
    lab.vms.append(LabVm(guest=FakeGuest(), name="there", location="eastus"))
    lab.cloud.go_down("westeurope", outage)
    patience = AzurePatience(retries=1, backoff=0.001, read_timeout=0.3)
    budget = ArmBudget(limits=SMALL_LIMITS)
    async with Azure(environ=lab.env, patience=patience, budget=budget) as azure:
        await begin(azure, lab.vm("there"))
        with pytest.raises(kind) as caught:
            await begin(azure, lab.vms[0])
    assert type(caught.value) is kind
