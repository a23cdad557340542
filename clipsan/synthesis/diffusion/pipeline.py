"""A text-to-image pipeline of diffusers on one device: captions and seeds in, pixels out.

The noise of an image comes from a generator of its own, on the CPU, so it depends on the image's seed alone:
not on the batch, the device or what was made before. What remains is the rounding of the device's arithmetic,
which may differ between batch sizes by a level of a pixel.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clipsan.errors import CheckpointError, ClipsanError, UsageError
from clipsan.synthesis.diffusion.defaults import Sampling, sampling_of
from clipsan.synthesis.diffusion.source import Source
from clipsan.synthesis.extra import extra, quiet
from clipsan.synthesis.precision import DTYPES
from clipsan.synthesis.staging import staged

LARGEST_BATCH = 64
CPU_BATCH = 2
SHARE_OF_FREE_MEMORY = 0.8
Pixels = NDArray[np.float32]


class Pipeline:
    """A loaded model on one device.

    Attributes:
        sampling: the model's own steps and guidance.
        side: of the images that the model was trained on, in pixels.
        batch: images at once; falls when memory runs out, and stays there.
    """

    def __init__(
        self, source: Source, device: torch.device, precision: str, batch: int | None = None
    ) -> None:
        """Load a checked model.

        Args:
            source: what `open_source` gave.
            device: to compute on.
            precision: a key of `DTYPES`.
            batch: images at once; None: small on the CPU, as free memory allows on a GPU.

        Raises:
            CheckpointError: diffusers cannot build it.
        """
        self.device = device
        self._name = source.located.name
        self._pipeline = _load(source, DTYPES[precision], device)
        defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(self._pipeline.__call__).parameters.items()
        }
        self.sampling: Sampling = sampling_of(source, defaults)
        self.side = _side(self._pipeline)
        self._factor = int(getattr(self._pipeline, "vae_scale_factor", 8))
        self.batch = batch or (CPU_BATCH if device.type == "cpu" else LARGEST_BATCH)
        self._measured = batch is not None or device.type != "cuda"

    def check_side(self, side: int) -> None:
        """UsageError where the model cannot make images of this side."""
        step = 2 * self._factor
        if side % step or not step <= side <= 4096:
            raise UsageError(
                f"The model makes images whose side is a multiple of {step} up to 4096, not {side} pixels."
            )

    def generate(
        self, captions: Sequence[str], seeds: Sequence[int], sampling: Sampling, side: int
    ) -> list[Pixels | None]:
        """One image for each caption and seed.

        Returns:
            float32 RGB [side x side x 3] in [0, 1] each; None where it is black or not finite.

        Raises:
            UsageError: memory does not suffice for one image.
            CheckpointError: the model's parts do not fit together.
        """
        images: list[Pixels | None] = []
        while len(images) < len(captions):
            if not self._measured:
                self._measure(captions[0], sampling, side)
            part = slice(len(images), len(images) + self.batch)
            try:
                images += self._call(captions[part], seeds[part], sampling, side)
            except torch.OutOfMemoryError:
                if self.batch == 1:
                    raise UsageError(
                        f"{self.device} has not enough memory for one image of {side} x {side} pixels; choose"
                        " a smaller model, side or precision."
                    ) from None
                self.batch = max(1, min(self.batch, len(captions[part])) // 2)
                _free(self.device)
        return images

    def _call(
        self, captions: Sequence[str], seeds: Sequence[int], sampling: Sampling, side: int
    ) -> list[Pixels | None]:
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        with torch.no_grad(), _sentences(self._name, "make an image by"):
            made = self._pipeline(
                prompt=list(captions), generator=generators, num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance, height=side, width=side, output_type="np",
            ).images  # fmt: skip
        # a safety checker paints what it withholds black; half precision can fail into numbers that are none
        return [
            np.asarray(image, np.float32) if np.isfinite(image).all() and image.max() > 0 else None
            for image in made
        ]

    def _measure(self, caption: str, sampling: Sampling, side: int) -> None:
        """Set the batch by what one image of one step takes, and by the memory that is free."""
        self._measured = True
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        self.batch = 1
        try:
            self._call([caption], [0], Sampling(1, sampling.guidance, ""), side)
        except torch.OutOfMemoryError:
            return  # said by the first image itself
        needed = max(1, torch.cuda.max_memory_allocated(self.device) - before)
        _free(self.device)
        free, _ = torch.cuda.mem_get_info(self.device)
        self.batch = int(min(LARGEST_BATCH, max(1, SHARE_OF_FREE_MEMORY * free // needed)))


def _load(source: Source, dtype: torch.dtype, device: torch.device) -> Any:
    automatic = _automatic_pipeline()
    with staged(source.content) as folder, quiet(), _sentences(source.located.name, "build", str(folder)):
        pipeline = automatic.from_pretrained(
            str(folder), torch_dtype=dtype, use_safetensors=True, local_files_only=True
        )
        pipeline.set_progress_bar_config(disable=True)
        try:
            return pipeline.to(device)
        except torch.OutOfMemoryError:
            raise UsageError(
                f"{device} has not enough memory for {source.located.name}; choose a smaller model or a lower"
                " precision."
            ) from None


def _automatic_pipeline() -> Any:
    """diffusers' class that finds the pipeline; a broken installation is no fault of the model."""
    diffusers = extra("diffusers", "Making images by diffusion")
    try:
        return diffusers.AutoPipelineForText2Image
    except (ImportError, RuntimeError, AttributeError) as error:  # its lazy import wraps what went wrong
        reason = str(error).strip().split("\n")[-1]
        raise UsageError(
            f"diffusers {diffusers.__version__} cannot be imported whole ({reason:.200});"
            " install it anew with: pip install 'clipsan[synth]'"
        ) from None


@contextmanager
def _sentences(model: str, what: str, folder: str = "\0") -> Iterator[None]:
    """Turn what diffusers raises over a model that does not fit together into a CheckpointError."""
    try:
        yield
    except (ClipsanError, torch.OutOfMemoryError):
        raise
    except (OSError, LookupError, ValueError, TypeError, RuntimeError, AttributeError, ImportError) as error:
        version = extra("diffusers", "Making images by diffusion").__version__
        reason = str(error).replace(folder, model).split("\n")[0]
        raise CheckpointError(
            f"diffusers {version} cannot {what} {model} ({type(error).__name__}: {reason:.200})."
        ) from None


def _side(pipeline: Any) -> int:
    """The side of the model's own images: its sample size in pixels."""
    network = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    sample = getattr(getattr(network, "config", None), "sample_size", None)
    if isinstance(sample, list | tuple):
        sample = sample[0]
    sample = int(sample or getattr(pipeline, "default_sample_size", 64) or 64)
    return sample * int(getattr(pipeline, "vae_scale_factor", 8))


def _free(device: torch.device) -> None:
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.empty_cache()
