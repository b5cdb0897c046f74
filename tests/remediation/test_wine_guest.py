"""The real playbook over a real cmd.exe and reg.exe, in real time; the truth is Wine's own file."""

from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.faults import Delays
from serialfix.lab.profiles import Language, Renderer
from serialfix.lab.wineprefix import missing
from serialfix.model import Outcome
from tests.support.rig import Outing, Rig, wanted


RENDERERS: list[Renderer] = ["conpty", "scraper"]
LANGUAGES: list[tuple[Renderer, Language]] = [
    ("conpty", "fr"),
    ("scraper", "nl"),
    ("conpty", "de"),
    ("scraper", "ja"),
]
QUICK = Delays(
    firmware=0.1, boot=0.2, cmd_available=0.1, login=0.01, shutdown=0.1, scraper_tick=0.01
)


async def guest(renderer: Renderer, language: Language) -> Rig:
    if reason := missing(language):
        pytest.skip(f"{reason}: not shown is rdp-reset over a real cmd.exe in {language!r}")
    stage = Rig(renderer, program="wine", language=language, delays=QUICK)
    await stage.boot(0.5)
    return stage


async def repaired(stage: Rig) -> Outing:
    """Applied, and on disk after a restart."""
    done = await stage.apply()
    assert done.slug == "ok"
    assert set(done.outcomes()) == {Outcome.CHANGED}
    assert done.after == wanted(done.before, stage.playbook)
    stage.guest.restart()
    await asyncio.sleep(1)
    assert stage.guest.registry.dump() == done.after
    assert done.channels == []
    return done


@pytest.mark.parametrize("renderer", RENDERERS)
async def test_applied_found_right_and_taken_back(renderer: Renderer) -> None:
    stage = await guest(renderer, "en")
    done = await repaired(stage)
    assert (await stage.prove()).slug == "ok"
    found = await stage.apply()
    assert (found.slug, set(found.outcomes()), found.writes) == ("ok", {Outcome.OK}, [])
    back = await stage.apply(playbook=stage.way_back(done))
    assert back.slug == "ok"
    stage.guest.power_off()
    assert stage.guest.registry.dump() == done.before  # out of Wine's own files
    assert found.channels == back.channels == []


async def test_no_language_is_another_registry() -> None:
    """All at once: what takes its time is the programs, not we."""
    stages = [await guest(*each) for each in LANGUAGES]
    await asyncio.gather(*map(repaired, stages))
    for stage in stages:
        stage.guest.power_off()
