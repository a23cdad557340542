"""Random places: inside the image, uniform, and fixed by seed and index."""

from __future__ import annotations

import numpy as np
import pytest

from clipsan.triggers.placement import as_position, corner, fits


def places(seed, n, patch=(5, 3), image=(12, 8)):
    return [corner("random", patch, image, seed, index) for index in range(n)]


def test_random_places_are_uniform_over_all_that_fit():
    counts = np.zeros((8, 6), dtype=int)  # rows 0..7, columns 0..5
    for row, column in places(0, 9600):
        counts[row, column] += 1
    chi_square = ((counts - 200) ** 2 / 200).sum()
    # 47 degrees of freedom: 90 is exceeded by chance once in 6000 seeds, 20 is undershot as rarely.
    assert 20 < chi_square < 90


def test_places_of_following_images_are_unrelated():
    rows = np.array([row for row, _ in places(0, 4000, image=(104, 8))])
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 0.05  # 3 standard errors


def test_places_depend_on_the_seed():
    same = sum(a == b for a, b in zip(places(0, 480), places(1, 480), strict=True))
    assert same < 30  # 480 / 48 = 10 by chance


def test_a_patch_as_large_as_the_image_has_one_place():
    assert set(places(0, 20, patch=(12, 8))) == {(0, 0)}


def test_recorded_places():
    assert places(7, 3, patch=(16, 16), image=(224, 224)) == [(189, 164), (56, 98), (87, 108)]


@pytest.mark.parametrize("value", ["random", "bottom-left", (3, 7)])
def test_positions_are_kept(value):
    assert as_position(value) == value


def test_a_list_is_a_position():
    assert as_position([3, 7]) == (3, 7)


@pytest.mark.parametrize("value", ["middle", "full", [1], [1, 2, 3], [-1, 0], [True, 0], [1.0, 2], None, 5])
def test_other_positions_are_refused(value):
    with pytest.raises(ValueError, match="not a position"):
        as_position(value)


def test_fits_to_the_last_pixel():
    assert fits((7, 5), (5, 3), (12, 8))
    assert not fits((8, 5), (5, 3), (12, 8))
    assert not fits((7, 6), (5, 3), (12, 8))
    assert not fits("random", (13, 3), (12, 8))
