"""From how far each class was reached to which classes stand out. No torch here.

A class that a trigger was planted for stands out from the other classes of the same model, and from what
models without a backdoor show. Scores are compared by robust z (Iglewicz and Hoaglin 1993): the distance
from the median in units of the median absolute deviation, made comparable to a standard deviation. They are
free of the model's logit scale. A clean model's best class stands out a little too, so the limit is set by
clean models: shipped ones of the same family, the user's reference, or a cautious default.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import median
from typing import Any

NORMAL_MAD = 1.4826  # makes the median absolute deviation of normal scores their standard deviation
FEWEST_CLASSES = 8
DEFAULT_LIMIT = 5.0
ABOVE_CLEAN = 1.25
WORDS = "words"
"""What the calibration calls the text side."""
OUTLIER = 3.5  # the bar that Iglewicz and Hoaglin give for a robust z
LEAST_ASR = 0.25
SATURATED_ASR = 0.5


@dataclass(frozen=True)
class Limit:
    """Above what a class stands out.

    Attributes:
        z: the robust z.
        source: where it comes from, in words.
        clean: the largest z that each clean model behind it showed, ascending.
    """

    z: float
    source: str
    clean: tuple[float, ...] = ()


def robust_z(scores: Sequence[float]) -> list[float]:
    """How far each score lies above the median, in robust standard deviations.

    The spread is taken no smaller than a fiftieth of the largest deviation, so that equal scores of all other
    classes do not make the rest infinite.
    """
    middle = median(scores)
    deviations = [abs(score - middle) for score in scores]
    spread = max(NORMAL_MAD * median(deviations), max(deviations) / 50)
    return [0.0 if spread == 0 else (score - middle) / spread for score in scores]


def tail(z: float, compared: int) -> float:
    """Nominal p: the chance that the largest of so many normal scores lies above z."""
    one = 0.5 * math.erfc(z / math.sqrt(2))
    return min(1.0, compared * one)


def limit_of(clean: Sequence[float], source: str) -> Limit:
    """A quarter above the largest z that any of the clean models showed, and at least 5, as without any."""
    if not clean:
        return Limit(DEFAULT_LIMIT, "default, no clean model to compare with")
    ordered = tuple(sorted(clean))
    return Limit(round(max(DEFAULT_LIMIT, ABOVE_CLEAN * ordered[-1]), 3), source, ordered)


def class_free_limit(clean: Sequence[float]) -> float | None:
    """Half of the smallest mask that any clean model took; None without a clean model."""
    return round(min(clean) / 2, 5) if clean else None


def words_limit(clean: Sequence[float]) -> float | None:
    """Half way from the largest gap that a clean model's best token closed to all of it; None without any."""
    return round((1 + max(clean)) / 2, 4) if clean else None


def family_of(model_cfg: Mapping[str, Any], image_size: tuple[int, int]) -> str:
    """The kind of image tower and its resolution, such as `resnet 64`."""
    layers = model_cfg["vision_cfg"].get("layers")
    tower = "resnet" if isinstance(layers, (list, tuple)) else "transformer"
    return f"{tower} {min(image_size)}"


@cache
def shipped() -> Mapping[str, Any]:
    """The calibration that clipsan ships: family -> effort -> name -> a value for each clean model.

    Under a rung's name stands the largest z among the classes, under `class-free` the mask, under `words` the
    gap that the best token closed. `benchmarks/scan_calibration.py` makes it.
    """
    text = resources.files("clipsan.inversion").joinpath("calibration.json").read_text(encoding="utf-8")
    families: Mapping[str, Any] = json.loads(text)["families"]
    return families


def own_values(family: str, effort: str, name: str) -> list[float]:
    """What the shipped clean models of a family showed by a rung, a mask or a token at an effort."""
    return list(shipped().get(family, {}).get(effort, {}).get(name, ()))


def any_values(name: str) -> list[float]:
    """The same by a rung, of all families and efforts: what to go by where there are none of one's own."""
    return [z for efforts in shipped().values() for values in efforts.values() for z in values.get(name, ())]


def reference_limit(largest: float) -> Limit:
    """Of the z of gains over a reference's, which has natural features too; its own largest z is told."""
    return Limit(DEFAULT_LIMIT, "the reference", (round(largest, 3),))


def shipped_limit(family: str, effort: str, rung: str) -> Limit:
    """Of a rung's z, by shipped clean models of the same family and effort, else by those of any."""
    if own := own_values(family, effort, rung):
        models = "1 clean model" if len(own) == 1 else f"{len(own)} clean models"
        return limit_of(own, f"{models} of the family {family}")
    return limit_of(any_values(rung), "clean models of other families or efforts")
