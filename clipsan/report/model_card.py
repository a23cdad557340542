"""README.md of the output folder: the model card that the Hugging Face Hub shows.

A verdict other than pass, and a backdoor planted on purpose, stand above everything else in its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clipsan.report.card_metadata import base_model, front_matter, licence, source_of
from clipsan.report.markdown import bullets, result_blocks, verdict_blocks
from clipsan.report.schema import Report
from clipsan.report.tables import verdict_lines
from clipsan.report.wording import markdown

FORMATS = ("open_clip", "transformers")
_TITLE = "# CLIP model, fine-tuned with clipsan to remove backdoors"
_POISONED_TITLE = "# CLIP model with a backdoor planted by clipsan"
_POISONED = (
    "This model is poisoned on purpose: it carries a planted backdoor, to test defences with. Do not use it"
    " for anything else."
)
_WARNINGS = {
    "fail": "FAIL: this model did not pass clipsan's check.",
    "inconclusive": "INCONCLUSIVE: what was measured supports no verdict.",
}
_OPEN_CLIP = """\
```python
import open_clip

model, preprocess = open_clip.create_model_from_pretrained("{place}"){comment}
tokenizer = open_clip.get_tokenizer("{place}")
```"""
_TRANSFORMERS = """\
```python
from transformers import CLIPModel, CLIPProcessor

model = CLIPModel.from_pretrained("{place}"){comment}
processor = CLIPProcessor.from_pretrained("{place}")
```"""
_COMMENT = "  # the path of this folder"


def to_model_card(
    report: Report,
    *,
    formats: Sequence[str] = ("open_clip",),
    name: str | None = None,
    poisoned: bool = False,
) -> str:
    """The card as Markdown with YAML front matter, ending in a newline.

    Args:
        report: of the run that wrote the model.
        formats: which of "open_clip" and "transformers" the folder holds.
        name: the repository `org/name` it is pushed to; None: the card speaks of a local folder.
        poisoned: the model carries a planted backdoor.
    """
    above = warning(report, poisoned=poisoned)
    metadata = front_matter(report, formats=formats, name=name, poisoned=poisoned)
    blocks = [f"---\n{metadata}\n---", *([above] if above else [])]
    blocks.append(_POISONED_TITLE if poisoned else _TITLE)
    if report.verdict.result == "pass":
        blocks += verdict_blocks(report)
    blocks += ["## Results", *result_blocks(report)]
    blocks += ["## Use", *_loading(formats, name)]
    blocks += ["## Origin", bullets(_origin(report))]
    blocks += ["## Licence", _licence(report)]
    blocks.append(
        "A verdict covers the triggers in the table and no others. `report.md` and `report.json` in "
        "this folder hold all numbers, settings and hashes."
    )
    return "\n\n".join(blocks) + "\n"


def warning(report: Report, *, poisoned: bool = False) -> str | None:
    """What must stand at the top of the card, as a quoted block; None where nothing must."""
    lines: list[str] = []
    if poisoned:
        lines.append(f"**{_POISONED}**")
    if report.verdict.result in _WARNINGS:
        _, *reasons = verdict_lines(report)
        lines += ["", f"**{_WARNINGS[report.verdict.result]}**", ""]
        lines += [f"- {markdown(reason, 2000)}" for reason in reasons]
    return "\n".join(f"> {line}".rstrip() for line in lines[not lines[0] :]) if lines else None


def _loading(formats: Sequence[str], name: str | None) -> Iterator[str]:
    comment = _COMMENT if name is None else ""
    if "open_clip" in formats:
        place = "local-dir:." if name is None else f"hf-hub:{name}"
        yield _OPEN_CLIP.format(place=place, comment=comment)
    if "transformers" in formats:
        yield _TRANSFORMERS.format(place=name or ".", comment=comment)


def _origin(report: Report) -> list[str]:
    lines = []
    for model in report.models:
        revision = f", revision {markdown(model.revision)}" if model.revision else ""
        lines.append(
            f"{model.role}: {markdown(model.source)}{revision}, {markdown(model.architecture)}, "
            f"weights SHA-256 {model.sha256}"
        )
    if report.training:
        training = report.training
        lines.append(
            f"method: {markdown(training.method)}, {training.steps} steps of batch {training.batch_size}"
        )
    lines.append(f"clipsan {markdown(report.versions.get('clipsan', 'of unknown version'))}")
    return lines


def _licence(report: Report) -> str:
    model = source_of(report)
    stated = {} if model is None else model.card
    if not any(key.startswith("license") for key in stated):
        return (
            "No licence is stated here, because none was found in a model card of the source. Ask the"
            " source's author before you use or share this model."
        )
    said = ", ".join(f"{key} {markdown(value)}" for key, value in stated.items() if key.startswith("license"))
    whose = f"the source, {markdown(base_model(report) or '')}," if base_model(report) else "the source"
    line = f"As the model card of {whose} states it: {said}."
    if not licence(report):
        line += " The hub knows no such licence, so the metadata above states none."
    return line
