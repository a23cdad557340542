"""Triggers: what an attacker puts on an image, or into a text, to make a backdoored model give the target.

    triggers = parse_triggers(["stripes", "blended:strength=0.1", "mine/triggers.json"], (224, 224))
    triggered = triggers[0].apply(pixels, indices)   # uint8 [b, 3, h, w] -> uint8 [b, 3, h, w]
    (word,) = parse_triggers(["rare-word:word=zx"], (224, 224), texts=True)
    word.insert("a photo of a dog")   # "zx a photo of a dog"

One file per family, one row each in `table.FAMILIES`. A trigger is fixed by its settings and seed and gives
the same pixels on every platform; arXiv 2412.00727 defines the families, here clamped to [0, 1].
This room knows nothing of models.
"""

from __future__ import annotations

from clipsan.triggers.altered import opposite
from clipsan.triggers.files import read_trigger_file, write_trigger_file
from clipsan.triggers.settings import Family
from clipsan.triggers.sheet import contact_sheet
from clipsan.triggers.table import FAMILIES, parse_triggers
from clipsan.triggers.text_trigger import AnyTrigger, TextTrigger, parted
from clipsan.triggers.trigger import Trigger
from clipsan.triggers.variations import variations_of

__all__ = [
    "FAMILIES",
    "AnyTrigger",
    "Family",
    "TextTrigger",
    "Trigger",
    "contact_sheet",
    "opposite",
    "parse_triggers",
    "parted",
    "read_trigger_file",
    "variations_of",
    "write_trigger_file",
]
