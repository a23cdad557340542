"""What makes an image for a caption, and what judges it: the two protocols that `synth` is built on.

The loop that fills a folder hands out requests and writes what comes back; it knows nothing of how pixels
come about. A maker or a judge is a class with these attributes, nothing to inherit from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Request:
    """One image that is wanted.

    Attributes:
        index: of the pair in the folder, from 0.
        seed: of this image alone, derived from (run seed, index, attempt); 0 to 2^52 - 1.
        concepts: what the image shows, as the user's list names it; the first one is the main one.
        caption: one English sentence that names every concept.
    """

    index: int
    seed: int
    concepts: tuple[str, ...]
    caption: str


@dataclass(frozen=True)
class Made:
    """One image that was made.

    Attributes:
        pixels: uint8 RGB [h x w x 3].
        caption: what `metadata.jsonl` will say; a maker may refine the request's.
        record: further fields for `metadata.jsonl`: prompt, model, licence, and what else the maker knows.
    """

    pixels: NDArray[np.uint8]
    caption: str
    record: dict[str, str | int | float]


class Maker(Protocol):
    """Makes images. Equal settings and equal requests in equal calls give equal pixels.

    Attributes:
        name: as `--maker` and `metadata.jsonl` say it ("scenes", "diffusion").
        batch: requests of one call. A resumed run goes on at the start of a call.
    """

    name: str
    batch: int

    def settings(self) -> dict[str, object]:
        """What a resumed run must agree with, as JSON can hold it."""
        ...

    def make(self, requests: Sequence[Request]) -> Sequence[Made | None]:
        """One image for each request, in their order; None where it failed: it is asked for anew."""
        ...


class Judge(Protocol):
    """Scores how well images and their captions agree.

    Attributes:
        threshold: an image below it is made again with another seed, then dropped and counted.
    """

    threshold: float

    def settings(self) -> dict[str, object]:
        """What a resumed run must agree with, as JSON can hold it."""
        ...

    def scores(self, made: Sequence[Made]) -> NDArray[np.float64]:
        """The agreement of each image [n] with its caption; higher is better."""
        ...
