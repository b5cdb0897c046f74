"""Azure's websocket relay to COM1, as azure.md §1 and §2 describe it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from serialfix import __version__
from serialfix.errors import (
    GatewayClosed,
    GatewayRejected,
    GatewayUnreachable,
    MachineMisuse,
    SessionTakenOver,
    TransportError,
)
from serialfix.secrets import Secret
from serialfix.transport.base import Transport
from serialfix.transport.network import is_loopback, tls_context


if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

# azure.md §5, "in stream": the gateway says these in the serial data itself.
_NOTICES: dict[bytes, Callable[[], TransportError]] = {
    b"The serial console connection was closed. This can occur if there was an error or another "
    b"user connected": lambda: SessionTakenOver(
        "the gateway closed the session: there was an error, or another user attached"
    ),
    b"Sorry, the serial console was unable to connect to the VM": lambda: GatewayUnreachable(
        "the gateway could not reach the VM's serial port",
        remedy="Reapply the VM (`az vm reapply`), or switch its boot diagnostics off and on; "
        "if that does not help, `az vm redeploy`.",
    ),
}
# A notice is believed only at the end of what was received; a guest may show the same words.
_NOTICE_SPAN = 600


@dataclass(frozen=True, slots=True)
class GatewayPatience:
    """How long and how often the gateway is asked; all times in seconds.

    `delays` are the pauses between `attempts`, the last one repeats. `verdict` is how long a
    refusal is waited for after the token, `notice` how long silence must follow a notice.
    """

    attempts: int = 6
    unreachable_attempts: int = 3
    delays: tuple[float, ...] = (1, 2, 5, 5, 5)
    open_timeout: float = 15
    greeting_timeout: float = 15
    verdict: float = 2
    notice: float = 5
    close_timeout: float = 3

    def pauses(self) -> Iterator[float]:
        """The pause before each attempt, none before the first."""
        return islice(chain((0.0,), self.delays, repeat((0.0, *self.delays)[-1])), self.attempts)


class _Refused(Exception):
    """The gateway ended the connection before any serial data: a fresh connect may do."""


class GatewayTransport(Transport):
    """The console of an Azure VM.

    `connect_url` makes the connect call and returns the websocket's URL, `token` the token of
    the same identity; what they raise passes through. A refusal before any serial data is
    answered with a fresh connect call, also when it shows only in `receive`, as long as nothing
    was sent. The transport raises GatewayRejected when every attempt was refused,
    GatewayUnreachable, GatewayClosed and SessionTakenOver.
    """

    def __init__(
        self,
        *,
        connect_url: Callable[[], Awaitable[str]],
        token: Callable[[], Awaitable[Secret]],
        environ: Mapping[str, str],
        patience: GatewayPatience | None = None,
    ) -> None:
        self._connect_url = connect_url
        self._token = token
        self._environ = environ
        self._patience = patience or GatewayPatience()
        self._socket: ClientConnection | None = None
        self._reattaching: asyncio.Task[None] | None = None
        self._reset()

    def _reset(self) -> None:
        self._pauses = self._patience.pauses()
        self._unreachable = 0
        self._pending: deque[bytes] = deque()
        self._tail = b""
        self._sent = False
        self._heard = False
        self._end: TransportError | None = None

    async def connect(self) -> None:
        """Reach the console; see the class for what is retried."""
        await self.close()
        self._reset()
        await self._attach()

    async def receive(self) -> bytes:
        """The next bytes that the console sent; text frames come as UTF-8. Safe to cancel."""
        from websockets.exceptions import ConnectionClosed

        while True:
            if self._pending:
                return self._pending.popleft()
            socket = await self._attached()
            try:
                async with asyncio.timeout(self._patience.notice if self._notice() else None):
                    data = await socket.recv(decode=False)
            except TimeoutError:
                raise self._ended("the gateway fell silent") from None
            except ConnectionClosed as error:
                if self._heard or self._sent:
                    raise self._ended(_close_text(error)) from error
                # The task outlives a caller who gives up on this one `receive`.
                self._reattaching = asyncio.create_task(self._attach(_close_text(error)))
            else:
                self._hear(data)

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        """Send keystrokes, which are UTF-8, as one text frame."""
        from websockets.exceptions import ConnectionClosed

        try:
            text = keys.decode()
        except UnicodeDecodeError:
            raise MachineMisuse("the keystrokes are not UTF-8") from None
        socket = await self._attached()
        self._sent = True
        try:
            await socket.send(text)
        except ConnectionClosed as error:
            await self._drain(socket)
            raise self._ended(_close_text(error)) from error

    async def close(self) -> None:
        """End the connection; does nothing when there is none."""
        if self._reattaching is not None:
            self._reattaching.cancel()
            await asyncio.gather(self._reattaching, return_exceptions=True)
            self._reattaching = None
        await self._hang_up()

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            # Unread frames stand before the other side's close, and a full queue stops reading.
            await asyncio.gather(socket.close(), _read_out(socket))

    async def _attached(self) -> ClientConnection:
        if self._reattaching is not None:
            await asyncio.shield(self._reattaching)
            self._reattaching = None
        if self._end is not None:
            raise self._end
        if self._socket is None:
            raise GatewayClosed("the gateway is not connected")
        return self._socket

    async def _attach(self, refusal: str = "") -> None:
        """Connect calls until the gateway keeps us or the patience of this `connect` ends."""
        await self._hang_up()
        for pause in self._pauses:
            await asyncio.sleep(pause)
            try:
                return await self._attempt()
            except _Refused as error:
                refusal = str(error)
                await self._hang_up()
            except GatewayUnreachable as error:
                await self._hang_up()
                self._unreachable += 1
                if self._unreachable >= self._patience.unreachable_attempts:
                    raise
                refusal = str(error)
            except BaseException:
                await self._hang_up()
                raise
        raise GatewayRejected(
            f"the gateway refused {self._patience.attempts} connections, the last with: {refusal}",
            remedy="An earlier session may still hold the console: close the Serial console in "
            "the portal and wait a minute. Else check that `az account show` names the VM's "
            "tenant and that you are at least Virtual Machine Contributor on the VM.",
        )

    async def _attempt(self) -> None:
        from websockets.exceptions import ConnectionClosed

        socket = self._socket = await self._dial(await self._connect_url())
        try:
            async with asyncio.timeout(self._patience.greeting_timeout):
                await socket.recv(decode=False)  # the greeting; it is no serial data
        except TimeoutError:
            raise GatewayUnreachable(
                f"the gateway did not greet within {self._patience.greeting_timeout:g} s"
            ) from None
        except ConnectionClosed as error:
            raise _Refused(_close_text(error)) from error
        token = await self._token()
        try:
            await socket.send(token.reveal())
            # A refusal comes at once, and so does the box "Connected to the serial port";
            # a console without a word is kept, its refusal would show in `receive`.
            async with asyncio.timeout(self._patience.verdict):
                while not self._heard:
                    self._hear(await socket.recv(decode=False))
        except TimeoutError:
            pass
        except ConnectionClosed as error:
            raise _Refused(_close_text(error)) from error

    async def _dial(self, url: str) -> ClientConnection:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidProxy, InvalidStatus, WebSocketException

        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        if not parts.hostname or not (
            secure or (parts.scheme == "ws" and is_loopback(parts.hostname))
        ):
            raise GatewayRejected(
                f"Azure named an address that is not wss: {parts.scheme}://{parts.hostname}",
                remedy="The token travels over TLS only; report this to whoever runs the endpoint.",
            )

        class Dial(connect):
            def process_redirect(self, exc: Exception) -> Exception | str:
                return exc  # the token goes to the host that ARM named, and to no other

        host = parts.hostname
        try:
            return await Dial(
                url,
                ssl=tls_context(self._environ) if secure else None,
                compression=None,
                user_agent_header=f"serialfix/{__version__}",
                open_timeout=self._patience.open_timeout,
                close_timeout=self._patience.close_timeout,
                # Keeps idle sessions and proxies alive; a late pong is no reason to hang up.
                ping_interval=20,
                ping_timeout=None,
                max_size=16 * 2**20,
                # Outside the tree of loggers: `websockets` would log the token's frame.
                logger=logging.Logger("websockets", logging.CRITICAL + 1),
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status < 500:
                raise _Refused(f"HTTP {status} from {host}") from error
            raise GatewayUnreachable(f"{host} answered HTTP {status}") from error
        except InvalidProxy:
            # Its text holds the address, perhaps with a password.
            raise GatewayUnreachable(
                f"the proxy on the way to {host} has an address that cannot be used",
                remedy="Check HTTPS_PROXY: http://host:port.",
            ) from None
        except (WebSocketException, OSError, EOFError, ImportError, ValueError) as error:
            raise GatewayUnreachable(f"no connection to {host}: {error}") from error

    def _hear(self, data: bytes) -> None:
        if data:
            self._heard = True
            self._pending.append(data)
            self._tail = (self._tail + data)[-_NOTICE_SPAN:]

    async def _drain(self, socket: ClientConnection) -> None:
        """Take what came before the connection ended: it may say why it did."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                self._hear(await socket.recv(decode=False))
        except ConnectionClosed:
            pass

    def _notice(self) -> Callable[[], TransportError] | None:
        words = b" ".join(self._tail.split())
        return next((make for text, make in _NOTICES.items() if text in words), None)

    def _ended(self, how: str) -> TransportError:
        """The session is over; from now on every call says why."""
        notice = self._notice()
        if notice is not None:
            self._end = notice()
        elif not self._heard:
            self._end = GatewayRejected(
                f"the gateway refused the connection after keys were sent: {how}",
                remedy="Connect again; if it stays so, check the tenant and role of your sign-in.",
            )
        else:
            self._end = GatewayClosed(f"the gateway ended the session: {how}")
        return self._end


async def _read_out(socket: ClientConnection) -> None:
    """Take what comes until the connection has ended."""
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        while True:
            await socket.recv(decode=False)


def _close_text(error: Exception) -> str:
    """`1011 Connection not trusted`, or that the line simply broke."""
    close = getattr(error, "rcvd", None)
    return f"{close.code} {close.reason}".strip() if close else "the connection broke"
