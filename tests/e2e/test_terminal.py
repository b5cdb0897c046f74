"""At a terminal: the question before anything is changed, 80 columns, colour only where wanted."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import time
from typing import Any

import pexpect
import pyte
import pytest

from tests.e2e.conftest import COMMAND, IN_THREE, Machine, Site


WIDTH = 80


def at_a_terminal(site: Site, *args: str, **env: str) -> Any:
    """The command under a pty of 80x24."""
    return pexpect.spawn(
        COMMAND,
        list(args),
        env={**site.env, "TERM": "xterm-256color", **env},
        dimensions=(24, WIDTH),
        encoding="utf-8",
        timeout=30,
        logfile=io.StringIO(),
    )


def end(child: Any) -> int:
    child.expect(pexpect.EOF)
    child.close()
    code: int = child.exitstatus
    return code


def run(site: Site, machine: Machine, *more: str, **env: str) -> Any:
    return at_a_terminal(site, "run", "--vm", machine.name, "--playbook", site.three, *more, **env)


def test_no_is_no(site: Site) -> None:
    machine = site.machine()
    child = run(site, machine)
    child.expect(r"Make these changes and restart the VM\? \[y/N\] ")
    assert "KeepAliveEnable" in child.before
    assert machine.writes == []
    child.sendline("n")
    assert end(child) == 2
    assert "the plan was not confirmed" in child.before
    assert "Nothing was changed in the VM." in child.before
    machine.untouched(attached=True)
    assert machine.channels == []
    assert [record["kind"] for record in site.journal()].count("declined") == 1


def test_enter_alone_is_no(site: Site) -> None:
    machine = site.machine()
    child = run(site, machine)
    child.expect(r"\[y/N\] ")
    child.sendline("")
    assert end(child) == 2
    machine.untouched(attached=True)


def test_yes_is_yes(site: Site) -> None:
    machine = site.machine()
    child = run(site, machine)
    child.expect(r"\[y/N\] ")
    child.sendline("y")
    assert end(child) == 0
    machine.repaired(IN_THREE)


def test_ctrl_c_at_the_question(site: Site) -> None:
    machine = site.machine()
    child = run(site, machine)
    child.expect(r"\[y/N\] ")
    child.sendintr()
    assert end(child) == 130
    assert "Leaving the console first" in child.before
    machine.untouched(attached=True)
    assert machine.channels == []


def test_the_name_and_password_are_asked_for(site: Site) -> None:
    machine = site.machine()
    name, password = (site.env.pop(f"SERIALFIX_GUEST_{each}") for each in ("USERNAME", "PASSWORD"))
    child = run(site, machine, "--yes")
    child.expect("Administrator in the guest: ")
    child.sendline(name)
    child.expect(f"Password of {name} in the guest: ")
    child.sendline(password)
    assert end(child) == 0
    assert password not in child.logfile.getvalue().replace(password, "", 1)  # what we sent
    machine.repaired(IN_THREE)


def test_no_input_asks_for_nothing(site: Site) -> None:
    machine = site.machine()
    child = run(site, machine, "--no-input")
    assert end(child) == 2
    assert "--yes" in child.before
    machine.untouched(attached=False)


def test_colour_and_none(site: Site) -> None:
    machine = site.machine()
    child = at_a_terminal(site, "check", "--vm", machine.name, "--playbook", site.three)
    assert end(child) == 0
    assert re.search(r"\x1b\[\d*;?3\dm", child.before)
    child = at_a_terminal(
        site, "check", "--vm", machine.name, "--playbook", site.three, NO_COLOR="1"
    )
    assert end(child) == 0
    assert not re.search(r"\x1b\[(\d+;)*[34]\d(;\d+)*m", child.before)
    piped = site.command("check", "--vm", machine.name, "--playbook", site.three)
    assert "\x1b" not in piped.out + piped.err


def rows(text: str) -> list[str]:
    """What a terminal of 80 columns shows of it, scrolled off or not."""
    screen = pyte.HistoryScreen(WIDTH, 24, history=5000, ratio=0.5)
    pyte.Stream(screen).feed(text)
    past = ["".join(line[x].data for x in range(WIDTH)) for line in screen.history.top]
    return [row.rstrip() for row in [*past, *screen.display]]


def test_nothing_is_clipped_in_80_columns(site: Site) -> None:
    machine = site.machine(name="a-vm-with-a-name-as-long-as-names-may-be", agent_ready=True)
    child = at_a_terminal(
        *(site, "run", "--vm", machine.name, "--playbook", "rdp-reset", "--yes"),
    )
    assert end(child) == 0
    shown = "".join(rows(child.before)).replace(" ", "")
    (folder,) = site.runs
    for words in (
        *(record["step"] for record in site.journal() if record["kind"] == "step_verified"),
        str(folder / "evidence"),
        str(folder / "undo.yaml"),
        "The VM agent is Ready: `az vm run-command invoke` may be quicker than the console.",
        "SecurityLayer 0 switches TLS off; the client cannot check whom it talks to.",
        "fInheritMaxDisconnectionTime",
        "fQueryUserConfigFromLocalMachine",
        f"{machine.name}: changed (rdp-reset)",
        "would_change",
        "0xffffffff",
    ):
        assert words.replace(" ", "") in shown, words
    assert "…" not in shown
    for command in (("runs",), ("runs", "show", folder.name), ("playbook", "list")):
        child = at_a_terminal(site, *command)
        assert end(child) == 0
        assert "…" not in child.before
    assert folder.name in "".join(rows(at_end(site, "runs")))


def at_end(site: Site, *args: str) -> str:
    child = at_a_terminal(site, *args)
    assert end(child) == 0
    text: str = child.before
    return text


@pytest.mark.skipif(not shutil.which("tmux"), reason="no tmux here: pyte is the only terminal")
def test_a_real_terminal_shows_the_same(site: Site) -> None:
    machine = site.machine()
    command = shlex.join([COMMAND, "check", "--vm", machine.name, "--playbook", site.three])
    socket = str(site.home / "tmux")
    tmux = ("tmux", "-S", socket, "-f", "/dev/null")
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "80", "-y", "24", f"{command}; echo END-$?; sleep 60"],
        env={**site.env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
        check=True,
    )
    try:
        deadline = time.monotonic() + 30
        shown = ""
        while "END-" not in shown and time.monotonic() < deadline:
            time.sleep(0.05)
            shown = subprocess.run(
                [*tmux, "capture-pane", "-p", "-S", "-200"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)
    assert "END-0" in shown
    assert re.search(r"absent +would_change +\(absent\) +1", shown), shown
    assert f"{machine.name}: would_change (three)" in shown
    assert max(map(len, shown.splitlines())) <= WIDTH
