"""A relay on loopback whose network can go bad."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Proxy:
    """Relays to a port. `altered` may change what the server says."""

    def __init__(self, port: int, altered: Callable[[bytes], bytes] = bytes) -> None:
        self._target = port
        self._altered = altered
        self._open = threading.Event()
        self._open.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cut: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._open.set()
        for client, server in self._pairs:
            for each in (client, server):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def swallow(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._open.clear()

    def forward(self) -> None:
        """What was held back arrives, and all that follows."""
        self._open.set()

    def cut_clients(self) -> None:
        """The clients are cut off; the server believes that they are there."""
        for client, _ in self._pairs:
            self._cut.add(client)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((client, server))
                for each in ((client, server, bytes), (server, client, self._altered)):
                    threading.Thread(target=self._relay, args=each, daemon=True).start()

    def _relay(
        self, source: socket.socket, sink: socket.socket, altered: Callable[[bytes], bytes]
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(altered(data))
            if source not in self._cut:
                sink.shutdown(socket.SHUT_WR)
