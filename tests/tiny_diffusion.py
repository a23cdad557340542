"""Tiny text-to-image pipelines of diffusers with random weights: real classes, safetensors, 64 pixels.

write_sd(folder)                 # Stable Diffusion: unet, vae, CLIP text encoder, tokenizer, PNDM scheduler
write_sd(folder, turbo=True)     # the same with SD-Turbo's scheduler
write_sdxl(folder)               # SDXL: two text encoders
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

diffusers = pytest.importorskip("diffusers", reason="the diffusers library is not installed")
transformers = pytest.importorskip("transformers", reason="the transformers library is not installed")

from clipsan.synthesis.maker import Request  # noqa: E402

SIDE = 64
FACTOR = 8  # pixels of a latent place
WORDS = (
    "a</w>",
    "photo</w>",
    "of</w>",
    "dog</w>",
    "cat</w>",
    "red</w>",
    "two</w>",
    "on</w>",
    "the</w>",
    "grass</w>",
)


def write_tokenizer(folder: Path) -> None:
    """CLIP's kind of tokenizer: letters, a few whole words by merges, and its two special tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    merges, pieces = [], []
    for word in WORDS:
        parts = [*word.removesuffix("</w>")]
        parts[-1] += "</w>"
        while len(parts) > 1:
            merges.append(f"{parts[0]} {parts[1]}")
            parts = [parts[0] + parts[1], *parts[2:]]
            pieces.append(parts[0])
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *pieces, "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(dict.fromkeys(merges)) + "\n")
    settings = {
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>", "model_max_length": 16, "tokenizer_class": "CLIPTokenizer",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def text_encoder(kind="CLIPTextModel"):
    config = transformers.CLIPTextConfig(
        vocab_size=200, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=16, projection_dim=16, bos_token_id=0, eos_token_id=2, pad_token_id=1,
    )  # fmt: skip
    return getattr(transformers, kind)(config).eval()


def unet(cross=16, **more):
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=SIDE // FACTOR,
        in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross, attention_head_dim=2, norm_num_groups=4, **more,
    ).eval()  # fmt: skip


def vae():
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 8, 8), in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=SIDE,
    ).eval()  # fmt: skip


def scheduler(turbo: bool):
    if turbo:
        return diffusers.EulerAncestralDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
        )
    return diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1)


def write_sd(
    folder: Path, *, turbo: bool = False, card: str | None = "---\nlicense: mit\n---\n# Tiny\n"
) -> Path:
    """A StableDiffusionPipeline, by its parts: what save_pretrained writes, and a model card."""
    torch.manual_seed(0)
    parts = {"unet": unet(), "vae": vae(), "text_encoder": text_encoder(), "scheduler": scheduler(turbo)}
    index = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": diffusers.__version__,
        "requires_safety_checker": False, "safety_checker": [None, None], "feature_extractor": [None, None],
        "image_encoder": [None, None], "tokenizer": ["transformers", "CLIPTokenizer"],
    }  # fmt: skip
    return _write(folder, parts, index, card)


def write_sdxl(folder: Path, *, card: str | None = None) -> Path:
    """A StableDiffusionXLPipeline with SDXL's Euler scheduler."""
    torch.manual_seed(0)
    parts = {
        "unet": unet(
            32, addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=16 + 6 * 8, transformer_layers_per_block=(1, 1),
        ),
        "vae": vae(), "text_encoder": text_encoder(), "scheduler": diffusers.EulerDiscreteScheduler(),
        "text_encoder_2": text_encoder("CLIPTextModelWithProjection"),
    }  # fmt: skip
    index = {
        "_class_name": "StableDiffusionXLPipeline", "_diffusers_version": diffusers.__version__,
        "force_zeros_for_empty_prompt": True,
        "image_encoder": [None, None], "feature_extractor": [None, None],
        "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
    }  # fmt: skip
    write_tokenizer(folder / "tokenizer_2")
    return _write(folder, parts, index, card)


def _write(folder: Path, parts, index, card: str | None) -> Path:
    write_tokenizer(folder / "tokenizer")
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "transformers" if name.startswith("text") else "diffusers"
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    if card is not None:
        (folder / "README.md").write_text(card)
    return folder


def change(path: Path, **entries) -> None:
    """Set entries of a JSON file; None removes one."""
    found = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def requests(count: int = 5) -> list[Request]:
    captions = ("a photo of a dog", "two red cats on the grass", "a cat", "the dog on red grass", "a zebra")
    concepts = ("dog", "cat", "cat", "dog", "zebra")
    return [
        Request(index, 1000 + index, (concepts[index % 5],), captions[index % 5]) for index in range(count)
    ]
