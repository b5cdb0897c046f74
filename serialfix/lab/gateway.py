"""The serial-console gateway: one websocket per VM, the newest wins (azure.md §2, §3)."""

from __future__ import annotations

import asyncio
import codecs
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serialfix.lab.cloud import Cloud, Ticket
from serialfix.lab.identity import Verdict
from serialfix.lab.switches import GatewayFaults
from serialfix.lab.vm import LabVm


if TYPE_CHECKING:
    from aiohttp import web

NOT_TRUSTED = "Connection not trusted"
CLOSED_TEXT = (
    "\r\nThe serial console connection was closed. This can occur if there was an error or another "
    "user connected to the console of this virtual machine. \r\n"
)
UNABLE_TEXT = (
    "\r\nSorry, the serial console was unable to connect to the VM because the service did not "
    "respond in a timely manner. Please retry your connection. \r\n"
    'To reconnect, press "Enter".\r\n'
)
ABNORMAL = 1006  # no close frame: the connection just ends


class Gateway:
    """Serves the websocket and the admin commands."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        cloud.cut = self.drop
        self.current: dict[LabVm, Session] = {}

    async def client(self, request: web.Request) -> web.StreamResponse:
        """`GET /n/connector/<container>/sessions/<session>/client`."""
        from aiohttp import web

        ticket = self._ticket(request)
        if ticket is None:
            raise web.HTTPNotFound
        vm = ticket.vm
        if vm.location.lower() in self.cloud.outages:
            raise web.HTTPServiceUnavailable
        faults = vm.gateway
        socket = web.WebSocketResponse(timeout=1.0, compress=False)
        await socket.prepare(request)
        # the listener is attached late: a token sent on open is lost (azure.md §2)
        with suppress(TimeoutError):
            async with asyncio.timeout(faults.greeting_delay):
                while (await socket.receive()).type in (web.WSMsgType.TEXT, web.WSMsgType.BINARY):
                    vm.lost_frames += 1
                return socket
        await socket.send_str(faults.greeting)
        if not await self._trusted(socket, ticket):
            vm.refused += 1
            await socket.close(code=1011, message=NOT_TRUSTED.encode())
            return socket
        vm.sessions += 1
        session = Session(vm, socket, request, random.Random(f"{self.cloud.seed}/{vm.sessions}"))
        await self._serve(session, ticket)
        return socket

    async def admin(self, request: web.Request) -> web.Response:
        """`POST .../adminCommand/{reset|nmi}`; needs a live session. The websocket stays up."""
        from aiohttp import web

        ticket = self._ticket(request)
        if ticket is not None and ticket.vm.location.lower() in self.cloud.outages:
            raise web.HTTPServiceUnavailable
        token = self.cloud.tokens.bearer(request)
        if self.cloud.tokens.check(token) is not Verdict.GOOD:
            raise web.HTTPUnauthorized
        if ticket is None or not ticket.alive:
            raise web.HTTPNotFound
        name = request.match_info["command"]
        try:
            body = dict(await request.json())
        except (TypeError, ValueError):
            body = {}
        guest = ticket.vm.guest
        actions: dict[str, Callable[[], None]] = {"reset": guest.reset, "nmi": guest.nmi}
        if body.get("command") != name or not body.get("requestId") or name not in actions:
            raise web.HTTPBadRequest
        ticket.vm.commands[f"admin {name}"] += 1
        actions[name]()
        return web.json_response({})

    def take_over(self, vm: LabVm) -> None:
        """Somebody else attaches: end the present session, if there is one."""
        self._end(vm, CLOSED_TEXT, vm.gateway.takeover_code)

    def drop(self, vm: LabVm) -> None:
        """Cut the present session without a word, if there is one."""
        self._end(vm, "", ABNORMAL)

    def close(self) -> None:
        """Cut every session."""
        for vm in list(self.current):
            self.drop(vm)

    def _end(self, vm: LabVm, text: str, code: int) -> None:
        session = self.current.pop(vm, None)
        if session is not None:
            vm.guest.listen(None)
            vm.active = False
            session.end(text, code)

    def _ticket(self, request: web.Request) -> Ticket | None:
        ticket = self.cloud.tickets.get(request.match_info["session"])
        if ticket is None or ticket.container != request.match_info["container"]:
            return None
        return ticket

    async def _trusted(self, socket: web.WebSocketResponse, ticket: Ticket) -> bool:
        """Whether the one token frame came, is right, and is accepted today."""
        from aiohttp import web

        vm, faults = ticket.vm, ticket.vm.gateway
        try:
            message = await socket.receive(timeout=faults.token_timeout)
        except TimeoutError:
            return False
        if message.type != web.WSMsgType.TEXT or ticket.used:
            return False
        ticket.used, ticket.token = True, message.data
        if self.cloud.tokens.check(message.data) is not Verdict.GOOD:
            return False
        attempt = vm.count("attempt", faults)
        match faults.token_refused:
            case "always":
                return False
            case "every_other":
                return attempt % 2 == 0
            case count:
                return attempt > count

    async def _serve(self, session: Session, ticket: Ticket) -> None:
        vm, faults = session.vm, session.faults
        ticket.alive = True
        pump = asyncio.create_task(session.pump())
        if vm.count("session", faults) <= faults.unable:
            session.end(UNABLE_TEXT, None)
        else:
            vm.displaced += vm in self.current
            self.take_over(vm)
            self.current[vm] = session
            vm.active = True
            session.text(faults.box)
            if faults.token_echo:
                session.feed(f"{ticket.token}\r\n".encode())
            session.feed(vm.guest.history(faults.backlog) if faults.backlog else b"")
            vm.guest.listen(session.feed)
        try:
            await session.receive()
        finally:
            ticket.alive = False
            if self.current.get(vm) is session:
                del self.current[vm]
                vm.active = False
                vm.guest.listen(None)
            session.end("", None)
            await pump


@dataclass(frozen=True, slots=True)
class _End:
    """The last thing a session sends; `code` None leaves the closing to the client."""

    text: str
    code: int | None


class Session:
    """One trusted websocket. Output is queued, so that the guest never waits for the network."""

    def __init__(
        self,
        vm: LabVm,
        socket: web.WebSocketResponse,
        request: web.Request,
        rng: random.Random,
    ) -> None:
        self.vm = vm
        self.faults: GatewayFaults = vm.gateway
        self.socket = socket
        self.request = request
        self.framer = Framer(self.faults, rng)
        self.queue: asyncio.Queue[tuple[float, bytes | str | _End]] = asyncio.Queue()
        self.typed = 0
        self.sent = 0
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Console output for the client."""
        if data:
            self._put(data)

    def text(self, text: str) -> None:
        """A text of the service itself: a frame of its own."""
        if text:
            self._put(text)

    def end(self, text: str, code: int | None) -> None:
        """Send what is queued, then a last text, then close; only the first end counts."""
        if not self.ended:
            self.ended = True
            self._put(_End(text, code))

    def _put(self, item: bytes | str | _End) -> None:
        due = asyncio.get_running_loop().time() + self.faults.latency
        self.queue.put_nowait((due, item))

    async def receive(self) -> None:
        """Give the client's frames to the guest until the connection ends."""
        from aiohttp import web

        faults = self.faults
        drop = faults.drop_after_seconds
        timer = None
        if drop is not None:
            timer = asyncio.get_running_loop().call_later(drop, self._drop)
        try:
            while True:
                message = await self.socket.receive(timeout=faults.idle_timeout)
                if message.type == web.WSMsgType.TEXT:
                    keys = message.data.encode()
                elif message.type == web.WSMsgType.BINARY:
                    keys = message.data
                else:
                    return
                if faults.latency:
                    asyncio.get_running_loop().call_later(faults.latency, self._type, keys)
                else:
                    self._type(keys)
        except TimeoutError:
            self.end(CLOSED_TEXT, faults.takeover_code)
        finally:
            if timer is not None:
                timer.cancel()

    async def pump(self) -> None:
        """Send what was queued, in frames."""
        with suppress(ConnectionError, RuntimeError):
            while True:
                due, item = await self.queue.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                match item:
                    case _End(text, code):
                        if text:
                            await self.socket.send_str(text)
                        if code == ABNORMAL:
                            self._abort()
                        elif code is not None:
                            await self.socket.close(code=code)
                        return
                    case str(text):
                        await self.socket.send_str(text)
                    case bytes(data):
                        await self._send(data)

    async def _send(self, data: bytes) -> None:
        for frame in self.framer.frames(data):
            if isinstance(frame, str):
                await self.socket.send_str(frame)
            else:
                await self.socket.send_bytes(frame)
            self.sent += 1
            if self.sent == self.faults.drop_after_frames:
                self._drop()

    def _type(self, keys: bytes) -> None:
        limit = self.faults.drop_after_bytes
        before, self.typed = self.typed, self.typed + len(keys)
        if limit is not None and before < limit <= self.typed and self._may_drop():
            self.vm.guest.write(keys[: limit - before])
            self._drop()
        elif not self.ended:
            self.vm.guest.write(keys)

    def _may_drop(self) -> bool:
        return self.vm.counts[self.faults, "drop"] < self.faults.drops and not self.ended

    def _drop(self) -> None:
        """Cut this session, if the VM has not had its share of drops yet."""
        if not self._may_drop():
            return
        self.vm.drops += 1
        self.vm.count("drop", self.faults)
        if self.faults.drop_code == ABNORMAL:
            self._abort()
        self.end("", None if self.faults.drop_code == ABNORMAL else self.faults.drop_code)

    def _abort(self) -> None:
        transport = self.request.transport
        if transport is not None:
            transport.abort()


class Framer:
    """Cuts output into frames as the switches say; nothing is lost and nothing changes order."""

    def __init__(self, faults: GatewayFaults, rng: random.Random) -> None:
        self.kind = faults.frames
        self.split = faults.split
        self.rng = rng
        self.held = b""  # the start of a character that a text frame cannot carry yet
        self.inside = codecs.getincrementaldecoder("utf-8")("replace")

    def frames(self, data: bytes) -> Iterator[str | bytes]:
        """The frames for more output; the tail of an unfinished character waits."""
        rest, self.held = self.held + data, b""
        while rest:
            size = self.rng.randint(1, len(rest)) if self.split else len(rest)
            # a text frame cannot start in the middle of a character
            midway = bool(self.inside.getstate()[0])
            binary = self.kind == "binary" or (
                self.kind == "mixed" and (midway or self.rng.random() < 0.5)
            )
            if binary:
                self.inside.decode(rest[:size])
                yield rest[:size]
                rest = rest[size:]
                continue
            text, used = codecs.utf_8_decode(rest[:size], "replace", False)
            if used == 0 and size < len(rest):
                text, used = codecs.utf_8_decode(rest[: size + 3], "replace", False)
            if used == 0:
                self.held = rest
                return
            yield text
            rest = rest[used:]
