"""The quality gate: cosine under a trusted CLIP, absolute or by a share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipsan.checkpoint import load
from clipsan.checkpoint.write import write_weights
from clipsan.errors import CheckpointError, UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.synthesis.judge import open_judge, parse_minimum
from clipsan.synthesis.maker import Made

CPU = torch.device("cpu")


def some(count: int, size: int = 48) -> list[Made]:
    random = np.random.RandomState(3)
    pictures = random.randint(0, 256, (count, size, size, 3)).astype(np.uint8)
    return [Made(picture, f"a photo of thing {number}", {}) for number, picture in enumerate(pictures)]


def test_the_score_is_the_cosine_of_image_and_caption(world):
    judge, made = open_judge(world / "model", 0.1, CPU), some(3)
    encoder = Encoder(load(world / "model"), CPU)
    pixels = torch.from_numpy(np.stack([each.pixels for each in made]).transpose(0, 3, 1, 2).copy())
    images, texts = encoder.images(pixels), encoder.texts([each.caption for each in made])
    assert np.allclose(judge.scores(made), torch.nn.functional.cosine_similarity(images, texts), atol=1e-5)
    assert judge.threshold == 0.1 and judge.first == 0
    assert judge.scores([]).shape == (0,)


def test_images_of_any_size_are_scored_one_by_one(world):
    judge, made = open_judge(world / "model", 0.1, CPU), [*some(2, 48), *some(1, 80)]
    together = judge.scores(made)
    assert np.allclose(together, [judge.scores([each])[0] for each in made], atol=1e-5)


def test_a_share_is_calibrated_once_and_then_fixed(world):
    judge, made = open_judge(world / "model", "25%", CPU), some(20)
    assert judge.first > 0 and (judge.scores(made) >= judge.threshold).all()  # until then all pass
    threshold = judge.calibrate(made)
    assert (judge.scores(made) < threshold).sum() == 5
    assert judge.threshold == threshold and judge.first == 0
    again = open_judge(world / "model", "25%", CPU)
    assert again.settings() == judge.settings() != open_judge(world / "model", "20%", CPU).settings()
    again.resume(threshold)
    assert (again.threshold, again.first) == (threshold, 0)
    with pytest.raises(UsageError, match="no image"):
        open_judge(world / "model", "25%", CPU).calibrate([])


def test_an_absolute_minimum_is_never_changed(world):
    judge = open_judge(world / "model", "0.2", CPU)
    assert judge.calibrate(some(4)) == 0.2
    judge.resume(0.9)
    assert judge.threshold == 0.2


@pytest.mark.parametrize("minimum", ["", "high", "2", "nan", "100%", "-5%"])
def test_a_minimum_that_is_none(minimum):
    with pytest.raises(UsageError, match="must be a cosine"):
        parse_minimum(minimum)


def test_a_model_marked_as_poisoned_does_not_judge(world, tmp_path):
    write_weights(
        tmp_path / "bad.safetensors", load(world / "model").model.state_dict(), {"poisoned": "true"}
    )
    with pytest.raises(CheckpointError, match="marked as poisoned"):
        open_judge(tmp_path / "bad.safetensors", 0.1, CPU)
