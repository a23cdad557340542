"""Do the captions of some pairs agree on a word far more than captions of the set do?

By words and not by a text encoder: the suspect's own may be the poisoned one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"[^\W\d_]+")
_ALONE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Japanese, Chinese and Korean characters: each counts as a word, as these scripts set no spaces."""


def words_of(caption: str) -> frozenset[str]:
    """The words of a caption, in lower case."""
    text = caption.casefold()
    return frozenset(_ALONE.findall(text)) | frozenset(_WORD.findall(_ALONE.sub(" ", text)))


def plain(caption: str) -> str:
    """A caption without case, punctuation and spacing: equal for captions that say the same."""
    return " ".join(re.findall(r"\w+", caption.casefold()))


class Agreement:
    """Judges groups of captions against the whole set's word frequencies."""

    def __init__(self, captions: Sequence[str]) -> None:
        """Count, for every word, the captions that hold it."""
        self._words = [words_of(caption) for caption in captions]
        self._counts = Counter(word for words in self._words for word in words)

    def on(self, group: Iterable[int], *, among: Iterable[str] | None = None) -> tuple[str, float]:
        """The word that a group of captions agrees on most surprisingly.

        Args:
            group: places of the captions.
            among: look at these words only.

        Returns:
            word: "" where there is none.
            log10 of an upper bound on the chance that so many captions drawn at random hold that word,
            times the number of words looked at (0 where there is none). The bound is Chernoff's:
            exp(-m KL(c / m || b)) for c of m captions where a share b of the set holds the word.
        """
        members = list(group)
        held = Counter(word for place in members for word in self._words[place])
        looked_at = held if among is None else [word for word in among if word in held]
        best, chance = "", 0.0
        for word in looked_at:
            log = self._log_chance(held[word], len(members), self._counts[word] / len(self._words))
            log += math.log10(len(looked_at))
            if (log, word) < (chance, best):
                best, chance = word, log
        return best, chance

    def holds(self, place: int, word: str) -> bool:
        """Whether caption `place` has the word."""
        return word in self._words[place]

    def words(self, place: int) -> frozenset[str]:
        """The words of caption `place`."""
        return self._words[place]

    def common(self, fewest: int, share: float, most: int) -> list[list[int]]:
        """Places of the captions with each word that `fewest` or more and at most `share` of them hold.

        The `most` commonest such words; words held by exactly the same captions count once.
        """
        limit = share * len(self._words)
        usual = [word for word, count in self._counts.items() if fewest <= count <= limit]
        usual = sorted(usual, key=lambda word: (-self._counts[word], word))[:most]
        places: dict[str, list[int]] = {word: [] for word in usual}
        for place, words in enumerate(self._words):
            for word in words & places.keys():
                places[word].append(place)
        return [list(group) for group in dict.fromkeys(tuple(group) for group in places.values())]

    @staticmethod
    def _log_chance(count: int, n: int, base: float) -> float:
        share = count / n
        if share <= base or base >= 1:
            return 0.0
        divergence = share * math.log(share / base)
        if share < 1:
            divergence += (1 - share) * math.log((1 - share) / (1 - base))
        return -n * divergence / math.log(10)
