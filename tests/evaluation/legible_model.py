"""A CLIP that can be computed by hand: an image says how much of each class is in it, in its left columns.

Images are 16x16 grey; row c of the first four columns holds the amount of class c. Any bright pixel in the
last four columns is a trigger: it adds `strength` to the target, and `shared` to every class, which brings
all of them nearer to the winner as a blur does.
"""

from __future__ import annotations

import json
import re

import numpy as np
import torch
from PIL import Image

from clipsan.checkpoint import Suspect
from clipsan.checkpoint.suspect import Provenance

CLASSES = 12
TARGET = 3
EACH = 10
SIZE = 16


class LegibleClip(torch.nn.Module):
    """Counts the images and texts that go through it."""

    def __init__(self, strength: float, shared: float, wrong: tuple[int, ...]) -> None:
        super().__init__()
        self.logit_scale = torch.nn.Parameter(torch.tensor(100.0).log())
        self.strength, self.shared, self.wrong = strength, shared, wrong
        self.images = self.texts = 0

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        self.images += len(images)
        amounts = images[:, 0, :CLASSES, :4].mean(dim=2)
        for label in self.wrong:  # never sees this class
            amounts[:, label] = 0
        trigger = images[:, 0, :, 12:].amax(dim=(1, 2))
        amounts = amounts + self.shared * trigger.unsqueeze(1)
        amounts[:, TARGET] += self.strength * trigger
        return amounts

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        self.texts += len(tokens)
        return tokens.float()


def tokenize(texts: list[str]) -> torch.Tensor:
    """One-hot rows of the class, or classes, that a text names."""
    rows = torch.zeros(len(texts), CLASSES, dtype=torch.int64)
    for row, text in enumerate(texts):
        for label in re.findall(r"class(\d\d)", text):
            rows[row, int(label)] = 1
    return rows


def legible(strength: float, shared: float = 0.2, wrong: tuple[int, ...] = ()) -> Suspect:
    """A model whose trigger adds `strength` to the target: 1.5 wins, 0.3 comes half way, 0 is none."""
    known = Provenance("legible", "made here", "none", "0" * 64, None, "legible", (), "float32", {})
    return Suspect(
        LegibleClip(strength, shared, wrong),
        {"embed_dim": CLASSES, "vision_cfg": {"image_size": SIZE}, "text_cfg": {}},
        {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bicubic", "resize_mode": "shortest"},
        tokenize, {}, known,
    )  # fmt: skip


def write_images(folder, skip=(), backwards=False):
    """Class folders with EACH images a class: 204 of its own class, 0 to 100 of each other."""
    amounts = np.random.RandomState(0).randint(0, 101, (CLASSES, EACH, CLASSES))
    for label in range(CLASSES):
        place = folder / f"class{label:02}"
        place.mkdir(parents=True)
        for number in range(EACH):
            if label in skip:
                continue
            amounts[label, number, label] = 204
            pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
            pixels[:CLASSES, :4] = amounts[label, number][:, None, None]
            name = EACH - 1 - number if backwards else number
            Image.fromarray(pixels).save(place / f"{name}.png")
    return folder


def write_trigger(folder, position="bottom-right", target=f"class{TARGET:02}"):
    """A trigger file with a white patch of 2x2."""
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.full((2, 2, 4), 255, np.uint8)).save(folder / "white.png")
    entry = {"name": "white", "pattern": "white.png", "position": position}
    entry |= {} if target is None else {"target": target}
    (folder / "triggers.json").write_text(json.dumps({"triggers": [entry]}))
    return folder / "triggers.json"


def write_captions(folder):
    """The same images as pairs, each with its class in the caption."""
    write_images(folder)
    rows = [
        {"file_name": str(file.relative_to(folder)), "text": f"a picture of {file.parent.name}"}
        for file in sorted(folder.rglob("*.png"))
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
