"""What no file says is measured on clean pairs: the way in which the model was trained wins."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_models import make_tiny
from torch.nn import functional as F

from clipsan.checkpoint import load, write_weights
from clipsan.pairs import ImageReader, open_pairs
from clipsan.runs.settle import DOUBT, _clear, doubts, settle

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs(world):
    return open_pairs(world / "pairs")


def trained(folder, pairs, *, head_width, updates):
    """A bare file of a tiny ViT that has learned the pairs by heart."""
    tiny = make_tiny("vit", head_width=head_width)
    model = copy.deepcopy(tiny.model)
    suspect = load(tiny.write_folder(folder / "untrained"))
    pixels, good = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size).batch(range(len(pairs)))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (suspect.mean, suspect.std))
    images = (pixels.float() / 255 - mean) / std
    tokens = suspect.tokenizer([pairs.captions[index] for index in good])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(updates):
        logits = 20 * F.normalize(model.encode_image(images)) @ F.normalize(model.encode_text(tokens)).T
        right = torch.arange(len(good))
        loss = F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    (folder / "bare").mkdir()
    write_weights(folder / "bare" / "model.safetensors", model.state_dict(), {})
    return folder / "bare" / "model.safetensors"


def settled(suspect, pairs):
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size)
    found = settle(suspect, pairs.captions, reader, CPU)
    assert found.candidates == ()
    assert settle(found, pairs.captions, reader, CPU) is found
    return found


def test_the_heads_of_an_unusual_tower_are_found(pairs, tmp_path):
    suspect = load(trained(tmp_path, pairs, head_width=32, updates=150), activation="gelu")
    assert suspect.model_cfg["vision_cfg"]["head_width"] == 64  # CLIP's convention, wrong here
    assert [candidate.label for candidate in suspect.candidates] == [
        "activation gelu, image heads of 64", "activation gelu, image heads of 32",
        "activation gelu, image heads of 128",
    ]  # fmt: skip
    found = settled(suspect, pairs)
    assert found.model_cfg["vision_cfg"]["head_width"] == 32
    line = found.provenance.evidence[-1]
    assert line.startswith(
        "activation gelu, image heads of 32: the lowest contrastive loss on 40 clean pairs ("
    )
    assert doubts(found) == ()


def test_an_untrained_model_tells_nothing_and_the_report_warns(pairs, tmp_path):
    suspect = load(trained(tmp_path, pairs, head_width=64, updates=0))
    assert len(suspect.candidates) == 6
    found = settled(suspect, pairs)
    assert found.model_cfg == suspect.candidates[0].model_cfg  # the most usual
    assert len(doubts(found)) == 1 and DOUBT in doubts(found)[0]


def test_a_choice_is_clear_two_standard_errors_from_the_next():
    # mean 1, standard deviation sqrt(8/7) over 8 pairs: standard error 0.378, so 1 is 2.6 of them
    assert _clear(torch.tensor([0.0, 2.0] * 4))
    # mean 0.5, the same deviation: 1.3 of them
    assert not _clear(torch.tensor([-0.5, 1.5] * 4))
