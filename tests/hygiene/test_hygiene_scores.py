"""The numbers of the filter against straightforward versions of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from made_pairs import natural, unit

from clipsan.hygiene import neighbours
from clipsan.hygiene.density import K, densities
from clipsan.hygiene.details import Windows, mean_amplitude, shrunk, unit_rows
from clipsan.hygiene.duplicates import NEAR_BITS
from clipsan.hygiene.match import EXCESS, FEWEST, SURE, WORST, crowded
from clipsan.hygiene.neighbours import nearest
from clipsan.hygiene.patch import resembling
from clipsan.hygiene.pattern import _grow
from clipsan.hygiene.perceptual import perceptual_hash
from clipsan.hygiene.robust import robust_z, worst
from clipsan.hygiene.words import Agreement, plain, words_of

CPU = torch.device("cpu")


def test_robust_z_is_not_moved_by_outliers():
    z = robust_z(torch.tensor([1.0, 2.0, 3.0, 4.0, 1000.0]))
    # median 3, absolute deviations 2 1 0 1 997, their median 1
    assert z.tolist() == pytest.approx([-2 / 1.4826, -1 / 1.4826, 0, 1 / 1.4826, 997 / 1.4826])
    assert robust_z(torch.tensor([5.0, 5.0, 5.0, 9.0])).tolist() == [0, 0, 0, 0]
    assert len(robust_z(torch.zeros(0))) == 0


def test_worst_takes_the_highest_flagged():
    flagged = torch.tensor([True, False, True, True])
    assert worst(flagged, torch.tensor([1.0, 9.0, 3.0, 2.0]), 2).tolist() == [False, False, True, True]
    assert not worst(flagged, torch.ones(4), 0).any()


def test_nearest_in_blocks_is_the_nearest(monkeypatch):
    vectors = unit(50, 8)
    own = torch.arange(50)
    own[7] = -1
    monkeypatch.setattr(neighbours, "BLOCK", 50 * 7)  # blocks of seven queries
    alike, place = nearest(vectors, vectors, 3, own=own)
    for query in range(50):
        cosines = [float(vectors[query] @ other) for other in vectors]
        if own[query] >= 0:
            cosines[query] = -2
        order = sorted(range(50), key=lambda i: -cosines[i])[:3]
        assert place[query].tolist() == order
        assert alike[query].tolist() == pytest.approx([cosines[i] for i in order], abs=1e-6)
    assert nearest(vectors[:0], vectors, 3)[0].shape == (0, 3)


def test_densities_are_slof_as_defined():
    vectors = unit(40, 5)
    distance, slof = densities(vectors, CPU)
    apart = torch.cdist(vectors.double(), vectors.double())
    kth = [sorted(row[torch.arange(40) != i].tolist())[K - 1] for i, row in enumerate(apart)]
    assert distance.tolist() == pytest.approx(kth, abs=1e-4)
    for i in range(40):
        near = [j for j in apart[i].argsort().tolist() if j != i][:K]
        assert float(slof[i]) == pytest.approx(np.mean([kth[i] / kth[j] for j in near]), abs=1e-3)


def test_crowds_are_those_of_the_definition():
    texts = unit(10, 6)[torch.randint(10, (300,), generator=torch.Generator().manual_seed(1))]
    mismatch = torch.rand(300, generator=torch.Generator().manual_seed(2))
    caption = (texts == texts[0]).all(dim=1)
    planted = caption.nonzero()[:14, 0]
    mismatch[planted] += 1
    flagged, score = crowded(mismatch, texts, CPU)
    n, k = 300, FEWEST
    certain = []
    for i in range(n):
        share = float((mismatch >= mismatch[i]).sum()) / n
        near = (texts @ texts[i]).topk(k).indices
        count = int((mismatch[near] >= mismatch[i]).sum())
        tail = 1 - sum(math.exp(-share * k) * (share * k) ** c / math.factorial(c) for c in range(count))
        certain.append(share <= WORST and count >= EXCESS * share * k and tail < SURE / 10)
        assert float(score[i]) == pytest.approx(count / (share * k) / share)
    for i in range(n):
        like = [j for j in range(n) if certain[j] and torch.equal(texts[i], texts[j])]
        assert bool(flagged[i]) == any(mismatch[i] >= mismatch[j] for j in like), i
    assert set(planted.tolist()) <= set(flagged.nonzero()[:, 0].tolist())


def test_words_and_plain_captions():
    assert words_of("A Dog's red-ball, 2 dogs") == {"a", "dog", "s", "red", "ball", "dogs"}
    assert words_of("红色 apple") == {"红", "色", "apple"}
    assert plain("  A dog,  RUNS! ") == plain("a dog runs")


@pytest.mark.parametrize(("count", "of"), [(5, 5), (7, 10), (12, 40)])
def test_agreement_is_an_upper_bound_on_the_binomial_tail(count, of):
    n, base = 400, 40  # a tenth of the captions hold the word
    captions = ["rare thing"] * base + ["thing"] * (n - base)
    group = [*range(count), *range(base, base + of - count)]
    word, log = Agreement(captions).on(group, among=["rare"])
    exact = sum(math.comb(of, c) * 0.1**c * 0.9 ** (of - c) for c in range(count, of + 1))
    assert word == "rare"
    assert math.log10(exact) <= log + 1e-9 < math.log10(exact) + 2
    assert Agreement(captions).on(range(100, 110)) == ("", 0.0)  # "thing" is in all


def test_common_words_leave_out_rare_and_usual_ones():
    captions = ["a cat", "a cat", "a dog", "a dog", "a dog", "a fox"]
    assert Agreement(captions).common(2, 0.5, 10) == [[2, 3, 4], [0, 1]]
    assert Agreement(captions).common(2, 0.5, 1) == [[2, 3, 4]]


def test_perceptual_hash_survives_resizing_and_tells_images_apart():
    images = torch.from_numpy(natural(20, 64))
    small = torch.nn.functional.interpolate(images.float(), (40, 40), mode="bilinear", antialias=True)
    before, after = perceptual_hash(images), perceptual_hash(small.round().to(torch.uint8))
    assert int((before != after).sum(dim=1).max()) <= NEAR_BITS
    other = (before[:, None] != before[None]).sum(dim=2) + 64 * torch.eye(20, dtype=torch.int64)
    assert int(other.min()) > NEAR_BITS


def test_whitening_gives_every_frequency_the_same_power():
    images = torch.from_numpy(natural(200, 16))
    amplitude = mean_amplitude(images, block=64)
    spectrum = torch.fft.rfft2(images.float() - images.float().mean(dim=(2, 3), keepdim=True)) / amplitude
    power = spectrum.abs().square().mean(dim=0)
    power[:, 0, 0] = 1
    assert power.min() > 0.9 and power.max() < 1.01
    assert unit_rows(images, amplitude).norm(dim=1).tolist() == pytest.approx([1.0] * 200, abs=1e-5)
    assert shrunk(torch.zeros(2, 3, 224, 100, dtype=torch.uint8)).shape == (2, 3, 64, 64)


def test_windows_lie_where_the_fine_structure_is():
    images = torch.from_numpy(natural(8, 64))
    patch = torch.from_numpy(np.random.RandomState(0).randint(0, 2, (3, 8, 8)) * 255).to(torch.uint8)
    finder = Windows.of(images)
    assert finder.sizes == (5, 6, 8)
    for number in range(8):
        images[number, :, 5 * number : 5 * number + 8, 10:18] = patch
    windows = finder.cut(images)[2][:, 0]  # the strongest window of 8 px
    alike = windows @ windows.T
    assert float(alike.min()) > 0.9


def test_resembling_is_the_best_of_all_windows():
    windows = unit(12 * 3, 5).view(12, 3, 5)
    alike, place = resembling(windows, windows, torch.arange(12), CPU)
    assert alike.shape == (12, 11)
    for i in range(12):
        best = {j: float((windows[i] @ windows[j].T).max()) for j in range(12) if j != i}
        order = sorted(best, key=lambda j: -best[j])
        assert place[i].tolist() == order
        assert alike[i].tolist() == pytest.approx([best[j] for j in order], abs=1e-6)


def test_a_pattern_takes_each_members_own_part_out():
    vectors = unit(60, 400)
    members = torch.zeros(60, dtype=torch.bool)
    members[:10] = True
    pattern = torch.zeros(400)
    pattern[:20] = 1 / math.sqrt(20)
    vectors[:14] = torch.nn.functional.normalize(vectors[:14] + 1.5 * pattern, dim=1)
    grown = _grow(vectors @ vectors.T, members)
    assert grown is not None
    kept, along = grown
    assert kept.nonzero()[:, 0].tolist() == list(range(14))  # four more fit the pattern of the ten
    for i in range(60):
        mine = [j for j in kept.nonzero()[:, 0].tolist() if j != i]
        direction = vectors[mine].mean(dim=0) - vectors[14:].mean(dim=0)
        assert float(along[i]) == pytest.approx(float(vectors[i] @ direction), abs=1e-5)
    nothing = torch.zeros(60, dtype=torch.bool)
    nothing[20:26] = True
    assert _grow(vectors @ vectors.T, nothing) is None  # six images that share nothing
