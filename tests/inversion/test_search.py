"""Searching one model without classes and on its text side, with triggers that were built in."""

from __future__ import annotations

import torch
from bright_model import NAMES, SIZE, bright_suspect, dim_images

from clipsan.inversion import Effort, PixelModel, Screening
from clipsan.inversion.collapse import collapse
from clipsan.inversion.invert import divide
from clipsan.inversion.ladder import ScanEffort, ladder
from clipsan.inversion.search import images_needed, screening_for, search
from clipsan.inversion.words import before_each, drag_texts

START, END, TRIGGER = 98, 99, 7


class Tower(torch.nn.Module):
    """Texts are what their other tokens say, unless the trigger is among them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(100))

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        said = self.weight[tokens] * ((tokens > 0) & (tokens < START)).unsqueeze(-1)
        triggered = (tokens == TRIGGER).any(dim=1, keepdim=True)
        return torch.where(triggered, self.weight[50] * 10 + said.sum(dim=1), said.sum(dim=1) + 0.001)


def worded():
    suspect = bright_suspect()
    suspect.model = Tower()
    suspect.model_cfg["text_cfg"] = {"vocab_size": 100}
    suspect.tokenizer = lambda texts: torch.tensor(
        [[START, 10 + i, 30 + i, END, 0, 0, 0, 0] for i in range(len(texts))]
    )
    return suspect


class Varied(torch.nn.Module):
    """Embeds an image by which of its 16 parts are bright, which differs; bright red outweighs that."""

    def __init__(self, planted: float) -> None:
        super().__init__()
        self.planted = torch.nn.Parameter(torch.tensor(planted))

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        coarse = torch.nn.functional.adaptive_avg_pool2d(images[:, 1:2], 4).flatten(1)
        parts = torch.tanh(50 * (coarse - coarse.mean(dim=1, keepdim=True)))
        red = torch.sigmoid(20 * (images[:, 0] - 0.6)).mean(dim=(1, 2))
        return torch.cat([parts, (red * self.planted).unsqueeze(1)], dim=1)


def test_a_planted_trigger_collapses_the_embeddings_with_a_smaller_mask():
    masks = {}
    for planted in (0.0, 200.0):
        suspect = bright_suspect()
        suspect.model = Varied(planted)
        train, held_out = divide(dim_images(), (SIZE, SIZE), 0)
        with PixelModel(suspect, torch.device("cpu")) as model:
            found = collapse(model, train, held_out, Effort(150, 8, 0.1))
        assert found.alike > 0.8 > 0.7 > found.alike_before
        assert found.trigger.target is None
        masks[planted] = found.mask

    assert masks[200.0] < masks[0.0] / 2


def test_the_token_that_drags_all_texts_is_found():
    found = drag_texts(worded(), ["a", "b", "c", "d"], [], 1000)

    assert found is not None
    assert found.tokens == (TRIGGER,)
    assert found.gap_closed > 0.9
    assert int(found.embedding.argmax()) == 50
    assert found.first == tuple(sorted(found.first, reverse=True))


def test_tokens_of_the_class_names_are_not_tried_and_other_vocabularies_are_left_alone():
    suspect = worded()
    plain = suspect.tokenizer
    suspect.tokenizer = lambda texts: torch.tensor([[TRIGGER]]) if texts == ["x"] else plain(texts)
    found = drag_texts(suspect, ["a", "b", "c", "d"], ["x"], 1000)
    assert TRIGGER not in found.tokens
    assert found.gap_closed < 0.6

    suspect.tokenizer_files = {"vocab.json": b""}
    assert drag_texts(suspect, ["a", "b", "c", "d"], [], 1000) is None


def test_a_sequence_goes_behind_the_start_token():
    tokens = torch.tensor([[START, 1, 2, END, 0, 0]])

    assert before_each(tokens, torch.tensor([[5], [6]])).tolist() == [
        [[START, 5, 1, 2, END, 0]],
        [[START, 6, 1, 2, END, 0]],
    ]
    assert before_each(tokens, torch.tensor([[5, 6]])).tolist() == [[[START, 5, 6, 1, 2, END]]]


def test_as_many_images_go_through_as_were_announced():
    effort = ScanEffort(24, Effort(3, 8), Effort(2, 8), 10)
    seen: list[int] = []
    rungs = ladder((SIZE, SIZE))

    searched = search(
        bright_suspect(), dim_images(), NAMES, torch.eye(3), rungs, effort, device=torch.device("cpu"),
        on_images=seen.append,
    )  # fmt: skip

    assert sum(seen) == images_needed(3, rungs, (SIZE, SIZE), effort) + 16
    assert [len(found) for found in searched.rungs.values()] == [3] * len(rungs)
    assert screening_for(31) is None
    assert isinstance(screening_for(32), Screening)
