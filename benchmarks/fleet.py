"""A plan over a thousand VMs against the bare paging of its queries; what a lab of them takes."""

from __future__ import annotations

import json
import os
import resource
import ssl
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping

from benchmarks._shared import SERIALFIX, lab, report


VMS = 1000
ROUNDS = 5
PLAN = ("fleet", "plan", "--playbook", "rdp-reset", "--all", "-o", "json", "--only-show-errors")


def bare(env: Mapping[str, str]) -> int:
    """All rows of both queries, with nothing but the standard library."""
    from serialfix.azure.discovery import PAGE, kql

    arm = env["SERIALFIX_ARM_ENDPOINT"]
    ask = urllib.request.Request(
        f"{env['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource=https://management.azure.com/",
        headers={"X-IDENTITY-HEADER": env["IDENTITY_HEADER"]},
    )
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(
            context=ssl.create_default_context(cafile=env["SSL_CERT_FILE"])
        ),
    )
    with direct.open(ask) as answer:
        token = json.load(answer)["access_token"]
    rows = 0
    for table in ("resources", "computeresources"):
        options: dict[str, object] = {"$top": PAGE, "resultFormat": "objectArray"}
        while True:
            body = {"query": kql(table), "options": options}
            page = urllib.request.Request(
                f"{arm}/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01",
                data=json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            with direct.open(page) as answer:
                found = json.load(answer)
            rows += len(found["data"])
            if "$skipToken" not in found:
                break
            options["$skipToken"] = found["$skipToken"]
    return rows


def seconds(*command: str, env: Mapping[str, str]) -> float:
    """Wall time of one process, which has to find all VMs."""
    start = time.perf_counter()
    out = subprocess.run(command, env=dict(env), check=True, capture_output=True, text=True).stdout
    took = time.perf_counter() - start
    found = int(out) if out.strip().isdigit() else len(json.loads(out)["targets"])
    assert found == VMS, found
    return took


if __name__ == "__main__":
    if sys.argv[1:] == ["bare"]:
        print(bare(os.environ))
        sys.exit()
    starts: dict[int, float] = {}
    memory: dict[int, float] = {}
    for count in (1, VMS):  # the larger one last: what children held at most never shrinks
        begin = time.perf_counter()
        with lab("--vms", str(count)):
            starts[count] = time.perf_counter() - begin
        memory[count] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    for name, unit, figures in (("start", "s", starts), ("memory", "mb", memory)):
        report(
            f"lab_of_1000_{name}_over_lab_of_1",
            figures[VMS] / figures[1],
            limit="<= 1.5",
            **{f"vms_{count}_{unit}": round(figure, 3) for count, figure in figures.items()},
        )
    plans, bares = [], []
    with lab("--vms", str(VMS)) as env:
        for _ in range(ROUNDS):
            plans.append(seconds(SERIALFIX, *PLAN, env=env))
            bares.append(seconds(sys.executable, "-m", "benchmarks.fleet", "bare", env=env))
    report(
        "fleet_plan_over_bare_paging",
        statistics.median(plans) / statistics.median(bares),
        limit="<= 6",
        vms=VMS,
        plan_s=round(statistics.median(plans), 3),
        bare_s=round(statistics.median(bares), 3),
    )
