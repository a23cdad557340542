"""Letters: the typeface Aileron (CC0), which Pillow carries, in four cuts."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from clipsan.errors import ClipsanError


@lru_cache(maxsize=64)
def face(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface that Pillow carries, at so many pixels; ClipsanError where Pillow lacks FreeType."""
    try:
        return ImageFont.load_default(pixels)
    except ImportError as error:
        raise ClipsanError(
            "this Pillow was built without FreeType, which draws letters; install it with pip install pillow"
        ) from error


@lru_cache(maxsize=256)
def lettering(text: str, style: str) -> Image.Image:
    """A word as a mask cut to its ink, about 64 dots high."""
    pixel = style == "pixel"
    font = face(13 if pixel else 64)
    stroke = {"bold": 3, "outline": 4}.get(style, 0)
    left, top, right, bottom = (int(v) for v in font.getbbox(text, stroke_width=stroke))
    mask = Image.new("L", (right - left + 2, bottom - top + 2))
    draw = ImageDraw.Draw(mask)
    if pixel:
        draw.fontmode = "1"
    at = (1 - left, 1 - top)
    draw.text(at, text, fill=255, font=font, stroke_width=stroke)
    if style == "outline":
        draw.text(at, text, fill=0, font=font)
    if pixel:
        mask = mask.resize((mask.width * 6, mask.height * 6), Image.Resampling.NEAREST)
    return mask.crop(mask.getbbox() or (0, 0, 1, 1))
