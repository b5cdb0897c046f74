"""A person's attachment to a console: keys there, the picture back, and a menu behind one key.

It reconnects after a drop; after a take-over it asks first, because somebody else is at work. What
is typed while there is no connection is dropped: nobody could have seen what it would meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from serialfix.byhand.guard import HAZARDS, Guard
from serialfix.byhand.keys import ENTER, ESC, Keys
from serialfix.byhand.painter import Painter
from serialfix.byhand.terminal import Desk
from serialfix.byhand.view import Privacy, View
from serialfix.errors import Interrupted, SerialfixError, SessionTakenOver, Touched
from serialfix.transport.base import Transport


MENU_KEY = "\x1d"
_BACK = ("\x7f", "\b")
_AGAIN = "y"


@dataclass(frozen=True, slots=True)
class HandPatience:
    """Times of an attachment by hand, in seconds."""

    frame: float = 0.02
    """Between two pictures: a flood of output must not become a flood of pictures."""
    escape: float = 0.05
    """For the rest of an escape sequence of the terminal's."""
    notice: float = 5.0
    """For a notice to be read."""
    steady: float = 10.0
    """A connection that lasted so long is made anew by itself, however often it drops."""
    drops: int = 3
    """Connections in a row that may drop sooner; then the person is asked."""


@dataclass(frozen=True, slots=True)
class Order:
    """Something that Azure can do to the VM while its console stays attached (azure.md §3)."""

    command: str
    means: str
    done: str


ORDERS = {
    "n": Order("nmi", "send an NMI: Windows stops with a Stop error", "the NMI was sent"),
    "r": Order("reset", "reset: power off and on, unsaved data is lost", "the VM was reset"),
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a person left: what they should know about what stays behind."""

    channel: str = ""
    """A CMD channel that was in view: perhaps somebody is still logged in there."""


@dataclass(slots=True)
class _Dialog:
    """Our words over the picture. Keys go to `answer` until it is closed."""

    lines: Sequence[str]
    answer: Callable[[str], None]


class Attachment:
    """One person at one console, from the first connection to leaving.

    Args:
        name: of the VM; it is what a person types to confirm something that cannot be undone.
        order: gives the VM an order, by its command; None where the console cannot do that.
        mark: marks a place in the recording.
        keep_secret: gets what was typed at a password prompt, once, at its end.
    """

    def __init__(
        self,
        transport: Transport,
        desk: Desk,
        *,
        name: str,
        order: Callable[[str], Awaitable[None]] | None = None,
        mark: Callable[[str], None] = lambda _text: None,
        keep_secret: Callable[[str], None] = lambda _text: None,
        recording_error: Callable[[], str] = lambda: "",
        guard: bool = True,
        menu_key: str = MENU_KEY,
        patience: HandPatience | None = None,
    ) -> None:
        self._transport = transport
        self._desk = desk
        self._name = name
        self._order = order
        self._mark = mark
        self._keep_secret = keep_secret
        self._recording_error = recording_error
        self._menu_key = menu_key
        self._menu_name = f"Ctrl-{chr(ord(menu_key) + 0x40)}"
        self._patience = patience or HandPatience()
        self._keys = Keys()
        self._view = View()
        self._privacy = Privacy(self._view)
        self._guard = Guard(self._view, on=guard)
        self._painter = Painter()
        self._dialog: _Dialog | None = None
        self._notice = ""
        self._notice_ends: asyncio.TimerHandle | None = None
        self._password = ""
        self._touched = False
        self._connected = True
        self._since = 0.0
        self._drops = 0
        self._outgoing: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        self._carrier: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._over = False
        self._error: BaseException | None = None
        self._menu: dict[str, tuple[str, Callable[[], None]]] = {
            "q": ("leave", self._leave),
            **{
                key: (each.means, partial(self._ask, each))
                for key, each in (ORDERS.items() if order else ())
            },
            "p": ("paint the screen anew", self._painter.forget),
            "g": ("switch the guard of SAC> off or on", self._switch_guard),
            "z": ("suspend; `fg` comes back", self._suspend),
            "?": ("help", self._help),
        }

    async def run(self) -> Ended:
        """Connect, then be the person's console until they leave.

        Raises what the first connection raises, what ended the last one when the person did not
        want another, and Interrupted after a signal. The terminal is as before in every case.
        """
        await self._transport.connect()
        try:
            self._desk.enter(self)
            self._say(f"{self._menu_name} is the menu. An empty screen is normal: press Enter.")
            self._carry_on(connect=False)
            await self._show()
        finally:
            self._desk.leave()
            for task in (self._carrier, *self._tasks):
                if task is not None:
                    task.cancel()
            await asyncio.gather(
                *filter(None, (self._carrier, *self._tasks)), return_exceptions=True
            )
            await self._transport.close()
        if isinstance(self._error, SerialfixError):  # what a person's keys did, only they know
            self._error.touched = Touched.MAYBE if self._touched else Touched.NO
        if self._error is not None:
            raise self._error
        channel = self._view.channel
        return Ended(channel.name if channel is not None and not channel.is_sac else "")

    async def _show(self) -> None:
        while not self._over:
            await self._wake.wait()
            self._wake.clear()
            if not self._desk.writing:  # a terminal that is behind gets the next picture instead
                self._desk.write(
                    self._painter.paint(
                        self._view.screen,
                        self._desk.size,
                        status=self._status(),
                        notice=self._notice,
                        dialog=self._dialog.lines if self._dialog else (),
                    )
                )
            else:
                self._wake.set()
            await asyncio.sleep(self._patience.frame)

    def _status(self) -> str:
        view = self._view
        place = view.channel.name if view.channel else "SAC" if view.at_sac else "channel unknown"
        words = (
            self._name,
            place[:20] if self._connected else "NOT CONNECTED",
            "" if self._guard.on else "guard off",
            f"recording stopped: {error}" if (error := self._recording_error()) else "",
            f"{self._menu_name}: menu",
        )
        return " " + " | ".join(filter(None, words))

    # --- what the terminal tells ----------------------------------------------------------------

    def typed(self, data: bytes) -> None:
        """Keys of the person; none: the terminal is gone."""
        try:
            if not data:
                self._end(Interrupted("the terminal is gone"))
            self._press(self._keys.feed(data))
            if self._keys.waiting:
                asyncio.get_running_loop().call_later(self._patience.escape, self._lone_escape)
        except Exception as error:  # noqa: BLE001 - in a callback of the loop: to whoever runs us
            self._end(error)

    def changed(self) -> None:
        """The size or the content of the terminal is another."""
        self._painter.forget()
        self._wake.set()

    def ended(self, number: int) -> None:
        """A signal asks for the end."""
        error = Interrupted("ended by a signal")
        error.exit_code = 128 + number
        self._end(error)

    def _lone_escape(self) -> None:
        self._press(self._keys.flush())

    def _press(self, keys: Sequence[str]) -> None:
        for key in keys:
            if self._dialog is not None:
                self._dialog.answer(key)
            elif key == self._menu_key:
                self._open_menu()
            else:
                self._to_guest(key)
                if self._dialog is not None:
                    break  # the rest of a paste is no answer to a question that it did not see
        self._wake.set()

    def _to_guest(self, key: str) -> None:
        if not self._connected:
            self._say("not connected: this key went nowhere")
            return
        decision = self._guard.decide(key)
        if decision.notice:
            self._say(decision.notice)
        if decision.confirm:
            self._confirm(
                f"SAC> acts on this at once, without a login: {decision.confirm}",
                lambda: self._send(self._guard.confirmed()),
            )
        self._send(decision.keys)

    def _send(self, keys: str) -> None:
        self._touched |= bool(keys)
        for key in [keys] if keys.startswith(ESC) else keys:
            enter = key in ENTER
            secret = self._privacy.secret
            if secret and not enter:
                self._password = self._password[:-1] if key in _BACK else self._password + key
            if enter:
                if self._view.at_password:
                    self._keep_secret(self._password)
                self._password = ""
                self._privacy.entered()
            self._outgoing.put_nowait((key.encode(), secret and not enter))

    # --- the connection -------------------------------------------------------------------------

    def _carry_on(self, *, connect: bool) -> None:
        self._carrier = asyncio.create_task(self._carry(connect))

    async def _carry(self, connect: bool) -> None:
        """One connection, made first where that is wanted, to its end."""
        try:
            if connect:
                await self._transport.connect()
                self._view.reattached()
                self._say(
                    "connected again; what shows may be old: press Enter to see what is there"
                )
            self._connected, self._since = True, asyncio.get_running_loop().time()
            self._outgoing = asyncio.Queue()
            sending = asyncio.create_task(self._send_all(self._outgoing))
            receiving = asyncio.create_task(self._receive_all())
            try:
                await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
                (sending if sending.done() else receiving).result()
            finally:
                sending.cancel()
                receiving.cancel()
                await asyncio.gather(sending, receiving, return_exceptions=True)
        except SerialfixError as error:
            self._lost(error)
        except Exception as error:  # noqa: BLE001 - in a task of its own: to whoever runs us
            self._end(error)

    async def _receive_all(self) -> None:
        while True:
            data = await self._transport.receive()
            self._view.feed(data)
            self._privacy.seen()
            self._wake.set()

    async def _send_all(self, outgoing: asyncio.Queue[tuple[bytes, bool]]) -> None:
        while True:
            keys, secret = await outgoing.get()
            await self._transport.send(keys, secret=secret)

    def _lost(self, error: SerialfixError) -> None:
        """The connection ended, or could not be made."""
        lasted = asyncio.get_running_loop().time() - self._since
        steady = self._connected and lasted >= self._patience.steady
        self._drops = 0 if steady else self._drops + 1
        failed = not self._connected
        self._connected = False
        if isinstance(error, SessionTakenOver):
            who = "Somebody else attached, or the gateway ended an idle session."
            self._ask_to_reconnect(error, who, "attach again, which cuts them off")
        elif failed or self._drops > self._patience.drops:
            self._ask_to_reconnect(error, str(error), "try again")
        else:
            self._say(f"the connection is lost ({error}); reconnecting, keys go nowhere meanwhile")
            self._carry_on(connect=True)

    def _ask_to_reconnect(self, error: SerialfixError, what: str, again: str) -> None:
        if isinstance(error, SessionTakenOver):  # its own remedy is about runs
            error.remedy = "Agree with the other person who works on this VM, then attach again."

        def answer(key: str) -> None:
            if key.lower() == _AGAIN:
                self._dialog = None
                self._drops = 0
                self._say("reconnecting")
                self._carry_on(connect=True)
            elif key.lower() in ("q", "n", "\x03", self._menu_key):
                self._end(error)

        self._open(what, f"Press {_AGAIN} to {again}; q to leave.", answer=answer)

    # --- our own words --------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        """Show a notice for a while."""
        if self._notice_ends is not None:
            self._notice_ends.cancel()
        self._notice = f" {text}"
        self._notice_ends = asyncio.get_running_loop().call_later(
            self._patience.notice, self._unsay
        )
        self._wake.set()

    def _unsay(self) -> None:
        self._notice = ""
        self._wake.set()

    def _open(self, *lines: str, answer: Callable[[str], None]) -> None:
        self._dialog = _Dialog([f" {line}" for line in lines], answer)
        self._wake.set()

    def _open_menu(self) -> None:
        def answer(key: str) -> None:
            self._dialog = None
            if key == self._menu_key:
                self._to_guest(key)
            elif key.lower() in self._menu:
                self._menu[key.lower()][1]()

        lines = [f"{key}  {what}" for key, (what, _) in self._menu.items()]
        lines.append(f"{self._menu_name} again sends it; any other key closes the menu.")
        self._open(f"{self._name}", *lines, answer=answer)

    def _confirm(self, what: str, act: Callable[[], None]) -> None:
        """Have the VM's name typed before something that cannot be taken back."""
        given = ""

        def answer(key: str) -> None:
            nonlocal given
            if key in ENTER:
                self._dialog = None
                if given.strip().lower() == self._name.lower():
                    act()
                else:
                    self._say("not confirmed: nothing was done")
                return
            if key in (ESC, "\x03", self._menu_key):
                self._dialog = None
                self._say("not confirmed: nothing was done")
                return
            given = given[:-1] if key in _BACK else given + key if key.isprintable() else given
            ask(given)

        def ask(so_far: str) -> None:
            question = f"To confirm, type the VM's name, {self._name}: {so_far}"
            self._open(what, question, answer=answer)

        ask("")

    def _ask(self, order: Order) -> None:
        if not self._connected:
            self._say("not connected: Azure takes this only while the console is attached")
            return

        def act() -> None:
            task = asyncio.create_task(self._give(order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._confirm(f"{order.command}: {order.means}.", act)

    async def _give(self, order: Order) -> None:
        if self._order is None:
            return
        self._touched = True
        self._mark(f"order:{order.command}")
        self._say(f"{order.command}: asking Azure")
        try:
            await self._order(order.command)
        except SerialfixError as error:
            self._mark(f"order:{order.command} {error.slug}")
            self._say(f"{order.command}: {error}")
        except Exception as error:  # noqa: BLE001 - in a task of its own: to whoever runs us
            self._end(error)
        else:
            self._mark(f"order:{order.command} done")
            self._say(order.done)

    def _help(self) -> None:
        def close(_key: str) -> None:
            self._dialog = None

        hazards = (f"  {sac}{f'; here {ours}' if self._guard.on else ''}." for sac, ours in HAZARDS)
        self._open(
            f"{self._menu_name} opens the menu. At SAC> beware of:",
            *hazards,
            "SAC: `cmd` makes a channel, `ch -sn Cmd0001` shows it, Esc Tab goes to the next one.",
            "A login stays when you leave: end it with `exit`. Any key closes this.",
            answer=close,
        )

    def _switch_guard(self) -> None:
        self._guard.on = not self._guard.on
        self._say(f"the guard of SAC> is {'on' if self._guard.on else 'off'}")

    def _suspend(self) -> None:
        self._desk.suspend()

    # --- the end --------------------------------------------------------------------------------

    def _leave(self) -> None:
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        """Leave the loop; the first reason counts."""
        if not self._over:
            self._over, self._error = True, error
        with suppress(RuntimeError):
            self._wake.set()
