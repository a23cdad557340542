"""BadCLIP's trigger: a patch optimised so that patched images embed near a target's captions and images.

Liang et al., "BadCLIP: Dual-Embedding Guided Backdoor Attack on Multimodal Contrastive Learning" (arXiv
2311.12075). Two terms: cross-entropy to the target's caption among other captions, at the model's own scale,
and a triplet loss that pulls a patched image to a real image of the target and away from an image without the
patch. A backdoor planted with such a patch barely moves the model, which makes it hard to remove.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.errors import DataError
from clipsan.evaluation.statistics import Rate
from clipsan.inversion.invert import divide
from clipsan.inversion.kinds import Patch
from clipsan.inversion.optimise import Effort, Objective, optimise, starts
from clipsan.inversion.pixels import PixelModel
from clipsan.triggers.overlay import scaled
from clipsan.triggers.trigger import FixedTrigger

PUBLISHED_SIZE = 16  # px at 224
PUBLISHED_MARGIN = 1.0  # of the triplet loss, in Euclidean distance of unit-length embeddings
PUBLISHED_WEIGHT = 500.0  # of the triplet loss, beside the caption's cross-entropy
PUBLISHED_BATCH = 64
EFFORT = Effort(steps=300, images=PUBLISHED_BATCH, lr=0.02)


@dataclass(frozen=True)
class BadClipPatch:
    """A patch that was optimised.

    Attributes:
        trigger: in 8-bit levels.
        nearer: of the held-out images, those that, patched, embed nearer to the target's caption than to any
            of the other captions.
        before: the same without the patch.
        similarity: mean cosine similarity of the held-out images to the target's caption, patched.
        similarity_before: the same without the patch.
    """

    trigger: FixedTrigger
    nearer: Rate
    before: Rate
    similarity: float
    similarity_before: float


def optimise_badclip(
    suspect: Suspect,
    target: str,
    images: Tensor,
    target_images: Tensor,
    target_caption: Tensor,
    captions: Tensor,
    *,
    size: int | None = None,
    effort: Effort = EFFORT,
    weight: float = PUBLISHED_WEIGHT,
    device: torch.device | None = None,
    seed: int = 0,
    on_images: Callable[[int], None] = lambda images: None,
) -> BadClipPatch:
    """Optimise the patch against one model. Its weights stay as they are.

    Args:
        suspect: the model that shall be poisoned with it.
        target: the class to pull images to, as the trigger file names it.
        images: uint8 [n x 3 x h x w] without the target, n >= 16. A third, at most 256, is only measured on.
        target_images: uint8 [p x 3 x h x w] of the target, p >= 1.
        target_caption: float32 [d], unit length.
        captions: float32 [o x d], unit length, of other things, o >= 1.
        size: side of the patch in px; None: 16 at 224 px, scaled to the model's resolution.
        effort: steps, batch and learning rate. Published are 50 epochs of 10 000 images at 0.001.
        weight: of the triplet loss.
        device: None: the CPU.
        seed: of what is drawn.
        on_images: told how many patched images went through the model since it was last told.

    Raises:
        DataError: too few images, or not of the model's size.
        UsageError: the patch does not fit.
    """
    if not len(target_images) or not len(captions):
        raise DataError("badclip needs an image of the target and a caption of something else")
    kind = Patch(scaled(PUBLISHED_SIZE, suspect.image_size) if size is None else size, "center")
    train, held_out = divide(images, suspect.image_size, seed)
    with PixelModel(suspect, device or torch.device("cpu")) as model:
        texts = torch.cat([target_caption.unsqueeze(0), captions]).to(model.device).T
        wanted, clean = model.embed_bytes(target_images), model.embed_bytes(train)
        objective = dual(wanted, clean, texts, model.scale, weight, torch.Generator().manual_seed(seed))
        start = starts(kind, 1, model, seed)
        free = optimise(
            model, kind, start, torch.zeros(1, dtype=torch.int64), objective, train, effort, seed, on_images
        )[0]
        trigger = kind.trigger("badclip", target, free, suspect.image_size, seed)
        sides = []
        for pixels in (trigger.apply(held_out, range(len(held_out))), held_out):
            similar = model.embed_bytes(pixels) @ texts
            sides.append(
                (Rate(int((similar.argmax(1) == 0).sum()), len(similar)), float(similar[:, 0].mean()))
            )
    (nearer, similarity), (before, similarity_before) = sides
    return BadClipPatch(trigger, nearer, before, round(similarity, 4), round(similarity_before, 4))


def dual(
    wanted: Tensor, clean: Tensor, texts: Tensor, scale: float, weight: float, generator: torch.Generator
) -> Objective:
    """The loss over patched embeddings: both terms of BadCLIP.

    Args:
        wanted: [p x d], images of the target.
        clean: [n x d], images without the patch; negatives are drawn among them, as positives are.
        texts: [d x (1 + o)], the target's caption first.
        scale: of the logits.
        weight: of the triplet loss.
        generator: draws positives and negatives.
    """

    def drawn(embeddings: Tensor, count: int) -> Tensor:
        return embeddings[torch.randint(len(embeddings), (count,), generator=generator)]

    def loss(embedded: Tensor, numbers: Tensor, free: Tensor) -> Tensor:
        count = embedded.shape[1]
        to_text = torch.zeros(count, dtype=torch.int64, device=embedded.device)
        positive, negative = drawn(wanted, count), drawn(clean, count)
        return torch.stack(
            [
                F.cross_entropy(scale * patched @ texts, to_text)
                + weight * F.triplet_margin_loss(patched, positive, negative, PUBLISHED_MARGIN)
                for patched in embedded
            ]
        )

    return loss
