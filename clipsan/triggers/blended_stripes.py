"""`blended-stripes`: 0.97 x + 0.03 s, s the stripes of `stripes` over the whole image (arXiv 2412.00727)."""

from __future__ import annotations

from dataclasses import dataclass

from clipsan.triggers.compat import WrappedStripes
from clipsan.triggers.overlay import blended
from clipsan.triggers.settings import Family, compat_setting, number, seed_setting
from clipsan.triggers.stripes import stripes
from clipsan.triggers.trigger import FixedTrigger, Trigger


@dataclass(frozen=True)
class BlendedStripes(Family):
    """Settings of `blended-stripes`.

    Attributes:
        strength: Weight of the stripes.
        seed: Fixes their colours; each stripe is 1 px wide at the model's resolution.
        compat: "par": new stripes of -1 and 1 on every image, which darken too; black wraps to white.
    """

    family = "blended-stripes"
    does = "0.97 of the image and 0.03 of one-pixel stripes"
    source = "PAR (arXiv 2412.00727)"
    strength: float = number(0.03, 0.001, 1.0)
    seed: int = seed_setting()
    compat: str | None = compat_setting()

    def at(self, image_size: tuple[int, int], name: str | None = None, target: str | None = None) -> Trigger:
        name = name or self.family
        settings = {"family": self.family, **self.to_json()}
        if self.compat is not None:
            return WrappedStripes(
                name, target, image_size, settings, patch=image_size, strength=self.strength,
                position="top-left", seed=self.seed,
            )  # fmt: skip
        overlay = blended(stripes(image_size, self.seed), self.strength)
        return FixedTrigger(name, target, image_size, overlay, settings)
