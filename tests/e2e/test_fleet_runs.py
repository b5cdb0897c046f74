"""Fleet runs as a user has them: the commands, workers as processes, and the lab as the judge."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pexpect
import pytest

from serialfix.fleet.presence import alive
from serialfix.lab.server import LabThread
from serialfix.lab.switches import FORBIDDEN, ArmFaults, GatewayFaults
from serialfix.lab.vm import LabVm
from serialfix.report.machine import shipped_schema
from tests.support.fleet import Fleet, make_fleet_lab
from tests.support.postgres import Postgres, until
from tests.support.quick_worker import PATIENCE


pytestmark = pytest.mark.timeout(120)
CONNECT = "Microsoft.SerialConsole/serialPorts/connect/action"
AT_ONCE = ("--waves", "rest")
STEPS = ("first", "absent", "last")
WOULD = "would_change"
ATTEMPTS = PATIENCE.gateway.attempts


def breaks(vm: LabVm, how: str) -> None:
    """Make it end so."""
    match how:
        case "failed":
            vm.arm = ArmFaults(deny={CONNECT: FORBIDDEN})
        case "unreachable":
            vm.gateway = GatewayFaults(greeting_delay=0, token_refused="always")
        case "refused":
            vm.port_enabled = False


def mend(vm: LabVm) -> None:
    vm.arm, vm.gateway, vm.port_enabled = ArmFaults(), GatewayFaults(greeting_delay=0), True


@pytest.fixture(scope="module")
def many() -> Iterator[LabThread]:
    with LabThread(lambda: make_fleet_lab(1)) as lab:
        yield lab


@pytest.fixture(scope="module")
def embedded(many: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A SQLite file, and its one worker."""
    home = tmp_path_factory.mktemp("embedded")
    yield from working(Fleet(many, home, str(home / "fleet.db")), "host")


@pytest.fixture(scope="module")
def server(
    many: LabThread, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Fleet]:
    """A PostgreSQL, and two workers."""
    if not postgres_server.running:
        postgres_server.start()
    url = postgres_server.database("fleet_runs")
    yield from working(Fleet(many, tmp_path_factory.mktemp("server"), url), "one", "two")
    postgres_server.drop("fleet_runs")


def working(fleet: Fleet, *hosts: str) -> Iterator[Fleet]:
    for host in hosts:
        fleet.worker(host)
    try:
        with fleet.desk() as desk:
            until(lambda: alive(desk.database) == len(hosts), "all workers alive")
        yield fleet
    finally:
        fleet.close()


@pytest.fixture(params=["embedded", "server"])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    found: Fleet = request.getfixturevalue(request.param)
    return found


def valid(data: dict[str, Any]) -> dict[str, Any]:
    """By the schema that it names."""
    name = data["schema"].removeprefix("serialfix.").replace("/", "-")
    jsonschema.Draft7Validator(shipped_schema(name)).validate(data)
    return data


def outcomes(data: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in data["targets"]}


def untouched(*vms: LabVm) -> bool:
    """Nobody even attached."""
    return all((vm.connects, vm.sessions, vm.commands["restart"]) == (0, 0, 0) for vm in vms)


def test_a_run_its_report_and_its_way_back(fleet: Fleet) -> None:
    vms = fleet.add(stem := f"whole-{fleet.kind}", 3)
    ended = fleet.command(
        *("run", "-p", str(fleet.playbook), "--name", f"{stem}-*", "--yes", "-o", "jsonl"),
        *("--waves", "1,rest"),
    )
    assert ended.code == 0, ended.err
    *statuses, result = (valid(json.loads(line)) for line in ended.out.splitlines())
    assert {each["run_id"] for each in statuses} == {result["run_id"]}
    assert result["schema"] == "serialfix.fleet/1"
    assert [wave["total"] for wave in result["waves"]] == [1, 2]
    assert outcomes(result) == {vm.name: "changed" for vm in vms}
    assert [fleet.repaired(vm) for vm in vms] == [[]] * 3

    back = fleet.inside("undo", result["run_id"], "--yes", "-o", "json")
    assert (back.code, valid(back.result)["of"]) == (0, result["run_id"])
    assert [fleet.registry(vm) for vm in vms] == [fleet.before[vm.name] for vm in vms]
    assert [vm.displaced for vm in vms] == [0] * 3


def test_the_canary_the_budget_and_what_is_tried_again(server: Fleet) -> None:
    """Four runs at once: each stops, or goes on, by its own errors alone."""
    bad: dict[str, dict[int, str]] = {
        "canary": {0: "unreachable"},
        "number": {0: "unreachable", 1: "failed"},
        "percent": {0: "unreachable", 2: "failed"},
        "refused": {1: "refused"},
    }
    options = {
        "canary": ("--waves", "1,rest", "--max-errors", "3"),
        "number": ("--max-errors", "1"),
        "percent": ("--max-errors", "50%"),  # two of four
        "refused": ("--max-errors", "0"),
    }
    vms = {stem: server.add(stem, 4) for stem in bad}
    for stem, which in bad.items():
        for number, how in which.items():
            breaks(vms[stem][number], how)
    runs = {
        stem: server.begin(*AT_ONCE, "--max-concurrency", "1", *more, "--name", f"{stem}-*")
        for stem, more in options.items()
    }
    found = {stem: valid(server.until_ended(each)) for stem, each in runs.items()}
    assert {stem: [*outcomes(data).values()] for stem, data in found.items()} == {
        "canary": ["unreachable", *["not_started"] * 3],
        "number": ["unreachable", "failed", "not_started", "not_started"],
        "percent": ["unreachable", "changed", "failed", "changed"],
        "refused": ["changed", "refused", "changed", "changed"],
    }
    codes = {stem: server.inside("watch", each).code for stem, each in runs.items()}
    assert codes == {"canary": 10, "number": 10, "percent": 9, "refused": 9}
    assert {stem: data["exit_code"] for stem, data in found.items()} == codes
    assert untouched(*vms["canary"][1:], *vms["number"][2:])
    assert "2 of 4 targets went wrong, 1 may" in server.inside("show", runs["number"]).out

    for some in vms.values():
        for vm in some:
            mend(vm)
    again = {
        ("canary", "not_started"): ["canary-01", "canary-02", "canary-03"],
        ("number", "unreachable,failed"): ["number-00", "number-01"],
        ("refused", "refused"): ["refused-01"],
    }
    tried = {(stem, only): server.again(runs[stem], "--only", only) for stem, only in again}
    for key, names in again.items():
        assert outcomes(server.until_ended(tried[key])) == dict.fromkeys(names, "changed")
    assert untouched(*vms["number"][2:])
    nothing = server.inside("retry", runs["percent"], "--only", "unknown", "--yes")
    assert (nothing.code, "ended unknown; there is nothing to do" in nothing.err) == (2, True)


def test_a_check_touches_nothing_and_tells_the_drift(server: Fleet) -> None:
    vms = server.add("drift", 3)
    server.until_ended(server.begin("--name", "drift-00"))
    before = {vm.name: (server.registry(vm), vm.commands["restart"]) for vm in vms}
    check = ("check", "-p", str(server.playbook), "--name", "drift-*", *AT_ONCE)
    ended = server.inside(*check, "--exit-code", "-o", "json")
    assert ended.code == 20
    data = valid(ended.result)
    assert outcomes(data) == {"drift-00": "ok", **dict.fromkeys(["drift-01", "drift-02"], WOULD)}
    assert [each["differs"] for each in data["targets"]] == [[], [*STEPS], [*STEPS]]
    assert {vm.name: (server.registry(vm), vm.commands["restart"]) for vm in vms} == before
    assert "2 of 3 VMs differ from the playbook." in server.inside("show", data["run_id"]).out
    assert server.inside("watch", data["run_id"]).code == 0


def test_after_the_canary_somebody_approves(server: Fleet) -> None:
    vms = server.add("approve", 2)
    run = server.begin("--name", "approve-*", "--waves", "1,rest", "--approve-after", "1")
    server.until(run, lambda now: now.waiting_for.startswith("approval of wave 1"))
    assert untouched(*vms[1:])
    assert f"serialfix fleet resume {run}" in server.inside("status", run).out
    assert server.inside("resume", run).code == 0
    assert server.inside("watch", run, "--only-show-errors").code == 0
    assert [server.repaired(vm) for vm in vms] == [[], []]


def test_pause_resume_and_cancel_while_vms_are_under_way(embedded: Fleet) -> None:
    vms = embedded.add("held", 5)
    run = embedded.begin("--name", "held-*", *AT_ONCE, "--max-concurrency", "2")
    embedded.until(run, lambda now: any(each.phase for each in now.running))
    paused = embedded.inside("pause", run)
    assert (paused.code, "paused, nothing is started" in paused.err) == (0, True)
    now = embedded.until(run, lambda now: not now.running)
    assert {*now.outcomes} == {"changed"}
    assert 2 <= now.outcomes.total() < 5
    done = [vm for vm in vms if vm.sessions]
    assert [embedded.repaired(vm) for vm in done] == [[]] * now.outcomes.total()
    embedded.inside("resume", run)
    embedded.until(run, lambda now: len(now.running) == 2 or now.outcomes.total() > 3)
    cancelled = embedded.inside("cancel", run)
    assert (cancelled.code, "cancelled by" in cancelled.err) == (0, True)
    assert embedded.inside("watch", run).code == 9
    data = embedded.until_ended(run)
    assert {*outcomes(data).values()} == {"changed", "not_started"}
    for vm in vms:
        started = outcomes(data)[vm.name] == "changed"
        assert (embedded.repaired(vm) == []) if started else untouched(vm)
    again = embedded.inside("resume", run)
    assert (again.code, f"fleet run {run} is ended: cancelled by" in again.err) == (2, True)


def test_who_was_not_reached_is_tried_again(server: Fleet) -> None:
    vms = server.add("again", 2)
    vms[0].gateway = GatewayFaults(greeting_delay=0, token_refused=ATTEMPTS)
    more = ("--retries", "1", "--retry-delay", "1s")
    data = server.until_ended(server.begin("--name", "again-*", *AT_ONCE, *more))
    assert [each["attempts"] for each in data["targets"]] == [2, 1]
    assert [server.repaired(vm) for vm in vms] == [[], []]


def test_outside_the_window_nothing_is_started(embedded: Fleet) -> None:
    vms = embedded.add("window", 2)
    opens = datetime.now(UTC) + timedelta(hours=3)
    window = f"{opens:%H}:00-{opens:%H}:59"
    run = embedded.begin("--name", "window-*", "--window", window)
    embedded.until(run, lambda now: "is closed" in now.waiting_for)
    shown = embedded.inside("status", run).out
    assert f"it opens {opens:%a}" in " ".join(shown.split()), shown
    assert embedded.inside("cancel", run).code == 0
    assert embedded.inside("watch", run).code == 9
    assert untouched(*vms)


def test_a_storm_of_refusals_and_a_region_that_is_down(server: Fleet) -> None:
    """The rest finishes; the report says which and why, a region in a line."""
    storm = ArmFaults(throttle={"*": 12}, throttle_seconds=0.3)
    stormy = server.add("sky-a", 3, location="northcentralus", arm=storm)
    down = server.add("sky-b", 3, location="southindia")
    server.lab.call(lambda lab: lab.cloud.go_down("southindia"))
    run = server.begin("--name", "sky-*", *AT_ONCE, "--max-errors", "100%")
    assert server.inside("watch", run).code == 9
    data = server.until_ended(run)
    assert outcomes(data) == {
        **{vm.name: "changed" for vm in stormy},
        **{vm.name: "unreachable" for vm in down},
    }
    assert [server.repaired(vm) for vm in stormy] == [[]] * 3
    assert not any(vm.sessions or vm.commands["restart"] for vm in down)
    shown = server.inside("show", run).out
    assert "all 3 VMs in southindia: unreachable, preflight.azure_refused" in shown
    assert "503 ServiceUnavailable" in shown
    assert (shown.count("southindia"), "say so" in shown) == (1, False)
    server.lab.call(lambda lab: lab.cloud.outages.clear())


def test_two_fleet_runs_never_meet_on_a_vm(fleet: Fleet) -> None:
    vms = fleet.add(stem := f"twice-{fleet.kind}", 3)
    which = ("--name", f"{stem}-*", *AT_ONCE)
    first, second = fleet.begin(*which), fleet.begin(*which)
    found = [fleet.until_ended(each)["targets"] for each in (first, second)]
    for vm, *both in zip(vms, *found, strict=True):
        assert sorted(each["outcome"] for each in both) == ["changed", "ok"]
        before, after = sorted(both, key=lambda each: str(each["started"]))
        assert before["ended"] <= after["started"]
        assert (before["outcome"], fleet.repaired(vm)) == ("changed", [])


def test_not_beside_a_single_run_of_the_same_host(embedded: Fleet) -> None:
    """Their lock is a file; what is done on other hosts, nothing here tells of (docs/fleet.md)."""
    vms = embedded.add("single", 2)
    with embedded.asking("run", "--ids", vms[0].id, "-p", str(embedded.playbook)) as person:
        sessions = vms[0].sessions
        data = embedded.until_ended(embedded.begin("--name", "single-*", *AT_ONCE))
        assert outcomes(data) == {"single-00": "refused", "single-01": "changed"}
        assert "is working on this VM" in data["targets"][0]["error"]["message"]
        assert (vms[0].sessions, embedded.repaired(vms[1])) == (sessions, [])
        person.sendline("y")
        person.expect(pexpect.EOF)
        person.close()
        assert person.exitstatus == 0
    assert embedded.repaired(vms[0]) == []


def test_one_vm_of_many(server: Fleet) -> None:
    (vm,) = server.add("vmss", 1, scale_set="web", instance_id="3")
    server.add("plain", 1)
    run = server.begin("--ids", vm.id)
    server.until_ended(run)
    for name in (vm.id, vm.id.upper(), "1", "web/3", "Web_3"):
        shown = server.inside("show", run, "--vm", name, "-o", "json")
        assert shown.code == 0, shown.err
        assert shown.result["outcome"] == "changed"
    packed = server.home / "evidence.zip"
    assert server.inside("show", run, "--vm", "1", "--evidence", str(packed)).code == 0
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(server.home / "evidence")
    (sums,) = (server.home / "evidence").rglob("*SUMS*")
    check = ["sha256sum", "--quiet", "--check", sums.name]
    assert subprocess.run(check, cwd=sums.parent, check=False).returncode == 0
    assert server.inside("show", run, "--vm", "1", "--evidence", str(packed)).code == 2
    other = server.inside("show", run, "--vm", "plain-00")
    assert (other.code, "has no VM 'plain-00'" in other.err) == (3, True)


def test_a_pipe_that_closes(server: Fleet) -> None:
    """What was to be written is written, and the run of somebody who only looked goes on."""
    vms = server.add("pipe", 2)
    run = server.begin("--name", "pipe-*", "--waves", "1,rest", "--approve-after", "1")
    head = server.piped(f"fleet watch {run} -o jsonl", "head -n 1")
    assert json.loads(head.out)["run_id"] == run
    assert f"serialfix fleet cancel {run}" in head.err
    assert (head.code, "Traceback" in head.err) == (130, False)
    server.until(run, lambda now: now.waiting_for.startswith("approval"))
    server.inside("resume", run)
    server.until_ended(run)
    assert [server.repaired(vm) for vm in vms] == [[], []]
    for what in (f"fleet report {run}", f"fleet show {run} -o json", f"fleet watch {run} -o jsonl"):
        ended = server.piped(what, "true")
        assert (ended.code, "rror" in ended.err) == (0, False), ended.err
