"""Inversion on models whose answer to a trigger is known because it was built in."""

from __future__ import annotations

import pytest
import torch
from bright_model import NAMES, bright_suspect, bright_weights

from clipsan.errors import DataError, UsageError
from clipsan.inversion import Blend, Effort, Masked, Patch, Screening, invert
from clipsan.inversion.kinds import Kind
from clipsan.inversion.pixels import PixelModel
from clipsan.triggers import read_trigger_file, write_trigger_file

SIZE = 16
QUICK = Effort(steps=12, images=8, lr=0.1)
KINDS = (Patch(4), Patch(4, "center"), Blend(0.5), Blend(0.5, 4), Masked())


@pytest.fixture
def images() -> torch.Tensor:
    pixels = torch.randint(0, 120, (24, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(3))
    return pixels.to(torch.uint8)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_it_finds_the_class_that_a_region_decides(kind: Kind, images):
    suspect = bright_suspect(SIZE)

    found = invert(suspect, images, NAMES, bright_weights(), [kind], effort=QUICK)

    rates = {each.target: each.asr.rate for each in found}
    assert rates == {"red": 1.0, "green": 0.0}
    assert found[0].gain > 0.5 > found[1].gain
    assert found[0].asr.n == 8  # a third of 24, all taken for green untriggered
    assert found[1].asr.n == 0 or found[1].asr.successes == 0
