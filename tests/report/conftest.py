"""A complete report of a run that passed; tests change one thing in it."""

from __future__ import annotations

import pytest

from clipsan.report import (
    CurvePoint,
    Data,
    DroppedPair,
    DropReason,
    Evaluation,
    Filter,
    FilterCheck,
    Model,
    Rate,
    Rates,
    ReachedTau,
    Report,
    SkippedItem,
    SkippedItems,
    Source,
    Training,
    TriggerResult,
    conclude,
)


def _model(role: str, digit: str) -> Model:
    return Model(
        role=role,
        source=f"{role}-model",
        format="open_clip folder",
        path=f"{role}-model/open_clip_model.safetensors",
        sha256=digit * 64,
        repository=None,
        revision=None,
        architecture="RN50",
        activation="gelu",
        evidence=("activation gelu: from open_clip_config.json",),
        dtype="float16",
        metadata={"format": "pt"},
        card={},
    )


@pytest.fixture
def trigger() -> TriggerResult:
    return TriggerResult(
        name="stripes",
        settings={"size": 16, "position": "random"},
        target="banana",
        target_given=True,
        asr=Rates(Rate(943, 950), Rate(19, 950)),
        base_rate=Rates(Rate(5, 950), Rate(6, 950)),
    )


@pytest.fixture
def evaluation(trigger) -> Evaluation:
    return Evaluation(
        kind="zero-shot",
        source="eval/",
        images=1000,
        classes=20,
        templates=7,
        chance=0.05,
        digest="e" * 64,
        skipped=SkippedItems(0, {}, ()),
        clean_accuracy=Rates(Rate(545, 1000), Rate(510, 1000)),
        top5=Rates(Rate(850, 1000), Rate(840, 1000)),
        triggers=(trigger,),
    )


@pytest.fixture
def training() -> Training:
    return Training(
        method="par",
        steps=160,
        batch_size=256,
        pairs_seen=40960,
        seconds=300.0,
        device="cpu",
        precision="bf16",
        tau=2.15,
        reached_tau=ReachedTau(12, 31),
        curves=(
            CurvePoint(0, 1e-3, 4.5, 4.5, 0.0, 0.0),
            CurvePoint(159, 1e-9, 0.9, 1.5, 1.2, None),
        ),
    )


@pytest.fixture
def report(evaluation, training) -> Report:
    return conclude(
        Report(
            command="clean",
            versions={"clipsan": "0.1.0", "torch": "2.15"},
            models=(_model("suspect", "a"), _model("cleaned", "b")),
            settings={"tau": 2.15, "trigger": ["stripes"], "arch": None},
            seed=0,
            data=Data(
                sources=(Source("pairs/", "a folder", 10_000, None, None, "given"),),
                pairs_found=10_000,
                pairs_train=9_000,
                pairs_held_out=1_000,
                digest="d" * 64,
                skipped=SkippedItems(1, {"not an image": 1}, (SkippedItem("b.jpg", "not an image"),)),
                filter=Filter(
                    pairs=10_300,
                    dropped=300,
                    reference=None,
                    checks=(
                        FilterCheck("images", 1, {"blank": 1}, {"least_deviation": 2.0}, ()),
                        FilterCheck("match", 299, {"no match": 299}, {}, ("the bound was reached",)),
                    ),
                    items=(
                        DroppedPair("a.jpg", (DropReason("images", "blank", None),)),
                        DroppedPair("c.jpg", (DropReason("match", "no match", 4.25),)),
                    ),
                    sheet="dropped.png",
                ),
            ),
            training=training,
            evaluation=evaluation,
            warnings=("The device ran out of cache.",),
        )
    )
