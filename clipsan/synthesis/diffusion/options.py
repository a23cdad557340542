"""What can be chosen when images are made by diffusion, and the maker that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipsan.errors import UsageError

if TYPE_CHECKING:
    import torch

    from clipsan.synthesis.diffusion.diffusion_maker import DiffusionMaker


@dataclass(frozen=True)
class Options:
    """How to make images by diffusion.

    Attributes:
        model: a folder in diffusers' layout, `hf-hub:org/name` or `org/name`, either with `@revision`.
        variant: of the weights files ("fp16"); None: the plain ones, or the only ones there are.
        steps: of the scheduler; None: as evidence in the model says.
        guidance: scale of classifier-free guidance; None: as evidence in the model says.
        model_size: side in pixels of the images as they are generated; None: what the model was trained on.
        size: side in pixels of the images as they are written; None: as they are generated.
        precision: "auto", "fp32", "bf16" or "fp16".
        device: "auto" (the first GPU, else the CPU), "all" (every GPU), or names with commas between:
            "cuda:0,cuda:1". Each device makes a part of every call.
        batch_size: at once on each device, at most; None: 2 on the CPU, as free memory allows on a GPU.
    """

    model: str | None = None
    variant: str | None = None
    steps: int | None = None
    guidance: float | None = None
    model_size: int | None = None
    size: int | None = None
    precision: str = "auto"
    device: str = "auto"
    batch_size: int | None = None


def open_maker(options: Options) -> DiffusionMaker:
    """Check a model, load it on every device, and settle what was left open.

    Raises:
        UsageError: no model, a number out of range, a device that is not there, or diffusers is not
        installed.
        CheckpointError: the model cannot be found, understood or built.
        UnsafeFileError: the model has pickles only, or code of its own.
    """
    if options.model is None:
        raise UsageError(
            "making images by diffusion needs a text-to-image model, and clipsan chooses none for you: give"
            " --model a folder or a hub name of diffusers' layout whose licence suits you"
        )
    _check_range("--steps", options.steps, 1, 1000)
    _check_range("--guidance", options.guidance, 0, 100)
    _check_range("--size", options.size, 32, 4096)
    _check_range("--batch-size", options.batch_size, 1, 4096)
    from clipsan.synthesis.diffusion.diffusion_maker import DiffusionMaker
    from clipsan.synthesis.diffusion.pipeline import Pipeline
    from clipsan.synthesis.diffusion.source import open_source
    from clipsan.synthesis.extra import extra
    from clipsan.synthesis.precision import choose_precision

    for library in ("diffusers", "transformers", "accelerate"):
        extra(library, "making images by diffusion")
    devices = devices_of(options.device)
    precision = choose_precision(options.precision, devices[0])
    source = open_source(options.model, options.variant)
    pipelines = [Pipeline(source, device, precision, options.batch_size) for device in devices]
    found = pipelines[0].sampling
    sampling = replace(
        found,
        steps=found.steps if options.steps is None else options.steps,
        guidance=found.guidance if options.guidance is None else options.guidance,
    )
    side = pipelines[0].side if options.model_size is None else options.model_size
    pipelines[0].check_side(side)
    return DiffusionMaker(source, pipelines, sampling, side, options.size or side, precision)


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"{name} is {value:g}, but must lie between {low} and {high}")


def devices_of(named: str) -> list[torch.device]:
    """The devices that "auto", "all" or names with commas between stand for.

    Raises:
        UsageError: one of them is not there.
    """
    import torch

    from clipsan.training.devices import choose_device

    if named == "all":
        count = torch.cuda.device_count()
        if count == 0:
            raise UsageError("--device is 'all', but torch sees no CUDA device here: use --device cpu")
        return [torch.device("cuda", number) for number in range(count)]
    return [choose_device(name.strip()) for name in named.split(",")]
