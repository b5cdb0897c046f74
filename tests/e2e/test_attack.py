"""A guest that attacks whoever looks at it: nothing it prints acts on a terminal, log or report.

Every way out is looked at: the pty of a person, stdout and stderr of a pipe in every format, and
every file. Recordings are JSON in ASCII, so that they may hold everything and act on nothing until
a player plays them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pexpect
import pytest

from serialfix.byhand.painter import START
from serialfix.lab.profiles import LST
from serialfix.model import RegistryType, RegistryValue
from serialfix.printable import printable
from tests.byhand.test_painter import OURS as PAINTED
from tests.e2e.conftest import COMMAND, IN_THREE, Machine, Site
from tests.e2e.test_attach import attach, leave, log_in


STOLEN = "c3RvbGVu"  # what OSC 52 would put into the clipboard
NOISE = (
    *(f"\x1b]52;c;{STOLEN}\x07", f"\x1b]52;c;{STOLEN}\x1b\\", "\x1b]0;pwned\x07", "\x1b]2;x\x1b\\"),
    *(f"\x1bP+q{STOLEN}\x1b\\", f"\x1b_{STOLEN}\x1b\\", f"\x1b^{STOLEN}\x1b\\", "\x07\x07"),
    *("\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[18t", "\x1b[21t", "\x1b[?1000h", "\x1b[?2004h"),
    *("\x9b", "\x9d", "\x90", "\x85", "\x7f", "\x0e\x0f", "\x05", "\x1b[48;5;201m", "\x1b[5m"),
)
"""Escape codes and controls that change no picture but would act on a terminal that gets them."""
ATTACK = "A\x9b31m\x7f\u202egnp\u2066\u200b\xa0\u3164\ufe0f\u061cZ"
"""What a Windows console holds in its cells as it is: C1, DEL, bidi, blanks that hide."""
OURS = re.compile(
    r"\x1b\[(0|1|2|22|39|[39][1-6]|[1-3];[39][1-7])?m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r(?=[\n\x1b])"
)
"""All that rich may write for us: colours, the cursor, and the moving line's row."""


def machine(site: Site, **settings: Any) -> Machine:
    """A guest with an evil name, that strews codes between all it says."""
    there = site.machine(on=False, **settings)

    def arm(vm: Any) -> None:
        guest = vm.guest
        guest._computer = f"EVIL\x1b]52;c;{STOLEN}\x07{ATTACK}"
        say, count = guest._port.emit, iter(range(10**6))

        def emit(text: str) -> None:
            say(NOISE[next(count) % len(NOISE)] + text)

        guest._port.emit = emit
        guest.power_on()

    there.do(arm)
    there.before = there.registry
    return there


def acts(text: str) -> str:
    """What in it would act on a terminal, our own colours and line ends aside."""
    left = OURS.sub("", text).replace("\n", "")
    return "".join(sorted({char for char in left if printable(char) != char}))


def files(site: Site) -> Iterator[tuple[Path, str]]:
    for path in site.state.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode("utf-8")


def assert_no_file_acts(site: Site) -> None:
    seen = 0
    for path, text in files(site):
        assert acts(text) == "", path
        if path.suffix in (".cast", ".jsonl", ".json"):
            assert text.isascii(), path
        else:
            assert STOLEN not in text, path
        seen += 1
    assert seen >= 5


def at_a_terminal(site: Site, *args: str) -> tuple[int, str]:
    """The command under a pty: its code and all it wrote."""
    child = pexpect.spawn(
        COMMAND,
        list(args),
        env={**site.env, "TERM": "xterm-256color"},
        dimensions=(24, 120),
        encoding="utf-8",
        timeout=60,
        logfile=(log := io.StringIO()),
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus is not None, child.signalstatus
    return child.exitstatus, log.getvalue()


def test_a_run_at_a_terminal(site: Site) -> None:
    there = machine(site)
    code, shown = at_a_terminal(
        *(site, "run", "--vm", there.name, "--playbook", site.three, "--yes", "--debug")
    )
    assert code == 0, shown
    there.repaired(IN_THREE)
    assert "\x1b[" in shown
    assert acts(shown) == ""
    assert STOLEN not in shown
    code, shown = at_a_terminal(site, "runs", "show", site.runs[0].name)
    assert (code, acts(shown)) == (0, "")
    assert_no_file_acts(site)
    casts = [text for path, text in files(site) if path.suffix == ".cast"]
    assert any(STOLEN in text for text in casts)  # it was there to be passed on
    for cast in site.runs[0].glob("*.cast"):
        replayed = site.inside("replay", str(cast))
        assert (replayed.code, acts(replayed.out + replayed.err)) == (0, "")


def hold(there: Machine, text: str) -> None:
    """Let a value of the playbook be this text."""
    value = RegistryValue(RegistryType.SZ, text)
    there.do(lambda vm: vm.guest.registry.set(LST, "SecurityLayer", value))
    there.before = there.registry


@pytest.mark.parametrize(
    "output", ["table", "json", "jsonc", "yaml", "tsv", "none", "junit", "markdown"]
)
def test_a_value_in_every_format(site: Site, output: str) -> None:
    there = machine(site)
    hold(there, ATTACK)
    ended = site.inside(
        *("check", "--vm", there.name, "--playbook", site.three, "-o", output, "--debug")
    )
    assert ended.code == 0, ended.err
    assert acts(ended.out.replace("\t", "")) == ""
    assert acts(ended.err) == ""
    if output in ("table", "tsv"):
        assert r"\u202egnp\u2066\u200b" in ended.out
    again = site.inside("runs", "show", site.runs[0].name, "-o", output)
    assert (again.code, acts(again.out.replace("\t", "") + again.err)) == (0, "")
    assert_no_file_acts(site)
    there.untouched(attached=True)


def test_a_value_at_a_terminal(site: Site) -> None:
    there = machine(site)
    hold(there, ATTACK)
    for output in ("table", "jsonc"):
        code, shown = at_a_terminal(
            *(site, "check", "--vm", there.name, "--playbook", site.three, "-o", output)
        )
        assert (code, acts(shown)) == (0, "")


@pytest.mark.parametrize("text", ["line\r\nOK     forged", "a\x1b[2J\x1b]52;c;eA==\x07b", "\t\b\b"])
def test_a_value_with_controls(site: Site, text: str) -> None:
    """They may spoil what is read, so that the run fails; they may not act."""
    there = machine(site)
    hold(there, text)
    ended = site.inside("check", "--vm", there.name, "--playbook", site.three)
    assert acts(ended.out) == ""
    assert acts(ended.err) == ""
    assert_no_file_acts(site)
    there.untouched(attached=True)


@pytest.mark.parametrize(
    "faults",
    [
        {"login_refused": True},
        {"sac_absent": "health_report"},
        {"bugcheck_after": 9},
        {"unsolicited_switch_after": 9},
        {"reboot_after": 9},
    ],
    ids=str,
)
def test_an_error_with_its_last_screen(site: Site, faults: dict[str, Any]) -> None:
    there = machine(site)
    there.do(lambda vm: vm.guest.power_off())

    def deface(vm: Any) -> None:
        say = vm.guest._port.emit
        words = ("Unable", "Windows", "failed", "System", "SAC_", "0xE2", "Computer", "Channel: ")

        def emit(text: str) -> None:
            for word in words if not text.startswith("\x1b[2J") else ():
                text = text.replace(word, f"{ATTACK}{word}")
            say(text)

        vm.guest._port.emit = emit

    there.faults(**faults)
    there.do(deface)
    there.do(lambda vm: vm.guest.power_on())
    ended = site.run(there, playbook=site.three)
    assert ended.code == 6, ended.err
    assert acts(ended.err) == ""
    assert acts(ended.out) == ""
    assert ended.error["slug"] in ended.err
    shown = site.inside("runs", "show", site.runs[0].name)
    assert acts(shown.out + shown.err) == ""
    assert_no_file_acts(site)


def test_a_former_value_and_the_way_back(site: Site) -> None:
    there = machine(site)
    hold(there, 'A\xa0"%PATH%" ^Z \u3000\'')
    before = there.before
    ended = site.run(there, playbook=site.three)
    assert ended.code == 0, ended.err
    assert acts(ended.out + ended.err) == ""
    assert_no_file_acts(site)
    assert "undo.yaml" in {path.name for path, _ in files(site)}
    undone = site.inside("undo", site.runs[0].name, "--yes", "--no-restart")
    assert undone.code == 0, undone.err
    assert acts(undone.out + undone.err) == ""
    assert there.registry == before
    assert_no_file_acts(site)


def test_a_former_value_that_nobody_can_see(site: Site) -> None:
    """It could not be put back for sure, so nothing is changed."""
    there = machine(site)
    hold(there, "A\u202egnp\u200b\xa0Z")
    ended = site.run(there, playbook=site.three)
    assert ended.code == 2, ended.err
    assert acts(ended.out + ended.err) == ""
    assert "U+202E" in ended.err
    there.untouched(attached=True)
    assert_no_file_acts(site)


def test_a_person_at_the_console(site: Site) -> None:
    """What the terminal gets is our painter's; the guest's picture is in it, its codes are not."""
    there = machine(site)
    hold(there, ATTACK)
    sitting = attach(site, there)
    sitting.type("id\r", "Time since last reboot")
    log_in(sitting)
    sitting.type(f'reg query "{LST}" /v SecurityLayer\r', "REG_SZ")
    there.do(lambda vm: [vm.guest._port.emit(noise) for noise in NOISE])
    sitting.type("ver\r", "Microsoft Windows [Version 10.0.20348.2227]\n\nC:")
    painted, _, after = sitting.raw.decode().partition("\x1b[?1049l")
    assert leave(sitting) == 0
    begun = painted.index(START)
    left = PAINTED.sub("", painted[begun:].removeprefix(START))
    assert printable(left) == left
    assert STOLEN not in painted
    assert acts(painted[:begun]) == ""
    assert acts(after) == ""


def test_what_azure_says_in_the_guests_name(site: Site) -> None:
    """The agent in the guest tells Azure the name of its system."""
    there = site.machine(system="client")
    name = f"Windows 11 \x1b]52;c;{STOLEN}\x07{ATTACK}\nError: forged\n  [forged]"
    there.do(lambda vm: setattr(vm, "image", replace(vm.image, os_name=name)))
    ended = site.inside("check", "--vm", there.name, "--playbook", site.three)
    assert ended.code == 5
    assert "[preflight.not_windows_server]" in ended.err
    assert acts(ended.out + ended.err) == ""
    assert "\nError: forged" not in ended.err
    assert "\n  [forged]" not in ended.err
    assert_no_file_acts(site)


def test_a_playbook_from_somewhere(site: Site) -> None:
    """Not the guest's, but others' text all the same: a title, and a file that is none."""
    folder = site.home / "books"
    folder.mkdir()
    text = Path(site.three).read_text().replace("Three values", f'"\\x1b]0;x\\a{ATTACK[2:]}"')
    (folder / "three.yaml").write_text(text.replace("\x7f", ""))
    (folder / "none.yaml").write_text('"\\x1b[2J": \u202e')
    site.monkeypatch.setenv("SERIALFIX_PLAYBOOK_PATH", str(folder))
    for args in (("list",), ("list", "-o", "tsv"), ("list", "-o", "yaml"), ("list", "-o", "jsonc")):
        listed = site.inside("playbook", *args)
        assert acts(listed.out.replace("\t", "")) == ""
        assert acts(listed.err) == ""
    shown = site.inside("playbook", "show", "three")
    assert shown.code == 0, shown.err
    assert acts(shown.out + shown.err) == ""
