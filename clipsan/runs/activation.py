"""QuickGELU or GELU, where nothing says which: both are measured on clean pairs.

The choice cannot be read off weights, and a wrong one silently ruins a model (open_clip issues 771, 915).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect, with_activation
from clipsan.errors import DataError
from clipsan.evaluation.encoder import Encoder
from clipsan.methods import Embeddings
from clipsan.methods.finetune import contrastive
from clipsan.pairs import ImageReader
from clipsan.training.encode import logit_scale

ACTIVATIONS = ("gelu", "quickgelu")
PAIRS_MEASURED = 256


def settle_activation(
    suspect: Suspect, captions: Sequence[str], reader: ImageReader, device: torch.device
) -> Suspect:
    """The suspect with the activation under which its contrastive loss on clean pairs is lower.

    Returns the suspect as it is when its activation is settled already. The evidence in its provenance
    says what was measured.
    """
    if suspect.activation_settled:
        return suspect
    pixels, good = _some_images(reader, len(captions))
    texts = [captions[index] for index in good]
    losses: dict[str, float] = {}
    candidates: dict[str, Suspect] = {}
    for name in ACTIVATIONS:
        candidates[name] = with_activation(suspect, name)
        encoder = Encoder(candidates[name], device)
        embeddings = Embeddings(encoder.images(pixels), encoder.texts(texts))
        losses[name] = float(contrastive(embeddings, logit_scale(candidates[name].model).cpu()))
    best = min(ACTIVATIONS, key=lambda name: losses[name])
    measured = ", ".join(f"{losses[name]:.4f} with {name}" for name in ACTIVATIONS)
    chosen = candidates[best]
    evidence = f"activation {best}: the lower contrastive loss on {len(good)} clean pairs ({measured})"
    provenance = replace(chosen.provenance, evidence=(*chosen.provenance.evidence, evidence))
    return replace(chosen, provenance=provenance, activation_settled=True)


def _some_images(reader: ImageReader, count: int) -> tuple[Tensor, list[int]]:
    """The first images that can be decoded, PAIRS_MEASURED at most: uint8 [n x 3 x h x w], their indices."""
    parts: list[Tensor] = []
    good: list[int] = []
    for start in range(0, count, PAIRS_MEASURED):
        pixels, found = reader.batch(range(start, min(start + PAIRS_MEASURED, count)))
        parts.append(pixels)
        good += found
        if len(good) >= PAIRS_MEASURED:
            break
    if len(good) < 2:
        raise DataError(
            f"only {len(good)} of {count} images can be decoded, too few to measure whether the model uses "
            "gelu or quickgelu: check the images, or say --activation"
        )
    return torch.cat(parts)[:PAIRS_MEASURED], good[:PAIRS_MEASURED]
