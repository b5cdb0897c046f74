"""The guest's password and Azure's token are nowhere, in no file and on no stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serialfix.lab.guest import PASSWORD
from serialfix.lab.profiles import LST
from serialfix.model import RegistryType, RegistryValue
from tests.e2e.conftest import Ended, Site


def texts(site: Site, *ended: Ended) -> Iterator[tuple[str, str]]:
    """Everything that was written anywhere, and every recording with its pieces joined."""
    for number, each in enumerate(ended):
        yield f"stdout {number}", each.out
        yield f"stderr {number}", each.err
    for path in site.home.rglob("*"):
        if path.is_file():
            yield str(path), path.read_text("utf-8", "replace")
            if path.suffix == ".cast":
                yield from joined(path)


def joined(path: Path) -> Iterator[tuple[str, str]]:
    events: list[list[Any]] = [json.loads(row) for row in path.read_text().splitlines()[1:]]
    for code in "io":
        yield f"{path} ({code})", "".join(event[2] for event in events if event[1] == code)


def leaks(site: Site, *ended: Ended, tokens: Iterable[str] = ()) -> list[str]:
    """Where a piece of the password, or 30 characters in a row of a token, can be read."""
    pieces = {PASSWORD[at : at + 8] for at in range(len(PASSWORD) - 7)}
    for token in tokens:
        body = token.split(".", 1)[1]
        pieces |= {body[at : at + 20] for at in range(0, len(body) - 20, 10)}
    written = [(where, text, text.replace("\n", "")) for where, text in texts(site, *ended)]
    return [
        f"{where}: {piece!r}"
        for where, *forms in written
        for piece in pieces
        if any(piece in form for form in forms)
    ]


def minted(site: Site) -> set[str]:
    """All tokens so far."""
    return site.lab.call(lambda lab: set(lab.cloud.tokens.minted))


@pytest.mark.parametrize("frames", ["text", "binary", "mixed"])
def test_nothing_is_kept_whatever_the_chunking(site: Site, frames: str) -> None:
    machine = site.machine()
    machine.gateway(token_echo=True, split=True, frames=frames, backlog=100_000)
    machine.faults(split_writes=True, nul_everywhere=True)
    before = minted(site)
    debug = site.command(
        "run", "--vm", machine.name, "--playbook", site.three, "--yes", "--debug", "-o", "json"
    )
    assert debug.code == 0, debug.err
    undone = site.inside("undo", site.runs[0].name, "--yes", "--debug", "--no-restart")
    assert undone.code == 0, undone.err
    tokens = minted(site) - before
    assert tokens
    assert len(list(site.state.rglob("*.cast"))) > 3
    assert leaks(site, debug, undone, tokens=tokens) == []


def test_the_last_screen_of_an_error_shows_no_token(site: Site) -> None:
    machine = site.machine(on=False)
    machine.faults(sac_absent="silence")
    machine.do(lambda vm: vm.guest.power_on())
    machine.gateway(token_echo=True)
    before = minted(site)
    ended = site.run(machine, "--debug")
    assert ended.code == 6
    assert leaks(site, ended, tokens=minted(site) - before) == []


def test_a_wrong_password_is_not_shown_either(site: Site) -> None:
    machine = site.machine()
    wrong = "Not-The-Passw0rd"
    site.monkeypatch.setenv("SERIALFIX_GUEST_PASSWORD", wrong)
    ended = site.run(machine, "--debug")
    assert ended.code == 6
    for where, text in texts(site, ended):
        assert wrong not in text, where


def test_the_password_comes_from_a_command(site: Site) -> None:
    machine = site.machine()
    site.monkeypatch.delenv("SERIALFIX_GUEST_PASSWORD")
    (site.home / "secret").write_text(PASSWORD + "\nsecond line\n")
    command = f"cat {site.home / 'secret'}"
    ended = site.run(machine, "--credential-command", command, playbook=site.three)
    assert ended.code == 0, ended.err
    (site.home / "secret").unlink()
    assert leaks(site, ended) == []


def test_a_former_value_that_holds_the_password_is_not_replaced(site: Site) -> None:
    machine = site.machine()
    kept = RegistryValue(RegistryType.SZ, f"the password is {PASSWORD}")
    machine.do(lambda vm: vm.guest.registry.set(LST, "Comment", kept))
    text = Path(site.three).read_text()
    text = text.replace("SecurityLayer, type: REG_DWORD, data: 0", "Comment, type: REG_SZ, data: x")
    Path(site.three).write_text(text)
    ended = site.run(machine, playbook=site.three)
    assert ended.code == 2, ended.err
    assert ended.result["touched"] == "no"
    assert "holds" in ended.err
    assert (machine.writes, machine.channels) == ([], [])
    assert leaks(site, ended) == []
