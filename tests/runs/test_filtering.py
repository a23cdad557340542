"""The filter in a run of several processes: all must ask the same models."""

from __future__ import annotations

import json

import pytest
import torch

from clipsan.checkpoint import load
from clipsan.errors import UsageError
from clipsan.pairs import ImageReader, open_pairs
from clipsan.runs.filtering import Filtering, run_filter
from clipsan.runs.material import Wanted, parts, prepare
from clipsan.runs.watch import Watcher
from clipsan.training.processes import Processes

CPU = torch.device("cpu")


class Second(Processes):
    """The second of two processes; `first` is what the first of them answers to what this one has."""

    def __init__(self, first):
        super().__init__(1, 2)
        self._first = first

    def of_first(self, text):
        return json.dumps(self._first(json.loads(text)))


def test_another_reference_than_the_first_process_has_is_refused(here):
    suspect, pairs = load("model"), open_pairs("pairs")
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size)
    first = Second(lambda own: {"model": dict.fromkeys(own["model"], "0" * 64)})
    with pytest.raises(
        UsageError, match=r"SHA-256 of --filter-reference 000.*, which is process 2: give all"
    ):
        run_filter(Filtering.of("match", "model"), pairs, suspect, reader, 0, CPU, Watcher(), first)


def other_reference(**settings):
    return settings | {"filter-reference": not settings["filter-reference"]}


def test_a_reference_that_the_first_process_lacks_is_refused(here):
    suspect, pairs = load("model"), open_pairs("pairs")
    wanted = Wanted(0.1, 0, False, None, Filtering.of("match", "model"), 8)
    first = Second(lambda own: own | {"settings": other_reference(**own["settings"])})
    with pytest.raises(UsageError, match=r"the first of the processes has .*filter-reference.*process 2"):
        prepare(pairs, parts(pairs, wanted), suspect, wanted, None, CPU, Watcher(), first)
