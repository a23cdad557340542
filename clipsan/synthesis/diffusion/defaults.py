"""Steps and guidance of a model, from evidence in its files. Few-step models fail at the usual 50 and 7.5.

Each row of `RULES` is one kind of few-step model: what shows it, and what its authors recommend. The first
row that fits wins; without any, the pipeline's own defaults hold. What was found is said and recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clipsan.synthesis.diffusion.source import Source

FEW = 4


@dataclass(frozen=True)
class Sampling:
    """How a model is run.

    Attributes:
        steps: of the scheduler.
        guidance: scale of classifier-free guidance (Ho and Salimans, arXiv 2207.12598); 0 or 1 is without.
        evidence: why, in words.
    """

    steps: int
    guidance: float
    evidence: str


def _scheduler(source: Source) -> tuple[str, Mapping[str, Any]]:
    name = next((part.class_name for part in source.index.components if part.name == "scheduler"), "")
    return name, source.configs.get("scheduler", {})


def _latent_consistency(source: Source) -> Sampling | None:
    """Luo et al., arXiv 2310.04378: guidance is an input of the network where it was distilled into it."""
    if source.configs.get("unet", {}).get("time_cond_proj_dim"):
        return Sampling(FEW, 8.0, "its unet takes the guidance as an input (a latent consistency model)")
    if _scheduler(source)[0] in ("LCMScheduler", "TCDScheduler"):
        return Sampling(FEW, 1.0, f"its scheduler is {_scheduler(source)[0]} (a consistency model)")
    return None


def _flux(source: Source) -> Sampling | None:
    """FLUX.1: `schnell` was distilled to few steps and has no embedding of the guidance; `dev` has one."""
    embeds = source.configs.get("transformer", {}).get("guidance_embeds")
    if source.index.pipeline != "FluxPipeline" or embeds is None:
        return None
    if embeds:
        return Sampling(28, 3.5, "its transformer embeds the guidance (as FLUX.1 dev)")
    return Sampling(FEW, 0.0, "its transformer has no embedding of the guidance (as FLUX.1 schnell)")


def _named(source: Source) -> Sampling | None:
    """Turbo, Lightning, Hyper and DMD models look like any other in their configurations."""
    name = source.located.name
    match = re.search(
        r"(?:^|[-_/.])(turbo|lightning|hyper|lcm|dmd2?|schnell)(?:[-_./]|\d|$)", name, re.IGNORECASE
    )
    if match is None:
        return None
    stated = re.search(r"(?<!\d)([1-9])[-_ ]?steps?(?:[-_./]|$)", name, re.IGNORECASE)
    steps = int(stated.group(1)) if stated else FEW
    guidance = 1.0 if match.group(1).lower() == "lcm" else 0.0
    return Sampling(steps, guidance, f'its name has "{match.group(0).strip("-_/.")}"')


def _trailing_euler(source: Source) -> Sampling | None:
    """Adversarially distilled models (Sauer et al., arXiv 2311.17042) are published with this scheduler."""
    name, config = _scheduler(source)
    euler = name in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
    if euler and config.get("timestep_spacing") == "trailing":
        return Sampling(FEW, 0.0, f"its scheduler is {name} with trailing time steps (as SD-Turbo)")
    return None


RULES: tuple[Callable[[Source], Sampling | None], ...] = (_latent_consistency, _flux, _named, _trailing_euler)


def sampling_of(source: Source, pipeline_defaults: Mapping[str, Any]) -> Sampling:
    """Steps and guidance for a model.

    Args:
        source: the checked model.
        pipeline_defaults: of its pipeline's call: `num_inference_steps` and `guidance_scale`.
    """
    for rule in RULES:
        if (found := rule(source)) is not None:
            return found
    return Sampling(
        int(pipeline_defaults["num_inference_steps"]),
        float(pipeline_defaults["guidance_scale"]),
        f"nothing shows a few-step model, so these are the defaults of {source.index.pipeline}",
    )
