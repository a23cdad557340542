"""The maker behind `--maker scenes`."""

from __future__ import annotations

from collections.abc import Sequence

from clipsan.errors import UsageError
from clipsan.synthesis.captions import sentence
from clipsan.synthesis.dice import Dice, derive_seed
from clipsan.synthesis.drawing.kinds import KINDS, find_kind
from clipsan.synthesis.drawing.scene import draw
from clipsan.synthesis.maker import Made, Request

SMALLEST, LARGEST = 24, 1024
LICENCE = "CC0-1.0"
"""Of the drawn images: nobody's work is in them, and the typeface that Pillow carries is CC0 itself."""

STYLE = 1
"""Raised whenever the same seed draws other pixels, so that a resumed folder is not of two styles."""

_MEDIA = ("picture", "drawing", "illustration", "image", "scene", "digital drawing")


class SceneMaker:
    """Draws scenes of the concepts it is given."""

    name = "scenes"
    batch = 32

    def __init__(self, concepts: Sequence[str], size: int = 224) -> None:
        """`concepts`: all that may be asked for; others are strewn about unsaid, so as not to mislead.

        Raises:
            UsageError: a concept cannot be drawn, or the size is outside 24 to 1024.
        """
        if not SMALLEST <= size <= LARGEST:
            raise UsageError(
                f"scenes of {size} pixels cannot be drawn; choose a --size from {SMALLEST} to {LARGEST}"
            )
        cannot = undrawable(concepts)
        if cannot:
            shown = ", ".join(repr(name) for name in cannot[:5])
            more = f" and {len(cannot) - 5} more" if len(cannot) > 5 else ""
            raise UsageError(
                f"{len(cannot)} of {len(concepts)} concepts cannot be drawn: {shown}{more}; leave them out "
                "with --only-drawable, or choose another --maker"
            )
        self._size = size
        self._kinds = {name: kind for name in concepts if (kind := find_kind(name)) is not None}
        rest = [kind for kind in KINDS if kind not in self._kinds.values()]
        self._strewn = rest or list(KINDS)

    def settings(self) -> dict[str, object]:
        """Size and style."""
        return {"size": self._size, "style": STYLE}

    def make(self, requests: Sequence[Request]) -> list[Made]:
        """One scene for each request, with a caption that says what is drawn."""
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Made:
        concepts = [(name, self._kinds[name]) for name in request.concepts]
        plan, pixels = draw(concepts, self._strewn, request.seed, self._size)
        caption = sentence(plan.said, _MEDIA, Dice(derive_seed(request.seed, "words")))
        return Made(
            pixels, caption, {"prompt": caption, "model": f"clipsan scenes {STYLE}", "licence": LICENCE}
        )


def undrawable(concepts: Sequence[str]) -> list[str]:
    """Those of the concepts that no kind is called."""
    return [name for name in concepts if find_kind(name) is None]
