"""The typist against a keyboard that loses, doubles and eats keys; no time passes."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.console.actions import Cause, Finished, Press, Wait
from serialfix.console.screen import Screen
from serialfix.console.typist import Pace, Typist
from serialfix.errors import EchoMismatch


PROMPT = "q7k>"


@dataclass
class Keyboard:
    """A guest's line editor behind a prompt, with faults; `now` is moved by the waits."""

    threshold: float = 0.0
    """An equal neighbour that arrives sooner is lost (sac.md §7)."""
    loss: float = 0.0
    double: float = 0.0
    eat_until: float = 0.0
    seed: int = 0
    masked: bool = False
    line: str = ""
    now: float = 0.0
    last: tuple[str, float] = ("", -99.0)
    screen: Screen = field(default_factory=Screen)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.screen.feed(PROMPT)

    def press(self, keys: str) -> None:
        for key in keys:
            self.now += 0.001
            last, at = self.last
            self.last = (key, self.now)
            if self.now < self.eat_until or self.random.random() < self.loss:
                continue
            if key == last and self.now - at < self.threshold:
                continue
            for _ in range(2 if self.random.random() < self.double else 1):
                self.take(key)

    def take(self, key: str) -> None:
        if key == "\b":
            if self.line:
                self.line = self.line[:-1]
                self.screen.feed("\b \b")
        else:
            self.line += key
            self.screen.feed("*" if self.masked else key)


def type_line(typist: Typist, keyboard: Keyboard) -> list[str]:
    """Run a typist to its end; gives what it pressed."""
    pressed = []
    cause = Cause.START
    for _ in range(5000):
        match typist.next(cause, keyboard.screen):
            case Press(keys):
                pressed.append(keys)
                keyboard.press(keys)
                cause = Cause.OUTPUT
            case Wait(within=within, quiet=quiet):
                cause = Cause.QUIET if quiet is not None else Cause.EXPIRED
                keyboard.now += within if quiet is None else quiet
            case Finished():
                return pressed
    raise AssertionError("the typist never ends")


LINE = r'reg add "HKLM\SYSTEM\CurrentControlSet\Control" /v fInheritMaxIdleTime /d 0 /f'


def test_a_guest_that_loses_nothing_gets_the_line_at_once() -> None:
    """One probe for the first pair, then all the rest."""
    keyboard = Keyboard()
    pressed = type_line(Typist(LINE, PROMPT, Pace()), keyboard)
    assert keyboard.line == LINE
    assert pressed == ["reg add", LINE[7:]]


@pytest.mark.parametrize("threshold", [0.02, 0.125, 0.5, 1.5])
def test_repeats_are_lost_below_a_threshold(threshold: float) -> None:
    """The gap grows until pairs come through, and is kept for the lines that follow; a shorter one
    is tried once more, for it may have failed by chance."""
    keyboard, pace = Keyboard(threshold=threshold), Pace()
    pressed: list[str] = []
    for _ in range(12):
        keyboard.line = ""
        keyboard.screen.feed("\r\n" + PROMPT)
        pressed = type_line(Typist(LINE, PROMPT, pace), keyboard)
        assert keyboard.line == LINE
    assert pace.proven
    assert len(pressed) == 1 + sum(a == b for a, b in pairwise(LINE))


def test_a_pair_lost_by_chance_slows_the_session_only_for_a_while() -> None:
    """Random losses hit pairs, too; the guest itself takes them at any speed."""
    keyboard, pace = Keyboard(loss=0.01, seed=3), Pace()
    line, gaps = LINE[:70], []
    for _ in range(60):
        keyboard.line = ""
        keyboard.screen.feed("\r\n" + PROMPT)
        type_line(Typist(line, PROMPT, pace), keyboard)
        assert keyboard.line == line
        gaps.append(pace.gap)
    assert max(gaps) > 0
    assert gaps[-1] == 0


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=160),
    st.sampled_from([0.0, 0.125, 1.5]),
    st.sampled_from([0.0, 0.01, 0.05]),
    st.sampled_from([0.0, 0.02]),
    st.integers(0, 2**16),
)
def test_the_line_is_right_or_it_is_an_error(
    line: str, threshold: float, loss: float, double: float, seed: int
) -> None:
    """Whatever the keyboard does: `Finished` means that the guest holds exactly the line."""
    keyboard = Keyboard(threshold=threshold, loss=loss, double=double, seed=seed)
    with contextlib.suppress(EchoMismatch):
        type_line(Typist(line, PROMPT, Pace()), keyboard)
        assert keyboard.line == line


@dataclass
class LateKeyboard(Keyboard):
    """Keys keep their order and come late, some of them very."""

    late: float = 0.3
    under_way: list[tuple[float, str]] = field(default_factory=list)

    def press(self, keys: str) -> None:
        for key in keys:
            last = self.under_way[-1][0] if self.under_way else self.now
            very = 10 if self.random.random() < 0.02 else 1
            when = max(last, self.now + self.random.uniform(0, self.late * very))
            self.under_way.append((when, key))

    def wait(self, seconds: float) -> bool:
        """Whether something came within these seconds."""
        end = self.now + seconds
        if self.under_way and self.under_way[0][0] <= end:
            self.now, key = self.under_way.pop(0)
            super().press(key)
            return True
        self.now = end
        return False


@given(
    st.text("abcx \\/1", min_size=1, max_size=60).filter(lambda text: text[-1] != " "),
    st.sampled_from([0.05, 0.3, 1.0]),
    st.sampled_from([0.0, 0.03]),
    st.integers(0, 2**16),
)
def test_late_keys_are_not_taken_for_lost_ones(
    line: str, late: float, loss: float, seed: int
) -> None:
    """`Finished` means that the line is right, and that nothing is under way that changes it."""
    keyboard = LateKeyboard(late=late, loss=loss, seed=seed)
    typist = Typist(line, PROMPT, Pace(echo=0.25), repairs=30)
    try:
        type_late(typist, keyboard)
    except EchoMismatch:
        if late < 1.0 and not loss:  # keys that are ten seconds late may be too much
            raise
    else:
        while keyboard.under_way:
            keyboard.wait(99)
        assert keyboard.line == line


def type_late(typist: Typist, keyboard: LateKeyboard) -> None:
    cause = Cause.START
    for _ in range(20000):
        match typist.next(cause, keyboard.screen):
            case Press(keys):
                keyboard.press(keys)
                cause = Cause.START
            case Wait(within=within, quiet=quiet):
                silence = Cause.EXPIRED if quiet is None else Cause.QUIET
                came = keyboard.wait(within if quiet is None else quiet)
                cause = Cause.OUTPUT if came else silence
            case Finished():
                return
    raise AssertionError("the typist never ends")


def test_eaten_first_keys_are_typed_again() -> None:
    """A fresh shell eats keys for up to 10 s."""
    keyboard = Keyboard(eat_until=10.0)
    type_line(Typist("prompt q7k$G", PROMPT, Pace(), repairs=60), keyboard)
    assert keyboard.line == "prompt q7k$G"


def test_a_dead_keyboard_is_an_error() -> None:
    """Nothing echoes: the typist gives up and says that nothing was entered."""
    with pytest.raises(EchoMismatch) as caught:
        type_line(Typist("ver", PROMPT, Pace()), Keyboard(eat_until=1e9))
    assert caught.value.touched == "no"
    assert "Enter was not pressed" in str(caught.value)


@given(st.text("abAB12!", min_size=1, max_size=30), st.sampled_from([0.0, 0.125]))
def test_a_password_is_counted_in_stars(password: str, threshold: float) -> None:
    """Stars do not tell which key was lost; the whole is typed again."""
    keyboard = Keyboard(masked=True, threshold=threshold)
    type_line(Typist(password, PROMPT, Pace(), secret=True), keyboard)
    assert keyboard.line == password


@pytest.mark.parametrize("password", ["aabbccdd", "abcdefgh", "aaaaaaaa"])
def test_passwords_are_typed_alike(password: str) -> None:
    """One key, its star, the next: nothing but the length shows."""
    pressed = type_line(Typist(password, PROMPT, Pace(), secret=True), Keyboard(masked=True))
    assert pressed == list(password)


def test_no_burst_ends_with_a_blank() -> None:
    """A renderer need not show a blank that changes no cell (sac.md §6.2)."""
    pressed = type_line(Typist(LINE, PROMPT, Pace(burst=1)), Keyboard())
    assert "".join(pressed) == LINE
    assert not [keys for keys in pressed if keys.endswith(" ")]


def test_a_pair_proven_elsewhere_proves_nothing_here() -> None:
    """Each place has a pace of its own: without proof the line stops behind its first pair."""
    assert type_line(Typist(LINE, PROMPT, Pace(proven=True)), Keyboard()) == [LINE]
    assert type_line(Typist(LINE, PROMPT, Pace()), Keyboard())[0] == "reg add"


def test_a_prompts_last_blank_may_come_late() -> None:
    screen = Screen()
    screen.feed("Username:")
    typist = Typist("ab", "Username:", Pace())
    assert typist.next(Cause.START, screen) == Press("ab")
    screen.feed(" ")
    assert isinstance(typist.next(Cause.OUTPUT, screen), Wait)
    screen.feed("ab")
    typist.next(Cause.OUTPUT, screen)
    assert typist.next(Cause.QUIET, screen) == Finished()


def only_waits(typist: Typist, keyboard: Keyboard) -> None:
    for _ in range(99):
        assert isinstance(typist.next(Cause.QUIET, keyboard.screen), Wait)


def test_nothing_is_sent_where_the_prompt_is_gone() -> None:
    """Something else came into view: no probe, no backspace goes to it."""
    keyboard = Keyboard()
    typist = Typist("ver", PROMPT, Pace())
    assert typist.next(Cause.START, keyboard.screen) == Press("ver")
    keyboard.screen.feed("\x1b[2J\x1b[1;1HSomething else>")
    with pytest.raises(EchoMismatch):
        only_waits(typist, keyboard)


def test_the_password_is_not_in_the_error() -> None:
    """Not even when it cannot be typed."""
    with pytest.raises(EchoMismatch) as caught:
        type_line(Typist("hunter2secret", PROMPT, Pace(), secret=True), Keyboard(eat_until=1e9))
    assert "hunter2" not in str(caught.value.facts())


def test_an_empty_line_only_clears() -> None:
    """After a drop our half-typed line is erased."""
    keyboard = Keyboard()
    keyboard.press("reg add ")
    type_line(Typist("", PROMPT, Pace()), keyboard)
    assert keyboard.line == ""


def test_sac_lines_are_cleared_as_a_whole() -> None:
    """An event hides the buffer (sac.md §3): `SAC>md0002` may stand for `ch -sn Cmd0002`."""

    class Sac(Keyboard):
        hidden = False

        def take(self, key: str) -> None:
            if key == "\r":
                self.line = ""
                self.screen.feed("\r\n" + PROMPT)
            else:
                super().take(key)
            if len(self.line) == 8 and not self.hidden:
                self.hidden = True
                self.screen.feed("\r\nEVENT:   A channel has been closed.\r\n" + PROMPT)

    keyboard = Sac()
    pressed = type_line(Typist("ch -sn Cmd0002", PROMPT, Pace(), whole_clear=True), keyboard)
    assert keyboard.line == "ch -sn Cmd0002"
    assert "\b" * 80 + "\r" in pressed


# --- what our keys do not explain ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "explained"),
    [
        ("reg add", True),
        ("rg ad", True),  # lost
        ("rreegg   addd", True),  # multiplied
        ("reg adz7", True),  # probes
        ("", True),
        ("reg add\r\n2026-11-26 Windows is ready", False),
        ("add reg", False),
        ("health report", False),
    ],
)
def test_keys_lost_or_multiplied_explain_what_is_shown(shown: str, explained: bool) -> None:
    screen = Screen()
    screen.feed(PROMPT)
    typist = Typist("reg add", PROMPT, Pace(), strict=True)
    assert isinstance(typist.next(Cause.START, screen), Press)
    screen.feed(shown)
    if shown in ("reg add", "health report"):
        typist.next(Cause.OUTPUT, screen)
    if explained:
        typist.next(Cause.QUIET, screen)
    else:
        with pytest.raises(EchoMismatch, match="something else writes"):
            asked_often(typist, screen)


def asked_often(typist: Typist, screen: Screen) -> None:
    for _ in range(5):
        typist.next(Cause.QUIET, screen)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80))
def test_any_loss_is_explained(line: str) -> None:
    """Losses and multiplications never look like somebody else's text."""
    keyboard = Keyboard(loss=0.1, double=0.1, seed=len(line))
    with contextlib.suppress(EchoMismatch):
        type_line(Typist(line[:60], PROMPT, Pace(), strict=True, repairs=60), keyboard)
        assert keyboard.line == line[:60]
        return
    raise AssertionError(line)


def test_sac_may_have_said_its_prompt_twice_before() -> None:
    """The one that follows the clearing stands alone."""
    screen = Screen()
    screen.feed("SAC>SAC>")
    typist = Typist("ch", "SAC>SAC>", Pace(), whole_clear=True)
    assert typist.next(Cause.START, screen) == Press("ch")
    screen.feed("\r\nEVENT:   A channel has been closed.\r\nChannel: Cmd0001\r\nSAC>")
    cleared = typist.next(Cause.QUIET, screen)
    assert isinstance(cleared, Press)
    assert cleared.keys.endswith("\b\r")
    screen.feed("\r\nSAC>")
    typist.next(Cause.OUTPUT, screen)
    assert typist.next(Cause.QUIET, screen) == Press("ch")
