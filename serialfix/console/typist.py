"""A line becomes keystrokes, and its echo is read back from the screen, cell by cell.

Rules:
1. Nothing is sent unless the cursor stands behind the proven prompt.
2. What is sent is compared with the cells behind the prompt; what differs is erased back to the
   last right cell and typed again, slower. Enter is not the typist's business: whoever asked for
   the line presses it after `Finished`, that is, on an equal line only.
   Keys that do not show may be lost or merely late, and a late key must not come behind its own
   repetition. So a probe is typed first, a key that the line does not hold: keys keep their order,
   and where the probe is seen nothing sent before it is left.
3. Two equal neighbours are the everyday loss (WS2016/2019 drop them below 125 ms to 1.5 s,
   sac.md §7). The first pair is a probe: the line stops behind it until the echo shows both, and
   the gap grows until it does. The gap found is kept for the session (`Pace`).
4. Other losses halve the burst; clean bursts double it again.
5. A secret is typed key by key, each waiting for its star, all alike: neither the keystrokes nor
   their times tell anything of it but its length, and no loss can hide behind a doubled key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise

from serialfix.console.actions import BACKSPACE, CR, Action, Cause, Finished, Press, Wait
from serialfix.console.screen import Mark, Screen
from serialfix.errors import EchoMismatch


GAPS = (0.0, 0.03, 0.13, 0.3, 0.8, 1.6)
"""Seconds between equal neighbours: 125 ms and 1.5 s are the figures known from public work."""
WHOLE_LINE = 1024
SAC_LINE = 80
"""More than SAC's line buffer holds (sac.md §2.2: character 78 and on replace the last)."""
_PROBES = "zqjxkwvyZQJXKW0123456789"
_CHANCE = 0.2
QUICKEST = 0.25
"""Seconds that an echo may always take before it counts as lost."""
_TRUSTED = 4
"""Right pairs after which a shorter gap is tried."""
_SLOWEST = 2.0
"""Seconds after which a probe is taken as lost, at most."""
REPAIRS = 8
"""Repairs in one line that bring no further cell right before the typist gives up."""


@dataclass(slots=True)
class Pace:
    """What this session has learned about the guest's keyboard; times in seconds."""

    gap: int = 0
    """Index into GAPS: the pause between two equal neighbours."""
    proven: int = 0
    """How many pairs were echoed right at this gap."""
    tries: list[int] = field(default_factory=lambda: [0] * len(GAPS))
    misses: list[int] = field(default_factory=lambda: [0] * len(GAPS))
    """Of how many tries a pair was not, by gap: once is chance, often is how the guest is."""
    burst: int = WHOLE_LINE
    """Keys sent before the echo is looked at."""
    clean: int = 0
    """Right bursts since the last loss."""
    echo: float = 1.0
    """Silence after which an echo is taken as lost; shrinks to what the guest needs."""
    settle: float = 0.0
    """Silence asked for on an equal line before it counts as equal: none until a key was lost or
    doubled. What a stream could still add then is a doubled last key: every writing line ends with
    `/f`, where that is a syntax error, and the answer to a question counts only under the line as
    it was meant."""

    def lost_repeat(self) -> None:
        """A pair came back single, or doubled once more."""
        self.tries[self.gap] += 1
        self.misses[self.gap] += 1
        self.proven = 0
        if self.misses[self.gap] > _CHANCE * self.tries[self.gap]:
            self.gap = min(self.gap + 1, len(GAPS) - 1)

    def right_repeat(self) -> None:
        """A pair was echoed as sent."""
        self.tries[self.gap] += 1
        self.proven += 1

    def ease(self) -> None:
        """Between two lines: try a shorter gap again, where it was chance that it failed."""
        shorter = self.gap - 1
        if shorter >= 0 and self.proven >= _TRUSTED:
            misses = self.misses[shorter]
            if misses < 2 or misses <= _CHANCE * self.tries[shorter]:
                self.gap, self.proven = shorter, 0

    def lost_other(self) -> None:
        """Something else than a repeat was lost or added."""
        self.burst, self.clean = max(1, min(self.burst, 64) // 2), 0
        self.settle = max(self.settle, 0.1)

    def right(self) -> None:
        """A burst was echoed as sent."""
        self.clean += 1
        if self.clean >= 8 and self.burst < WHOLE_LINE:
            self.burst, self.clean = self.burst * 2, 0


class _State(Enum):
    SEND = auto()
    PAUSE = auto()
    ECHO = auto()
    PROBE = auto()
    ERASE = auto()


@dataclass(slots=True)
class Typist:
    """Types one line behind `prompt`; ask `next` until it answers `Finished`.

    `secret` lines echo one `*` a key (sac.md §5). `whole_clear` is for SAC's line editor: an event
    in mid-line hides what is already in its buffer (§3), so only clearing it as a whole is safe.
    Raises EchoMismatch from `next` when the line cannot be typed right; it was then not entered.
    """

    line: str
    prompt: str
    pace: Pace
    secret: bool = False
    whole_clear: bool = False
    strict: bool = False
    """Whether a picture that our own keys do not explain ends it at once: something else has
    written on it, and how many keys the guest's line holds cannot be told from it any more."""
    repairs: int = REPAIRS
    within: float = 30.0
    frame: float = 0.0
    """Seconds that a painting renderer needs for its frame; 0 for a stream."""
    sent: int = 0
    _state: _State = _State.SEND
    _best: int = 0
    _failed: int = 0
    _excess: int = 0
    _pressed: int = 0
    _before: str | None = None
    _rested: bool = False
    _proving: bool = False
    _repaired: bool = False
    _probe_key: str = ""
    _probes: int = 0
    _mark: Mark | None = None

    def __post_init__(self) -> None:
        if not self.line:  # nothing to type: only see to it that nothing stands there
            self._state = _State.ECHO

    def next(self, cause: Cause, screen: Screen) -> Action:
        """The next action, given why we are asked and what the screen shows."""
        over = cause in (Cause.QUIET, Cause.EXPIRED)
        match self._state:
            case _State.SEND if self.whole_clear and not screen.at_prompt(self.prompt):
                return self._clear(screen)
            case _State.SEND:
                return self._send()
            case _State.PAUSE:
                return self._send() if over else self._pause()
            case _State.ECHO:
                return self._check(over, screen)
            case _State.PROBE:
                return self._probed(over, screen)
            case _State.ERASE if self.whole_clear:
                return self._cleared(over, screen)
            case _State.ERASE:
                return self._erased(over, screen)

    @property
    def wanted(self) -> str:
        """What the screen shows when everything sent so far was taken."""
        return "*" * self.sent if self.secret else self.line[: self.sent]

    def _shown(self, screen: Screen) -> str | None:
        """What stands behind the prompt; the blank of `Password: ` may come after the colon."""
        shown = screen.typed(self.prompt)
        return shown.removeprefix(" ") if shown and self.prompt.endswith(":") else shown

    # --- typing ---------------------------------------------------------------------------------

    def _send(self) -> Action:
        """One burst: up to the next pair that needs a gap or a proof, or the burst size."""
        start, end = self.sent, min(len(self.line), self.sent + self.pace.burst)
        prove = not self.pace.proven
        self._proving = False
        if self.secret:
            self.sent, self._state = start + 1, _State.ECHO
            return Press(self.line[start], secret=True)
        for at in range(max(start, 1), end):
            if self.line[at] != self.line[at - 1]:
                continue
            if at > start and GAPS[self.pace.gap]:
                end = at  # the second of the pair opens the next burst, after the gap
                break
            if prove:
                # After a repair the pair had all the time in the world: that proves no gap.
                end, self._proving = at + 1, not (at == start and self._rested)
                break
        # No burst ends with a blank: renderers need not show one that changes no cell (§6.2).
        while end < len(self.line) and self.line[end - 1] == " " != self.line[end]:
            end += 1
        self.sent, self._rested = end, False
        look = prove or end == len(self.line) or self.pace.burst < WHOLE_LINE
        self._state = _State.ECHO if look else _State.PAUSE
        return Press(self.line[start:end])

    def _go_on(self) -> Action:
        at = self.sent
        if at == len(self.line):
            self._state = _State.ECHO
            return self._settle()
        opens_pair = at > 0 and self.line[at] == self.line[at - 1]
        slow = opens_pair or self.secret  # behind stars all neighbours are treated as equal
        return self._pause() if slow and GAPS[self.pace.gap] else self._send()

    def _pause(self) -> Wait:
        self._state = _State.PAUSE
        return Wait("the pause between two equal keys", GAPS[self.pace.gap])

    def _settle(self) -> Wait:
        quiet = max(self.pace.settle, self.frame)
        if self.secret:  # a star that comes late would be a failed logon, and those lock accounts
            prompt_guest = self.pace.echo <= QUICKEST
            quiet = max(quiet, 0.05 if prompt_guest else min(1.0, self.pace.echo / 3))
        return Wait("the echo to settle", self.within, quiet=quiet)

    def _check(self, over: bool, screen: Screen) -> Action:
        shown = self._shown(screen)
        if shown == self.wanted:
            whole = self.sent == len(self.line)
            return self._settle() if whole and not over else self._right()
        if not over:
            return Wait(f"the echo of {self._name()}", self.within, quiet=self.pace.echo)
        self._explain(shown, screen)
        self._count(_common(shown or "", self.wanted), screen)
        if self.whole_clear:
            self._learn(shown)
            return self._clear(screen)
        if self.secret:
            self.pace.lost_repeat()
            return self._erase(self.sent, shown)
        return self._probe(shown)

    def _right(self) -> Action:
        self.pace.right()
        self._best = max(self._best, self.sent)
        slow = GAPS[self.pace.gap] > 0 and self.sent == len(self.line) and not self._repaired
        if self._proving or (slow and pairs(self.line)):
            self.pace.right_repeat()
        if self.sent == len(self.line):
            self.pace.ease()
        return Finished() if self.sent == len(self.line) else self._go_on()

    def _learn(self, shown: str | None) -> None:
        """What the difference tells of the guest's keyboard."""
        self._rested = self._repaired = True
        if not shown or shown == self.wanted:
            return  # it was deaf, or merely slow
        if _single(shown) == _single(self.wanted):
            self.pace.lost_repeat()
        else:
            self.pace.lost_other()

    # --- repairing ------------------------------------------------------------------------------

    def _probe(self, shown: str | None) -> Action:
        """Find out whether the missing keys are lost, or still on their way."""
        self._state = _State.PROBE
        if shown is None:  # the prompt is not in view: nothing is sent
            return self._await_probe()
        unused = [key for key in _PROBES if key not in self.line] or list(_PROBES)
        self._probe_key = unused[self._probes % len(unused)]
        self._probes += 1
        return Press(self._probe_key)

    def _await_probe(self) -> Wait:
        patience = min(self.pace.echo * 2 ** min(self._failed, 8), _SLOWEST)
        return Wait(f"the echo of a probe, {self._failed}", self.within, quiet=patience)

    def _probed(self, over: bool, screen: Screen) -> Action:
        shown = self._shown(screen)
        if shown and self._probe_key and shown.endswith(self._probe_key):
            self._learn(shown.rstrip(_PROBES))
            self.sent = self._good(shown)
            return self._erase(len(shown) - self.sent, shown)
        if not over:
            return self._await_probe()
        self._explain(shown, screen)
        self._count(-1, screen)
        return self._probe(shown)

    def _good(self, shown: str) -> int:
        """How many keys may stay. The last key of a line is always typed anew: once it is seen no
        backspace can be under way any more."""
        return max(0, min(_common(shown, self.wanted), len(self.line) - 1))

    def _erase(self, excess: int, shown: str | None) -> Action:
        """Take back the last `excess` keys."""
        self._state, self._excess, self._before = _State.ERASE, excess, shown
        if self.secret:
            self.sent = 0  # stars do not tell which key is missing
        # Backspaces are equal neighbours too: where repeats are lost they go one by one.
        self._pressed = 1 if GAPS[self.pace.gap] else excess
        return Press(BACKSPACE * self._pressed)

    def _erased(self, over: bool, screen: Screen) -> Action:
        shown = self._shown(screen)
        if shown == self.wanted:
            return self._go_on()
        if not over:
            quiet = GAPS[self.pace.gap] or self.pace.echo
            what = f"the wrong keys to be erased, {self._failed}"
            return Wait(what, self.within, quiet=quiet)
        self._explain(shown, screen)
        if shown is None:
            self._count(-1, screen)
            return self._probe(shown)
        self.sent = self._good(shown)
        excess = len(shown) - self.sent
        if shown == self._before and shown.endswith(" "):
            excess = self._excess - 1  # that a blank went need not show (§6.2)
        else:
            erased = self._excess - excess
            if 2 * erased < self._pressed:
                self.pace.lost_repeat()
            if erased <= 0:
                self._count(-1, screen)
        return self._erase(excess, shown) if excess > 0 else self._go_on()

    def _clear(self, screen: Screen) -> Action:
        """SAC: empty the buffer as a whole; the Enter on it gives a new prompt."""
        self._state, self._mark, self.sent = _State.ERASE, screen.mark(), 0
        return Press(BACKSPACE * SAC_LINE + CR)

    def _cleared(self, over: bool, screen: Screen) -> Action:
        """SAC: the buffer is empty now; the Enter on it gave a new prompt."""
        below = screen.since(self._mark) if self._mark else None
        before = screen.before_cursor()
        one = self.prompt[self.prompt.rstrip(">").rfind(">") + 1 :]  # of `SAC>SAC>` the last
        fresh = bool(below) and before.endswith(one) and screen.at_prompt(before)
        if fresh and over:
            self.prompt = before  # SAC may say its prompt twice
            return self._send()
        if over:
            self._count(-1, screen)
            return self._clear(screen)
        return Wait("a new prompt", self.within, quiet=0.05 if fresh else self.pace.echo)

    def _explain(self, shown: str | None, screen: Screen) -> None:
        if not self.strict or (
            _made_of(shown, self.line) if shown is not None else self._failed < 3
        ):
            return  # a switch of channels takes the prompt out of view before its XML is complete
        raise EchoMismatch(
            f"something else writes on this console while {self._name()} is typed; Enter was not "
            "pressed on it",
            expected=repr(self.wanted),
            screen=screen.text(),
            remedy="Wait until the guest's agents and programs are quiet, then try again.",
        )

    def _count(self, progress: int, screen: Screen) -> None:
        """Give up after `repairs` repairs in a row that brought nothing."""
        self._failed = 0 if progress > self._best else self._failed + 1
        self._best = max(self._best, progress)
        if self._failed > self.repairs:
            raise EchoMismatch(
                f"{self._name()} could not be typed right; Enter was not pressed on it",
                expected=repr(self.wanted),
                screen=screen.text(),
                remedy="The guest loses keys, is not at its prompt, or somebody else types on this "
                "console. Look at the recording, then try again.",
            )

    def _name(self) -> str:
        return "the password" if self.secret else repr(self.line)


def _made_of(shown: str, keys: str) -> bool:
    """Whether these keys, in their order, some of them lost and some multiplied, show this; probes
    may stand anywhere at the end."""
    at, last = 0, ""
    for char in shown.rstrip(_PROBES):
        if char != last:
            at = keys.find(char, at) + 1
            if not at:
                return False
            last = char
    return True


def pairs(text: str) -> int:
    """How many equal neighbours a text has: what slow consoles lose (sac.md §7)."""
    return sum(one == other for one, other in pairwise(text))


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))


def _single(text: str) -> str:
    return "".join(char for at, char in enumerate(text) if at == 0 or char != text[at - 1])
