import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from clipsan.errors import OutputError, UsageError
from clipsan.synthesis.shapes import CLASSES, TEMPLATES, draw_scene, write_labelled, write_pairs
from clipsan.synthesis.shapes.captions import Attributes, write_caption
from clipsan.synthesis.shapes.objects import OBJECTS
from clipsan.synthesis.shapes.outlines import box, convex, disc, pentagram, rim, stroke
from clipsan.synthesis.shapes.scenes import COLOURS


def fingerprint(scenes):
    digest = hashlib.sha256()
    for scene in scenes:
        digest.update(scene.pixels.tobytes() + scene.caption.encode() + bytes([scene.label]))
    return digest.hexdigest()


def test_scenes_have_the_same_bytes_on_every_platform():
    scenes = [draw_scene(5, index, 64) for index in range(96)] + [
        draw_scene(6, index, 48) for index in range(48)
    ]
    assert fingerprint(scenes) == "a57884350a0df5d65391cf0c4a07bdb4d4b3078e3fdf065ddede5add6500cbe5"


def test_a_scene_depends_on_seed_and_index_only():
    first = draw_scene(1, 30)
    draw_scene(1, 31)
    again = draw_scene(1, 30)
    assert fingerprint([first]) == fingerprint([again])
    assert not np.array_equal(first.pixels, draw_scene(2, 30).pixels)
    assert not np.array_equal(first.pixels, draw_scene(1, 30 + len(CLASSES)).pixels)


@pytest.mark.parametrize("size", [24, 33, 64, 224])
def test_pixels_have_the_asked_size(size):
    scene = draw_scene(0, 3, size)
    assert scene.pixels.shape == (size, size, 3)
    assert scene.pixels.dtype == np.uint8


def test_classes_are_many_balanced_and_named_by_captions():
    assert len(CLASSES) == len(set(CLASSES)) == 24
    scenes = [draw_scene(3, index, 24) for index in range(10 * len(CLASSES))]
    assert np.bincount([scene.label for scene in scenes]).tolist() == [10] * len(CLASSES)
    plurals = {"snowmen": "snowman"}
    for scene in scenes:
        words = {plurals.get(word, word) for word in scene.caption.rstrip(".").split()}
        named = {name for name in CLASSES if words & {name, name + "s", name + "es"}}
        assert named == {CLASSES[scene.label]}, scene.caption


def test_templates_hold_the_class_once():
    assert all(template.count("{c}") == 1 for template in TEMPLATES)


def test_captions_are_sentences():
    class Says(np.random.RandomState):
        """Mentions everything, and opens with `opening`."""

        def __init__(self, opening):
            super().__init__(0)
            self.opening = opening

        def random_sample(self, size):
            return np.zeros(size)

        def randint(self, *_):
            return self.opening

    one = Attributes("anchor", 1, "small", "red", "dotted", "at sea", "on the left", "in dim light")
    assert write_caption(one, Says(0)) == "a small red dotted anchor at sea on the left in dim light."
    bare = Attributes("anchor", 1, "medium", "orange", "plain", "at sea", "on the left", "")
    assert write_caption(bare, Says(1)) == "a picture of an orange anchor at sea on the left."
    two = Attributes("cross", 2, "medium", "red", "plain", "at sea", "on the left", "")
    assert write_caption(two, Says(3)) == "there are two red crosses at sea."


def test_mean_colour_does_not_give_the_class_away():
    scenes = [draw_scene(8, index, 32) for index in range(100 * len(CLASSES))]
    means = np.array([scene.pixels.mean(axis=(0, 1)) for scene in scenes])
    labels = np.array([scene.label for scene in scenes])
    half = len(scenes) // 2
    centres = np.array([means[:half][labels[:half] == label].mean(axis=0) for label in range(len(CLASSES))])
    nearest = ((means[half:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    # Chance is 1/24 = 4.2 %; 1200 guesses at chance stay under 7 % but once in a million times.
    assert (nearest == labels[half:]).mean() < 0.07


def test_words_are_independent_of_the_class():
    captions = [
        (draw_scene(9, index, 24).caption.rstrip("."), index % len(CLASSES))
        for index in range(200 * len(CLASSES))
    ]
    for word in [*COLOURS, "small", "striped", "grass", "left"]:
        counts = np.bincount(
            [label for text, label in captions if word in text.split()], minlength=len(CLASSES)
        )
        expected = counts.mean()
        # Chi-squared with 23 degrees of freedom exceeds 60 about once in 25 000 tries.
        assert ((counts - expected) ** 2 / expected).sum() < 60, word


def test_every_object_fits_its_square_and_differs_from_the_others():
    axis = np.linspace(-1.5, 1.5, 61, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    outside = np.maximum(np.abs(x), np.abs(y)) > 1.12
    masks = {}
    for name, layers_of in OBJECTS.items():
        layers = layers_of(x, y)
        assert {paint for _, paint in layers} <= {"body", "dark", "light"}
        assert any(paint == "body" for _, paint in layers), name
        masks[name] = np.maximum.reduce([layer for layer, _ in layers]) > 0
        assert masks[name].any(), name
        assert not (masks[name] & outside).any(), name
    names = list(masks)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = (masks[first] & masks[second]).sum() / (masks[first] | masks[second]).sum()
            assert shared < 0.85, (first, second)


def test_distances_are_those_of_the_figures():
    def at(figure, x, y, *settings):
        return float(figure(np.float32([[x]]), np.float32([[y]]), *settings)[0, 0])

    assert at(disc, 3, 4, 0, 0, 2) == -3
    assert at(box, 1, 0, 0, 0, 3, 1) == 1
    assert at(box, 5, 0, 0, 0, 3, 1) == -2
    assert at(stroke, 0, 2, -1, 0, 1, 0, 0.5) == -1.5
    square = [(0, 0), (2, 0), (2, 2), (0, 2)]
    assert at(convex, 1.5, 1, square) == 0.5
    assert at(convex, 3, 1, square) == -1
    assert float(rim(np.float32([2]), 0.5)[0]) == -1.5
    assert at(pentagram, 0, -0.95, 1) > 0 > at(pentagram, 0, -1.05, 1)
    assert at(pentagram, 0, 0.35, 1) > 0 > at(pentagram, 0, 0.42, 1)  # the notch between two tips, at 0.382


def test_written_pairs_read_back(tmp_path):
    folder = write_pairs(tmp_path / "pairs", 5, seed=4, size=32)
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["file_name"] for row in rows] == [f"{index:06d}.png" for index in range(5)]
    for index, row in enumerate(rows):
        scene = draw_scene(4, index, 32)
        assert row["text"] == scene.caption
        with Image.open(folder / row["file_name"]) as image:
            assert np.array_equal(np.asarray(image), scene.pixels)


def test_written_classes_are_folders(tmp_path):
    folder = write_labelled(tmp_path / "eval", 2, seed=4, size=24)
    templates = folder / "zeroshot_classification_templates.txt"
    assert templates.read_text(encoding="utf-8").splitlines() == list(TEMPLATES)
    templates.unlink()
    assert sorted(path.name for path in folder.iterdir()) == sorted(CLASSES)
    assert all(len(list(path.iterdir())) == 2 for path in folder.iterdir())
    with Image.open(folder / CLASSES[1] / f"{1 + len(CLASSES):06d}.png") as image:
        assert np.array_equal(np.asarray(image), draw_scene(4, 1 + len(CLASSES), 24).pixels)


def test_bad_requests_are_one_sentence_and_write_nothing(tmp_path):
    for call in (
        lambda: draw_scene(-1, 0),
        lambda: draw_scene(0, 2**32),
        lambda: draw_scene(0, 0, 8),
        lambda: write_pairs(tmp_path / "new", 0, 0),
        lambda: write_pairs(tmp_path / "new", 3, -1),
        lambda: write_labelled(tmp_path / "new", 1, 0, 5000),
    ):
        with pytest.raises(UsageError, match="give a"):
            call()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="not empty"):
        write_pairs(tmp_path / "used", 3, 0)
    (tmp_path / "file").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        write_labelled(tmp_path / "file", 1, 0, 24)
