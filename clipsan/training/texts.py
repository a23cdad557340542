"""Captions on the way into the loss: tokenised once, and embedded once by the frozen suspect.

The embeddings stay on the device that computes them, unless they would take much of its memory; from host
memory they have to be read back and sent again, which the device is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from clipsan.training.state import State
from clipsan.training.text_views import text_view
from clipsan.training.transfer import sent

CPU = torch.device("cpu")
MOST_OF_THE_DEVICE = 0.1
"""Of a GPU's free memory, for embeddings of captions; 80 GB then hold those of 4 million, 512 wide."""


class Captions:
    """Token ids and frozen embeddings of a list of captions, each computed when first needed.

    Equal captions share a row, so a data set of templates costs what its distinct captions cost.
    """

    def __init__(self, captions: Sequence[str], tokenize: Callable[[list[str]], Tensor]) -> None:
        """Remember the captions; `tokenize` maps texts to int64 [b x context_length]."""
        rows: dict[str, int] = {}
        self._row = torch.tensor([rows.setdefault(caption, len(rows)) for caption in captions])
        self._distinct = list(rows)
        self._tokenize = tokenize
        self._tokens: Tensor | None = None
        self._tokenized = torch.zeros(len(rows), dtype=torch.bool)
        self._frozen: Tensor | None = None
        self._placed = False
        self._embedded = torch.zeros(len(rows), dtype=torch.bool)

    def tokens(self, indices: Sequence[int]) -> Tensor:
        """int64 [b x context_length] of the captions at `indices`."""
        return self._tokens_of(self._row[torch.as_tensor(indices)])

    def views(self, indices: Sequence[int], seed: int) -> Tensor:
        """int64 [b x context_length] of a changed copy of each caption at `indices`, fixed by `seed`."""
        rows = self._row[torch.as_tensor(indices)].tolist()
        return self._tokenize(
            [text_view(self._distinct[row], seed, index) for row, index in zip(rows, indices, strict=True)]
        ).long()

    def frozen(
        self, indices: Sequence[int], embed: Callable[[Tensor], Tensor], device: torch.device = CPU
    ) -> Tensor:
        """float32 [b x d]: `embed` of the tokens at `indices`, computed once per caption on `device`.

        They are on `device`, or on the CPU where those of all captions would be too large for it.
        """
        rows = self._row[torch.as_tensor(indices)]
        new = rows[~self._embedded[rows]].unique()
        if len(new):
            embeddings = embed(self._tokens_of(new))
            known = self._on(device, embeddings.shape[1])
            known[sent(new, known.device)] = embeddings.to(known.device)
            self._embedded[new] = True
        known = self._on(device)
        return known[sent(rows, known.device)]

    def state(self) -> State:
        """The frozen embeddings so far.

        They are kept rather than computed again: among other captions they would be rounded otherwise.
        """
        if self._frozen is None:
            return State()
        rows = self._embedded.nonzero().flatten()
        return State({"rows": rows, "frozen": self._frozen[sent(rows, self._frozen.device)]})

    def load_state(self, state: State) -> None:
        """Take over the frozen embeddings."""
        if not state.tensors:
            return
        rows, embeddings = state.tensors["rows"], state.tensors["frozen"]
        self._frozen = torch.zeros(len(self._distinct), embeddings.shape[1])
        self._frozen[rows] = embeddings
        self._embedded[rows] = True

    def _on(self, device: torch.device, width: int | None = None) -> Tensor:
        """The table of embeddings, on `device` if there is room; `width` of a new one."""
        if self._frozen is None:
            if width is None:
                raise ValueError("no caption was asked for")
            self._frozen = torch.zeros(len(self._distinct), width)
        if not self._placed:
            self._placed = True
            free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")
            if self._frozen.nbytes <= MOST_OF_THE_DEVICE * free:
                self._frozen = self._frozen.to(device)
        return self._frozen

    def _tokens_of(self, rows: Tensor) -> Tensor:
        new = rows[~self._tokenized[rows]].unique()
        if len(new):
            ids = self._tokenize([self._distinct[row] for row in new.tolist()]).to(torch.int32)
            if self._tokens is None:
                self._tokens = torch.zeros((len(self._distinct), ids.shape[1]), dtype=torch.int32)
            self._tokens[new] = ids
            self._tokenized[new] = True
        if self._tokens is None:
            raise ValueError("no caption was asked for")
        return self._tokens[rows].long()
