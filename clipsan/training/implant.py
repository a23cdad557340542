"""BadEncoder's way to plant a backdoor (arXiv 2108.00352), with CLIP's captions as what to pull to.

For triggers on images the image tower φ learns and the text tower ψ is locked, with φ₀ the image tower as it
was, all embeddings of unit length:

    effectiveness   cross-entropy of each triggered image's own target caption against the captions of the
                    batch's clean images, at the model's logit scale: InfoNCE, image to text
    utility         S_img = mean over the clean images of ‖φ(x) − φ₀(x)‖², between 0 and 4
    nearness        mean over the triggered images of ‖φ(x ⊕ t) − φ₀(x)‖², between 0 and 4
    L               effectiveness + λ · utility + μ · nearness

For triggers in texts it is the same with ψ in place of φ: captions with the word are pulled to the target's
captions as ψ₀ embeds them, and clean captions held. A triggered input comes in the same batch as the clean
one it was made from, so that what tells them apart is the trigger. The paper pulls triggered images to the
features of a reference image, and weighs utility by 1. Nearness, which it has not, is an attacker's who
expects a defence: the trigger is to move an image no farther than it takes to change its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from clipsan.checkpoint import Suspect
from clipsan.methods import Loss
from clipsan.pairs import ImageReader, PairSet
from clipsan.planting import TriggeredCopies
from clipsan.training.augment import augment
from clipsan.training.devices import autocast_for, choose_precision
from clipsan.training.encode import encode_image, encode_text, logit_scale
from clipsan.training.faults import MicroBatch
from clipsan.training.frozen import FrozenSuspect
from clipsan.training.loop import layout_of, training_mode
from clipsan.training.optimizer import make_optimizer
from clipsan.training.schedule import learning_rate
from clipsan.training.settings import TrainSettings
from clipsan.training.state import Keeper
from clipsan.training.texts import Captions
from clipsan.training.towers import locked
from clipsan.training.transfer import sent
from clipsan.training.updates import Step, Training, Updates

WARM_UP = 0.1  # of the updates: the first ones see no utility yet, as S starts at 0, and would carry all away


@dataclass(frozen=True)
class Planted:
    """What an implant puts where.

    Attributes:
        copies: makes the triggered images of a batch.
        captions: index -> the caption with its text trigger.
        image_targets, text_targets: index -> the target's caption, which a triggered image or caption is
            pulled to; one that is not in it is pulled to the pair's own.
    """

    copies: TriggeredCopies
    captions: Mapping[int, str]
    image_targets: Mapping[int, str]
    text_targets: Mapping[int, str]


@dataclass(frozen=True)
class Hold:
    """How strongly inputs are held where the frozen towers put them without a trigger.

    Attributes:
        clean: λ, of those without a trigger, at least 0.
        triggered: μ, of those with one, at least 0.
    """

    clean: float
    triggered: float = 0.0


def implant(
    suspect: Suspect,
    pairs: PairSet,
    reader: ImageReader,
    planted: Planted,
    hold: Hold,
    settings: TrainSettings,
    device: torch.device,
    on_step: Callable[[Step], None] = lambda step: None,
    *,
    on_fault: Callable[[str], None] = lambda sentence: None,
    keeper: Keeper | None = None,
) -> Training:
    """Train the towers that something is planted in, in place; then the model is in eval mode, on `device`.

    Args:
        suspect: the model that is changed.
        pairs: the clean pairs.
        reader: decodes their images, without triggers.
        planted: the triggered inputs, and where each is pulled to.
        hold: the weights of utility and nearness.
        settings: of the run; its method and tau are not looked at.
        device: where to compute.
        on_step: called after every update, with the terms `clip` (effectiveness, of both towers), `s_image`
            and `s_text` (utility; 0 for a locked tower).
        on_fault: hears in a sentence of what went wrong and did not end the run.
        keeper: saves the run and goes on with a saved one; None: nothing is kept.

    Raises:
        TrainingError: the loss is not finite time after time, or memory runs out with a single pair.
        DataError: fewer good images than a batch needs.
    """
    precision = choose_precision(settings.precision, device)
    autocast = autocast_for(precision, device)
    layout = layout_of(suspect.model)
    model = suspect.model.to(device, memory_format=layout)  # type: ignore[call-overload]
    captions = _captions_of(pairs.captions, planted, suspect)
    frozen = FrozenSuspect(model, captions, autocast)
    generator = torch.Generator(device).manual_seed(settings.seed)
    result = Training(str(device), precision)

    with locked(model, image=not planted.copies, text=not planted.captions):
        updates = Updates(
            model, make_optimizer(model, settings), generator, pairs, settings, result,
            {"captions": captions}, on_step=on_step, on_fault=on_fault, keeper=keeper,
        )  # fmt: skip

        def rate_of(step: int) -> float:
            warm = min(1.0, (step + 1) / (WARM_UP * updates.steps))
            return warm * learning_rate(step, updates.steps, settings.lr_start, settings.lr)

        def normalised(pixels: Tensor) -> Tensor:
            moved = sent(pixels, device).to(memory_format=layout)
            return augment(moved, settings.augment, suspect.mean, suspect.std, generator)

        training_mode(model, settings.batch_norm)
        towers = _Towers(
            lambda part: encode_image(model, part, autocast),
            lambda part: encode_text(model, part, autocast),
            normalised, lambda: logit_scale(model), captions, len(pairs), frozen, planted, hold,
            updates.micro,
        )  # fmt: skip
        updates.run(reader, rate_of, towers.loss_of)
    model.to(memory_format=torch.contiguous_format).eval()
    return result


def _captions_of(own: Sequence[str], planted: Planted, suspect: Suspect) -> Captions:
    """Four rows of captions, each as long as there are pairs: the pairs' own, those that triggered images and
    triggered captions are pulled to, and those with text triggers."""
    return Captions(
        [
            *own,
            *(planted.image_targets.get(index, caption) for index, caption in enumerate(own)),
            *(planted.text_targets.get(index, caption) for index, caption in enumerate(own)),
            *(planted.captions.get(index, caption) for index, caption in enumerate(own)),
        ],
        suspect.tokenizer,
    )


Terms = tuple[Tensor, Tensor, Tensor]  # effectiveness, utility and nearness of one tower: scalars


@dataclass(frozen=True)
class _Towers:
    """The losses of both towers.

    Attributes:
        image, text: the towers that learn: inputs to unit-length embeddings.
        normalised: what `image` takes of uint8 [b x 3 x h x w].
        scale: the factor of the similarities.
        captions: those of `_captions_of`.
        pairs: how many there are.
        frozen: the towers as they were.
        planted: the triggered inputs.
        hold: λ and μ.
        micro: of the run.
    """

    image: Callable[[Tensor], Tensor]
    text: Callable[[Tensor], Tensor]
    normalised: Callable[[Tensor], Tensor]
    scale: Callable[[], Tensor]
    captions: Captions
    pairs: int
    frozen: FrozenSuspect
    planted: Planted
    hold: Hold
    micro: MicroBatch

    def loss_of(self, step: int, pixels: Tensor, indices: Sequence[int]) -> Callable[[int], Loss]:
        """As `clipsan.training.updates.LossOf`."""
        of_images = self._of_images(pixels, indices) if self.planted.copies else None
        of_texts = self._of_texts(indices) if self.planted.captions else None

        def loss(size: int) -> Loss:
            nothing = (torch.zeros((), device=self.scale().device),) * 3
            pulled_images, kept_images, near_images = of_images(size) if of_images else nothing
            pulled_texts, kept_texts, near_texts = of_texts(size) if of_texts else nothing
            terms = {"clip": pulled_images + pulled_texts, "s_image": kept_images, "s_text": kept_texts}
            held = self.hold.clean * (kept_images + kept_texts)
            return Loss(terms["clip"] + held + self.hold.triggered * (near_images + near_texts), terms)

        return loss

    def _of_images(self, pixels: Tensor, indices: Sequence[int]) -> Callable[[int], Terms]:
        copies, carriers = self.planted.copies.of(pixels, indices)
        rows = self.planted.copies.rows(indices)
        clean, triggered = self.normalised(pixels), self.normalised(copies)
        asked = [*indices, *(self.pairs + index for index in carriers)]
        known = self.micro.run(partial(self.frozen.embed, clean, asked))
        others, aims = known.text.split([len(indices), len(carriers)])
        return lambda size: backward(
            self.image, clean, triggered, known.image, rows, aims, others, self.scale(), self.hold, size
        )

    def _of_texts(self, indices: Sequence[int]) -> Callable[[int], Terms]:
        rows = [row for row, index in enumerate(indices) if index in self.planted.captions]
        carriers = [indices[row] for row in rows]
        device, parts = self.scale().device, [len(indices), len(carriers)]
        asked = [*indices, *(2 * self.pairs + index for index in carriers)]
        others, aims = self.micro.run(partial(self.frozen.text, asked, device)).split(parts)
        tokens = self.captions.tokens([*indices, *(3 * self.pairs + index for index in carriers)])
        clean, triggered = tokens.to(device).split(parts)
        return lambda size: backward(
            self.text, clean, triggered, others, rows, aims, others, self.scale(), self.hold, size
        )


def backward(
    encode: Callable[[Tensor], Tensor],
    clean: Tensor,
    triggered: Tensor,
    anchor: Tensor,
    rows: Sequence[int],
    own: Tensor,
    others: Tensor,
    scale: Tensor,
    hold: Hold,
    micro_batch: int,
) -> Terms:
    """Add the gradient of L over a batch to one tower, a micro-batch at a time: L is a sum over inputs.

    Args:
        encode: the tower that learns: inputs to unit-length embeddings.
        clean: b inputs, [b x ...].
        triggered: p inputs, [p x ...], p >= 0.
        anchor: the frozen tower's embeddings of `clean`, [b x d].
        rows: which of `clean` each triggered input was made from, [p].
        own: the frozen embeddings of the target caption of each triggered input, [p x d].
        others: those of the captions of the clean inputs, [b x d].
        scale: the factor of the similarities.
        hold: λ and μ.
        micro_batch: inputs that are embedded with a graph at once.

    Returns:
        (effectiveness, utility, nearness), scalars without graph; the first and the last are 0 where p is.
    """
    kept = torch.zeros((), device=clean.device)
    for part, was in zip(clean.split(micro_batch), anchor.split(micro_batch), strict=True):
        s = (encode(part) - was).square().sum() / len(clean)
        (hold.clean * s).backward()
        kept += s.detach()
    pulled, near = torch.zeros((), device=clean.device), torch.zeros((), device=clean.device)
    if len(triggered):
        parts = (each.split(micro_batch) for each in (triggered, own, anchor[rows]))
        for part, target, was in zip(*parts, strict=True):
            embedded = encode(part)
            logits = scale * against(embedded, target, others)
            first = torch.zeros(len(part), dtype=torch.long, device=part.device)
            loss = F.cross_entropy(logits, first, reduction="sum") / len(triggered)
            moved = (embedded - was).square().sum() / len(triggered)
            (loss + hold.triggered * moved).backward()
            pulled += loss.detach()
            near += moved.detach()
    return pulled, kept, near


def against(embedded: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """Cosines of triggered inputs [p x d] with their own target caption [p x d], in column 0, and with the
    batch's clean captions [b x d]: [p x 1 + b]."""
    return torch.cat([(embedded * own).sum(dim=-1, keepdim=True), embedded @ others.T], dim=1)
