"""Words for a scene: what is drawn, and a random part of how it looks and where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TEMPLATES: tuple[str, ...] = (
    "a picture of a {c}.",
    "a drawing of a {c}.",
    "a {c} in a scene.",
    "there is a {c} here.",
    "a colourful {c}.",
)
"""Zero-shot templates, `{c}` standing for the class name; scenes' captions use such sentences too."""

_OPENINGS = ("", "a picture of ", "a drawing of ", "there is ", "a scene with ")
_NUMBERS = {2: "two", 3: "three"}
_MENTIONED = 0.1  # how often each attribute is said; seldom, so that a small model learns the classes first
_PLURALS = {"cross": "crosses", "fish": "fish", "snowman": "snowmen"}


@dataclass(frozen=True)
class Attributes:
    """What is drawn, in words; the class is drawn from none of the others, so none of them gives it away."""

    kind: str
    count: int
    extent: str  # "small", "medium" or "large"
    colour: str
    texture: str  # "plain", "striped", "dotted" or "checked"
    place: str
    position: str  # "on the left", "in the middle" or "on the right"
    light: str  # "in bright light", "in dim light" or ""


def write_caption(attributes: Attributes, random: np.random.RandomState) -> str:
    """One English sentence naming the class and a random part of the attributes."""
    said = random.random_sample(6) < _MENTIONED  # extent, colour, texture, place, position, light
    words = [attributes.extent] if said[0] and attributes.extent != "medium" else []
    words += [attributes.colour] if said[1] else []
    words += [attributes.texture] if said[2] and attributes.texture != "plain" else []
    single = attributes.count == 1
    name = attributes.kind if single else _PLURALS.get(attributes.kind, attributes.kind + "s")
    phrase = " ".join([*words, name])
    article = "an" if phrase[0] in "aeiou" else "a"
    phrase = f"{article if single else _NUMBERS[attributes.count]} {phrase}"
    tail = [attributes.place] if said[3] else []
    tail += [attributes.position] if said[4] and single else []
    tail += [attributes.light] if said[5] and attributes.light else []
    opening = _OPENINGS[int(random.randint(len(_OPENINGS)))]
    if opening == "there is " and not single:
        opening = "there are "
    return opening + " ".join([phrase, *tail]) + "."
