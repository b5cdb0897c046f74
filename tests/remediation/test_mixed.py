"""Steps of many kinds, a dropped line or a kill anywhere, then `resume` and `undo`.

The end is that of a run that nothing happened to, and after `undo` what there was before: by the
guest's own picture of its disk and its services.
"""

from __future__ import annotations

import asyncio
import copy
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from serialfix.lab.disk import RCM
from serialfix.lab.profiles import Renderer
from serialfix.playbook.load import parse_playbook
from serialfix.virtual_time import run_virtual
from tests.support.rig import RENDERERS
from tests.support.world import Killed, Mishap, Place, World, kill


MIXED = parse_playbook(
    r"""schema: 1
name: mixed
version: "1"
title: Some of everything
restart: if_changed
facts:
  - id: port
    registry:
      key: HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp
      value: PortNumber
steps:
  - id: certificates
    why: damaged
    registry_removal:
      key: HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\RCM
      values: [Certificate, X509 Certificate, X509 Certificate ID, X509 Certificate2]
  - id: port
    why: moved
    registry:
      key: HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp
      value: PortNumber
      type: REG_DWORD
      data: 3389
  - id: only-when-moved
    why: a condition that does not hold any more once the run has begun
    when: {fact: port, is: [3390]}
    bcd: {entry: "{bootmgr}", element: timeout, value: "5"}
  - id: listener
    why: reads the port when it starts
    service: {name: TermService, state: running, restart_if_changed: [port]}
  - id: rule
    why: it is off
    firewall_rule:
      rule: RemoteDesktop-UserMode-In-UDP
      name: Remote Desktop - User Mode (UDP-In)
      enabled: true
  - id: menu
    why: in the way
    bcd: {entry: "{bootmgr}", element: displaybootmenu, state: absent}
  - id: remote-registry
    why: not needed
    service: {name: RemoteRegistry, start: disabled, state: stopped}
  - id: member
    why: may sign in
    account: {name: azureadmin, member_of: Remote Desktop Users, member: true}
  - id: log
    why: to see more
    command:
      check: wevtutil gl Microsoft-Windows-CAPI2/Operational | find "enabled:" | find "true"
      run: wevtutil sl Microsoft-Windows-CAPI2/Operational /e:true
      undo: wevtutil sl Microsoft-Windows-CAPI2/Operational /e:false
"""
)
BROKEN = ["licence-certificates", "port-moved", "boot-menu", "firewall-rule-off"]
_PROFILE = {"scraper": "ws2019", "conpty": "ws2022"}
EVERY = int(os.environ.get("MIXED_EVERY", "60"))
"""Of how many places one is tried; `make soak` tries all of them, which takes half an hour."""


def picture(world: World) -> Any:
    """The guest, without the certificates that Windows writes anew at each start."""
    found: Any = copy.deepcopy(world.guest.snapshot())
    values = found["registry"]
    for path in [path for path in values if RCM.lower() in str(path).lower()]:
        values.pop(path)
    return found


async def boot(renderer: Renderer, folder: Path, *mishaps: Mishap) -> World:
    world = World(folder, mishaps=mishaps, profile=_PROFILE[renderer], broken=BROKEN)
    world.transcripts = False
    await world.boot(120.0)
    return world


@cache
def calm(renderer: Renderer) -> tuple[Any, dict[str, int]]:
    """After a run that nothing happens to, and how long it is."""

    async def play(folder: Path) -> tuple[Any, dict[str, int]]:
        world = await boot(renderer, folder)
        result = await world.run(MIXED)
        assert (result.outcome, result.exit_code) == ("changed", 0), result.error
        assert {step.outcome for step in result.steps} == {"changed"}
        return picture(world), dict(world.count)

    with tempfile.TemporaryDirectory() as folder:
        return run_virtual(play(Path(folder)))


def cut(world: World) -> None:
    if world.wire is not None:
        world.wire.cut()


async def play(renderer: Renderer, mishap: Mishap, folder: Path) -> list[str]:
    after, _ = calm(renderer)
    world = await boot(renderer, folder, mishap)
    certificates = world.guest.snapshot()
    wrong = []
    try:
        result = await world.run(MIXED)
    except Killed:
        result = await world.resume()
    else:
        if result.exit_code:
            result = await world.resume()
    unknown = result.exit_code == 8  # killed between asking for the restart and its answer
    if unknown:
        await asyncio.sleep(300)  # it may have happened
    elif result.exit_code:
        wrong.append(f"ended with {result.exit_code}: {result.error}")
    if max(world.restarts) > 1:
        wrong.append(f"restarts: {world.restarts}")
    if not unknown and picture(world) != after:
        wrong.append("not what a run without a fault leaves")
    undone = await world.undo()
    if undone.exit_code:
        wrong.append(f"undo ended with {undone.exit_code}: {undone.error}")
    elif world.guest.snapshot() != certificates:
        wrong.append("not what there was before")
    return wrong


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("place", ["line", "before", "after"])
def test_broken_anywhere(renderer: Renderer, place: Place, tmp_path: Path) -> None:
    _, length = calm(renderer)
    found = {}
    first = {"line": 8, "before": 5, "after": 4}[place]  # earlier ones are the login's
    start = first + RENDERERS.index(renderer) * (EVERY // 2)
    for nth in range(start, length[place], EVERY):
        mishap = Mishap(place, cut if place == "line" else kill, place, nth)
        if wrong := run_virtual(play(renderer, mishap, tmp_path / str(nth))):
            found[nth] = wrong
    assert not found
