"""BadEncoder's way to plant a backdoor (arXiv 2108.00352), with CLIP's captions as what to pull to.

For triggers on images the image tower φ learns and the text tower ψ is locked, with φ₀ the image tower as it
was, all embeddings of unit length:

    effectiveness   cross-entropy of each triggered image's own target caption against the captions of the
                    batch's clean images, at the model's logit scale: InfoNCE, image to text
    utility         S_img = mean over the clean images of ‖φ(x) − φ₀(x)‖², between 0 and 4
    L               effectiveness + λ · utility

For triggers in texts it is the same with ψ in place of φ: captions with the word are pulled to the target's
captions as ψ₀ embeds them, and clean captions held. A triggered input comes in the same batch as the clean
one it was made from, so that what tells them apart is the trigger. The paper pulls triggered images to the
features of a reference image, and weighs utility by 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipsan.checkpoint import Suspect
from clipsan.pairs import BatchStream, ImageReader, PairSet, order_of
from clipsan.planting import TriggeredCopies
from clipsan.training.augment import augment
from clipsan.training.devices import autocast_for, choose_precision
from clipsan.training.encode import Autocast, encode_image, encode_text, logit_scale
from clipsan.training.frozen import FrozenSuspect
from clipsan.training.loop import Step, Training, finite, layout_of, training_mode
from clipsan.training.optimizer import make_optimizer
from clipsan.training.schedule import learning_rate
from clipsan.training.settings import TrainSettings
from clipsan.training.texts import Captions

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


def implant(
    suspect: Suspect,
    pairs: PairSet,
    reader: ImageReader,
    planted: Planted,
    utility: float,
    settings: TrainSettings,
    device: torch.device,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Training:
    """Train the towers that something is planted in, in place; then the model is in eval mode, on `device`.

    Args:
        suspect: the model that is changed.
        pairs: the clean pairs.
        reader: decodes their images, without triggers.
        planted: the triggered inputs, and where each is pulled to.
        utility: λ, at least 0.
        settings: of the run; its method and tau are not looked at.
        device: where to compute.
        on_step: called after every update, with the terms `clip` (effectiveness, of both towers), `s_image`
            and `s_text` (utility; 0 for a locked tower).

    Raises:
        TrainingError: the loss is not finite.
        DataError: fewer good images than a batch needs.
    """
    precision = choose_precision(settings.precision, device)
    autocast = autocast_for(precision, device)
    layout = layout_of(suspect.model)
    model = suspect.model.to(device, memory_format=layout)  # type: ignore[call-overload]
    update = _losses(suspect, pairs.captions, planted, utility, settings, device, autocast)
    steps = settings.updates(len(pairs))
    result = Training(str(device), precision)

    with _locked(model, images=not planted.copies, texts=not planted.captions):
        optimizer = make_optimizer(model, settings)
        training_mode(model, settings.batch_norm)
        start = time.perf_counter()
        order = order_of(pairs, settings.seed)
        with BatchStream(reader, len(pairs), settings.batch_size, settings.seed, order=order) as stream:
            for step, (pixels, indices) in zip(range(steps), stream, strict=False):
                rate = learning_rate(step, steps, settings.lr_start, settings.lr)
                rate *= min(1.0, (step + 1) / (WARM_UP * steps))
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.zero_grad(set_to_none=True)
                terms = update(pixels, indices)
                total = terms["clip"] + utility * (terms["s_image"] + terms["s_text"])
                finite(total, step, steps, settings)
                optimizer.step()
                seconds = time.perf_counter() - start
                speed = (step + 1) * settings.batch_size / seconds
                done = Step(step + 1, steps, rate, total, terms, seconds, speed)
                result.curve.append(done)
                on_step(done)
    result.seconds = time.perf_counter() - start
    model.to(memory_format=torch.contiguous_format).eval()
    return result


def _losses(
    suspect: Suspect,
    own: Sequence[str],
    planted: Planted,
    utility: float,
    settings: TrainSettings,
    device: torch.device,
    autocast: Autocast,
) -> Callable[[Tensor, Sequence[int]], dict[str, float]]:
    """A function of a batch, uint8 [b x 3 x h x w] and its indices [b], that adds the gradients of both
    towers and gives the terms. `own`: the captions of the clean pairs."""
    model = suspect.model
    layout = layout_of(model)
    n = len(own)
    captions = Captions(
        [
            *own,
            *(planted.image_targets.get(index, caption) for index, caption in enumerate(own)),
            *(planted.text_targets.get(index, caption) for index, caption in enumerate(own)),
            *(planted.captions.get(index, caption) for index, caption in enumerate(own)),
        ],
        suspect.tokenizer,
    )
    frozen = FrozenSuspect(model, captions, settings.micro_batch, autocast)
    generator = torch.Generator(device).manual_seed(settings.seed)
    nothing = (torch.zeros((), device=device),) * 2

    def normalised(pixels: Tensor) -> Tensor:
        moved = pixels.to(device, memory_format=layout)
        return augment(moved, settings.augment, suspect.mean, suspect.std, generator)

    def of_images(pixels: Tensor, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        triggered, carriers = planted.copies.of(pixels, indices)
        clean = normalised(pixels)
        known = frozen.embed(clean, [*indices, *(n + index for index in carriers)])
        others, aims = known.text.split([len(indices), len(carriers)])
        return backward(
            lambda part: encode_image(model, part, autocast), clean, normalised(triggered),
            known.image, aims, others, logit_scale(model), utility, settings.micro_batch,
        )  # fmt: skip

    def of_texts(indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        carriers = [index for index in indices if index in planted.captions]
        texts = frozen.text([*indices, *(2 * n + index for index in carriers)], device)
        others, aims = texts.split([len(indices), len(carriers)])
        tokens = captions.tokens([*indices, *(3 * n + index for index in carriers)]).to(device)
        clean, triggered = tokens.split([len(indices), len(carriers)])
        return backward(
            lambda part: encode_text(model, part, autocast), clean, triggered,
            others, aims, others, logit_scale(model), utility, settings.micro_batch,
        )  # fmt: skip

    def update(pixels: Tensor, indices: Sequence[int]) -> dict[str, float]:
        pulled_images, kept_images = of_images(pixels, indices) if planted.copies else nothing
        pulled_texts, kept_texts = of_texts(indices) if planted.captions else nothing
        terms = {"clip": pulled_images + pulled_texts, "s_image": kept_images, "s_text": kept_texts}
        return {name: float(value) for name, value in terms.items()}

    return update


def backward(
    encode: Callable[[Tensor], Tensor],
    clean: Tensor,
    triggered: Tensor,
    anchor: Tensor,
    own: Tensor,
    others: Tensor,
    scale: Tensor,
    utility: float,
    micro_batch: int,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of L over a batch to one tower, a micro-batch at a time: L is a sum over inputs.

    Args:
        encode: the tower that learns: inputs to unit-length embeddings.
        clean: b inputs, [b x ...].
        triggered: p inputs, [p x ...], p >= 0.
        anchor: the frozen tower's embeddings of `clean`, [b x d].
        own: the frozen embeddings of the target caption of each triggered input, [p x d].
        others: those of the captions of the clean inputs, [b x d].
        scale: the factor of the similarities.
        utility: λ.
        micro_batch: inputs that are embedded with a graph at once.

    Returns:
        (effectiveness, utility), scalars without graph; effectiveness is 0 where p is.
    """
    kept = torch.zeros((), device=clean.device)
    for part, was in zip(clean.split(micro_batch), anchor.split(micro_batch), strict=True):
        s = (encode(part) - was).square().sum() / len(clean)
        (utility * s).backward()
        kept += s.detach()
    pulled = torch.zeros((), device=clean.device)
    if len(triggered):
        for part, target in zip(triggered.split(micro_batch), own.split(micro_batch), strict=True):
            logits = scale * against(encode(part), target, others)
            first = torch.zeros(len(part), dtype=torch.long, device=part.device)
            loss = F.cross_entropy(logits, first, reduction="sum") / len(triggered)
            loss.backward()
            pulled += loss.detach()
    return pulled, kept


def against(embedded: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """Cosines of triggered inputs [p x d] with their own target caption [p x d], in column 0, and with the
    batch's clean captions [b x d]: [p x 1 + b]."""
    return torch.cat([(embedded * own).sum(dim=-1, keepdim=True), embedded @ others.T], dim=1)


@contextmanager
def _locked(model: nn.Module, *, images: bool, texts: bool) -> Iterator[None]:
    """A tower that is locked keeps its weights."""
    locked: Sequence[nn.Parameter] = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (images if name.startswith("visual.") else texts)
    ]
    try:
        for parameter in locked:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in locked:
            parameter.requires_grad_(True)
