"""Captions of the grammar, reworded by a language model before the images are made.

What the model writes is taken only where it is one plain sentence that still names every concept; otherwise
the grammar's caption stays. How often each happened, and why, is counted and said.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from clipsan.synthesis.dice import derive_seed
from clipsan.synthesis.language_model import LanguageModel
from clipsan.synthesis.maker import Made, Maker, Request
from clipsan.synthesis.nouns import plural

PROMPT = """Each caption is rewritten as one vivid sentence about a picture. It names the same things.

Caption: a photo of a dog in a park.
Rewritten: A brown dog runs over the wet grass of a sunny city park.

Caption: two red apples on a wooden table.
Rewritten: Two shiny red apples lie side by side on an old wooden table by the window.

Caption: {caption}
Rewritten:"""
MOST_TOKENS = 48
LONGEST = 240  # characters; CLIP reads 77 tokens
TEMPERATURE = 0.7
AT_ONCE = 16  # captions in one batch


class CaptionWriter:
    """Rewords captions with a language model.

    Attributes:
        counts: "reworded", and why captions were kept ("lost a concept", ...) -> how many.
    """

    def __init__(self, model: LanguageModel) -> None:
        """`model`: a loaded language model."""
        self._model = model
        self.counts: Counter[str] = Counter()

    def settings(self) -> dict[str, object]:
        """What a resumed run must agree with."""
        prompt = hashlib.sha256(PROMPT.encode()).hexdigest()
        return {**self._model.settings(), "prompt": prompt, "temperature": TEMPERATURE}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should read before using the captions."""
        return self._model.located.warnings

    @property
    def record(self) -> dict[str, str]:
        """Fields for the pairs whose caption it wrote."""
        return {f"caption_{key}": value for key, value in self._model.located.record().items()}

    def write(self, requests: Sequence[Request]) -> list[str | None]:
        """A new caption for each request, None where the grammar's stays."""
        written: list[str | None] = []
        for at in range(0, len(requests), AT_ONCE):
            part = requests[at : at + AT_ONCE]
            lines = self._model.continue_lines(
                [PROMPT.replace("{caption}", request.caption) for request in part],
                [derive_seed(request.seed, "caption") for request in part],
                MOST_TOKENS,
                TEMPERATURE,
            )
            for request, line in zip(part, lines, strict=True):
                fault = fault_of(line, request)
                self.counts[fault or "reworded"] += 1
                written.append(None if fault else line)
        return written

    def summary(self) -> str:
        """How many captions were reworded, and why the others were not."""
        total = self.counts.total()
        kept = ", ".join(
            f"{count} {fault}" for fault, count in sorted(self.counts.items()) if fault != "reworded"
        )
        return f"{self.counts['reworded']} of {total} captions reworded; the grammar's kept: {kept or 'none'}"


class RewordingMaker:
    """A maker that rewords captions first and hands the requests on to another maker."""

    def __init__(self, maker: Maker, writer: CaptionWriter) -> None:
        """`maker`: makes the images, of any caption; `writer`: rewords."""
        self._maker = maker
        self.writer = writer
        self.name, self.batch = maker.name, maker.batch

    def settings(self) -> dict[str, object]:
        """What a resumed run must agree with."""
        return {**self._maker.settings(), "captions": self.writer.settings()}

    def make(self, requests: Sequence[Request]) -> list[Made | None]:
        """One image for each request; its record says which of the two wrote the caption."""
        written = self.writer.write(requests)
        reworded = [
            request if text is None else replace(request, caption=text)
            for request, text in zip(requests, written, strict=True)
        ]
        return [
            None if made is None else replace(made, record={**made.record, **self._source(request, text)})
            for made, request, text in zip(self._maker.make(reworded), requests, written, strict=True)
        ]

    def _source(self, request: Request, text: str | None) -> dict[str, str]:
        if text is None:
            return {"caption_by": "grammar"}
        return {"caption_by": "language model", "grammar_caption": request.caption, **self.writer.record}


def fault_of(line: str, request: Request) -> str | None:
    """Why a line cannot be the caption of a request; None where it can."""
    if not line:
        return "empty"
    if len(line) > LONGEST or not line.isprintable():
        return "too long or not printable"
    if "://" in line or "www." in line or line.startswith(("Caption:", "Rewritten:")):
        return "no sentence"
    if line.casefold() == request.caption.casefold():
        return "unchanged"
    if not all(names(line, concept) for concept in request.concepts):
        return "lost a concept"
    return None


def names(text: str, concept: str) -> bool:
    """True where a text has a concept, or its plural, as whole words."""
    forms = "|".join(re.escape(form.casefold()) for form in (concept, plural(concept)))
    return re.search(rf"(?<!\w)(?:{forms})(?!\w)", text.casefold()) is not None
