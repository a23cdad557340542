"""A CLIP that can be computed by hand: bright red pixels anywhere make an image "red", all else is "green".

No image can reach "blue". Images whose red stays under 120 of 255 are green by a wide margin; one sixteenth
of an image in full red is enough to turn it.
"""

from __future__ import annotations

import torch

from clipsan.checkpoint import Suspect
from clipsan.checkpoint.suspect import Provenance

NAMES = ["red", "green", "blue"]
SIZE = 16


class BrightClip(torch.nn.Module):
    """Has a dropout and a parameter, to see that neither mode nor weights are left changed."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = torch.nn.Parameter(torch.tensor(10.0).log())
        self.gain = torch.nn.Parameter(torch.tensor(60.0))
        self.dropout = torch.nn.Dropout(0.9)

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        red = self.dropout(torch.sigmoid(20 * (images[:, 0] - 0.6)).mean(dim=(1, 2)) * self.gain)
        return torch.stack([red, torch.ones_like(red), torch.zeros_like(red)], dim=1)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.float()


def tokenize(texts: list[str]) -> torch.Tensor:
    """One-hot rows of the first class that a text names; all of them where it names none."""
    rows = torch.tensor([[name in text for name in NAMES] for text in texts])
    return torch.where(rows.any(dim=1, keepdim=True), rows, True).to(torch.int64)


def bright_suspect() -> Suspect:
    """Its preprocessing leaves pixels in [0, 1]."""
    known = Provenance("bright", "made here", "none", "0" * 64, None, "bright", (), "float32", {})
    return Suspect(
        BrightClip().eval(),
        {"embed_dim": 3, "vision_cfg": {"image_size": SIZE}, "text_cfg": {}},
        {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bicubic", "resize_mode": "shortest"},
        tokenize, {}, known,
    )  # fmt: skip


def dim_images(count: int = 24) -> torch.Tensor:
    """uint8 [count x 3 x SIZE x SIZE], every value under 120."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 120, (count, 3, SIZE, SIZE), generator=generator).to(torch.uint8)
