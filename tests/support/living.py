"""Workers that do nothing but be alive, each a process, and tell what they believe."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections import defaultdict
from contextlib import suppress
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from serialfix.fleet.database import open_database
from serialfix.fleet.presence import make_presence
from tests.support.postgres import until


_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])  # each takes no longer than a fork


class Event(NamedTuple):
    pid: int
    at: float
    what: str
    name: str


def live(url: str, host: str, takeover: float, log: Path) -> None:
    """Until SIGTERM, or until the presence is lost; `at` is when that was not known yet."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with log.open("a", buffering=1) as out:

        def tell(what: str, name: str, at: float) -> None:
            out.write(json.dumps([os.getpid(), at, what, name]) + "\n")

        presence = make_presence(open_database(url), host, takeover=takeover)
        presence.watch(lambda name: tell("took", name, time.monotonic()))
        while not stop.wait(0.01):
            at = time.monotonic()
            if presence.lost:
                tell("lost", presence.id, at)
                os._exit(6)
            tell("works", presence.id, at)
        presence.close()
        tell("closed", presence.id, time.monotonic())
        os._exit(0)


class Living:
    """Processes of workers, on one log."""

    def __init__(self, url: str, log: Path, takeover: float) -> None:
        self.log = log
        self.processes: list[BaseProcess] = []
        self._arguments = url, takeover
        self._events: list[Event] = []
        self._read = 0
        log.touch()

    def start(self, host: str, takeover: float = 0) -> int:
        """The process, once it works."""
        url, usual = self._arguments
        arguments = url, host, takeover or usual, self.log
        process = _CONTEXT.Process(target=live, args=arguments, daemon=True)
        process.start()
        assert process.pid
        self.processes.append(process)
        pid = process.pid
        until(lambda: self.last(pid, "works") is not None, "working")
        return pid

    def send(self, pid: int, number: signal.Signals) -> None:
        """A signal, if it has not ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def end(self) -> None:
        for each in self.processes:
            each.kill()
            each.join()
            each.close()

    def events(self) -> list[Event]:
        """In the order in which they were told; a line that is being written is left out."""
        with self.log.open() as log:
            log.seek(self._read)
            whole, newline, _ = log.read().rpartition("\n")
        self._read += len(whole + newline)
        self._events += [Event(*json.loads(line)) for line in whole.splitlines()]
        return self._events

    def last(self, pid: int, what: str) -> Event | None:
        return next((e for e in reversed(self.events()) if (e.pid, e.what) == (pid, what)), None)

    def name(self, pid: int) -> str:
        event = self.last(pid, "works")
        assert event
        return event.name

    def took(self, name: str) -> list[int]:
        return [event.pid for event in self.events() if (event.what, event.name) == ("took", name)]

    def until_took(self, name: str) -> None:
        until(lambda: bool(self.took(name)), f"{name} taken over")

    def until_worked_for(self, pid: int, seconds: float) -> None:
        """From now on."""
        goal = time.monotonic() + seconds

        def reached() -> bool:
            event = self.last(pid, "works")
            return event is not None and event.at > goal

        until(reached, "working on")

    def overlaps(self) -> list[str]:
        """Names that two believed at once to be theirs."""
        spans: defaultdict[str, defaultdict[object, list[float]]]
        spans = defaultdict(lambda: defaultdict(list))
        for event in self.events():
            if event.what == "took":  # it may take over a name twice, with another's life between
                spans[event.name][event].append(event.at)
            elif event.what != "lost":
                spans[event.name][event.pid].append(event.at)
        found = []
        for name, by_owner in spans.items():
            ordered = sorted((min(times), max(times)) for times in by_owner.values())
            if any(after[0] <= before[1] for before, after in pairwise(ordered)):
                found.append(name)
        return found
