"""--tau auto and --lr auto: what a probe tries on a tiny model, and what is refused."""

from __future__ import annotations

import pytest
import torch

import clipsan
from clipsan.checkpoint import load
from clipsan.errors import TrainingError, UsageError
from clipsan.pairs import ImageReader, open_pairs, split
from clipsan.runs.auto import RATES, asked_search, find_settings
from clipsan.runs.watch import Watcher
from clipsan.training.settings import TrainSettings

SETTINGS = TrainSettings(steps=40, batch_size=8, augment=())


@pytest.fixture
def bench(world):
    pairs = open_pairs(world / "pairs")
    train, held_out = split(pairs, 0.2, 0)
    suspect = load(world / "model.safetensors")
    reader = ImageReader(train, suspect.preprocess_cfg, suspect.image_size)

    def find(asked, **changes):
        settings = TrainSettings(**SETTINGS.to_dict() | changes)
        return find_settings(
            suspect, (train, reader), held_out, settings, asked, torch.device("cpu"), Watcher()
        )

    return suspect, find


def test_rates_are_tried_upwards_until_both_encoders_pass_tau(bench):
    suspect, find = bench
    before = {key: value.clone() for key, value in suspect.model.state_dict().items()}
    settings, tuning = find(["lr"], tau=0.5)
    tried = [trial.lr_start for trial in tuning.trials]
    assert tried == list(RATES[: len(tried)]) and len(tried) > 1
    *failed, last = tuning.trials
    assert all(trial.reached is None and min(trial.s_image, trial.s_text) <= 0.5 for trial in failed)
    assert last.reached is not None and last.reached <= last.push == 8
    assert settings.lr_start == last.lr_start and settings.lr == pytest.approx(last.lr_start / 10)
    assert settings.tau == 0.5
    assert all(torch.equal(before[key], value) for key, value in suspect.model.state_dict().items())


def test_tau_gives_way_where_no_rate_reaches_it(bench):
    _, find = bench
    with pytest.raises(TrainingError, match=r"moves the model past tau = 2\.15 .* or try --tau auto"):
        find([], lr_start=1e-9)
    settings, tuning = find(["tau"], lr_start=3e-3, tau=3.5)
    assert settings.tau < 3.5 and settings.lr_start == 3e-3
    assert [trial.push for trial in tuning.trials[:2]] == [8, 10]  # a tenth, then a quarter


def test_what_is_chosen_is_used_and_told(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clipsan.runs.auto.TAUS", (0.4, 0.2))  # what a tiny model reaches in 8 updates
    report = clipsan.clean(
        world / "model.safetensors", world / "pairs", steps=10, batch_size=8, device="cpu", tau="auto",
        lr="auto",
    ).report  # fmt: skip
    assert report.tuning is not None and report.tuning.asked == ("tau", "lr")
    assert report.training.tau == report.tuning.tau == report.settings["tau"]
    assert report.training.curves[0].lr == report.tuning.lr_start
    assert "Found by a probe for tau and lr" in (tmp_path / "cleaned" / "report.md").read_text()
    assert "Settings that were tried" in (tmp_path / "cleaned" / "report.html").read_text()


@pytest.mark.parametrize(
    ("method", "tau", "lr", "held_out", "said"),
    [
        ("par", "automatic", 1e-4, None, "--tau is 'automatic'"),
        ("par", 2.15, "fast", None, "--lr is 'fast'"),
        ("finetune", 2.15, "auto", None, "--method is finetune"),
        ("par", "auto", 1e-4, 0.0, "--held-out is 0"),
    ],
)
def test_what_cannot_be_found(method, tau, lr, held_out, said):
    with pytest.raises(UsageError, match=said):
        asked_search(method, tau, lr, held_out)


def test_a_locked_tower_reaches_no_tau():
    with pytest.raises(UsageError, match="--tau auto looks at how S of both towers grows, but --lock text"):
        asked_search("par", "auto", 1e-4, None, "text")
    assert asked_search("par", "auto", 1e-4, None, "none").names == ("tau",)


def test_numbers_are_taken_as_they_are():
    search = asked_search("par", "1.5", 2e-4, None)
    assert (search.names, search.tau, search.lr) == ((), 1.5, 2e-4)
