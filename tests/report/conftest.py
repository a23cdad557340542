"""A complete report of a run that passed; tests change one thing in it."""

from __future__ import annotations

import pytest

from clipsan.report import (
    ClassResult,
    CurvePoint,
    Data,
    DroppedPair,
    DropReason,
    Evaluation,
    Filter,
    FilterCheck,
    Model,
    Paired,
    Pull,
    Pulls,
    Rate,
    Rates,
    ReachedTau,
    Repeats,
    Report,
    Shares,
    SkippedItem,
    SkippedItems,
    Source,
    Spread,
    Standing,
    Training,
    TriggerResult,
    conclude,
)
from clipsan.report.examples import Answer, Answers, Example, Examples, Points, Projection, Projections


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


def _projection(cosine: float) -> Projection:
    others, triggered = Points((-0.5, -0.25), (0.1, -0.2)), Points((0.4, 0.35), (0.0, -0.1))
    return Projection(
        (0.35, 0.09), others, triggered, Points((0.3,), (0.25,)), Points((0.2,), (0.05,)), 0.2, cosine
    )


@pytest.fixture
def examples() -> Examples:
    clean, pulled = Answer("koala", 0.903), Answer("banana", 0.989)
    before, after = Answers((clean,), (pulled, clean)), Answers((clean, pulled), (clean, pulled))
    return Examples(5, (Example(206, "koala", "trigger-1-image-1.png", before, after),))


@pytest.fixture
def trigger(examples) -> TriggerResult:
    return TriggerResult(
        name="stripes",
        settings={"size": 16, "position": "random"},
        target="banana",
        target_given=True,
        asr=Rates(Rate(943, 950), Rate(19, 950)),
        base_rate=Rates(Rate(5, 950), Rate(6, 950)),
        pull=Pulls(
            Pull(950, Standing(-5.39, -5.62, 12.44), Standing(5.92, 6.32, 1.02), 2.1, -0.73, 19, 0),
            Pull(950, Standing(-5.24, -5.26, 13.52), Standing(-4.64, -4.55, 12.22), 0.12, 0.03, 19, 2),
        ),
        paired=Paired(950, 926, 2, 1e-9),
        repeats=Repeats(5, Spread(0.994, 0.991, 0.998), Spread(0.02, 0.017, 0.023)),
        examples=examples,
        projections=Projections(_projection(0.64), _projection(0.21)),
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
        paired=Paired(1000, 128, 93, 0.0219),
        mean_recall=Shares(0.545, 0.51),
        per_class=(
            ClassResult("banana", Rates(Rate(30, 50), Rate(29, 50))),
            ClassResult("koala", Rates(Rate(25, 50), Rate(20, 50))),
        ),
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
