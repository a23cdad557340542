"""From scores to who stands out, checked by hand."""

from __future__ import annotations

import pytest

from clipsan.inversion import evidence
from clipsan.inversion.evidence import (
    class_free_limit,
    family_of,
    limit_of,
    robust_z,
    shipped,
    shipped_limit,
    tail,
    words_limit,
)
from clipsan.inversion.ladder import EFFORTS, ladder


def test_robust_z_is_the_distance_from_the_median_in_scaled_deviations():
    # median 3; deviations 2 1 0 1 7, their median 1
    assert robust_z([1, 2, 3, 4, 10]) == pytest.approx([each / 1.4826 for each in (-2, -1, 0, 1, 7)])


def test_equal_scores_of_all_others_do_not_make_the_rest_infinite():
    assert robust_z([0, 0, 0, 0, 7]) == pytest.approx([0, 0, 0, 0, 50])
    assert robust_z([2, 2, 2]) == [0, 0, 0]


def test_p_is_that_of_the_largest_of_so_many():
    assert tail(1.959964, 1) == pytest.approx(0.025, abs=1e-6)
    assert tail(1.959964, 20) == pytest.approx(0.5, abs=1e-5)
    assert tail(-3, 20) == 1


def test_limits_follow_the_clean_models():
    assert limit_of([8.0, 2.0], "two").z == 10.0
    assert limit_of([8.0, 2.0], "two").clean == (2.0, 8.0)
    assert limit_of([1.0], "one").z == 5.0
    assert limit_of([], "none").z == 5.0
    assert (class_free_limit([0.4, 0.2]), class_free_limit([])) == (0.1, None)
    assert (words_limit([0.2, 0.4]), words_limit([])) == (0.7, None)


def test_shipped_clean_models_of_any_family_stand_in_for_ones_own(monkeypatch):
    known = {"resnet 64": {"quick": {"patch": [2.0, 6.0]}}, "transformer 64": {"quick": {"patch": [8.0]}}}
    monkeypatch.setattr(evidence, "shipped", lambda: known)
    own, other = (shipped_limit(family, "quick", "patch") for family in ("resnet 64", "resnet 224"))
    assert (own.z, own.clean, own.source) == (7.5, (2.0, 6.0), "2 clean models of the family resnet 64")
    assert (other.z, other.clean) == (10.0, (2.0, 6.0, 8.0))
    assert "other families or efforts" in other.source
    assert shipped_limit("resnet 64", "normal", "patch").z == 10.0
    assert shipped_limit("resnet 64", "quick", "new").z == 5.0


def test_a_family_is_the_kind_of_tower_and_its_resolution():
    assert family_of({"vision_cfg": {"layers": [3, 4, 6, 3]}}, (64, 64)) == "resnet 64"
    assert family_of({"vision_cfg": {"layers": 12}}, (224, 256)) == "transformer 224"


def test_the_shipped_calibration_is_whole():
    names = {rung.name for rung in ladder((64, 64))} | {"class-free", "words"}
    for family, of_effort in shipped().items():
        assert family.split()[0] in ("resnet", "transformer")
        for effort, values in of_effort.items():
            assert effort in EFFORTS
            assert set(values) == names
            assert len({len(of_models) for of_models in values.values()}) == 1
