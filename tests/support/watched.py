"""A fleet run in a terminal of its own, for tests: shown until Ctrl-C, then detached from."""

from __future__ import annotations

import signal
import sys

from serialfix.fleet.live import detached, live_view
from serialfix.report.formats import WatchFormat
from tests.fleet.standings import BEGUN, fleet_run, running, standing_of, waiting


def main() -> None:
    targets = [*(running(each, since=BEGUN) for each in waiting(30)[:5]), *waiting(30)[5:]]
    shown = standing_of(fleet_run(30), targets)
    view = live_view(WatchFormat.TABLE, stdout=sys.stdout, stderr=sys.stderr)
    try:
        view.update(shown)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        view.close()
    print(detached(shown, embedded=True))


if __name__ == "__main__":
    main()
