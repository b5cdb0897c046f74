"""Secrets that do not print themselves, and the redaction of text that may hold them.

Text is redacted before it is kept anywhere: recording, journal, evidence, error, log. A secret is
found as it is, as `repr`, JSON and URLs write it, when NUL bytes interrupt it (sac.md §5: they
are strewn over the wire) and, in a `RedactedStream`, when it arrives in many pieces.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, quote_plus


class Secret:
    """A value that only `reveal` gives out; everything else shows `<redacted:name>`."""

    __slots__ = ("_value", "name")

    def __init__(self, value: str, name: str) -> None:
        self._value = value
        self.name = name

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return f"<redacted:{self.name}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __len__(self) -> int:
        return len(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self  # dataclasses.asdict copies deeply; a copy would be one more holder

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{self!r} cannot be pickled")


_HOLD = 4096  # characters beyond the longest secret that a stream holds back at most


class _Span(NamedTuple):
    start: int
    end: int
    marker: str


class Redactor:
    """Replaces every occurrence of its secrets by `<redacted:name>`.

    Occurrences that overlap become one marker, so no rest of a secret stays behind. An empty
    secret is no secret.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._markers: dict[str, str] = {}
        self._longest = 0
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> None:
        """Redact this one too, from now on."""
        for variant in _variants(secret.reveal()):
            self._markers.setdefault(variant, repr(secret))
            self._longest = max(self._longest, len(variant))

    def redact(self, text: str) -> str:
        """The text without secrets."""
        spans, _ = self._scan(text)
        return _render(text, spans, 0, len(text)) if spans else text

    def redact_data(self, data: Any) -> Any:
        """JSON-like data without secrets: every string in it, keys too, is redacted.

        Redaction before serialising keeps the result valid, whatever the secret is.
        """
        match data:
            case str():
                return self.redact(data)
            case Secret():
                return repr(data)
            case Mapping():
                return {self.redact_data(k): self.redact_data(v) for k, v in data.items()}
            case list() | tuple():
                return [self.redact_data(item) for item in data]
            case _:
                return data

    def _scan(self, text: str) -> tuple[list[_Span], int]:
        """Where secrets are, and up to where more text cannot change the answer."""
        clean = text.replace("\0", "")
        found: list[_Span] = []
        open_at = len(clean)
        for variant, marker in self._markers.items():
            at = clean.find(variant)
            while at >= 0:
                found.append(_Span(at, at + len(variant), marker))
                at = clean.find(variant, at + 1)
            open_at = min(open_at, _open_tail(clean, variant))
        spans = _merge(found)
        for span in spans:
            if span.start < open_at < span.end:  # could grow into a longer overlap
                open_at = span.start
        if len(clean) == len(text):
            return spans, open_at
        places = [index for index, char in enumerate(text) if char != "\0"]
        decided = places[open_at] if open_at < len(places) else len(text)
        return [_Span(places[a], places[b - 1] + 1, name) for a, b, name in spans], decided


class Piece(NamedTuple):
    """A piece of a stream; `at` is the caller's, for example the time of the piece."""

    kind: str
    text: str
    at: float = 0.0


@dataclass(slots=True)
class _Held:
    kind: str
    at: float
    rest: str
    done: str = ""
    empty: bool = False


class RedactedStream:
    """Redacts pieces of text of several kinds, in order, wherever the pieces are cut.

    Each kind is one text: a secret is found though it is spread over many pieces with pieces of
    other kinds between. Its marker stands where the secret began; a piece that held nothing else
    vanishes. A piece is held back, and everything after it, only while its end may be the
    beginning of a secret.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._queue: deque[_Held] = deque()

    def feed(self, kind: str, text: str, at: float = 0.0) -> list[Piece]:
        """Take a piece; return those that are decided now."""
        self._queue.append(_Held(kind, at, text, empty=not text))
        self._advance(kind, final=False)
        return self._release()

    def flush(self) -> list[Piece]:
        """The end of the stream: return all that is held back."""
        for kind in {held.kind for held in self._queue}:
            self._advance(kind, final=True)
        return self._release()

    def _advance(self, kind: str, *, final: bool) -> None:
        held = [each for each in self._queue if each.kind == kind and each.rest]
        text = "".join(each.rest for each in held)
        spans, decided = self._redactor._scan(text)
        if final or len(text) > self._redactor._longest + _HOLD:
            decided = len(text)  # a flood of NULs, or of one character, must not stop the stream
        start = 0
        for each in held:
            end = start + len(each.rest)
            cut = max(start, min(end, decided))
            each.done += _render(text, spans, start, cut)
            each.rest = text[cut:end]
            start = end

    def _release(self) -> list[Piece]:
        out = []
        while self._queue and not self._queue[0].rest:
            held = self._queue.popleft()
            if held.done or held.empty:
                out.append(Piece(held.kind, held.done, held.at))
        return out


def _variants(value: str) -> set[str]:
    """The ways in which a secret may stand in text."""
    urls = {quote(value, safe=""), quote(value), quote_plus(value)} if value else set()
    forms = {
        value,
        repr(value)[1:-1],
        value.replace("\\", "\\\\").replace("'", "\\'"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        *urls,
        *(re.sub("%..", lambda match: match[0].lower(), url) for url in urls),
    }
    return {form.replace("\0", "") for form in forms} - {""}


def _open_tail(text: str, variant: str) -> int:
    """The first place in `text` from where its end is a true beginning of `variant`."""
    head, first = variant[:3], max(0, len(text) - len(variant) + 1)
    at = text.find(head, first)
    while at >= 0:
        if variant.startswith(text[at:]):
            return at
        at = text.find(head, at + 1)
    shorter = range(max(first, len(text) - len(head) + 1), len(text))
    return next((at for at in shorter if head.startswith(text[at:])), len(text))


def _merge(found: list[_Span]) -> list[_Span]:
    """Overlapping spans as one; it is called by the one that begins first, the longest of those."""
    merged: list[_Span] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def _render(text: str, spans: list[_Span], start: int, stop: int) -> str:
    """`text[start:stop]` redacted; a marker belongs to the place where its span begins."""
    out: list[str] = []
    for span in spans:
        if start <= span.start < stop:
            out += (text[start : span.start], span.marker)
        if span.start < stop:
            start = max(start, min(span.end, stop))
    return "".join((*out, text[start:stop]))
