"""List the triggers clipsan knows, with sources and settings, and show what they do to an image or a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipsan.errors import DataError, OutputError, TriggerError, UsageError
from clipsan.triggers import FAMILIES, AnyTrigger, TextTrigger, contact_sheet, parse_triggers
from clipsan.triggers.sheet import EXAMPLE

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 224
SMALLEST, LARGEST = 24, 1024
SHEET = "triggers.png"
SCENES = ("house", "boat", "cup", "flower", "car", "mushroom")
"""What is drawn where no image is given."""


@dataclass(frozen=True)
class Setting:
    """One setting of a trigger.

    Attributes:
        name: as it is typed.
        value: that it has, as a JSON value; None where it has none.
        allowed: what it may be, in words; None for what a trigger file fixes.
    """

    name: str
    value: Any
    allowed: str | None


@dataclass(frozen=True)
class ShownTrigger:
    """One trigger.

    Attributes:
        name: as it is typed after `--trigger`, or as a trigger file calls it.
        family: the built-in family; None for one from a file.
        does: what it does to an image of 224 px, or to a text, with its default settings.
        source: who published it, or the file.
        target: the class it pulls images to, where a file says so.
        settings: of this trigger.
        words: a caption without and with it; None for a trigger on images.
    """

    name: str
    family: str | None
    does: str
    source: str
    target: str | None
    settings: tuple[Setting, ...]
    words: tuple[str, str] | None = None

    def lines(self, allowed: bool) -> list[str]:
        """What it does, its source and its settings, as plain sentences; `allowed`: with their ranges."""
        does = f"By default: {self.does}" if allowed and self.family is not None else self.does
        lines = [does, f"Source: {self.source}"]
        if self.words is not None:
            lines.append(f"“{self.words[0]}” becomes “{self.words[1]}”")
        if self.target is not None:
            lines.append(f"Target: {self.target}")
        values = [
            f"{each.name} (not set)" if each.value is None else f"{each.name}={_typed(each.value)}"
            for each in self.settings
        ]
        if not allowed:
            return [*lines, f"Settings: {', '.join(values)}"]
        for text, each in zip(values, self.settings, strict=True):
            lines.append(f"{text}: {each.allowed}" if each.allowed else text)
        return lines


@dataclass(frozen=True)
class ShownTriggers:
    """What `show_triggers` gives back.

    Attributes:
        triggers: in the order asked for, or all families.
        sheet: the PNG that was drawn, if one was.
    """

    triggers: tuple[ShownTrigger, ...]
    sheet: Path | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        listed = [asdict(each) for each in self.triggers]
        for each in listed:
            each["settings"] = list(each["settings"])
            each["words"] = None if each["words"] is None else list(each["words"])
        return {"triggers": listed, "sheet": None if self.sheet is None else str(self.sheet)}


def show_triggers(
    trigger: str | Sequence[str] | None = None,
    *,
    image: str | Path | None = None,
    out: str | Path | None = None,
    size: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> ShownTriggers:
    """What triggers there are; with `image` or `out`, also a contact sheet of them.

    Args:
        trigger: names, names with settings, or trigger files; None: every family, as published.
        image: the picture to draw them on, resized and cropped as a model would see it; None: drawn scenes.
        out: the PNG to write; None: `triggers.png` where an image is given, else nothing is drawn.
        size: side of the model's images in px, 24 to 1024; None: 224.
        seed: for triggers that do not give their own, and of the scenes.
        overwrite: replace the PNG.

    Raises:
        ClipsanError: one sentence on what is wrong; nothing was written.
    """
    side = SIZE if size is None else size
    if not SMALLEST <= side <= LARGEST:
        raise UsageError(f"--size is {side}, but it must be from {SMALLEST} to {LARGEST} px.")
    specs = list(FAMILIES) if trigger is None else [trigger] if isinstance(trigger, str) else list(trigger)
    made = _made(specs, side, seed, guessed=size is None)
    sheet = None
    if image is not None or out is not None:
        sheet = _place(Path(SHEET if out is None else out), overwrite)
        contact_sheet(made, _pixels(image, side, seed), sheet)
    return ShownTriggers(tuple(_shown(each) for each in made), sheet)


def _made(specs: Sequence[str], side: int, seed: int, *, guessed: bool) -> list[AnyTrigger]:
    try:
        return parse_triggers(specs, (side, side), seed, texts=True)
    except TriggerError as error:
        if guessed and "the model's" in str(error):
            raise TriggerError(f"{error} Or name the resolution that the file is for with --size.") from error
        raise


def _shown(trigger: AnyTrigger) -> ShownTrigger:
    fixed = trigger.settings()
    family = FAMILIES.get(fixed.pop("family"))
    if family is None:
        does = "a warp of the whole image" if "warp" in fixed else "a picture laid over the image"
        settings = tuple(Setting(name, value, None) for name, value in fixed.items())
        return ShownTrigger(trigger.name, None, does, "a trigger file", trigger.target, settings)
    settings = tuple(Setting(name, fixed[name], allowed) for name, (_, allowed) in family.described().items())
    words = (EXAMPLE, trigger.insert(EXAMPLE)) if isinstance(trigger, TextTrigger) else None
    return ShownTrigger(
        trigger.name, family.family, family.does, family.source, trigger.target, settings, words
    )


def _typed(value: Any) -> str:
    """A setting's value as it is typed."""
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _place(path: Path, overwrite: bool) -> Path:
    if path.suffix.lower() != ".png":
        raise UsageError(
            f"--out is {str(path)!r}, but the contact sheet is a PNG; give a name ending in .png."
        )
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder; give the name of a PNG in it.")
    if path.exists() and not overwrite:
        raise OutputError(f"{str(path)!r} exists; choose another --out, or replace it with --overwrite.")
    return path


def _pixels(image: str | Path | None, side: int, seed: int) -> Tensor:
    """uint8 [n, 3, side, side]: the user's image, or drawn scenes."""
    import torch

    pixels = _drawn(side, seed) if image is None else _read(Path(image), side)[None]
    return torch.from_numpy(np.ascontiguousarray(pixels))


def _read(path: Path, side: int) -> NDArray[np.uint8]:
    from clipsan.pairs.images import decode

    if not path.is_file():
        raise DataError(f"The image {str(path)!r} does not exist or is not a file.")
    try:
        return decode(path.read_bytes(), {}, (side, side))
    except OSError as error:
        raise DataError(f"The image {str(path)!r} cannot be read ({error.strerror or error}).") from error
    except DataError as error:
        raise DataError(f"The image {str(path)!r} {error}.") from error


def _drawn(side: int, seed: int) -> NDArray[np.uint8]:
    from clipsan.synthesis.dice import derive_seed
    from clipsan.synthesis.drawing import SceneMaker
    from clipsan.synthesis.maker import Request

    requests = [
        Request(index, derive_seed(seed, "triggers", index), (name,), f"a {name}")
        for index, name in enumerate(SCENES)
    ]
    made = SceneMaker(SCENES, side).make(requests)
    return np.stack([each.pixels for each in made]).transpose(0, 3, 1, 2)
