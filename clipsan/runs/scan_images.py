"""The images a scan puts triggers on: the user's, unlabelled, or drawn scenes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.pairs import ImageReader, PairSet, Skipped
from clipsan.synthesis.dice import derive_seed
from clipsan.synthesis.drawing import SceneMaker
from clipsan.synthesis.drawing.kinds import KINDS
from clipsan.synthesis.maker import Request


@dataclass(frozen=True)
class ScanImages:
    """Images at a model's resolution.

    Attributes:
        pixels: uint8 [n x 3 x h x w].
        source: where they come from, in words.
        skipped: that could not be decoded.
    """

    pixels: Tensor
    source: str
    skipped: tuple[Skipped, ...] = ()


def read_images(pairs: PairSet, suspect: Suspect, count: int, seed: int) -> ScanImages:
    """Up to `count` of the images, drawn by the seed; broken ones are replaced by others."""
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, keep="none")
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    parts: list[Tensor] = []
    have = 0
    while order and have < count:
        wanted, order = order[: count - have], order[count - have :]
        pixels, good = reader.batch(wanted)
        parts.append(pixels)
        have += len(good)
    skipped = (*pairs.skipped, *reader.skipped.values())
    return ScanImages(torch.cat(parts), f"{have} of {len(pairs)} images of {pairs.source}", skipped)


def draw_images(image_size: tuple[int, int], count: int, seed: int) -> ScanImages:
    """Scenes with one object each, of all the kinds that can be drawn."""
    names = list(KINDS)
    side = max(image_size)
    maker = SceneMaker(names, side)
    requests = [
        Request(index, derive_seed(seed, "scan", index), (name,), f"a {name}")
        for index, name in enumerate(names[place % len(names)] for place in range(count))
    ]
    pixels = np.stack([made.pixels for made in maker.make(requests)]).transpose(0, 3, 1, 2)
    cropped = np.ascontiguousarray(pixels[:, :, : image_size[0], : image_size[1]])
    return ScanImages(torch.from_numpy(cropped), f"{count} drawn scenes")
