"""The quality gate: how well an image agrees with its caption, by a CLIP that is trusted.

Default use:

    judge = open_judge("ViT-B-32/openai", "10%", device)
    judge.calibrate(first_images)  # only for a share in percent
    judge.scores(made) < judge.threshold  # those to make again

The score is the cosine between the judge's embeddings of the two. What is a good cosine differs from one CLIP
to the next (matching pairs of OpenAI's ViT-B/32 lie near 0.3), so the threshold may be a share instead: "10%"
is the cosine that a tenth of the run's first images do not reach. It is fixed before the first pair is
written, so that a resumed run, another order or another batch judges every image alike. A share compares the
images with
themselves: it takes the worst away and says nothing of how good the rest is. The judge must be another model
than the one to be cleaned: a backdoor would pass its own images, which is why a model marked as poisoned is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from clipsan.checkpoint import Suspect, load
from clipsan.checkpoint.suspect import POISONED
from clipsan.errors import CheckpointError, UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.pairs.images import geometry_of
from clipsan.synthesis.maker import Made

FIRST = 100
"""Images that a share is measured on."""

_PERCENT = re.compile(r"(\d{1,2}(?:\.\d+)?)\s*%")


class ReferenceJudge:
    """Cosine of image and caption under a trusted CLIP.

    Attributes:
        threshold: the cosine that a pair must reach; minus infinity until a share was calibrated.
    """

    def __init__(self, suspect: Suspect, minimum: str | float, device: torch.device) -> None:
        """Use `open_judge`; `suspect` is a loaded CLIP, here the one that is trusted.

        Raises:
            UsageError: `minimum` is neither a cosine nor a share in percent.
        """
        self._share, absolute = parse_minimum(minimum)
        self.threshold = -np.inf if absolute is None else absolute
        self._encoder = Encoder(suspect, device)
        self._geometry = geometry_of(suspect.preprocess_cfg, suspect.image_size)
        self._provenance = suspect.provenance

    @property
    def first(self) -> int:
        """Images to calibrate on; 0 where nothing is to be calibrated any more."""
        return FIRST if self._share is not None and self.threshold == -np.inf else 0

    def settings(self) -> dict[str, object]:
        """What a resumed run must agree with. The calibrated threshold is not part of it: see `calibrate`."""
        rule = (
            f"at least {self.threshold:g}"
            if self._share is None
            else f"above {self._share:g}% of the first {FIRST}"
        )
        return {
            "sha256": self._provenance.sha256,
            "architecture": self._provenance.architecture,
            "rule": rule,
        }

    def scores(self, made: Sequence[Made]) -> NDArray[np.float64]:
        """The cosine of each image with its caption [n], -1 to 1."""
        if not made:
            return np.empty(0, np.float64)
        pictures = [np.asarray(self._geometry(Image.fromarray(each.pixels)), np.uint8) for each in made]
        pixels = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
        images = self._encoder.images(pixels).double()
        texts = self._encoder.texts([each.caption for each in made]).double()
        found: NDArray[np.float64] = (images * texts).sum(dim=-1).numpy()
        return found

    def calibrate(self, made: Sequence[Made]) -> float:
        """Fix the threshold of a share on images that nobody has sorted yet.

        Args:
            made: the run's first `FIRST` images (all of them, where the run has fewer).

        Returns:
            The threshold; the caller keeps it and gives it back with `resume` when the run goes on.

        Raises:
            UsageError: there are no images.
        """
        if self._share is not None:
            if not made:
                raise UsageError("there is no image to measure the judge's threshold on")
            self.threshold = float(np.quantile(self.scores(made), self._share / 100))
        return self.threshold

    def resume(self, threshold: float) -> None:
        """Take over the threshold of an earlier part of the same run."""
        if self._share is not None:
            self.threshold = threshold


def parse_minimum(minimum: str | float) -> tuple[float | None, float | None]:
    """(share in percent, None) of "10%", (None, cosine) of "0.25".

    Raises:
        UsageError: neither.
    """
    text = str(minimum).strip()
    if match := _PERCENT.fullmatch(text):
        return float(match.group(1)), None
    try:
        cosine = float(text)
    except ValueError:
        cosine = np.nan
    if not -1 <= cosine <= 1:
        raise UsageError(
            f"the judge's minimum is {text!r:.40}, but must be a cosine such as 0.25, or the share of the"
            " first images to do without, such as 10%"
        )
    return None, cosine


def open_judge(model: str | Path, minimum: str | float, device: torch.device) -> ReferenceJudge:
    """Load the CLIP that is trusted to judge.

    Args:
        model: as `clipsan.checkpoint.load` takes it.
        minimum: a cosine ("0.25"), or a share of the first images ("10%").
        device: to compute on.

    Raises:
        CheckpointError: it cannot be loaded, or is marked as poisoned.
        UsageError: as `parse_minimum`.
    """
    parse_minimum(minimum)  # before a model is fetched
    suspect = load(model)
    if suspect.provenance.metadata.get(POISONED) == "true":
        raise CheckpointError(
            f"{str(model)!r} is marked as poisoned and cannot judge; give a CLIP that you trust, such as"
            " ViT-B-32/openai."
        )
    return ReferenceJudge(suspect, minimum, device)
