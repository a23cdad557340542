"""README.md of the output folder: the model card that the Hugging Face Hub shows.

The front matter holds fixed text only: nothing from a file can reach it, and no licence is guessed.
"""

from __future__ import annotations

from clipsan.report.markdown import bullets, result_blocks, verdict_blocks
from clipsan.report.schema import Report
from clipsan.report.wording import markdown

_FRONT_MATTER = """\
---
library_name: open_clip
pipeline_tag: zero-shot-image-classification
tags:
- clip
- clipsan
- backdoor-removal
---"""

_LOADING = """\
```python
import open_clip

model, preprocess = open_clip.create_model_from_pretrained("local-dir:.")  # the path of this folder
tokenizer = open_clip.get_tokenizer("local-dir:.")
```"""


def to_model_card(report: Report) -> str:
    """The card as Markdown with YAML front matter, ending in a newline."""
    blocks = [
        _FRONT_MATTER,
        "# CLIP model, fine-tuned with clipsan to remove backdoors",
        *verdict_blocks(report),
    ]
    blocks += ["## Results", *result_blocks(report)]
    blocks += ["## Use", _LOADING]
    blocks += ["## Origin", bullets(_origin(report))]
    blocks.append(
        "A verdict covers the triggers in the table and no others. `report.md` and `report.json` in "
        "this folder hold all numbers, settings and hashes. The licence is that of the source model and "
        "its data; clipsan does not state one."
    )
    return "\n\n".join(blocks) + "\n"


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
