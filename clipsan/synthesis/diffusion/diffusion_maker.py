"""The maker of images by diffusion: requests are shared out among the devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsan.synthesis.diffusion.defaults import Sampling
from clipsan.synthesis.diffusion.pipeline import Pipeline, Pixels
from clipsan.synthesis.diffusion.source import Source
from clipsan.synthesis.extra import quiet
from clipsan.synthesis.maker import Made, Request


class DiffusionMaker:
    """Makes images with one pipeline on each device.

    An image depends on its request alone (and on the rounding of the device's arithmetic), so the folder
    comes out the same on one device and on eight.

    Attributes:
        name: "diffusion".
        batch: requests of one call, those of all devices together; what fits into memory at once is less.
        notes: what was settled and why.
        warnings: what the user should read before using the images.
    """

    name = "diffusion"

    def __init__(
        self,
        source: Source,
        pipelines: Sequence[Pipeline],
        sampling: Sampling,
        side: int,
        size: int,
        precision: str,
    ) -> None:
        """Use `open_maker`.

        Args:
            source: the checked model.
            pipelines: the model on each device.
            sampling: steps and guidance, and the evidence for the model's own.
            side: of the images as they are generated, in pixels.
            size: of the images as they are written, in pixels.
            precision: of the pipelines.
        """
        self.batch = sum(pipeline.batch for pipeline in pipelines)
        self._source = source
        self._pipelines = list(pipelines)
        self._sampling = sampling
        self._side, self._size = side, size
        self._precision = precision
        self.notes = _notes(source, pipelines[0], sampling, side, precision)
        self.warnings = source.located.warnings

    def settings(self) -> dict[str, object]:
        """What a resumed run must agree with: the model's bytes and how it is run; not the devices."""
        return {
            **self._source.located.record(),
            **self._identity,
            "variants": dict(sorted(self._source.variants.items())),
            "steps": self._sampling.steps,
            "guidance": self._sampling.guidance,
            "model_size": self._side,
            "size": self._size,
            "precision": self._precision,
        }

    def make(self, requests: Sequence[Request]) -> list[Made | None]:
        """One image for each request, in their order; None where the model gave none.

        That is an image that is all black, as a safety checker paints what it withholds, or not finite.
        """
        count = len(self._pipelines)
        parts = [list(requests[start::count]) for start in range(count)]
        with quiet(), ThreadPoolExecutor(count, "diffusion") as pool:
            images = list(pool.map(self._generate, self._pipelines, parts))
        ordered = [images[place % count][place // count] for place in range(len(requests))]
        return [self._made(request, image) for request, image in zip(requests, ordered, strict=True)]

    def _generate(self, pipeline: Pipeline, requests: Sequence[Request]) -> list[Pixels | None]:
        captions = [request.caption for request in requests]
        return pipeline.generate(captions, [request.seed for request in requests], self._sampling, self._side)

    def _made(self, request: Request, image: Pixels | None) -> Made | None:
        if image is None:
            return None
        record: dict[str, str | int | float] = {"prompt": request.caption, **self._source.located.record()}
        record |= {"steps": self._sampling.steps, "guidance": self._sampling.guidance}
        return Made(_eight_bit(image, self._size), request.caption, record)

    @cached_property
    def _identity(self) -> Mapping[str, str]:
        """The SHA-256 of a folder's files; a repository has its commit."""
        return {} if self._source.located.revision is not None else {"sha256": self._source.digest()}


def _eight_bit(image: Pixels, size: int) -> NDArray[np.uint8]:
    """uint8 [size x size x 3] of float32 [h x w x 3] in [0, 1]."""
    pixels = (image * 255).round().clip(0, 255).astype(np.uint8)
    if pixels.shape[:2] == (size, size):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS), np.uint8)


def _notes(
    source: Source, pipeline: Pipeline, sampling: Sampling, side: int, precision: str
) -> tuple[str, ...]:
    located, own = source.located, pipeline.sampling
    origin = "" if located.revision is None else f" at {located.revision}"
    lines = [f"{located.name}{origin}: {source.index.pipeline}, licence {located.licence}, {precision}"]
    for name, used, default in (
        ("steps", sampling.steps, own.steps),
        ("guidance", sampling.guidance, own.guidance),
    ):
        reason = own.evidence if used == default else f"given; the model's own would be {default:g}"
        lines.append(f"{name} {used:g}: {reason}")
    lines.append(
        f"generated at {side} x {side} pixels"
        + ("" if side == pipeline.side else f" (the model's own: {pipeline.side})")
    )
    lines += [f"weights of {part}: variant {kind}" for part, kind in sorted(source.variants.items())]
    return tuple(lines)
