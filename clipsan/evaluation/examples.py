"""A few images of the set for a report's reader: as they are and triggered, with what each model answers.

The record comes from embeddings that are kept already; only the pictures are decoded again.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from clipsan.evaluation.zero_shot import Predictions, own_classes
from clipsan.report.examples import NO_EXAMPLES, Answer, Answers, Example, Examples
from clipsan.report.measures import Role
from clipsan.report.schema import Evaluation
from clipsan.triggers import Trigger

if TYPE_CHECKING:
    from clipsan.evaluation.probe import Probe

MOST_PER_TRIGGER = 3
MOST_PICTURES = 24
"""Of a report, as long as each of its triggers has one."""
MOST_TRIGGERS = 48
"""Whose images are shown; further triggers have none."""
ANSWERS = 3
ALL_BYTES = 1_500_000
"""The most that the pictures of a report take, so that its page stays under 3 MB."""
LARGEST_TILE = 224


def examples_of(
    probe: Probe, number: int, target: int, seen: Mapping[Role, Predictions], seed: int
) -> Examples:
    """Images of other classes than the target, of as many different classes as possible, by the seed.

    Args:
        probe: whose images and triggers.
        number: which of its triggers.
        target: class index.
        seen: predictions of each model, with their embeddings.
        seed: which images are drawn.
    """
    chosen = _chosen(probe, number, target, next(iter(seen.values())), seed)
    before, indices = probe.reader.batch(chosen)
    if not indices:
        return NO_EXAMPLES
    answers = {role: _answers(p, number, indices, probe.classnames) for role, p in seen.items()}
    images = []
    for place, index in enumerate(indices):
        of_image = {role: each[place] for role, each in answers.items()}
        label = None if probe.labels is None else probe.classnames[probe.labels[index]]
        name = f"trigger-{number + 1}-image-{place + 1}.png"
        images.append(
            Example(
                index, label, name, of_image.get("suspect"), of_image.get("cleaned"), of_image.get("poisoned")
            )
        )
    return Examples(_gain(before, probe.triggers[number].apply(before, indices)), tuple(images))


def draw_pictures(probe: Probe, evaluation: Evaluation) -> dict[str, bytes]:
    """The PNG of each example that the evaluation of this probe names, by name."""
    drawn: dict[str, bytes] = {}
    count = sum(len(result.examples.images) for result in evaluation.triggers)
    for trigger, result in zip(probe.triggers, evaluation.triggers, strict=True):
        for example in result.examples.images:
            pixels, _ = probe.reader.batch([example.index])
            drawn[example.picture] = _strip(
                pixels, trigger, example.index, result.examples.gain, _side(count)
            )
    return drawn


def _chosen(probe: Probe, number: int, target: int, predictions: Predictions, seed: int) -> list[int]:
    """Indices in the set: first one image of each class as the seed shuffles them, then others."""
    if number >= MOST_TRIGGERS:
        return []
    wanted = min(MOST_PER_TRIGGER, max(1, MOST_PICTURES // len(probe.triggers)))
    own = own_classes(predictions, probe.labels).tolist()
    firsts: list[int] = []
    rest: list[int] = []
    classes: set[int] = set()
    for row in np.random.default_rng((seed, number)).permutation(len(own)).tolist():
        if own[row] != target:
            (rest if own[row] in classes else firsts).append(predictions.indices[row])
            classes.add(own[row])
    return [*firsts, *rest][:wanted]


def _answers(
    predictions: Predictions, number: int, indices: Sequence[int], classnames: Sequence[str]
) -> list[Answers]:
    """The first answers of one model to each image."""
    embedded = predictions.embedded
    if embedded is None:
        raise ValueError("examples need predictions that kept their embeddings")
    rows = [predictions.indices.index(index) for index in indices]
    k = min(ANSWERS, len(classnames))

    def best(images: Tensor) -> list[tuple[Answer, ...]]:
        shares = torch.softmax(embedded.scale * (images[rows] @ embedded.weights).double(), dim=1)
        top = shares.topk(k, dim=1)
        return [
            tuple(Answer(classnames[c], round(s, 6)) for c, s in zip(classes, of_image, strict=True))
            for classes, of_image in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]

    return [
        Answers(*sides) for sides in zip(best(embedded.clean), best(embedded.triggered[number]), strict=True)
    ]


def _difference(before: Tensor, after: Tensor) -> NDArray[np.int64]:
    difference: NDArray[np.int64] = np.abs(after.cpu().numpy().astype(np.int64) - before.cpu().numpy())
    return difference


def _gain(before: Tensor, after: Tensor) -> int:
    """The whole number that brings the largest difference nearest to 255."""
    return 255 // max(1, int(_difference(before, after).max(initial=0)))


def _side(pictures: int) -> int:
    """Pixels of a tile's longer side, so that even incompressible pictures stay within ALL_BYTES."""
    return min(LARGEST_TILE, math.isqrt(ALL_BYTES // (3 * 3 * pictures)))


def _strip(pixels: Tensor, trigger: Trigger, index: int, gain: int, side: int) -> bytes:
    """uint8 [1 x 3 x h x w] as it is, triggered, and the amplified difference, in one PNG.

    Reduced to `side` where larger; never enlarged. The gaps are transparent, a sixteenth of a tile wide.
    """
    after = trigger.apply(pixels, [index])
    change = np.minimum(_difference(pixels, after) * gain, 255).astype(np.uint8)
    tiles = [_tile(array[0], side) for array in (pixels.numpy(), after.numpy(), change)]
    width, height = tiles[0].size
    gap = max(1, width // 16)
    strip = Image.new("RGBA", (3 * width + 2 * gap, height), (0, 0, 0, 0))
    for place, tile in enumerate(tiles):
        strip.paste(tile, (place * (width + gap), 0))
    file = io.BytesIO()
    strip.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _tile(image: NDArray[np.uint8], side: int) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    if max(picture.size) <= side:
        return picture
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)
