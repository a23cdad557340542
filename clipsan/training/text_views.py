"""A changed copy of a caption, word by word: EDA (Wei and Zou, arXiv 1901.11196).

Each caption gets one of its four operations, drawn for it among those that can change it; n = max(1, α·words)
with the paper's α = 0.1:

    replacement   n words are replaced by a synonym
    insertion     n times a synonym of some word is put at a random place
    swap          n times two words change places
    deletion      each word goes with probability α; one at least stays

Synonyms come from `synonyms.SYNONYMS`, not from WordNet, which is a download.
"""

from __future__ import annotations

import re

from clipsan.synthesis.dice import Dice, derive_seed
from clipsan.training.synonyms import SYNONYMS

ALPHA = 0.1

_WORD = re.compile(r"(\W*)(.*?)(\W*)", re.DOTALL)


def text_view(caption: str, *seed: object) -> str:
    """A changed copy of `caption`, fixed by the seed's parts; one of a single unknown word stays as it is."""
    words = caption.split()
    dice = Dice(derive_seed(*seed, caption))
    known = [place for place, word in enumerate(words) if _bare(word) in SYNONYMS]
    operations = [*([_replace, _insert] if known else []), *([_swap, _delete] if len(words) > 1 else [])]
    if not operations:
        return caption
    return " ".join(dice.pick(operations)(words, known, dice, max(1, int(ALPHA * len(words)))))


def _bare(word: str) -> str:
    """Without what is no letter or digit around it, in lower case."""
    return _parts(word)[1].lower()


def _parts(word: str) -> tuple[str, str, str]:
    found = _WORD.fullmatch(word)
    return ("", word, "") if found is None else (found[1], found[2], found[3])


def _replace(words: list[str], known: list[int], dice: Dice, count: int) -> list[str]:
    chosen = set(dice.sample(known, count))
    return [_synonym(word, dice) if place in chosen else word for place, word in enumerate(words)]


def _insert(words: list[str], known: list[int], dice: Dice, count: int) -> list[str]:
    changed = list(words)
    for _ in range(count):
        changed.insert(dice.below(len(changed) + 1), dice.pick(SYNONYMS[_bare(words[dice.pick(known)])]))
    return changed


def _swap(words: list[str], known: list[int], dice: Dice, count: int) -> list[str]:
    changed = list(words)
    for _ in range(count):
        one, other = dice.sample(range(len(changed)), 2)
        changed[one], changed[other] = changed[other], changed[one]
    return changed


def _delete(words: list[str], known: list[int], dice: Dice, count: int) -> list[str]:
    left = [word for word in words if not dice.chance(ALPHA)]
    return left or [dice.pick(words)]


def _synonym(word: str, dice: Dice) -> str:
    before, bare, after = _parts(word)
    return before + dice.pick(SYNONYMS[bare.lower()]) + after
