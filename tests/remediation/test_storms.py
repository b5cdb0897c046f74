"""Whole runs, in virtual time, of VMs whose Azure throttles or whose region is down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from serialfix.azure.budget import ArmBudget
from serialfix.azure.limits import draws
from serialfix.lab.switches import ArmFaults
from serialfix.model import Outcome
from serialfix.record.journal import Journal
from serialfix.virtual_time import run_virtual
from tests.support.matrix import playbook
from tests.support.world import Killed, Mishap, World, kill


RESTART = "Microsoft.Compute/virtualMachines/restart/action"
READ = "Microsoft.Compute/virtualMachines/read"


def play(folder: Path, script: Callable[[World], Awaitable[None]], *mishaps: Mishap) -> None:
    async def scene() -> None:
        world = World(folder, mishaps=mishaps, profile="ws2022")
        world.transcripts = False
        await world.boot()
        await script(world)

    run_virtual(scene())


def kinds(world: World) -> list[str]:
    """The restart in the journal."""
    kept = (record["kind"] for record in Journal.read(world.journal))
    return [kind for kind in kept if kind.startswith("restart")]


def within(world: World) -> dict[str, Any]:
    """The options of a run of a fleet."""
    return {"arm_budget": ArmBudget(), "region": world.vm.location}


@pytest.mark.parametrize("fleet", [False, True])
def test_a_throttled_restart_is_asked_for_again(tmp_path: Path, fleet: bool) -> None:
    async def script(world: World) -> None:
        world.cloud.faults = ArmFaults(throttle={RESTART: 3}, throttle_seconds=50)
        result = await world.run(playbook(whole=False), **(within(world) if fleet else {}))
        assert (result.outcome, result.exit_code) == (Outcome.CHANGED, 0), result.error
        assert world.restarts == (1, 1)
        assert world.cloud.calls[RESTART] == 4
        assert kinds(world) == [
            *["restart_requested", "restart_refused"] * 3,
            *["restart_requested", "restart_accepted", "restart_done"],
        ]

    play(tmp_path, script)


def test_not_longer_than_a_restart_is_waited_for(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        world.cloud.faults = ArmFaults(throttle={RESTART: 9}, throttle_seconds=150)
        result = await world.run(playbook(whole=False))
        assert (result.outcome, result.exit_code) == (Outcome.FAILED, 8)
        assert result.error is not None
        assert result.error["slug"] == "restart.refused"
        assert result.restart is not None
        assert result.restart.outcome is Outcome.FAILED
        assert world.restarts == (0, 0)
        assert world.cloud.calls[RESTART] == 2
        world.cloud.faults = ArmFaults()
        result = await world.resume()
        assert (result.outcome, world.restarts) == (Outcome.CHANGED, (1, 1))

    play(tmp_path, script)


def test_killed_between_a_refusal_and_asking_again(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        world.cloud.faults = ArmFaults(throttle={RESTART: 1}, throttle_seconds=50)
        with pytest.raises(Killed):
            await world.run(playbook(whole=False))
        world.mishaps = ()
        result = await world.resume()
        assert (result.outcome, world.restarts) == (Outcome.CHANGED, (1, 1))

    def refused(world: World) -> None:
        if kinds(world)[-1:] == ["restart_refused"]:
            kill(world)

    # the n-th record that is kept is the refusal: looked for, for the number moves
    play(tmp_path, script, *(Mishap("kill", refused, "after", nth) for nth in range(1, 60)))


def test_a_restart_without_room_was_not_asked_for(tmp_path: Path) -> None:
    """Killed in that wait the run would know that nothing was begun."""

    async def script(world: World) -> None:
        options = within(world)
        keys = draws("POST", f"{world.vm.id}/restart", world.vm.location)
        update = tuple(key for key in keys if key.budget == "UpdateVM")
        options["arm_budget"].answered(update, 429, {}, retry_after=10_000)
        result = await world.run(playbook(whole=False), **options)
        assert (result.outcome, result.exit_code) == (Outcome.FAILED, 8)
        assert result.error is not None
        assert result.error["slug"] == "restart.refused"
        assert "UpdateVM" in result.error["message"]
        assert kinds(world) == []
        assert world.cloud.calls[RESTART] == 0
        result = await world.resume(**within(world))
        assert (result.outcome, world.restarts) == (Outcome.CHANGED, (1, 1))

    play(tmp_path, script)


@pytest.mark.parametrize("fleet", [False, True])
def test_a_vm_that_azure_was_not_asked_about_in_time_is_unreachable(
    tmp_path: Path, fleet: bool
) -> None:
    async def script(world: World) -> None:
        world.cloud.faults = ArmFaults(throttle={READ: 10**6}, throttle_seconds=300)
        result = await world.run(playbook(whole=False), **(within(world) if fleet else {}))
        assert (result.outcome, result.touched) == (Outcome.UNREACHABLE, "no")
        assert result.error is not None
        assert result.error["slug"] == "preflight.azure_refused"
        assert world.cloud.calls[READ] == (3 if fleet else 1)
        assert not world.guest.entered

    play(tmp_path, script)


def test_a_vm_in_a_region_that_is_down_is_unreachable(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        world.cloud.go_down(world.vm.location)
        result = await world.run(playbook(whole=False), **within(world))
        assert (result.outcome, result.touched) == (Outcome.UNREACHABLE, "no")
        assert result.error is not None
        assert "503 ServiceUnavailable" in result.error["message"]

    play(tmp_path, script)
