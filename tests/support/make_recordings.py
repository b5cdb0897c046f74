"""Makes `recordings/`: sessions of the real driver with the lab, over the lab's gateway.

Run by `make recordings`, after every change of what the driver types. Each file says in its header
that it was made in the lab; nothing in it comes from a real VM.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serialfix.lab.build import make_vm
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.switches import GatewayFaults
from serialfix.model import RunResult, StepResult
from serialfix.playbook.load import find_playbook
from serialfix.remediation.events import Silence
from serialfix.remediation.run import RunOptions, run
from serialfix.secrets import Secret
from serialfix.session import Credentials


PROFILES = {"ws2019": "scraper", "ws2022": "conpty"}
LIFELIKE = Delays(
    poll=0.0156,  # one look at the UART per 64 Hz tick (sac.md §7)
    link_speed=11520,  # 115200 baud, which EMS is set to on Azure (§8)
    sac_command=0.05,
    cmd_event=0.3,
    login=1.0,
    command=0.045,  # reg.exe takes 27 to 60 ms
    scraper_tick=0.1,
    conpty_frame=0.016,
)
LATENCY = 0.04
"""Seconds to the gateway, one way."""


@dataclass(frozen=True)
class Scenario:
    """One recording: what is wrong in the lab, and which session of the run is kept."""

    name: str
    ends: str
    faults: dict[str, Any] = field(default_factory=dict)
    session: int = 0
    after_step: Callable[[LabThread, str], None] | None = None


def _take_over(thread: LabThread, vm: str) -> None:
    thread.call(lambda lab: lab.gateway.take_over(lab.vm(vm)))


SCENARIOS = (
    Scenario("success", "ok"),
    Scenario("proof-after-restart", "ok", session=1),
    Scenario("login-refused", "console.login_rejected", {"login_refused": True}),
    Scenario("take-over", "transport.session_taken_over", after_step=_take_over),
    Scenario("channel-not-ready", "ok", {"late_cmd": 8.0}),
)


class _Watch(Silence):
    """Calls something once, after the third step."""

    def __init__(self, action: Callable[[], None] | None) -> None:
        self.action = action

    def step(self, number: int, total: int, result: StepResult) -> None:
        """After the third."""
        if self.action is not None and number == 3:
            self.action()


def record(profile: str, scenario: Scenario, target: Path) -> RunResult:
    """Play one scenario and keep its recording."""
    faults = replace(
        Faults(**scenario.faults), drop_repeats=0.125 if PROFILES[profile] == "scraper" else 0.0
    )
    vm = make_vm(
        profile=profile,
        faults=faults,
        delays=LIFELIKE,
        agent_ready=False,
        gateway=GatewayFaults(latency=LATENCY),
    )
    with tempfile.TemporaryDirectory() as state, LabThread(lambda: Lab([vm])) as thread:
        os.environ.update(thread.env)
        time.sleep(3)  # the guest boots; a console that is up already is the usual case
        options = RunOptions(
            guest=Credentials(
                thread.env["SERIALFIX_GUEST_USERNAME"],
                Secret(thread.env["SERIALFIX_GUEST_PASSWORD"], "guest_password"),
            ),
            environ=os.environ,
            vm="myvm",
            state_dir=Path(state),
        )
        act = scenario.after_step
        watch = _Watch((lambda: act(thread, "myvm")) if act else None)
        result = asyncio.run(run(find_playbook("rdp-reset"), options, watch))
        source = Path(result.recordings[scenario.session])
        head, _, rest = source.read_text("ascii").partition("\n")
        header = json.loads(head)
        header["title"] = f"serialfix lab, {profile}: {scenario.name}"
        header["serialfix"]["origin"] = "made in the serialfix lab; no real VM was involved"
        header["serialfix"]["guest_profile"] = profile
        header["serialfix"]["renderer"] = PROFILES[profile]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(header) + "\n" + rest, "ascii")
    return result


def main(folder: Path) -> int:
    """All scenarios; 1 when one ended otherwise than it should."""
    wrong = 0
    for profile in PROFILES:
        shutil.rmtree(folder / profile, ignore_errors=True)
        for scenario in SCENARIOS:
            result = record(profile, scenario, folder / profile / f"{scenario.name}.cast")
            ended = (result.error or {}).get("slug", "ok")
            wrong += ended != scenario.ends
            print(f"{profile}/{scenario.name}: {ended}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
