"""The contact sheet shows the images, the triggered images and the amplified change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from clipsan.errors import OutputError, TriggerError
from clipsan.triggers import contact_sheet, parse_triggers
from clipsan.triggers.sheet import GAP, LABEL_WIDTH


def test_rows_and_pixels(tmp_path):
    pixels = torch.full((8, 3, 32, 32), 40, dtype=torch.uint8)
    triggers = parse_triggers(["blended-triangles", "stripes:position=top-left,size=112"], (32, 32))
    contact_sheet(triggers, pixels, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    # 32 px are shown 4 times as large; 6 images; one row as they are and two for each trigger.
    step = 128 + GAP
    assert sheet.shape == (GAP + 5 * step, LABEL_WIDTH + 6 * step, 3)
    tiles = [sheet[GAP + row * step :, LABEL_WIDTH + 5 * step :][:128, :128] for row in range(5)]
    assert (tiles[0] == 40).all()
    # 0.85 * 40 + 15.3 = 49.3 and 64.6: changes of 9 and 25, times 255 // 25 = 10
    assert set(np.unique(tiles[1])) == {49, 65}
    assert set(np.unique(tiles[2])) == {90, 250}
    assert (tiles[3][64:] == 40).all()
    assert set(np.unique(tiles[3][:64, :64])) == {0, 255}
    assert set(np.unique(tiles[4][:64, :64])) == {40, 215}
    assert (tiles[4][64:] == 0).all()
    assert all((sheet[GAP + row * step :][:step, :LABEL_WIDTH] < 128).any() for row in range(5))


def test_errors(tmp_path):
    triggers = parse_triggers(["stripes"], (32, 32))
    with pytest.raises(TriggerError, match="goes on uint8 images"):
        contact_sheet(triggers, torch.zeros(1, 3, 16, 16, dtype=torch.uint8), tmp_path / "a.png")
    with pytest.raises(OutputError, match="Cannot write the contact sheet"):
        contact_sheet(triggers, torch.zeros(1, 3, 32, 32, dtype=torch.uint8), tmp_path / "no" / "a.png")
