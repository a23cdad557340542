"""A model card that its author has edited: kept, but with what must stand in it."""

from __future__ import annotations

from clipsan.errors import OutputError
from clipsan.hub.card import parse_front_matter
from clipsan.report.card_metadata import POISONED_TAGS
from clipsan.report.model_card import warning
from clipsan.report.schema import Report


def keep_card(text: str, report: Report, *, poisoned: bool) -> tuple[str, tuple[str, ...]]:
    """Keep a card as its author left it, and put back the warnings that may not be missing.

    Args:
        text: of README.md.
        report: of the run that wrote the model beside it.
        poisoned: the model carries a planted backdoor.

    Returns:
        The card, and a sentence on each thing that was put back.

    Raises:
        OutputError: its front matter is no YAML that can be read.
    """
    from huggingface_hub import ModelCard

    try:
        card = ModelCard(text, ignore_metadata_errors=True)
    except Exception as error:  # noqa: BLE001 whatever the YAML of a stranger makes it raise
        reason = " ".join(str(error).split())[:160]
        raise OutputError(f"README.md: its front matter cannot be read ({reason}); correct it.") from None
    body, notes = card.text, []
    above = warning(report, poisoned=poisoned)
    if above is not None and not body.lstrip().startswith(above):
        body = f"\n{above}\n\n{body.lstrip()}"
        notes.append("the warning at the top of README.md was put back")
    tags = parse_front_matter(text).get("tags") or []
    tags = tags if isinstance(tags, list) else [tags]
    missing = [tag for tag in POISONED_TAGS if poisoned and tag not in tags]
    if missing:
        card.data["tags"] = [*tags, *missing]
        card.text = body
        return str(card), (*notes, f"the tags {', '.join(missing)} were put back into README.md")
    return text[: len(text) - len(card.text)] + body, tuple(notes)
