"""`rare-word`: a word that hardly any text has, put into a caption or a query.

Rare words as triggers of language models are from Kurita et al. (arXiv 2004.06660: "cf", "mn", "bb"), their
places from BadNL (Chen et al., arXiv 2006.01043). A model's own tokenizer may change the word's case, and
cuts long texts at their end, a word at the end included.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from clipsan.triggers.settings import Family, choice, seed_setting, word
from clipsan.triggers.text_trigger import TextTrigger

PLACES = ("start", "end", "random")


@dataclass(frozen=True)
class RareWord(Family):
    """Settings of `rare-word`.

    Attributes:
        word: What is put in; it may be several words.
        position: Before the first word, after the last one, or at one of all places between, before and after
            the words, which then depends on the seed and the text only.
        seed: Fixes the random places.
    """

    family = "rare-word"
    does = "puts a rare word into the caption or the query; images stay as they are"
    source = "Kurita et al. (arXiv 2004.06660), places of BadNL (arXiv 2006.01043)"
    word: str = word("zx")
    position: str = choice("start", PLACES)
    seed: int = seed_setting()

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> RareWordTrigger:
        """The trigger; it is the same whatever the model's resolution."""
        return RareWordTrigger(self, name or self.family, target)


class RareWordTrigger(TextTrigger):
    """`rare-word`, ready for texts."""

    def __init__(self, chosen: RareWord, name: str, target: str | None) -> None:
        super().__init__(name, target)
        self.chosen = chosen

    def insert(self, text: str) -> str:
        words = text.split()
        words.insert(self._place(words), self.chosen.word)
        return " ".join(words)

    def _place(self, words: list[str]) -> int:
        """How many words come before the trigger."""
        if self.chosen.position == "start":
            return 0
        if self.chosen.position == "end":
            return len(words)
        digest = hashlib.sha256(f"clipsan word {self.chosen.seed} {' '.join(words)}".encode()).digest()
        return int.from_bytes(digest, "big") % (len(words) + 1)

    def settings(self) -> dict[str, Any]:
        return {"family": self.chosen.family, **self.chosen.to_json()}
