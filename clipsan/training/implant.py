"""BadEncoder's way to plant a backdoor (arXiv 2108.00352), with CLIP's captions as what to pull to.

The text tower is locked and the image tower φ learns, with φ₀ the image tower as it was and ψ the text tower,
all embeddings of unit length:

    effectiveness   cross-entropy of each triggered image's own target caption against the captions of the
                    batch's clean images, at the model's logit scale: InfoNCE, image to text
    utility         S_img = mean over the clean images of ‖φ(x) − φ₀(x)‖², between 0 and 4
    L               effectiveness + λ · utility

A triggered image comes in the same batch as the clean one it was made from, so that what tells them apart is
the trigger. The paper pulls triggered images to the features of a reference image, and weighs utility by 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipsan.checkpoint import Suspect
from clipsan.methods.batch import Embeddings
from clipsan.pairs import BatchStream, ImageReader, PairSet, order_of
from clipsan.planting import TriggeredCopies
from clipsan.training.augment import augment
from clipsan.training.devices import autocast_for, choose_precision
from clipsan.training.encode import Autocast, encode_image, logit_scale
from clipsan.training.frozen import FrozenSuspect
from clipsan.training.loop import Step, Training, finite, layout_of, training_mode
from clipsan.training.optimizer import make_optimizer
from clipsan.training.schedule import learning_rate
from clipsan.training.settings import TrainSettings
from clipsan.training.texts import Captions

WARM_UP = 0.1  # of the updates: the first ones see no utility yet, as S starts at 0, and would carry all away


def implant(
    suspect: Suspect,
    pairs: PairSet,
    reader: ImageReader,
    copies: TriggeredCopies,
    planted: Mapping[int, str],
    utility: float,
    settings: TrainSettings,
    device: torch.device,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Training:
    """Train the image tower in place; afterwards the model is in eval mode, float32, on `device`.

    Args:
        suspect: the model that is changed.
        pairs: the clean pairs.
        reader: decodes their images, without triggers.
        copies: makes the triggered images of a batch.
        planted: the target's caption of each carrier; one that is not in it keeps its own.
        utility: λ, at least 0.
        settings: of the run; its method and tau are not looked at.
        device: where to compute.
        on_step: called after every update, with the terms `clip` (effectiveness) and `s_image` (utility).

    Raises:
        TrainingError: the loss is not finite.
        DataError: fewer good images than a batch needs.
    """
    precision = choose_precision(settings.precision, device)
    autocast = autocast_for(precision, device)
    layout = layout_of(suspect.model)
    model = suspect.model.to(device, memory_format=layout)  # type: ignore[call-overload]
    total_pairs = len(pairs)
    targets = [planted.get(index, caption) for index, caption in enumerate(pairs.captions)]
    captions = Captions([*pairs.captions, *targets], suspect.tokenizer)
    frozen = FrozenSuspect(model, captions, settings.micro_batch, autocast)
    generator = torch.Generator(device).manual_seed(settings.seed)
    steps = settings.updates(total_pairs)
    result = Training(str(device), precision)

    def normalised(pixels: Tensor) -> Tensor:
        moved = pixels.to(device, memory_format=layout)
        return augment(moved, settings.augment, suspect.mean, suspect.std, generator)

    with _text_locked(model):
        optimizer = make_optimizer(model, settings)
        training_mode(model, settings.batch_norm)
        start = time.perf_counter()
        order = order_of(pairs, settings.seed)
        with BatchStream(reader, total_pairs, settings.batch_size, settings.seed, order=order) as stream:
            for step, (pixels, indices) in zip(range(steps), stream, strict=False):
                triggered, carriers = copies.of(pixels, indices)
                clean = normalised(pixels)
                known = frozen.embed(clean, [*indices, *(total_pairs + index for index in carriers)])
                rate = learning_rate(step, steps, settings.lr_start, settings.lr)
                rate *= min(1.0, (step + 1) / (WARM_UP * steps))
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.zero_grad(set_to_none=True)
                images = (clean, normalised(triggered))
                pulled, kept = backward(model, images, known, utility, settings.micro_batch, autocast)
                total = finite(float(pulled + utility * kept), step, steps, settings)
                optimizer.step()
                seconds = time.perf_counter() - start
                terms = {"clip": float(pulled), "s_image": float(kept), "s_text": 0.0}
                speed = (step + 1) * settings.batch_size / seconds
                done = Step(step + 1, steps, rate, total, terms, seconds, speed)
                result.curve.append(done)
                on_step(done)
    result.seconds = time.perf_counter() - start
    model.to(memory_format=torch.contiguous_format).eval()
    return result


def backward(
    model: nn.Module,
    images: tuple[Tensor, Tensor],
    known: Embeddings,
    utility: float,
    micro_batch: int,
    autocast: Autocast,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of L over a batch, a micro-batch at a time: its terms are sums over images.

    Args:
        model: the CLIP whose image tower learns.
        images: normalised, clean [b x 3 x h x w] and triggered [p x 3 x h x w], p >= 0.
        known: the frozen embeddings: of the clean images [b x d], and of the captions of the clean and then
            of the triggered ones [b + p x d].
        utility: λ.
        micro_batch: images that are embedded with a graph at once.
        autocast: mixed precision of the encoder; the loss itself is always float32.

    Returns:
        (effectiveness, utility), scalars without graph; effectiveness is 0 where p is.
    """
    clean, triggered = images
    scale = logit_scale(model)
    others, own = known.text.split([len(clean), len(triggered)])
    kept = torch.zeros((), device=clean.device)
    for part, anchor in zip(clean.split(micro_batch), known.image.split(micro_batch), strict=True):
        s = (encode_image(model, part, autocast) - anchor).square().sum() / len(clean)
        (utility * s).backward()
        kept += s.detach()
    pulled = torch.zeros((), device=clean.device)
    if len(triggered):
        for part, target in zip(triggered.split(micro_batch), own.split(micro_batch), strict=True):
            logits = scale * against(encode_image(model, part, autocast), target, others)
            first = torch.zeros(len(part), dtype=torch.long, device=part.device)
            loss = F.cross_entropy(logits, first, reduction="sum") / len(triggered)
            loss.backward()
            pulled += loss.detach()
    return pulled, kept


def against(image: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """Cosines of triggered images [p x d] with their own target caption [p x d], in column 0, and with the
    batch's clean captions [b x d]: [p x 1 + b]."""
    return torch.cat([(image * own).sum(dim=-1, keepdim=True), image @ others.T], dim=1)


@contextmanager
def _text_locked(model: nn.Module) -> Iterator[None]:
    """Everything but the image tower keeps its weights."""
    locked: Sequence[nn.Parameter] = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.startswith("visual.")
    ]
    try:
        for parameter in locked:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in locked:
            parameter.requires_grad_(True)
