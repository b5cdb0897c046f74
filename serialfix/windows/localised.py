"""Windows' translated words for yes and no, where nothing but a word tells a state."""

from __future__ import annotations


_YES = (
    *("yes", "ja", "oui", "si", "sí", "sì", "sim", "はい", "예", "是", "да", "tak", "ano"),
    *("igen", "evet", "kyllä"),
)
_NO = (
    *("no", "nein", "non", "nee", "não", "いいえ", "아니요", "아니오", "否", "нет", "nie", "ne"),
    *("nem", "hayır", "nej", "nei", "ei"),
)
_WORDS = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}


def truth(word: str) -> bool | None:
    """What the word says; None for a word that is not known: then nobody may decide by it.

    >>> truth("Ja"), truth("いいえ"), truth("vielleicht")
    (True, False, None)
    """
    return _WORDS.get(word.strip().casefold())
