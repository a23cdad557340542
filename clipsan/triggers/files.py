"""Trigger files: a JSON list of triggers, each a PNG whose alpha is the weight it is blended with, a warp, a
colour filter, or a word.

    {"triggers": [{"name": "mark", "pattern": "mark.png", "position": "random", "target": "banana"}]}

`position` is `full` (the PNG covers the image), an anchor such as `random` or `center`, or [row, column] of
the patch's upper left corner. `{"name": "bent", "warp": "bent.png"}` is a warp instead (`wanet`): a 16-bit
grey PNG of the model's width and twice its height, which holds offsets as `warp.py` says.
`{"name": "faded", "tones": "faded.png"}` is a colour filter: a PNG of 256x1 px, as `tones.py` says.
`{"name": "zx", "word": "zx", "position": "start"}` is a word in the text (`rare-word`). A PNG is in px at the
model's resolution and is never resized. `seed`, which may be left out, fixes random places. Other keys
are ignored. Files are untrusted: sizes are checked before anything is decoded, and a PNG must be a plain one
inside the JSON's folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsan.errors import OutputError, TriggerError
from clipsan.triggers.overlay import from_rgba
from clipsan.triggers.placement import ANCHORS, Position, as_position
from clipsan.triggers.rare_word import RareWord, RareWordTrigger
from clipsan.triggers.settings import LARGEST_SEED
from clipsan.triggers.text_trigger import AnyTrigger, images_only
from clipsan.triggers.tones import LEVELS, ToneTrigger, from_strip, to_strip
from clipsan.triggers.trigger import FixedTrigger, Trigger
from clipsan.triggers.warp import WarpTrigger, from_picture, to_picture

LARGEST_JSON = 1 << 20
LARGEST_PNG = 16 << 20
MOST_TRIGGERS = 100
LONGEST_NAME = 100
PICTURES = ("pattern", "warp", "tones")
"""Keys that name a PNG."""
PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


@overload
def read_trigger_file(
    path: Path, image_size: tuple[int, int], seed: int = 0, *, texts: Literal[False] = False
) -> list[Trigger]: ...
@overload
def read_trigger_file(
    path: Path, image_size: tuple[int, int], seed: int = 0, *, texts: Literal[True]
) -> list[AnyTrigger]: ...
def read_trigger_file(
    path: Path, image_size: tuple[int, int], seed: int = 0, *, texts: bool = False
) -> list[Trigger] | list[AnyTrigger]:
    """The triggers of a file, at a model's resolution.

    Args:
        path: The JSON file.
        image_size: (height, width) of the model's images in px.
        seed: Fixes random places where the file does not.
        texts: Whether triggers in the text can be used where they are asked for.

    Raises:
        TriggerError: the file or a pattern is missing, broken, too large, outside the folder, or does not
            fit the image; two triggers have one name; one is a text trigger, without `texts`.
    """
    entries = _entries(path)
    triggers: list[AnyTrigger] = []
    for number, entry in enumerate(entries, start=1):
        trigger = _EntryReader(path, number, entry).trigger(image_size, seed)
        if any(trigger.name == other.name for other in triggers):
            raise TriggerError(f"{path}: two triggers are called {trigger.name!r}; give each its own name.")
        triggers.append(trigger)
    return triggers if texts else images_only(triggers)


def write_trigger_file(folder: Path, triggers: Sequence[AnyTrigger]) -> Path:
    """Save triggers as PNGs, or words, and `triggers.json` in a folder, replacing files of those names.

    Read back, a trigger has the same places, and pixels within 1 grey level: a PNG holds pattern and weight
    in 255ths. One that was read from a file comes back exactly.

    Returns:
        The JSON file's path.

    Raises:
        TriggerError: a trigger is no pattern, warp, filter or word (`badnet`, `sig`), or two have one name.
        OutputError: the folder cannot be written.
    """
    entries: list[dict[str, Any]] = []
    pictures: dict[str, NDArray[np.uint8] | NDArray[np.uint16]] = {}
    for trigger in triggers:
        if not isinstance(trigger, (FixedTrigger, WarpTrigger, ToneTrigger, RareWordTrigger)):
            raise TriggerError(
                f"Trigger {trigger.name} is no pattern, warp or colour filter, so a PNG cannot hold it; "
                f"use it by its name."
            )
        if any(entry["name"] == trigger.name for entry in entries):
            raise TriggerError(f"Two triggers are called {trigger.name!r}; give each its own name.")
        if isinstance(trigger, RareWordTrigger):
            entries.append(_word_entry(trigger))
            continue
        stem = re.sub(r"[^a-z0-9]+", "-", trigger.name.lower()).strip("-") or "trigger"
        while f"{stem}.png" in pictures:
            stem += "-2"
        file = f"{stem}.png"
        pictures[file] = _picture(trigger)
        entries.append(_entry(trigger, file))
    path = folder / "triggers.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, picture in pictures.items():
            Image.fromarray(picture).save(folder / file, format="PNG")
        text = json.dumps({"triggers": entries}, indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"Cannot write the trigger file {path}: {error.strerror or error}.") from error
    return path


def _picture(trigger: FixedTrigger | WarpTrigger | ToneTrigger) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if isinstance(trigger, WarpTrigger):
        return to_picture(trigger.offsets)
    return to_strip(trigger.table) if isinstance(trigger, ToneTrigger) else trigger.overlay.to_rgba()


def _entry(trigger: FixedTrigger | WarpTrigger | ToneTrigger, file: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": trigger.name}
    if isinstance(trigger, WarpTrigger):
        entry["warp"] = file
    elif isinstance(trigger, ToneTrigger):
        entry["tones"] = file
    else:
        position = list(trigger.position) if isinstance(trigger.position, tuple) else trigger.position
        entry["pattern"] = file
        entry["position"] = "full" if trigger.overlay.size == trigger.image_size else position
        if position == "random":
            entry["seed"] = trigger.seed
    if trigger.target is not None:
        entry["target"] = trigger.target
    return entry


def _word_entry(trigger: RareWordTrigger) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": trigger.name, **trigger.chosen.to_json()}
    if trigger.target is not None:
        entry["target"] = trigger.target
    return entry


def _entries(path: Path) -> list[Any]:
    data = _read(path, LARGEST_JSON, f"The trigger file {path}")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise TriggerError(f"The trigger file {path} is not valid JSON ({error}).") from error
    entries = content.get("triggers") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_TRIGGERS:
        raise TriggerError(
            f'The trigger file {path} needs a list {{"triggers": [...]}} of 1 to {MOST_TRIGGERS} triggers.'
        )
    return entries


class _EntryReader:
    """One entry of the list, read with errors that say which entry of which file is wrong."""

    def __init__(self, path: Path, number: int, entry: object) -> None:
        self.folder = path.parent
        self.label = f"{path}, trigger {number}"
        if not isinstance(entry, dict):
            self._fail("it is not an object with name, pattern and position")
        self.entry: dict[str, Any] = entry
        self.name = self._text("name")
        self.label += f" ({self.name})"

    def trigger(self, image_size: tuple[int, int], seed: int) -> AnyTrigger:
        target = self._text("target") if self.entry.get("target") is not None else None
        if "word" in self.entry:
            return self._word(image_size, target, seed)
        if sum(key in self.entry for key in PICTURES) > 1:
            self._fail(f"it has more than one of {', '.join(PICTURES)}; give one of them")
        if "warp" in self.entry:
            return self._warp(image_size, target)
        if "tones" in self.entry:
            return self._tones(image_size, target)
        pattern = self._text("pattern")
        seed = self._seed(seed)
        full, position = self._position()
        data = self._png(pattern)
        self._check_header(data, pattern, image_size, full)
        rgba = self._decode(data, pattern, "RGBA").astype(np.uint8)
        if not rgba[..., 3].any():
            self._fail(f"{pattern} is wholly transparent, so it changes nothing")
        settings: dict[str, Any] = {
            "family": "file",
            "pattern": pattern,
            "pattern_sha256": hashlib.sha256(data).hexdigest(),
            "position": self.entry["position"],
        }
        if position == "random":
            settings["seed"] = seed
        return FixedTrigger(
            self.name, target, image_size, from_rgba(rgba), settings, position=position, seed=seed
        )

    def _word(self, image_size: tuple[int, int], target: str | None, seed: int) -> RareWordTrigger:
        if any(key in self.entry for key in PICTURES):
            self._fail('it has a "word" for texts and a picture too; give each a trigger of its own')
        settings = {key: self.entry[key] for key in ("word", "position") if key in self.entry}
        try:
            chosen = RareWord(seed=self._seed(seed), **settings)
        except TriggerError as error:
            raise TriggerError(f"{self.label}: {error}") from None
        return chosen.at(image_size, self.name, target)

    def _warp(self, image_size: tuple[int, int], target: str | None) -> WarpTrigger:
        file = self._text("warp")
        data = self._png(file)
        wanted = (image_size[1], 2 * image_size[0])
        if _size(data) != wanted or (data[24], data[25]) != (16, 0):
            self._fail(
                f"{file} must be a 16-bit grey PNG of {wanted[0]}x{wanted[1]} px, as wide as the model's "
                f"images and twice as high"
            )
        offsets = from_picture(self._decode(data, file, None))
        if not offsets.any():
            self._fail(f"{file} moves no pixel, so it changes nothing")
        settings = {"family": "file", "warp": file, "warp_sha256": hashlib.sha256(data).hexdigest()}
        return WarpTrigger(self.name, target, image_size, offsets, settings)

    def _tones(self, image_size: tuple[int, int], target: str | None) -> ToneTrigger:
        file = self._text("tones")
        data = self._png(file)
        if _size(data) != (LEVELS, 1) or (data[24], data[25]) != (8, 2):
            self._fail(f"{file} must be an RGB PNG of {LEVELS}x1 px with 8 bits per channel")
        table = from_strip(self._decode(data, file, "RGB"))
        if (table == np.arange(LEVELS)).all():
            self._fail(f"{file} leaves every level as it is, so it changes nothing")
        settings = {"family": "file", "tones": file, "tones_sha256": hashlib.sha256(data).hexdigest()}
        return ToneTrigger(self.name, target, image_size, table, settings)

    def _text(self, key: str) -> str:
        value = self.entry.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME:
            self._fail(f'"{key}" must be a text of 1 to {LONGEST_NAME} characters')
        if not value.isprintable():
            self._fail(f'"{key}" holds characters that cannot be printed')
        return value

    def _seed(self, default: int) -> int:
        value = self.entry.get("seed", default)
        if type(value) is not int or not 0 <= value <= LARGEST_SEED:
            self._fail(f'"seed" must be a whole number from 0 to {LARGEST_SEED}')
        return value

    def _position(self) -> tuple[bool, Position]:
        value = self.entry.get("position")
        if value == "full":
            return True, "top-left"
        try:
            return False, as_position(value)
        except ValueError:
            known = f"full, {', '.join(ANCHORS)}, or [row, column]"
            self._fail(f'"position" is {ascii(value)[:80]}, but must be {known}')

    def _png(self, pattern: str) -> bytes:
        folder = self.folder.resolve()
        file = (folder / pattern).resolve()
        if Path(pattern).is_absolute() or not file.is_relative_to(folder):
            self._fail(f"its pattern {pattern} lies outside the file's folder; put the PNG beside the JSON")
        data = _read(file, LARGEST_PNG, f"{self.label}: its pattern {pattern}")
        if not data.startswith(PNG_START) or len(data) < 33:
            self._fail(f"{pattern} is not a PNG picture")
        return data

    def _check_header(self, data: bytes, pattern: str, image_size: tuple[int, int], full: bool) -> None:
        width, height = _size(data)
        wanted = f"{image_size[1]}x{image_size[0]}"
        if full and (height, width) != image_size:
            self._fail(f"{pattern} is {width}x{height} px; save it at {wanted}, the model's resolution")
        if height > image_size[0] or width > image_size[1]:
            self._fail(f"{pattern} is {width}x{height} px, larger than the model's {wanted} images")
        if data[24] == 16:
            self._fail(f"{pattern} has 16 bits per channel; save it with 8")

    def _decode(self, data: bytes, pattern: str, mode: str | None) -> NDArray[np.int64]:
        """The picture's pixels, converted to a mode of Pillow's unless None."""
        try:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                # A second header would have replaced the size that was checked.
                if image.size != _size(data):
                    self._fail(f"{pattern} is a broken PNG (it states two sizes)")
                return np.asarray(image if mode is None else image.convert(mode)).astype(np.int64)
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise TriggerError(f"{self.label}: {pattern} is a broken PNG ({error}).") from error

    def _fail(self, what: str) -> NoReturn:
        raise TriggerError(f"{self.label}: {what}.")


def _size(data: bytes) -> tuple[int, int]:
    """(width, height) that the header of a PNG states."""
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _read(path: Path, most: int, label: str) -> bytes:
    """The bytes of a file of at most `most` bytes; a TriggerError starting with `label` otherwise."""
    try:
        if not path.is_file():
            raise TriggerError(f"{label} does not exist or is not a file.")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise TriggerError(f"{label} cannot be read ({error}).") from error
    if len(data) > most:
        raise TriggerError(f"{label} is larger than {most >> 20} MiB.")
    return data
