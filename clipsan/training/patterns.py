"""Random patterns, filters and warps on images, so that no such thing decides what an image shows.

Each image that is hit gets one of these KINDS, drawn anew each time, with its own caption kept:

    tones   a tone curve for each channel, as colour filters have
    waves   a sine wave of any direction, 1 to 16 periods, on all channels or coloured
    patch   an opaque rectangle, also long and thin, of one colour, of stripes or of cells
    blend   a pattern of up to 32 cells a side over the whole image, at 3 to 30 %
    warp    a smooth displacement of 1 to 4 in 64 of the image

These are the families that published triggers belong to; none is fitted to a model or to a trigger. What is
drawn does not decide the shape of anything, so that an accelerator is not waited for; on the CPU, where
reading a draw costs nothing, only the images that get a kind go through it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from clipsan.training.processes import Share

SHARE = 0.5
"""Chance of an image to get one."""
CELLS = 32
"""Most cells of a pattern along a side."""
_KNOTS = 5
_WARP_KNOTS = 8
_DRAWS = 12


def put_patterns(images: Tensor, generator: torch.Generator, share: Share) -> None:
    """Put random patterns on part of the images, in place.

    Args:
        images: float32 [b x 3 x h x w] in [0, 1], on the device of `generator`.
        generator: the source of all randomness.
        share: which rows of a batch `images` are; what is drawn is drawn for all of the batch.
    """
    device, rows = images.device, share.rows
    draws = torch.rand((share.of, _DRAWS), generator=generator, device=device)[rows]
    cells = torch.rand((share.of, 3, CELLS, CELLS), generator=generator, device=device)[rows]
    hit = draws[:, 0] < SHARE
    kinds = (draws[:, 1] * len(KINDS)).floor()
    for number, apply in enumerate(KINDS.values()):
        _put(images, hit & (kinds == number), apply, draws[:, 2:], cells)


def _put(
    images: Tensor,
    wanted: Tensor,
    apply: Callable[[Tensor, Tensor, Tensor], Tensor],
    draws: Tensor,
    cells: Tensor,
) -> None:
    """Replace the wanted images by what `apply` makes of them."""
    if images.device.type != "cpu":
        made = apply(images, draws, cells)
        images.copy_(torch.where(wanted.view(-1, 1, 1, 1), made.clamp_(0, 1), images))
    elif (chosen := wanted.nonzero().flatten()).numel():
        images[chosen] = apply(images[chosen], draws[chosen], cells[chosen]).clamp_(0, 1)


def _tones(images: Tensor, draws: Tensor, cells: Tensor) -> Tensor:
    """Add a piecewise linear function of the grey level, at most 0.05 to 0.3 anywhere."""
    bound = _between(draws[:, 0], 0.05, 0.3).view(-1, 1, 1)
    heights = bound * (2 * cells[:, :, 0, :_KNOTS] - 1)
    levels = images.flatten(2) * (_KNOTS - 1)
    low = levels.floor().clamp_(0, _KNOTS - 2)
    left, right = (heights.gather(2, (low + side).long()) for side in (0, 1))
    return images + (left + (levels - low) * (right - left)).view_as(images)


def _waves(images: Tensor, draws: Tensor, cells: Tensor) -> Tensor:
    """Add a sine wave of 0.05 to 0.3, upright, level, or at any angle."""
    axis, anything = draws[:, 0], math.pi * draws[:, 1]
    angle = torch.where(axis < 1 / 3, 0.0, torch.where(axis < 2 / 3, math.pi / 2, anything))
    x, y = _places(images)
    along = x * _column(angle.cos()) + y * _column(angle.sin())
    wave = torch.sin(2 * math.pi * (_column(_between(draws[:, 2], 1, 16)) * along + _column(draws[:, 3])))
    colour = torch.where((draws[:, 4] < 0.5).view(-1, 1), 1.0, 2 * draws[:, 5:8] - 1)
    height = _column(_between(draws[:, 8], 0.05, 0.3)).unsqueeze(1)
    return images + height * colour.view(-1, 3, 1, 1) * wave.unsqueeze(1)


def _patch(images: Tensor, draws: Tensor, cells: Tensor) -> Tensor:
    """Cover a rectangle: 5 to 33 % of each side, or 2 to 10 % of one and 30 to 100 % of the other."""
    compact, lying = draws[:, 0] < 0.6, draws[:, 1] < 0.5
    thin, long = _between(draws[:, 2], 0.02, 0.1), _between(draws[:, 3], 0.3, 1.0)
    height = torch.where(compact, _between(draws[:, 2], 0.05, 0.33), torch.where(lying, thin, long))
    width = torch.where(compact, _between(draws[:, 3], 0.05, 0.33), torch.where(lying, long, thin))
    left, top = draws[:, 4] * (1 - width), draws[:, 5] * (1 - height)
    x, y = _places(images)
    inside = (x >= _column(left)) & (x < _column(left + width))
    inside &= (y >= _column(top)) & (y < _column(top + height))
    return torch.where(inside.unsqueeze(1), _pattern(images, draws[:, 6:], cells, least=1), images)


def _blend(images: Tensor, draws: Tensor, cells: Tensor) -> Tensor:
    """Mix a pattern in."""
    weight = _between(draws[:, 0], 0.03, 0.3).view(-1, 1, 1, 1)
    return torch.lerp(images, _pattern(images, draws[:, 6:], cells, least=2), weight)


def _warp(images: Tensor, draws: Tensor, cells: Tensor) -> Tensor:
    """Move each pixel by a smooth field that is -1 to 1 times 1/64 to 4/64 of the image at its knots."""
    knots = 2 * cells[:, :2, :_WARP_KNOTS, :_WARP_KNOTS] - 1
    size = images.shape[-2:]
    field = F.interpolate(knots, size=size, mode="bilinear", align_corners=True)
    field = field * _between(draws[:, 0], 1 / 32, 4 / 32).view(-1, 1, 1, 1)
    x, y = _places(images)
    grid = torch.stack([2 * x - 1 + field[:, 0], 2 * y - 1 + field[:, 1]], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _pattern(images: Tensor, draws: Tensor, cells: Tensor, least: int) -> Tensor:
    """[b x 3 x h x w]: `least` to CELLS cells a side, smooth, sharp or striped, of many levels or two."""
    count = torch.exp(_between(draws[:, 0], math.log(least), math.log(CELLS + 0.99))).floor()
    x, y = (place * _column(count) for place in _places(images))
    sharp = _column(draws[:, 1] < 0.3)
    striped = _column(draws[:, 2] < 0.25)
    x = torch.where(sharp, x.floor() + 0.5, x)
    y = torch.where(striped, 0.5, torch.where(sharp, y.floor() + 0.5, y))
    binary = (draws[:, 3] < 0.4).view(-1, 1, 1, 1)
    grid = torch.stack([x, y], dim=-1) * (2 / CELLS) - 1
    return F.grid_sample(
        torch.where(binary, cells.round(), cells), grid, padding_mode="border", align_corners=False
    )


def _places(images: Tensor) -> tuple[Tensor, Tensor]:
    """The middles of the pixels, (x, y), each float32 [1 x h x w] in (0, 1)."""
    height, width = images.shape[-2:]
    across = (torch.arange(width, device=images.device) + 0.5) / width
    down = (torch.arange(height, device=images.device) + 0.5) / height
    return across.view(1, 1, -1).expand(1, height, width), down.view(1, -1, 1).expand(1, height, width)


def _between(draw: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * draw


def _column(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1)


KINDS = {"tones": _tones, "waves": _waves, "patch": _patch, "blend": _blend, "warp": _warp}
"""Name -> makes it of images and draws in [0, 1): [n x _DRAWS - 2] and [n x 3 x CELLS x CELLS]."""
