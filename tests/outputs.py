"""Output folders as `clean` writes them, without the training: any verdict, any format, poisoned or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tiny_models import make_tiny

from clipsan.checkpoint import load, write_folder
from clipsan.checkpoint.suspect import POISONED
from clipsan.report import (
    Evaluation,
    Rate,
    Rates,
    ReachedTau,
    Report,
    SkippedItems,
    Training,
    TriggerResult,
    conclude,
)
from clipsan.runs.describe import model_of, versions, write_reports

NOTHING_SKIPPED = SkippedItems(0, {}, ())


def write_output(
    folder: Path,
    *,
    verdict: str = "pass",
    formats: Sequence[str] = ("open_clip",),
    poisoned: bool = False,
    largest_shard: int = 1 << 40,
) -> Report:
    """Write weights, configuration, report and card of a tiny ViT; returns the report."""
    original = make_tiny("vit").write_folder(folder.parent / f"{folder.name}-suspect")
    suspect = load(original)
    before = replace(model_of(suspect, "suspect"), source="model.safetensors")
    metadata = {"method": "par", "source_sha256": before.sha256} | ({POISONED: "true"} if poisoned else {})
    folder.mkdir()
    written = write_folder(folder, suspect, suspect.model.state_dict(), metadata, formats, largest_shard)
    after = replace(
        before, role="cleaned", source=folder.name, sha256=written.sha256, metadata=metadata,
        path=f"{folder.name}/{written.weights.name}",
    )  # fmt: skip
    report = conclude(
        Report(
            command="clean",
            versions=versions(),
            models=(before, after),
            settings={"model": "model.safetensors", "data": "pairs"},
            seed=0,
            training=_training(),
            evaluation=None if verdict == "inconclusive" else _evaluation(0.5 if verdict == "fail" else 0.02),
        )
    )
    assert report.verdict.result == verdict
    write_reports(folder, report)
    return report


def _training() -> Training:
    return Training(
        method="par", steps=244, batch_size=64, pairs_seen=15616, seconds=1.0, device="cpu", precision="fp32",
        tau=2.15, reached_tau=ReachedTau(10, 20), curves=(),
    )  # fmt: skip


def _evaluation(asr: float) -> Evaluation:
    stripes = TriggerResult(
        name="stripes", settings={"size": 16}, target="fish", target_given=True,
        asr=Rates(Rate(490, 500), Rate(int(500 * asr), 500)), base_rate=Rates(Rate(5, 500), Rate(5, 500)),
    )  # fmt: skip
    return Evaluation(
        kind="zero-shot", source="eval", images=520, classes=26, templates=3, chance=1 / 26, digest="e" * 64,
        skipped=NOTHING_SKIPPED, clean_accuracy=Rates(Rate(400, 520), Rate(390, 520)),
        top5=Rates(Rate(500, 520), Rate(500, 520)), triggers=(stripes,),
    )  # fmt: skip
