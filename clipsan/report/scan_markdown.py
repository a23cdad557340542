"""scan.md: what a scan found, for a reader, result first."""

from __future__ import annotations

from collections.abc import Iterator

from clipsan.report.markdown import bullets, table
from clipsan.report.scan_record import RungResult, ScanReport
from clipsan.report.tables import model_rows
from clipsan.report.wording import markdown, percent, with_interval

HEADINGS = {
    "evidence": "Evidence of a backdoor",
    "no evidence found": "No evidence found",
    "inconclusive": "Inconclusive",
}
HOW_TO_READ = (
    "For each class a trigger is optimised that sends images to it, or the best of a list is taken; ASR is "
    "the share of held-out images that it sends there. Margin moved: by how many logits it brings the class "
    "nearer to winning. z: how far that stands out from the other classes, in robust standard deviations; "
    "evidence is a z above the limit with an ASR of 25 % or more. p is nominal: it would be exact if clean "
    "classes' scores were normal."
)
LIMITS = (
    "A scan sees triggers like those it tries: patches, weak blends, warps, colour filters, strips, waves, "
    "masked patterns, tokens. It does not see triggers that depend on the image, nor a target far from every "
    "class of its list."
)


def scan_to_markdown(report: ScanReport) -> str:
    """The whole scan as Markdown (GitHub's tables), ending in a newline."""
    blocks = ["# clipsan scan", f"**{HEADINGS[report.result]}**"]
    blocks.append(bullets(markdown(reason, 2000) for reason in report.reasons))
    if report.warnings:
        blocks += ["## Warnings", bullets(markdown(warning, 2000) for warning in report.warnings)]
    blocks += ["## By class", HOW_TO_READ]
    for rung in report.rungs:
        blocks += [f"### {markdown(rung.kind)}", table(rung_rows(rung)), _limit(rung)]
    blocks += ["## Without classes, and the text side", bullets(map(markdown, other_lines(report)))]
    blocks += ["## The triggers found", *_triggers(report)]
    blocks += ["## Limits", LIMITS]
    blocks += ["## Model", table(model_rows(report.model))]
    return "\n\n".join(blocks) + "\n"


def rung_rows(rung: RungResult) -> list[list[str]]:
    """The best classes of a rung as plain text, the first row being the header."""
    rows = [["class", "ASR [95 %]", "margin moved", "z", "p", "evidence"]]
    for each in rung.candidates:
        z = (
            f"{each.z:.1f}"
            if each.z_reference is None
            else f"{each.z:.1f} (to reference {each.z_reference:.1f})"
        )
        evidence = "yes" if each.evidence else "no"
        p = "< 1e-9" if each.p < 1e-9 else f"{each.p:.1g}"
        rows.append([each.target, with_interval(each.asr), f"{each.gain:+.2f}", z, p, evidence])
    return rows


def refined_rows(report: ScanReport) -> list[list[str]]:
    """The refined triggers as plain text, the first row being the header."""
    rows = [["trigger", "class", "ASR found", "ASR refined [95 %]", "on the reference"]]
    for each in report.refined:
        theirs = "" if each.reference is None else with_interval(each.reference)
        found = percent(each.found.rate or 0.0)
        rows.append([each.trigger, each.target, found, with_interval(each.asr), theirs])
    return rows


def other_lines(report: ScanReport) -> list[str]:
    """What was found without classes and on the text side, as plain sentences."""
    free = report.class_free
    lines = [
        f"Class-free: a masked pattern that replaces {percent(free.mask)} of an image makes held-out images "
        f"alike to {free.alike:.2f} ({free.alike_before:.2f} without it), nearest to {free.nearest!r} "
        f"({_limit_words(free.limit)}). Evidence: {'yes' if free.evidence else 'no'}."
    ]
    words = report.text_side
    if words is not None:
        lines.append(
            f"Text side: of {words.tried} tokens tried, {words.text!r} in front of texts makes them alike "
            f"to {words.alike:.2f} ({words.alike_before:.2f} without it), nearest to {words.nearest!r}; its "
            f"first token closes {percent(words.gap_closed)} of the gap ({_limit_words(words.limit)}). "
            f"Evidence: {'yes' if words.evidence else 'no'}."
        )
    return lines


def _limit_words(limit: float | None) -> str:
    return "no clean model to compare with" if limit is None else f"limit {percent(limit)}"


def _limit(rung: RungResult) -> str:
    clean = ", ".join(f"{z:.1f}" for z in rung.clean)
    known = f"; their largest z: {clean}" if clean else ""
    screened = "" if rung.classes == rung.screened else f" of {rung.screened} listed, the rest screened out"
    return (
        f"{rung.classes} classes{screened}, of which the best are shown. Limit of z: {rung.limit:g} "
        f"({markdown(rung.limit_source)}{known})."
    )


def _triggers(report: ScanReport) -> Iterator[str]:
    yield (
        "`triggers.json` holds them, each with its PNG; measure them with "
        "`clipsan audit MODEL --eval SET --trigger triggers.json`."
    )
    yield bullets(
        markdown(f"{each.trigger}: towards {each.target}, {'evidence' if each.evidence else 'no evidence'}")
        for rung in report.rungs
        for each in rung.candidates
        if each.trigger is not None
    )
    if report.refined:
        yield (
            "Refined within a wider bound, once the class was known. These succeed more often, and need not "
            "look like what was planted. They are no evidence: such a bound leads clean models far, too."
        )
        yield table(refined_rows(report))
