"""The one training loop: pairs in, a fine-tuned model and its curves out. It knows nothing of files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clipsan.checkpoint import Suspect
from clipsan.errors import TrainingError
from clipsan.pairs import BatchStream, ImageReader, PairSet, order_of
from clipsan.synthesis.dice import derive_seed
from clipsan.training.augment import augment
from clipsan.training.counter import Counter, Stamper, pulled_views
from clipsan.training.devices import autocast_for, choose_precision
from clipsan.training.encode import encode_image, in_chunks
from clipsan.training.frozen import FrozenSuspect
from clipsan.training.gradients import backward, statistics_untouched
from clipsan.training.optimizer import make_optimizer
from clipsan.training.schedule import learning_rate
from clipsan.training.settings import TrainSettings
from clipsan.training.shown import shown
from clipsan.training.texts import Captions


@dataclass(frozen=True)
class Step:
    """One update, as shown while it runs and kept in the report's curves.

    Attributes:
        step: 1 … steps.
        steps: updates of the run.
        lr: learning rate of this update.
        loss: the method's loss over the batch, before the update.
        terms: `clip`, and where the method has them `s_image` and `s_text`.
        seconds: since the start of the loop.
        pairs_per_second: on average since then.
    """

    step: int
    steps: int
    lr: float
    loss: float
    terms: dict[str, float]
    seconds: float
    pairs_per_second: float


@dataclass
class Training:
    """What a run did.

    Attributes:
        curve: every update.
        seconds: wall time of the loop.
        device: as torch names it.
        precision: `fp32` or `bf16`.
    """

    device: str
    precision: str
    seconds: float = 0.0
    curve: list[Step] = field(default_factory=list)

    def reached(self, term: str, tau: float) -> int | None:
        """The first update whose `term` (s_image, s_text) was above tau; None: never."""
        return next((s.step for s in self.curve if s.terms.get(term, -math.inf) > tau), None)


def train(
    suspect: Suspect,
    pairs: PairSet,
    reader: ImageReader,
    settings: TrainSettings,
    device: torch.device,
    on_step: Callable[[Step], None] = lambda step: None,
    counter: Counter | None = None,
    stop: Callable[[Step], bool] = lambda step: False,
) -> Training:
    """Fine-tune `suspect.model` in place; afterwards it is in eval mode, float32, on `device`.

    Args:
        suspect: the model that is changed, with its tokenizer and normalisation.
        pairs: the training pairs.
        reader: decodes their images; what it cannot decode it skips and counts.
        settings: of the run; `settings.batch_size` must not exceed the number of pairs.
        device: where to compute.
        on_step: called after every update.
        counter: triggers to stamp on part of the images; None: all stay as they are.
        stop: asked after every update whether this one was the last.

    Raises:
        TrainingError: the loss is not finite.
        DataError: fewer good images than a batch needs.
    """
    method = settings.make_method()
    precision = choose_precision(settings.precision, device)
    autocast = autocast_for(precision, device)
    layout = layout_of(suspect.model)
    model = suspect.model.to(device, memory_format=layout)  # type: ignore[call-overload]
    captions = Captions(pairs.captions, suspect.tokenizer)
    micro = settings.micro_batch
    frozen = FrozenSuspect(model, captions, micro, autocast) if method.uses_frozen else None
    optimizer = make_optimizer(model, settings)
    generator = torch.Generator(device).manual_seed(settings.seed)
    steps = settings.updates(len(pairs))
    result = Training(str(device), precision)
    stamper = Stamper(counter, len(pairs), settings.seed) if counter else None

    def prepared(pixels: Tensor, names: Sequence[str] = settings.augment) -> Tensor:
        moved = pixels.to(device, memory_format=layout)
        return augment(moved, names, suspect.mean, suspect.std, generator)

    def embedded(images: Tensor) -> Tensor:
        with statistics_untouched(model):
            return in_chunks(lambda part: encode_image(model, part, autocast), images, micro)

    training_mode(model, settings.batch_norm)
    start = time.perf_counter()
    order = order_of(pairs, settings.seed)
    with BatchStream(reader, len(pairs), settings.batch_size, settings.seed, order=order) as stream:
        for step, (pixels, indices) in zip(range(steps), stream, strict=False):
            seed = derive_seed("views", settings.seed, step)
            if counter is None or stamper is None:
                seen = shown(method.views, pixels.to(device), captions, indices, seed)
                images, aim = prepared(seen.pixels), method
            else:
                stamped, rows = stamper.stamp(pixels, indices)
                seen = shown(method.views, stamped.to(device), captions, indices, seed)
                images, aim = pulled_views(
                    method, counter, (seen.pixels, rows), pixels, prepared, embedded, generator
                )
            tokens = seen.tokens.to(device)
            views = seen.views and (prepared(seen.views[0], ()), seen.views[1].to(device))
            anchor = frozen.embed(images, indices) if frozen else None
            rate = learning_rate(step, steps, settings.lr_start, settings.lr)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            loss = backward(
                model, aim, images, tokens, anchor, micro, autocast,
                views=views, step=step, pairs=len(pairs),
            )  # fmt: skip
            terms = {name: float(value) for name, value in loss.terms.items()}
            total = finite(float(loss.total), step, steps, settings)
            optimizer.step()
            seconds = time.perf_counter() - start
            speed = (step + 1) * settings.batch_size / seconds
            done = Step(step + 1, steps, rate, total, terms, seconds, speed)
            result.curve.append(done)
            on_step(done)
            if stop(done):
                break
    result.seconds = time.perf_counter() - start
    # the plain layout again, so that embeddings equal those of the reloaded file to the last bit
    model.to(memory_format=torch.contiguous_format).eval()
    return result


def finite(loss: float, step: int, steps: int, settings: TrainSettings) -> float:
    """The loss of update `step` (from 0). TrainingError where it is not finite."""
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss became {loss} at update {step + 1} of {steps}: lower the learning rate "
            f"(now {settings.lr_start:g} at the start) or use --precision fp32; nothing was written"
        )
    return loss


def layout_of(model: nn.Module) -> torch.memory_format:
    """Convolutional towers train faster with channels last (1.25 to 1.5 times on a CPU with AVX2)."""
    convolutional = any(isinstance(layer, _BatchNorm) for layer in model.modules())
    return torch.channels_last if convolutional else torch.contiguous_format


def training_mode(model: nn.Module, batch_norm: str) -> None:
    """Training mode; with `frozen` BatchNorm keeps to its running statistics."""
    model.train()
    if batch_norm == "frozen":
        for layer in model.modules():
            if isinstance(layer, _BatchNorm):
                layer.eval()
