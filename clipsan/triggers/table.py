"""The triggers clipsan knows, and what a user may type for one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, overload

from clipsan.errors import TriggerError
from clipsan.triggers.badnet import BadNet
from clipsan.triggers.blended import Blended
from clipsan.triggers.blended_stripes import BlendedStripes
from clipsan.triggers.blended_text import BlendedText
from clipsan.triggers.blended_triangles import BlendedTriangles
from clipsan.triggers.files import read_trigger_file
from clipsan.triggers.nashville import Nashville
from clipsan.triggers.rare_word import RareWord
from clipsan.triggers.settings import LARGEST_SEED, Family, did_you_mean
from clipsan.triggers.sig import Sig
from clipsan.triggers.steganographic import Steganographic
from clipsan.triggers.stripes import Stripes
from clipsan.triggers.text_trigger import AnyTrigger, images_only
from clipsan.triggers.trigger import Trigger
from clipsan.triggers.wanet import WaNet

FAMILIES: dict[str, type[Family]] = {
    each.family: each
    for each in (
        BadNet,
        Stripes,
        Blended,
        BlendedStripes,
        BlendedTriangles,
        BlendedText,
        Sig,
        WaNet,
        Nashville,
        Steganographic,
        RareWord,
    )
}
"""One row per family: a new one is a file and a name here."""


@overload
def parse_triggers(
    specs: Sequence[str], image_size: tuple[int, int], seed: int = 0, *, texts: Literal[False] = False
) -> list[Trigger]: ...
@overload
def parse_triggers(
    specs: Sequence[str], image_size: tuple[int, int], seed: int = 0, *, texts: Literal[True]
) -> list[AnyTrigger]: ...
def parse_triggers(
    specs: Sequence[str], image_size: tuple[int, int], seed: int = 0, *, texts: bool = False
) -> list[Trigger] | list[AnyTrigger]:
    """The triggers a user asked for, at a model's resolution.

    Args:
        specs: Each a name (`stripes`), a name with settings (`stripes:size=24,position=center`; a place is
            written `position=3x7`, row and column), or the path of a trigger file, which may hold several.
        image_size: (height, width) of the model's images in px.
        seed: For triggers that do not give their own seed.
        texts: Whether triggers in the text can be used where they are asked for.

    Returns:
        The triggers in the order given. One from `specs` is called what was typed; one from a file has the
        file's name for it, with the file's added where another trigger is called the same.

    Raises:
        TriggerError: unknown name or setting, value out of range, broken file, the same trigger twice, or
            a text trigger without `texts`.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise TriggerError(f"The triggers' seed is {seed}, but it must be from 0 to {LARGEST_SEED}.")
    triggers: list[AnyTrigger] = []
    taken: set[str] = set()
    for spec in specs:
        for trigger in _parse(spec.strip(), image_size, seed):
            if trigger.name in taken and not _is_family(spec):
                trigger.name = f"{trigger.name} ({'/'.join(Path(spec.strip()).parts[-2:])})"
            if trigger.name in taken:
                raise TriggerError(f"Trigger {trigger.name} is given twice; name it once.")
            taken.add(trigger.name)
            triggers.append(trigger)
    return triggers if texts else images_only(triggers)


def _is_family(spec: str) -> bool:
    return spec.partition(":")[0].strip() in FAMILIES


def _parse(spec: str, image_size: tuple[int, int], seed: int) -> list[AnyTrigger]:
    name, colon, settings = spec.partition(":")
    if _is_family(spec):
        return [FAMILIES[name.strip()].from_text(settings if colon else None, seed).at(image_size, name=spec)]
    if spec.lower().endswith(".json") or "/" in spec or "\\" in spec:
        return read_trigger_file(Path(spec), image_size, seed, texts=True)
    raise TriggerError(
        f"There is no trigger {name!r}{did_you_mean(name, list(FAMILIES))}; give one of "
        f"{', '.join(FAMILIES)}, or the path of a trigger file (.json)."
    )
