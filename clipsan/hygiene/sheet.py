"""A contact sheet of dropped pairs, by check: dropped.png."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont

from clipsan.hygiene.finding import Dropped, Filtered
from clipsan.pairs import ImageReader, PairSet

SHEET_NAME = "dropped.png"
PER_CHECK = 10
TILE = 112
LABEL_WIDTH = 150
CAPTION_HEIGHT = 40
GAP = 6


def dropped_sheet(filtered: Filtered, pairs: PairSet, reader: ImageReader) -> Image.Image | None:
    """Draw up to PER_CHECK dropped pairs of each check, the worst first, with their captions.

    Args:
        filtered: what the filter gave.
        pairs: the set that was filtered.
        reader: of `pairs`.

    Returns:
        The picture; None where nothing was dropped that can be shown.
    """
    rows = []
    for result in filtered.results:
        shown = _worst(filtered.dropped, result.name)
        pixels, good = reader.batch([dropped.index for dropped in shown])
        if good:
            rows.append(
                (f"{result.name}\n{result.dropped} dropped", pixels, [pairs.captions[i] for i in good])
            )
    if not rows:
        return None
    widest = max(len(captions) for _, _, captions in rows)
    height = TILE + CAPTION_HEIGHT + GAP
    sheet = Image.new("RGB", (LABEL_WIDTH + widest * (TILE + GAP), GAP + len(rows) * height), "white")
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(size=15), ImageFont.load_default(size=11)
    for number, (label, pixels, captions) in enumerate(rows):
        top = GAP + number * height
        draw.multiline_text((8, top + 6), label, fill="black", font=large)
        for place, caption in enumerate(captions):
            left = LABEL_WIDTH + place * (TILE + GAP)
            sheet.paste(_tile(pixels[place]), (left, top))
            draw.multiline_text(
                (left, top + TILE + 2), _wrapped(caption), fill="black", font=small, spacing=1
            )
    return sheet


def _worst(dropped: Sequence[Dropped], check: str) -> list[Dropped]:
    """The pairs a check drops with the highest scores; those without one stand as they come."""
    scored = [
        (-(reason.score or 0.0), number, pair)
        for number, pair in enumerate(dropped)
        for reason in pair.reasons
        if reason.check == check
    ]
    return [pair for _, _, pair in sorted(scored, key=lambda entry: entry[:2])[:PER_CHECK]]


def _tile(image: torch.Tensor) -> Image.Image:
    """uint8 [3 x h x w] as a picture that fits a tile."""
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    scale = TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR)


def _wrapped(caption: str) -> str:
    """Up to three lines of ASCII, which every build of Pillow can draw."""
    plain = caption.encode("ascii", "replace").decode()
    return "\n".join(textwrap.wrap(plain, 20, max_lines=3, placeholder="..."))
