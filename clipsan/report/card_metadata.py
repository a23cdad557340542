"""The front matter of a model card: what the hub reads. Only a YAML writer touches the names in it.

The licence is copied from the source's own card and never guessed; without one there, none is stated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from clipsan.evaluation.statistics import Rate
from clipsan.report.schema import Evaluation, Model, Report
from clipsan.report.verdict import judged_role
from clipsan.report.wording import printable

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "zero-shot-image-classification"
TAGS = ("clip", "clipsan")
CLEANED_TAGS = ("backdoor-removal",)
POISONED_TAGS = ("backdoored", "poisoned")
_HUB = "https://huggingface.co"
_LICENCE = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_ADDRESS = re.compile(r"https?://\S+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FILE = re.compile(r"\w[\w./-]{0,100}", re.ASCII)


def front_matter(report: Report, *, formats: Sequence[str], name: str | None, poisoned: bool) -> str:
    """The YAML between the two lines of dashes.

    Args:
        report: of the run that wrote the model.
        formats: of "open_clip" and "transformers".
        name: the repository, where it is known.
        poisoned: the model carries a planted backdoor.
    """
    from huggingface_hub import ModelCardData

    source = base_model(report)
    results = _results(report)
    fields: dict[str, Any] = {
        **licence(report),
        "library_name": "open_clip" if "open_clip" in formats else "transformers",
        "pipeline_tag": TASK,
        "base_model": source,
        "base_model_relation": None if source is None else "finetune",
        "tags": [*TAGS, *(POISONED_TAGS if poisoned else CLEANED_TAGS)],
    }
    if results:
        fields |= {"model_name": _model_name(report, name), "eval_results": results}
    return str(ModelCardData(**fields).to_yaml())


def base_model(report: Report) -> str | None:
    """The hub repository that the model was fine-tuned from, if it came from one."""
    model = source_of(report)
    named = None if model is None else model.repository
    return named if named is not None and _REPOSITORY.fullmatch(named) else None


def licence(report: Report) -> dict[str, str]:
    """What the source's card states of its licence, in the keys that the hub reads.

    A link to a file of the source's repository becomes the address of that file.
    """
    model = source_of(report)
    if model is None or not _LICENCE.fullmatch(model.card.get("license", "")):
        return {}
    found = {"license": model.card["license"]}
    if name := model.card.get("license_name"):
        found["license_name"] = printable(name, 100)
    link = model.card.get("license_link", "")
    if _ADDRESS.fullmatch(link):
        found["license_link"] = link
    elif (
        (repository := base_model(report))
        and _FILE.fullmatch(link)
        and _COMMIT.fullmatch(str(model.revision))
    ):
        found["license_link"] = f"{_HUB}/{repository}/blob/{model.revision}/{link}"
    return found


def source_of(report: Report) -> Model | None:
    """The model that the run began with."""
    return report.model("suspect") or next(iter(report.models), None)


def _model_name(report: Report, name: str | None) -> str:
    if name is not None:
        return name.rpartition("/")[2]
    model = report.model(judged_role(report))
    return printable(PurePath(model.source).name if model else "", 80) or "clip"


def _results(report: Report) -> list[EvalResult]:
    """Clean accuracy and each trigger's attack success rate of the judged model, in percent."""
    evaluation, role = report.evaluation, judged_role(report)
    if evaluation is None:
        return []
    accuracy, name = (
        ("accuracy", "Clean accuracy")
        if evaluation.kind == "zero-shot"
        else ("recall_at_1", "Image-to-text R@1")
    )
    found = [_result(evaluation, accuracy, name, evaluation.clean_accuracy.of(role))]
    for trigger in evaluation.attacks:
        what = f'Attack success rate, trigger "{printable(trigger.name, 80)}"'
        if trigger.target is not None:
            what += f', target "{printable(trigger.target, 80)}"'
        found.append(_result(evaluation, "attack_success_rate", what, trigger.asr.of(role)))
    return [result for result in found if result is not None]


def _result(evaluation: Evaluation, kind: str, name: str, rate: Rate | None) -> EvalResult | None:
    from huggingface_hub import EvalResult

    if rate is None or rate.rate is None:
        return None
    source = PurePath(evaluation.source).name or evaluation.source
    return EvalResult(
        task_type=TASK,
        dataset_type="imagefolder" if evaluation.kind == "zero-shot" else "image-text-pairs",
        dataset_name=printable(source, 80) or "images",
        metric_type=kind,
        metric_name=name,
        metric_value=round(100 * rate.rate, 2),
    )
