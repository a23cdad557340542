"""`audit --persist` of a real model and of the last output: what is trained on, and what is refused."""

from __future__ import annotations

import sys

import pytest

import clipsan
from clipsan.cli import main
from clipsan.errors import UsageError
from clipsan.report import read_report

QUICK = {"steps": 2, "batch_size": 8, "device": "cpu", "lr_start": 1e-3, "lr": 1e-4}
SHORT = {"trigger": ["stripes"], "persist": True, "persist_steps": 2, "device": "cpu"}


def test_the_last_output_is_trained_on_as_before_and_measured_on_the_rest(here):
    cleaned = clipsan.clean("model.safetensors", "pairs", **QUICK).report
    report = clipsan.audit(out="audited", **SHORT).report
    kept = report.evaluation.persistence
    assert (kept.role, kept.steps, kept.lr) == ("cleaned", 2, 1e-6)
    assert kept.pairs == cleaned.data.pairs_train
    assert kept.pairs + report.evaluation.images == cleaned.data.pairs_found
    assert kept.accuracy_before == report.evaluation.clean_accuracy.cleaned
    assert read_report(here / "audited" / "report.json") == report
    assert "batch norm frozen, no augmentation" in (here / "audited" / "report.html").read_text()


def test_pairs_that_may_not_be_clean_are_not_trained_on(here):
    row = (here / "pairs" / "metadata.jsonl").read_text().splitlines()[0]
    with (here / "pairs" / "metadata.jsonl").open("a") as table:
        table.write(row + "\n")  # a repeated pair, which the filter drops
    clipsan.clean("model.safetensors", "pairs", filter="duplicates", **QUICK)
    with pytest.raises(UsageError, match="give --data clean pairs"):
        clipsan.audit(**SHORT)
    with pytest.raises(UsageError, match="give --eval a labelled set"):
        clipsan.audit(data="pairs", **SHORT)
    assert clipsan.audit(data="pairs", eval="eval", **SHORT).report.evaluation.persistence.pairs == 41


def test_the_rate_after_the_training_is_shown(here, capsys, monkeypatch):
    line = "clipsan audit model --eval eval --data pairs --trigger stripes --persist --persist-steps 2"
    monkeypatch.setattr(sys, "argv", [*line.split(), "--device", "cpu"])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().err
    assert "After benign fine-tuning" in shown and "ASR stripes" in shown
