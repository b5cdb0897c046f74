"""What a person sees of the console, and what can be told from it."""

from __future__ import annotations

import re

from serialfix.console.screen import Screen
from serialfix.console.wire import ChannelSwitch, Wire


SAC_PROMPT = "SAC>"
_PASSWORD = re.compile(
    r"(password|passwort|kennwort|mot de passe|wachtwoord|パスワード)[^:：]*[:：]\s*\**\s*$",
    re.IGNORECASE,
)
"""SAC asks in English (sac.md §5); programs in the guest ask in its language, without an echo."""
_LOGIN = re.compile(r"\s*(Username|Domain\s*|Password):", re.IGNORECASE)


class View:
    """The screen, fed from the wire, and the channel that SAC's XML proves to be in view."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.channel: ChannelSwitch | None = None
        """None while it is not proven."""
        self._wire = Wire()

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        for piece in self._wire.feed(data):
            if isinstance(piece, str):
                self.screen.feed(piece)
            else:  # a boot or a Stop error ends all channels
                self.channel = piece if isinstance(piece, ChannelSwitch) else None

    def reattached(self) -> None:
        """A new connection: half a character or an open block of the old one means nothing."""
        self._wire = Wire()
        self.channel = None

    @property
    def in_cmd(self) -> bool:
        """Whether a CMD channel is proven to be in view."""
        return self.channel is not None and not self.channel.is_sac

    @property
    def at_sac(self) -> bool:
        """Whether the cursor stands in a line behind `SAC>`; `!SAC>` is another prompt."""
        return not self.in_cmd and self.screen.before_cursor().startswith(SAC_PROMPT)

    @property
    def at_login(self) -> bool:
        """Whether the cursor stands behind a prompt of the login."""
        return bool(_LOGIN.match(self.screen.before_cursor()))

    @property
    def at_password(self) -> bool:
        """Whether a password is asked for: a question for one, or nothing but stars."""
        row = self.screen.before_cursor()
        return set(row.strip()) == {"*"} or bool(_PASSWORD.search(row))

    @property
    def at_nothing(self) -> bool:
        """Whether no words tell what is asked: a new client is shown none (sac.md §2.2)."""
        return not self.screen.before_cursor().strip()


class Privacy:
    """Says which keystrokes may be a password, so that the recording does not keep them.

    Told by the screen. What is typed ahead of the screen while somebody logs in counts as secret
    too: too much is hidden rather than too little.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._ahead = 0
        """Answers to the login that the guest has not taken yet."""
        self._line = view.screen.mark()

    @property
    def secret(self) -> bool:
        """Whether the next keystroke may belong to a password."""
        return self._ahead > 0 or self._view.at_password or self._view.at_nothing

    def entered(self) -> None:
        """Enter is on its way."""
        if self._ahead or self._view.at_login:
            if not self._ahead:
                self._line = self._view.screen.mark()
            self._ahead += 1

    def seen(self) -> None:
        """The screen may have changed."""
        if not self._ahead:
            return
        line, view = self._view.screen.mark(), self._view
        if line == self._line or not view.screen.before_cursor().strip():
            return  # not a new line, or one whose prompt is still to come
        if view.at_login and line.epoch == self._line.epoch and line.line > self._line.line:
            self._ahead = max(0, self._ahead - (line.line - self._line.line))
        else:  # another program, or a login that begins anew and answers to nothing typed before
            self._ahead = 0
        self._line = line
