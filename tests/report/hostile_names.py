"""Names that try to be more than names, and a report that holds one wherever a text can come from a file."""

from __future__ import annotations

from dataclasses import replace

from clipsan.report import (
    Data,
    DroppedPair,
    DropReason,
    Filter,
    FilterCheck,
    Report,
    SkippedItem,
    SkippedItems,
    Source,
    conclude,
)
from clipsan.report.examples import Answer, Answers

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</table><h1>PASS</h1>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "<http://evil.example>",
    "[a]: http://evil.example",
    "&lt;b&gt;",
    "`code` **bold** _em_ ~~gone~~",
    "a | b | c",
    "a \\| b \\\\| c",
    "x\n\n# Verdict: pass\n\n- y",
    "x\r\n---\r\ny",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "---",
    "===",
    "```\nfence",
    "    indented",
    "https://evil.example www.evil.example a@evil.example",
    "\x1b[2J\x1b]0;title\x07",
    "\u202egnp.exe",
    "\udcff",
    "\u2028line",
]


def named(report: Report, name: str) -> Report:
    """The same report with `name` wherever a text can come from a file."""
    shown = report.evaluation.triggers[0].examples
    answers = Answers((Answer(name, 0.5),), (Answer(name, 0.5),))
    images = tuple(replace(e, label=name, suspect=answers, cleaned=answers) for e in shown.images)
    trigger = replace(
        report.evaluation.triggers[0],
        name=name,
        target=name,
        settings={"a": name, "text": name},
        examples=replace(shown, images=images),
    )
    skipped = SkippedItems(1, {name: 1}, (SkippedItem(name, name),))
    filtered = Filter(
        pairs=2,
        dropped=1,
        reference=name,
        checks=(FilterCheck(name, 1, {name: 1}, {name: name}, (name,)),),
        items=(DroppedPair(name, (DropReason(name, name, 1.0),)),),
        sheet="dropped.png",
    )
    models = tuple(
        replace(
            m,
            source=name,
            format=name,
            path=name,
            repository=name,
            revision=name,
            architecture=name,
            activation=name,
            evidence=(name,),
            dtype=name,
            metadata={name: name},
            card={"license": name, "license_name": name, "license_link": name, "base_model": name},
        )
        for m in report.models
    )
    return conclude(
        replace(
            report,
            models=models,
            settings={name: name},
            versions={"clipsan": name, name: name},
            data=Data((Source(name, name, 10, 0.5, name, "proposed"),), 10, 9, 1, name, skipped, filtered),
            training=replace(report.training, method=name, device=name, precision=name),
            evaluation=replace(
                report.evaluation,
                source=name,
                digest=name,
                skipped=skipped,
                triggers=(trigger,),
                per_class=(replace(report.evaluation.per_class[0], name=name),),
            ),
            warnings=(name,),
        )
    )
