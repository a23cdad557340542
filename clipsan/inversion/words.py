"""The text side: tokens that drag captions of different things to one place.

A backdoor may sit in the text tower: a rare word in a caption or a query moves it to the attacker's target.
Every token tried is put in front of a few texts about different things. An ordinary token leaves them apart;
one that a backdoor was planted on makes them alike. The best token is then lengthened, one token at a time,
as long as that makes the texts more alike. No gradient is used: the first-order ranking of HotFlip is poor
for rare tokens, and text towers are cheap to run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.training.encode import encode_text
from clipsan.training.processes import ALONE, Processes

PROBES = 2
CHECKED = 32  # tokens and their extensions that are looked at on all texts
LONGEST = 3
ALIKE = 0.98  # texts this alike need no longer sequence


@dataclass(frozen=True)
class Dragging:
    """The token sequence that makes texts most alike.

    Attributes:
        tokens: their numbers in the vocabulary.
        alike: mean cosine similarity of the texts to their common direction, with the sequence in front.
        alike_before: the same without it.
        first: the same mean for the texts under each token that was checked, best first; the first belongs to
            `tokens[0]` alone.
        embedding: float32 [d], the common direction, unit length.
    """

    tokens: tuple[int, ...]
    alike: float
    alike_before: float
    first: tuple[float, ...]
    embedding: Tensor

    @property
    def gap_closed(self) -> float:
        """How much of the way to wholly alike the best single token takes the texts, at most 1."""
        return (self.first[0] - self.alike_before) / max(1 - self.alike_before, 1e-6)


def drag_texts(
    suspect: Suspect,
    texts: Sequence[str],
    avoid: Sequence[str],
    tried: int,
    *,
    device: torch.device | None = None,
    batch_size: int = 1024,
    seed: int = 0,
    on_texts: Callable[[int], None] = lambda texts: None,
    processes: Processes = ALONE,
) -> Dragging | None:
    """Look for the sequence among the tokens of CLIP's own vocabulary.

    Args:
        suspect: with CLIP's tokenizer; its weights stay as they are.
        texts: four or more, about different things, short.
        avoid: names whose tokens are not tried: a class's own name moves a text to that class.
        tried: how many tokens are tried at most, drawn from the vocabulary by the seed.
        device: None: the CPU.
        batch_size: texts that go through the model at once.
        seed: of that draw.
        on_texts: told how many texts went through the model since it was last told.
        processes: that share the texts.

    Returns:
        None for a model whose tokenizer is not CLIP's own.
    """
    vocabulary = int(suspect.model_cfg["text_cfg"].get("vocab_size", 49408))
    if suspect.tokenizer_files or "hf_model_name" in suspect.model_cfg["text_cfg"]:
        return None
    model = suspect.model.to(device or torch.device("cpu")).eval()
    where = next(model.parameters()).device

    def alike(rows: Tensor) -> tuple[Tensor, Tensor]:
        """[s x n x length], n texts of s sequences -> how alike the texts are [s], their means [s x d]."""
        embedded = processes.in_chunks(
            lambda part: encode_text(model, part.to(where)).cpu(), rows.flatten(0, 1), batch_size
        )
        on_texts(len(embedded))
        means = embedded.view(*rows.shape[:2], -1).mean(dim=1)
        return means.norm(dim=1), means

    tokens = suspect.tokenizer(list(texts))
    named = set(suspect.tokenizer(list(avoid)).flatten().tolist()) if avoid else set()
    order = torch.randperm(vocabulary - 2, generator=torch.Generator().manual_seed(seed)).tolist()
    candidates = torch.tensor([token for token in order if token not in named][:tried])
    probes = tokens[torch.linspace(0, len(tokens) - 1, PROBES).round().long()]
    roughly, _ = alike(before_each(probes, candidates.unsqueeze(1)))
    best = candidates[roughly.topk(min(CHECKED, len(roughly))).indices]
    checked, means = alike(before_each(tokens, best.unsqueeze(1)))
    ranked = checked.argsort(descending=True)
    sequence, reached, direction = best[ranked[:1]], float(checked[ranked[0]]), means[ranked[0]]
    while len(sequence) < LONGEST and reached < ALIKE:
        longer = torch.stack([torch.cat([sequence, token.unsqueeze(0)]) for token in best])
        scores, means = alike(before_each(tokens, longer))
        if float(scores.max()) < reached + (1 - reached) / 10:
            break
        sequence, reached, direction = longer[scores.argmax()], float(scores.max()), means[scores.argmax()]
    untouched, _ = alike(tokens.unsqueeze(0))
    return Dragging(
        tuple(sequence.tolist()),
        round(reached, 4),
        round(float(untouched[0]), 4),
        tuple(round(value, 4) for value in checked[ranked].tolist()),
        direction / direction.norm(),
    )


def before_each(tokens: Tensor, sequences: Tensor) -> Tensor:
    """Put each of s sequences [s x k] in front of each of n texts [n x length]: [s x n x length].

    The start token stays in front; what is pushed out at the end is padding of short texts.
    """
    s, k = sequences.shape
    n, length = tokens.shape
    start = tokens[:, :1].expand(s, n, 1)
    inserted = sequences.unsqueeze(1).expand(s, n, k)
    return torch.cat([start, inserted, tokens[:, 1 : length - k].expand(s, n, length - k - 1)], dim=2)
