"""QuickGELU or GELU, where nothing says which: both are measured on clean pairs.

The choice cannot be read off weights, and a wrong one silently ruins a model (open_clip issues 771, 915).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from clipsan.checkpoint import Suspect, with_activation
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
    pixels, good = reader.batch(range(min(PAIRS_MEASURED, len(captions))))
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
