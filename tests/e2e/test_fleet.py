"""`fleet plan` as a user has it: the installed command, and a thousand VMs over TLS."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from serialfix.fleet.cost import calls_per_vm
from serialfix.lab.build import make_vm
from serialfix.lab.faults import Delays
from serialfix.lab.server import Lab, LabThread
from serialfix.lab.switches import ArmDelays
from serialfix.lab.unmade import UnmadeGuest
from serialfix.lab.vm import SUBSCRIPTION
from tests.e2e.conftest import Ended, Site


OTHER = "00000000-0000-0000-0000-0000000000aa"
KINDS = ("windows",) * 8 + ("linux", "client")
POLLS = "Microsoft.Compute/locations/operations/read"


def thousand() -> Lab:
    """Eight of ten are Windows Servers, every hundredth of them is off; two subscriptions."""
    vms = [
        make_vm(
            f"srv{number:04}",
            system=KINDS[number % 10],  # type: ignore[arg-type]
            subscription=OTHER if number % 4 == 3 else SUBSCRIPTION,
            location="northeurope" if number % 3 else "westeurope",
            power="deallocated" if number % 100 == 0 else "running",
            at_once=False,
        )
        for number in range(1000)
    ]
    lab = Lab(vms, delays=ArmDelays.instant())
    lab.cloud.graph_rows = 100
    return lab


@pytest.fixture(scope="module")
def many() -> Iterator[LabThread]:
    with LabThread(thousand) as lab:
        yield lab


def plan(site: Site, many: LabThread, *args: str) -> Ended:
    return site.command(
        *("fleet", "plan", "--playbook", "rdp-reset", *args), env={**many.env, "COLUMNS": "80"}
    )


def test_a_thousand_vms(site: Site, many: LabThread) -> None:
    scope = ("--subscription", SUBSCRIPTION, "--subscription", OTHER, "--all", "--power", "running")
    start = time.monotonic()
    ended = plan(site, many, *scope, "-o", "json")
    took = time.monotonic() - start
    assert ended.code == 0, ended.err
    assert took < 5
    data = ended.result
    assert data["policy"]["wave_sizes"] == [1, 79, 710]
    assert Counter(s["reason"] for s in data["skipped"]) == {
        "linux": 100,
        "client_windows": 100,
        "not_running": 10,
    }
    ids = [target["id"].lower() for target in data["targets"]]
    assert len({*ids}) == 790
    assert ids == sorted(ids)
    lines = "".join(f"{each}\n" for each in ids)
    assert data["targets_sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert [(r["subscription_id"], r["location"]) for r in data["arm_calls"]["regions"]] == [
        (sub, place) for sub in (OTHER, SUBSCRIPTION) for place in ("northeurope", "westeurope")
    ]
    assert data["arm_calls"]["discovery"] == 11
    # nobody was attached to, and no guest even made
    assert not many.call(
        lambda lab: any(isinstance(vm.guest, UnmadeGuest) and vm.guest.made for vm in lab.vms)
    )
    shown = plan(site, many, *scope)
    assert (shown.code, len(shown.out.splitlines()) < 40) == (0, True)
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    for part in (data["targets_sha256"], data["playbook"]["sha256"]):  # the same set again
        assert part in shown.out
    assert "1000 of 1000 VMs" in shown.err


def test_the_calls_that_a_plan_counts_are_those_that_a_run_makes(site: Site) -> None:
    machine = site.machine(delays=Delays.instant())
    before = site.lab.call(lambda lab: Counter(lab.cloud.calls))
    ended = site.inside(
        *("run", "--ids", machine.vm.id, "--playbook", site.three, "--yes", "-o", "json")
    )
    assert ended.code == 0, json.dumps(ended.result["error"])
    made = site.lab.call(lambda lab: Counter(lab.cloud.calls)) - before
    wanted = calls_per_vm(restart=True)
    assert made.pop(POLLS) <= wanted.pop(POLLS)  # the lab restarts at once
    assert made == wanted
