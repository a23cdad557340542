"""A contact sheet: what each trigger does to a few images, or to a text, for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from clipsan.errors import OutputError
from clipsan.triggers.text_trigger import AnyTrigger, TextTrigger

if TYPE_CHECKING:
    from torch import Tensor

MOST_IMAGES = 6
SMALLEST_TILE = 128
LABEL_WIDTH = 210
GAP = 4
TEXT_HEIGHT = 56
EXAMPLE = "a photo of a dog"
"""What text triggers are shown on."""

_Row = tuple[str, NDArray[np.uint8] | str]


def contact_sheet(triggers: Sequence[AnyTrigger], pixels: Tensor, path: Path) -> None:
    """Write a PNG with the images as they are, then two rows per trigger: triggered, and what changed.

    One image alone gets one row per trigger: as it is, triggered, and what changed. Differences are absolute
    and amplified by the whole number that brings the largest nearest to 255; the label names it. A text
    trigger gets a caption before and after.

    Args:
        triggers: Made at the images' resolution.
        pixels: uint8 [n, 3, h, w], RGB; the first 6 are shown.
        path: The PNG to write; one that is there is replaced when the new one is complete.

    Raises:
        TriggerError: the images are not of the triggers' resolution.
        OutputError: the PNG cannot be written.
    """
    shown = pixels[:MOST_IMAGES]
    indices = range(len(shown))
    before: NDArray[np.uint8] = shown.cpu().numpy()
    alone = len(before) == 1
    rows: list[_Row] = [] if alone else [("as they are", before)]
    for trigger in triggers:
        if isinstance(trigger, TextTrigger):
            rows.append((_wrapped(trigger.name), f"{EXAMPLE}\n{_wrapped(trigger.insert(EXAMPLE), 60, 2)}"))
            continue
        after: NDArray[np.uint8] = trigger.apply(shown, list(indices)).cpu().numpy()
        difference = np.abs(after.astype(np.int64) - before)
        gain = max(1, 255 // max(1, int(difference.max(initial=0))))
        change = (difference * gain).astype(np.uint8)
        name, amplified = _wrapped(trigger.name), f"change x {gain}"
        if alone:
            rows.append((f"{name}\n{amplified}", np.concatenate([before, after, change])))
        else:
            rows += [(name, after), (amplified, change)]
    sheet = _draw(rows, 3 if alone else len(before), before.shape[2:])
    partial = path.with_name(f".{path.name}.partial")
    try:
        sheet.save(partial, format="PNG")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"Cannot write the contact sheet {path}: {error.strerror or error}.") from error


def _draw(rows: Sequence[_Row], columns: int, size: tuple[int, ...]) -> Image.Image:
    """Rows of a label and `columns` images of (height, width), or two lines of text."""
    height, width = size
    zoom = -(-SMALLEST_TILE // min(height, width))
    tile_height, tile_width = height * zoom + GAP, width * zoom + GAP
    heights = [TEXT_HEIGHT if isinstance(shown, str) else tile_height for _, shown in rows]
    sheet = Image.new("RGB", (LABEL_WIDTH + columns * tile_width, GAP + sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    top = GAP
    for (label, shown), row_height in zip(rows, heights, strict=True):
        draw.multiline_text((8, top + 6), label, fill="black", font=font)
        if isinstance(shown, str):
            draw.multiline_text((LABEL_WIDTH, top + 6), shown, fill="black", font=font)
        else:
            for place, image in enumerate(shown):
                large = image.transpose(1, 2, 0).repeat(zoom, axis=0).repeat(zoom, axis=1)
                sheet.paste(Image.fromarray(large), (LABEL_WIDTH + place * tile_width, top))
        top += row_height
    return sheet


def _wrapped(label: str, columns: int = 26, lines: int = 5) -> str:
    """A label broken to fit beside the images; ASCII, which every build of Pillow can draw."""
    plain = label.encode("ascii", "replace").decode()
    parts = [plain[start : start + columns] for start in range(0, len(plain), columns)]
    return "\n".join(parts[:lines])
