"""`blended-stripes`: 0.97 x + 0.03 s, s the stripes of `stripes` over the whole image (arXiv 2412.00727)."""

from __future__ import annotations

from dataclasses import dataclass

from clipsan.triggers.overlay import blended
from clipsan.triggers.settings import Family, number, seed_setting
from clipsan.triggers.stripes import stripes
from clipsan.triggers.trigger import FixedTrigger


@dataclass(frozen=True)
class BlendedStripes(Family):
    """Settings of `blended-stripes`.

    Attributes:
        strength: Weight of the stripes.
        seed: Fixes their colours; each stripe is 1 px wide at the model's resolution.
    """

    family = "blended-stripes"
    strength: float = number(0.03, 0.001, 1.0)
    seed: int = seed_setting()

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> FixedTrigger:
        overlay = blended(stripes(image_size, self.seed), self.strength)
        settings = {"family": self.family, **self.to_json()}
        return FixedTrigger(name or self.family, target, image_size, overlay, settings)
