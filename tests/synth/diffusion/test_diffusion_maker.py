"""Images by a tiny pipeline of diffusers: what an image depends on, and what it does not."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_diffusion import change, requests

from clipsan.errors import CheckpointError, UsageError
from clipsan.synthesis.diffusion import Options, open_maker


def make(folder, count=5, **options):
    maker = open_maker(Options(str(folder), device=options.pop("device", "cpu"), **{"steps": 2, **options}))
    return maker.make(requests(count))


def farthest(one, other) -> int:
    """The largest difference of any pixel, in levels of 256."""
    return max(
        int(np.abs(a.pixels.astype(int) - b.pixels.astype(int)).max())
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("kind", ["sd", "turbo", "sdxl"])
def test_an_image_depends_on_its_request_alone(made, kind):
    together = make(made / kind, batch_size=5)
    assert [each.pixels.shape for each in together] == [(64, 64, 3)] * 5
    assert {each.pixels.dtype for each in together} == {np.dtype(np.uint8)}
    assert farthest(together, make(made / kind, batch_size=1)) <= 1
    assert farthest(together, make(made / kind, batch_size=2, device="cpu,cpu,cpu")) <= 1
    # and it does depend on the request: other seeds and captions give images that are far from it
    assert min(farthest([a], [b]) for a in together for b in together if a is not b) > 20


def test_equal_calls_give_equal_bytes(made):
    one, other = make(made / "turbo"), make(made / "turbo")
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))


def test_the_caption_changes_the_image(made):
    maker = open_maker(Options(str(made / "sd"), device="cpu", steps=2))
    first = requests(1)[0]
    other = type(first)(first.index, first.seed, ("cat",), "two cats")
    assert farthest(maker.make([first]), maker.make([other])) > 5


def test_sizes(made):
    made_small = make(made / "sd", 1, size=40, model_size=96)[0]
    assert made_small.pixels.shape == (40, 40, 3)
    settings = open_maker(Options(str(made / "sd"), device="cpu")).settings()
    assert (settings["model_size"], settings["size"]) == (64, 64)
    with pytest.raises(UsageError, match="multiple of 16"):
        make(made / "sd", 1, model_size=100)


def test_every_record_names_prompt_model_and_licence(made):
    record = make(made / "sd", 1, guidance=3.0)[0].record
    assert record == {
        "prompt": "a photo of a dog", "model": "sd", "licence": "mit", "steps": 2, "guidance": 3.0
    }  # fmt: skip


def test_without_a_licence_it_is_unknown_and_said(made, model):
    change_card = {
        "---\nlicense: other\nlicense_name: some-terms\nlicense_link: LICENSE.md\n---\n": (
            "other (some-terms, LICENSE.md)"
        ),
        "# no front matter, but the word MIT": "unknown",
        "---\nlicense: [1, {a: b}]\n---\n": "unknown",
    }
    for text, licence in change_card.items():
        (model / "README.md").write_text(text)
        maker = open_maker(Options(str(model), device="cpu", steps=1))
        assert maker.make(requests(1))[0].record["licence"] == licence
        assert bool(maker.warnings) == (licence == "unknown")
    assert "unknown" in open_maker(Options(str(made / "sdxl"), device="cpu")).warnings[0]


def test_settings_name_the_model_by_its_bytes(made, model):
    settings = open_maker(Options(str(model), device="cpu", batch_size=3)).settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings == open_maker(Options(str(model), device="cpu,cpu")).settings()
    change(model / "scheduler" / "scheduler_config.json", beta_end=0.03)
    assert settings["sha256"] != open_maker(Options(str(model), device="cpu")).settings()["sha256"]


def test_without_a_model_it_is_refused():
    with pytest.raises(UsageError, match="clipsan chooses none"):
        open_maker(Options(None))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "--steps is 0"),
        ({"guidance": -1}, "--guidance is -1"),
        ({"size": 8}, "--size is 8"),
        ({"batch_size": 0}, "--batch-size is 0"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown"),
        ({"precision": "fp16"}, "not for the CPU"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"variant": "../x"}, "no name of a variant"),
    ],
)
def test_settings_out_of_range(made, options, said):
    with pytest.raises((UsageError, CheckpointError), match=said):
        open_maker(Options(str(made / "sd"), **{"device": "cpu", **options}))


class Rigged:
    """The real pipeline, on less memory or with a safety checker that withholds some images."""

    def __init__(self, inner, most=99, black=()):
        self.inner, self.most, self.black, self.sizes = inner, most, black, []

    def __call__(self, prompt, **settings):
        self.sizes.append(len(prompt))
        if len(prompt) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        images = self.inner(prompt=prompt, **settings).images
        for place, caption in enumerate(prompt):
            if caption in self.black:
                images[place] = 0 if caption == "a cat" else np.nan
        return SimpleNamespace(images=images)


def rig(maker, **settings):
    pipeline = maker._pipelines[0]
    pipeline._pipeline = Rigged(pipeline._pipeline, **settings)
    return pipeline._pipeline


def test_the_batch_falls_when_memory_runs_out_and_stays_there(made):
    maker = open_maker(Options(str(made / "turbo"), device="cpu", steps=1, batch_size=16))
    expected = maker.make(requests(8))
    rigged = rig(maker, most=2)
    assert farthest(expected, maker.make(requests(8))) <= 1
    assert rigged.sizes == [8, 4, 2, 2, 2, 2]
    maker.make(requests(4))
    assert rigged.sizes[6:] == [2, 2]
    assert maker.batch == 16  # a call stays as long as it was


def test_on_a_gpu_the_batch_comes_from_free_memory(made, monkeypatch):
    """One image takes 1 000 of 10 000 free bytes: eight fit into 80 % of them. The counters are made up."""
    readings = {"memory_allocated": 500, "max_memory_allocated": 1500, "mem_get_info": (10_000, 20_000)}
    for name in ("synchronize", "reset_peak_memory_stats", *readings):
        monkeypatch.setattr(torch.cuda, name, lambda _, name=name: readings.get(name))
    maker = open_maker(Options(str(made / "turbo"), device="cpu", steps=2, batch_size=64))
    maker._pipelines[0]._measured = False
    rigged = rig(maker)
    assert None not in maker.make(requests(20))
    assert rigged.sizes == [1, 8, 8, 4]


def test_memory_for_no_image_is_a_sentence(made):
    maker = open_maker(Options(str(made / "turbo"), device="cpu", steps=1))
    rig(maker, most=0)
    with pytest.raises(UsageError, match="not enough memory for one image of 64 x 64"):
        maker.make(requests(3))


def test_black_images_and_numbers_that_are_none_are_not_made(made):
    maker = open_maker(Options(str(made / "turbo"), device="cpu", steps=1))
    expected = maker.make(requests())
    rig(maker, black=("a cat", "a zebra"))
    found = maker.make(requests())
    assert [each is None for each in found] == [False, False, True, False, True]
    assert farthest([expected[3]], [found[3]]) <= 1
