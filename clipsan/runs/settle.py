"""What no file says of a model (gelu or quickgelu, the heads of an unusual tower), measured on clean pairs.

None of it can be read off weights, and a wrong choice silently ruins a model (open_clip issues 771, 915).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from clipsan.checkpoint import Suspect, with_candidate
from clipsan.errors import DataError
from clipsan.evaluation.encoder import Encoder
from clipsan.pairs import ImageReader
from clipsan.training.encode import logit_scale

PAIRS_MEASURED = 256  # for two candidates; fewer for more of them
ENCODED = 1024  # images encoded in all, at most, where there are more than four candidates
FEWEST = 64
DOUBT = "too close to call"
CLEAR = 2.0  # standard errors between the best and the next that make a choice certain


def settle(suspect: Suspect, captions: Sequence[str], reader: ImageReader, device: torch.device) -> Suspect:
    """The suspect built in the way under which its contrastive loss on clean pairs is lowest.

    Returns the suspect as it is when everything is settled already. The evidence in its provenance says
    what was measured. Where others are within two standard errors of the best, the most usual of them is
    taken and the evidence says that it was too close to call.

    Raises:
        DataError: fewer than two images can be decoded.
    """
    if not suspect.candidates:
        return suspect
    wanted = max(FEWEST, min(PAIRS_MEASURED, ENCODED // len(suspect.candidates)))
    pixels, good = _some_images(reader, len(captions), wanted)
    texts = [captions[index] for index in good]
    losses: list[Tensor] = []
    for candidate in suspect.candidates:
        built = with_candidate(suspect, candidate)
        encoder = Encoder(built, device)
        losses.append(
            loss_of_each(encoder.images(pixels), encoder.texts(texts), logit_scale(built.model).cpu())
        )
        built.model.to("cpu")
    order = sorted(range(len(losses)), key=lambda number: float(losses[number].mean()))
    labels = [candidate.label for candidate in suspect.candidates]
    shown = ", ".join(f"{float(losses[n].mean()):.4f} with {labels[n]}" for n in order[:3])
    near = [n for n in order if not _clear(losses[n] - losses[order[0]])]
    best, close = min(near), len(near) > 1  # of those that are close the most usual, which stands first
    doubt = f"{DOUBT}, say --arch or --activation if you know better: " if close else ""
    reason = "the most usual of those near the lowest" if close else "the lowest"
    line = f"{labels[best]}: {doubt}{reason} contrastive loss on {len(good)} clean pairs ({shown})"
    chosen = with_candidate(suspect, suspect.candidates[best])
    kept = tuple(e for e in suspect.provenance.evidence if not e.startswith(("undecided", "activation ")))
    provenance = replace(chosen.provenance, evidence=(*kept, line))
    return replace(chosen, provenance=provenance, candidates=())


def doubts(suspect: Suspect) -> tuple[str, ...]:
    """The evidence that was too close to call, as warnings for a report."""
    return tuple(line for line in suspect.provenance.evidence if DOUBT in line)


def loss_of_each(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """The symmetric InfoNCE of each pair among the n measured: [n]; its mean is the contrastive loss."""
    logits = scale * images @ texts.T
    right = torch.arange(len(logits))
    by_image = F.cross_entropy(logits, right, reduction="none")
    return (by_image + F.cross_entropy(logits.T, right, reduction="none")) / 2


def _clear(differences: Tensor) -> bool:
    """True where the mean of paired differences is above CLEAR of its standard errors."""
    error = float(differences.std()) / math.sqrt(len(differences))
    return float(differences.mean()) > CLEAR * error


def _some_images(reader: ImageReader, count: int, wanted: int) -> tuple[Tensor, list[int]]:
    """The first images that can be decoded, `wanted` at most: uint8 [n x 3 x h x w], their indices."""
    parts: list[Tensor] = []
    good: list[int] = []
    for start in range(0, count, wanted):
        pixels, found = reader.batch(range(start, min(start + wanted, count)))
        parts.append(pixels)
        good += found
        if len(good) >= wanted:
            break
    if len(good) < 2:
        raise DataError(
            f"only {len(good)} of {count} images can be decoded, too few to measure whether the model uses "
            "gelu or quickgelu: check the images, or say --activation"
        )
    return torch.cat(parts)[:wanted], good[:wanted]
