"""The list of concepts, and which of them each image shows.

The main concept of image i is number i of a shuffled list that starts again at its end: in any run of
images no concept is the main one more often than another by more than one. Two in five images show a second
concept, some of those a third; over every 10 turns of the list each concept is second and third equally
often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipsan.errors import DataError, UsageError
from clipsan.synthesis.dice import Dice, derive_seed

IMAGENET = "imagenet"
LONGEST_NAME = 80
"""Characters of one concept: a name that enters a sentence."""

_LARGEST_FILE = 16 << 20
_MANY = (1, 2, 1, 1, 3, 1, 2, 1, 2, 1)  # concepts of the images of one turn, moved on by one each turn


@dataclass(frozen=True)
class ConceptList:
    """Concepts, in the order of their list, without doubles.

    Attributes:
        source: where they come from, as the user typed it.
        names: at least one.
        doubles: names that the list had more than once.
    """

    source: str
    names: tuple[str, ...]
    doubles: tuple[str, ...] = field(default=())


def read_concepts(source: str | Path) -> ConceptList:
    """Concepts from `imagenet`, from a file with a name a line, or from the classes of an evaluation set.

    Raises:
        DataError: there is no such file or set, it is not text, or a name is too long.
    """
    if str(source) == IMAGENET:
        from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

        return _listed(IMAGENET, list(IMAGENET_CLASSNAMES))
    path = Path(source)
    if path.is_dir():
        from clipsan.evaluation.labelled import open_labelled

        return _listed(str(source), open_labelled(path).classnames)
    if not path.is_file():
        raise DataError(
            f"There is no file or evaluation set {str(source)!r} to take concepts from; give a text file "
            f"with a name a line, a folder of labelled images, or {IMAGENET!r}."
        )
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise DataError(f"The file {str(path)!r} is too large for a list of concepts.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"The file {str(path)!r} is not text in UTF-8 with a concept a line.") from error
    except OSError as error:
        raise DataError(f"The concepts in {str(path)!r} cannot be read: {error.strerror}.") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return _listed(str(source), lines)


def _listed(source: str, lines: Sequence[str]) -> ConceptList:
    """The names, cleaned and without doubles."""
    # not at the top: the room of pairs imports torch, which takes seconds, and drawing has no use for it
    from clipsan.pairs.captions import caption_from_text, printable

    names: dict[str, None] = {}
    doubles: dict[str, None] = {}
    for line in lines:
        name = caption_from_text(line)
        if len(name) > LONGEST_NAME:
            raise DataError(
                f"A concept of {source} has {len(name)} characters ({printable(name, 40)!r}); "
                f"a name has at most {LONGEST_NAME}."
            )
        (doubles if name in names else names)[name] = None
    if not names:
        raise DataError(f"{source} names no concept; give one a line.")
    return ConceptList(source, tuple(names), tuple(doubles))


class Schedule:
    """Which concepts image number i of a run shows."""

    def __init__(self, names: Sequence[str], seed: int) -> None:
        """A list without doubles; UsageError where it is empty."""
        if not names:
            raise UsageError("without a concept nothing can be made; give at least one")
        self._seed = seed
        self._names = Dice(derive_seed(seed, "order")).shuffled(names)

    def concepts(self, index: int) -> tuple[str, ...]:
        """One to three different concepts; the first is the main one."""
        turn, at = divmod(index, len(self._names))
        form = (at + turn) % len(_MANY)
        many = min(_MANY[form], len(self._names))
        # every image of a form has the same distance to its companions for ten turns: so each concept is met
        # equally often
        dice = Dice(derive_seed(self._seed, "companions", turn // len(_MANY), form))
        steps = dice.sample(range(1, len(self._names)), many - 1)
        return tuple(self._names[(at + step) % len(self._names)] for step in (0, *steps))
