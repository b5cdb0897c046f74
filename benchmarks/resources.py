"""Memory and CPU of one whole run, as the operating system counts them."""

from __future__ import annotations

import resource
import subprocess
import tempfile

from benchmarks._shared import SERIALFIX, lab, report


if __name__ == "__main__":
    with lab() as env, tempfile.TemporaryDirectory() as state:
        subprocess.run(
            [SERIALFIX, "run", "--vm", "myvm", "--playbook", "rdp-reset", "--yes"],
            env={**env, "SERIALFIX_STATE_DIR": state},
            check=True,
            capture_output=True,
        )
        # the lab still runs, so the only child that has ended is the run
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    report("run_memory_mb", used.ru_maxrss / 1024)
    report("run_cpu_s", used.ru_utime + used.ru_stime)
