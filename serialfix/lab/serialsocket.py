"""A VM's serial port on a Unix socket, as hypervisors offer it, and a program that connects to it.

    python -m serialfix.lab.serialsocket PATH

is to the lab what `virsh console` is to libvirt: it shows the port on its terminal, sends what is
typed, and ends with Ctrl-]. A port has one client; a newer one takes it over.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serialfix.lab.vm import GuestPort


_CHUNK = 1 << 16
_LEAVE = b"\x1d"


class SerialSocket:
    """The serial port of a guest on a socket that only the own user can open.

    It stays while the guest restarts. A new client gets no repaint and no history.
    """

    def __init__(self, guest: GuestPort, path: Path) -> None:
        self.path = path
        self.clients = 0
        self._guest = guest
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> None:
        """Take connections. Raises OSError, also for a path that is too long for a socket."""
        self._server = await asyncio.start_unix_server(self._client, self.path)
        self.path.chmod(0o600)

    def drop(self) -> None:
        """Hang the client up."""
        if self._writer is not None:
            self._writer.close()

    def close(self) -> None:
        """Hang up, and take no more connections."""
        self.drop()
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.drop()
        self._writer = writer
        self.clients += 1
        self._guest.listen(writer.write)
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                self._guest.write(data)
        if self._writer is writer:
            self._writer = None
            self._guest.listen(None)
        writer.close()


@contextmanager
def _raw_terminal() -> Iterator[None]:
    if not os.isatty(0):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def bridge(path: str) -> str:
    """Carry bytes between the terminal and the socket until one of them ends; says which."""
    with socket.socket(socket.AF_UNIX) as port, _raw_terminal():
        port.connect(path)
        while True:
            ready, _, _ = select.select([0, port.fileno()], [], [])
            if port.fileno() in ready:
                if not (data := port.recv(_CHUNK)):
                    return "the port was closed, or taken over"
                while data:
                    data = data[os.write(1, data) :]
            if 0 in ready:
                keys = os.read(0, _CHUNK)
                port.sendall(keys.partition(_LEAVE)[0])
                if not keys or _LEAVE in keys:
                    return ""


def main() -> None:
    """The program."""
    try:
        sys.exit(bridge(*sys.argv[1:]) or 0)
    except (OSError, TypeError) as error:
        sys.exit(f"serialsocket: {error}")


if __name__ == "__main__":
    main()
