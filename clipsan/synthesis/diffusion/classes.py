"""Which classes of diffusers and transformers a pipeline may be made of, and which files each kind reads.

A `model_index.json` names the classes to build. What is not in these tables is refused before anything is
imported or loaded: several classes of the two libraries unpickle their files or fetch others. To add one is
one row; look first at what its `from_pretrained` opens.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["model", "text model", "scheduler", "tokenizer", "processor"]

PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "LatentConsistencyModelPipeline",
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "PixArtAlphaPipeline",
    "PixArtSigmaPipeline",
    "SanaPipeline",
)
"""Text-to-image pipelines of diffusers that take one generator for each image and fetch nothing else."""

_DIFFUSERS: dict[Kind, tuple[str, ...]] = {
    "model": (
        "UNet2DConditionModel",
        "SD3Transformer2DModel",
        "FluxTransformer2DModel",
        "PixArtTransformer2DModel",
        "Transformer2DModel",
        "SanaTransformer2DModel",
        "AutoencoderKL",
        "AutoencoderTiny",
        "AutoencoderDC",
    ),
    "scheduler": (
        "DDIMScheduler",
        "DDPMScheduler",
        "DEISMultistepScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler",
        "FlowMatchEulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "KDPM2AncestralDiscreteScheduler",
        "KDPM2DiscreteScheduler",
        "LCMScheduler",
        "LMSDiscreteScheduler",
        "PNDMScheduler",
        "TCDScheduler",
        "UniPCMultistepScheduler",
    ),
}
_TRANSFORMERS: dict[Kind, tuple[str, ...]] = {
    "text model": (
        "CLIPTextModel",
        "CLIPTextModelWithProjection",
        "CLIPVisionModelWithProjection",
        "T5EncoderModel",
        "Gemma2Model",
    ),
    "tokenizer": (
        "CLIPTokenizer",
        "CLIPTokenizerFast",
        "T5Tokenizer",
        "T5TokenizerFast",
        "GemmaTokenizer",
        "GemmaTokenizerFast",
    ),
    "processor": ("CLIPImageProcessor", "CLIPFeatureExtractor"),
}
_SAFETY: dict[Kind, tuple[str, ...]] = {"text model": ("StableDiffusionSafetyChecker",)}
_LIBRARIES = {"diffusers": _DIFFUSERS, "transformers": _TRANSFORMERS, "stable_diffusion": _SAFETY}

KINDS: dict[tuple[str, str], Kind] = {
    (library, name): kind
    for library, kinds in _LIBRARIES.items()
    for kind, names in kinds.items()
    for name in names
}
"""(library, class) as in model_index.json -> its kind."""

CONFIG_OF: dict[Kind, str] = {
    "model": "config.json",
    "text model": "config.json",
    "scheduler": "scheduler_config.json",
    "tokenizer": "tokenizer_config.json",
    "processor": "preprocessor_config.json",
}
STEM_OF: dict[Kind, str] = {"model": "diffusion_pytorch_model", "text model": "model"}
"""The name of the weights before `.safetensors`, for the kinds that have any."""

TOKENIZER_JSON = "tokenizer.json"
TOKENIZER_SETTINGS = ("special_tokens_map.json", "added_tokens.json")
VOCABULARY = ("vocab.json", "merges.txt", "spiece.model", "tokenizer.model")
