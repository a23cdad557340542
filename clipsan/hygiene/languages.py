"""Which language a caption is in, as far as its script and its function words say.

Function words (articles, prepositions, conjunctions, auxiliaries) are the most frequent words of a language
and carry no topic, which makes them the classical test for short texts (Ingle 1976; Grefenstette 1995).
A word listed for two languages counts for neither.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

_LISTED = {
    "English": "the of and a an is are with on at to by for from this that his her its their was were has",
    "German": "der die das und ein eine einen einem einer mit auf im ist von zu den dem des für sind wird",
    "French": "le la les des un une et est dans sur avec du au aux par pour qui sont cette ce son ses",
    "Spanish": "el la los las un una y es en con del por para al que está su sus son una como",
    "Italian": "il lo la gli le un una e è di con del della dei delle nel nella sul sulla per che sono",
    "Portuguese": "o os as um uma e é em com do da dos das no na nos nas por para que está são seu sua",
    "Dutch": "de het een en van met op is in bij voor naar aan zijn wordt deze dat uit door niet",
    "Swedish": "en ett och är på med av för till som den det de från sitter står i vid har",
    "Danish": "en et og er på med af for til som den det de fra sidder står i ved har",
    "Polish": "i w na z do jest się że nie od przez dla po przy są oraz jako ten ta to",
    "Czech": "a v na s do je se že ne od pro po při jsou jako ten ta to u ze",
    "Turkish": "ve bir bu ile için da de olan gibi çok var en üzerinde içinde",
    "Finnish": "ja on ei se että mutta kun niin tai joka ovat sekä myös kanssa",
    "Indonesian": "yang dan di dari dengan untuk ini itu pada adalah ke dalam sebuah seorang",
    "Vietnamese": "và của là có trong một cho với các được những người trên này",
}
_TIMES = Counter(word for words in _LISTED.values() for word in set(words.split()))
FUNCTION_WORDS = {
    word: language for language, words in _LISTED.items() for word in words.split() if _TIMES[word] == 1
}
"""Word -> the one language that it speaks for."""


def script_of(text: str) -> str | None:
    """The script of most letters, as Unicode's names call it ("LATIN", "CJK", ...); None without letters."""
    scripts = Counter(name for name in map(_script, text) if name)
    return scripts.most_common(1)[0][0] if scripts else None


@lru_cache(maxsize=1 << 16)
def _script(char: str) -> str | None:
    if not char.isalpha():
        return None
    name = unicodedata.name(char, "").split(" ")[0].split("-")[0]
    return {"HIRAGANA": "CJK", "KATAKANA": "CJK", "FULLWIDTH": "LATIN"}.get(name, name or None)


def languages_in(words: Iterable[str]) -> Counter[str]:
    """How many words speak for each language."""
    return Counter(FUNCTION_WORDS[word] for word in words if word in FUNCTION_WORDS)
