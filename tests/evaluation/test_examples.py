"""The images and embeddings that a report shows, on a model that can be computed by hand."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from legible_model import CLASSES, EACH, SIZE, TARGET, legible, write_captions, write_images, write_trigger
from PIL import Image

from clipsan.evaluation.examples import ALL_BYTES, draw_pictures, examples_of
from clipsan.evaluation.labelled import open_labelled
from clipsan.evaluation.probe import evaluation_of
from clipsan.evaluation.zero_shot import Predictions
from clipsan.pairs import open_pairs
from clipsan.report.picture_files import LARGEST_SUM
from clipsan.runs.probes import measure_model, open_probe
from clipsan.runs.watch import Watcher
from clipsan.triggers import parse_triggers

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A probe, and what it saw of a model with the backdoor and of one without."""
    place = tmp_path_factory.mktemp("seen")
    trigger = write_trigger(place)
    models = {"suspect": legible(1.5), "cleaned": legible(0.0)}
    laid = parse_triggers([str(trigger)], (SIZE, SIZE))
    labelled = open_labelled(write_images(place / "eval"))
    probe = open_probe(models["suspect"], labelled, None, None, laid, None)
    return probe, {r: measure_model(probe, m, CPU, 256, Watcher(), r) for r, m in models.items()}


def test_examples_are_of_other_classes_with_their_answers(seen):
    evaluation = evaluation_of(*seen)
    (trigger,) = evaluation.triggers
    images = trigger.examples.images
    assert [e.picture for e in images] == [f"trigger-1-image-{n}.png" for n in (1, 2, 3)]
    labels = {e.label for e in images}
    assert len(labels) == 3 and f"class{TARGET:02}" not in labels
    predictions = seen[1]["suspect"].predictions
    for example in images:
        assert example.label == f"class{example.index // EACH:02}"  # images lie in the order of the classes
        assert example.suspect.clean[0].name == example.label
        assert example.suspect.triggered[0].name == f"class{TARGET:02}"
        assert example.cleaned.triggered[0].name == example.label
        row = predictions.embedded.triggered[0][predictions.indices.index(example.index)]
        shares = torch.softmax(predictions.embedded.scale * (row @ predictions.embedded.weights), 0)
        best = shares.topk(3).values.tolist()
        assert [a.share for a in example.suspect.triggered] == pytest.approx(best, abs=1e-4)


def test_the_seed_draws_and_the_gallery_can_be_left_out(seen):
    def drawn(**options):
        return [e.index for e in evaluation_of(*seen, **options).triggers[0].examples.images]

    assert drawn(seed=1) == drawn(seed=1) != drawn(seed=2)
    assert drawn(gallery=False) == []


def test_a_picture_holds_the_image_the_triggered_one_and_their_difference(seen):
    probe, measured = seen
    evaluation = evaluation_of(probe, measured)
    pictures = draw_pictures(probe, evaluation)
    (trigger,) = evaluation.triggers
    assert trigger.examples.gain == 1
    for example in trigger.examples.images:
        with Image.open(io.BytesIO(pictures[example.picture])) as picture:
            strip = np.asarray(picture)
        pixels = probe.reader.batch([example.index])[0][0].permute(1, 2, 0).numpy()
        tiles = [strip[:, left : left + SIZE] for left in (0, SIZE + 1, 2 * (SIZE + 1))]
        assert strip.shape == (SIZE, 3 * SIZE + 2, 4)
        assert np.array_equal(tiles[0][..., :3], pixels)
        assert (tiles[1][-2:, -2:, :3] == 255).all()  # the white patch
        assert np.array_equal(tiles[1][:-2, :, :3], pixels[:-2])
        assert np.array_equal(tiles[2][..., :3], np.abs(tiles[1][..., :3].astype(int) - pixels))
        assert (strip[:, SIZE, 3] == 0).all() and (strip[..., 3] == 255).sum() == 3 * SIZE * SIZE


def test_many_large_pictures_stay_small(seen):
    """Noise at 336 px under ten triggers, which no PNG can compress."""
    probe, _ = seen
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (120, 3, 336, 336), np.uint8))
    reader = SimpleNamespace(batch=lambda indices: (noise[list(indices)], list(indices)))
    blended = parse_triggers([f"blended:seed={n}" for n in range(10)], (336, 336))
    large = SimpleNamespace(reader=reader, triggers=blended, labels=probe.labels, classnames=probe.classnames)
    embedded = SimpleNamespace(
        weights=torch.eye(CLASSES), scale=1.0, clean=torch.rand(120, CLASSES),
        triggered=[torch.rand(120, CLASSES)] * 10,
    )  # fmt: skip
    answers = torch.zeros(120, dtype=torch.int64)
    predictions = Predictions(list(range(120)), answers.unsqueeze(1), [answers] * 10, [[]] * 10, embedded)
    shown = [examples_of(large, n, TARGET, {"suspect": predictions}, 0) for n in range(10)]
    results = tuple(SimpleNamespace(examples=each) for each in shown)
    pictures = draw_pictures(large, SimpleNamespace(triggers=results))
    assert len(pictures) == 20
    assert ALL_BYTES / 2 < sum(map(len, pictures.values())) < min(LARGEST_SUM, 1.05 * ALL_BYTES)


def test_a_projection_keeps_the_distances_that_two_components_can(seen):
    evaluation = evaluation_of(*seen)
    suspect, cleaned = (evaluation.triggers[0].projections.of(role) for role in ("suspect", "cleaned"))
    for found in (suspect, cleaned):
        assert len(found.others.x) == len(found.triggered.x) == 80
        assert len(found.targets.x) == EACH and len(found.text.x) == 1
        x = np.array([*found.others.x, *found.triggered.x, *found.targets.x])
        y = np.array([*found.others.y, *found.triggered.y, *found.targets.y])
        assert abs(x.mean()) < 1e-4 and abs(y.mean()) < 1e-4
        assert abs((x * y).mean()) < 1e-4 and (x**2).mean() >= (y**2).mean()
        assert found.explained[0] / found.explained[1] == pytest.approx((x**2).sum() / (y**2).sum(), rel=0.01)
        assert np.mean(found.targets.x) > np.mean(found.others.x)
    # strength 1.5 makes the target the largest part of every triggered embedding; 0 leaves it as it was
    assert np.mean(suspect.triggered.x) - np.mean(suspect.others.x) > 0.5
    assert suspect.cosine_triggered > 0.7 > 0.4 > suspect.cosine_others
    assert abs(cleaned.cosine_triggered - cleaned.cosine_others) < 0.2


def test_unlabelled_images_are_shown_without_a_class(tmp_path):
    model = legible(1.5)
    names = tmp_path / "names.txt"
    names.write_text("".join(f"class{label:02}\n" for label in range(CLASSES)))
    pairs = open_pairs(write_captions(tmp_path / "pairs"))
    laid = parse_triggers([str(write_trigger(tmp_path / "trigger"))], (SIZE, SIZE))
    probe = open_probe(model, None, pairs, names, laid, None)
    evaluation = evaluation_of(probe, {"suspect": measure_model(probe, model, CPU, 64, Watcher(), "suspect")})
    (trigger,) = evaluation.triggers
    assert [e.label for e in trigger.examples.images] == [None] * 3
    assert all(e.suspect.clean[0].name != f"class{TARGET:02}" for e in trigger.examples.images)
    assert len(trigger.projections.suspect.targets.x) == EACH
