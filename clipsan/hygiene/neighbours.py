"""Exact nearest neighbours of unit vectors, as blocked matrix products.

Cost: n * m * d multiplications for n queries among m references, in blocks of at most BLOCK similarities
(256 MiB), so the memory does not grow with n.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 64 << 20


def nearest(
    queries: Tensor,
    references: Tensor,
    k: int,
    *,
    own: Tensor | None = None,
    device: torch.device | None = None,
) -> tuple[Tensor, Tensor]:
    """The k references most alike each query, most alike first.

    Args:
        queries: float [n x d], unit length.
        references: float [m x d], unit length, m >= k (and m > k with `own`).
        k: how many.
        own: int64 [n], the place of each query among the references, which is left out; -1: it is none.
        device: where to compute; the CPU where not said.

    Returns:
        similarity: float32 [n x k], cosines, on the CPU.
        place: int64 [n x k] into `references`.
    """
    at = device or torch.device("cpu")
    right = references.to(at, torch.float32).T
    rows = max(1, BLOCK // max(1, len(references)))
    similarities, places = [], []
    for start in range(0, len(queries), rows):
        block = queries[start : start + rows].to(at, torch.float32) @ right
        if own is not None:
            here = own[start : start + rows]
            known = (here >= 0).nonzero()[:, 0]
            block[known.to(at), here[known].to(at)] = -2.0
        best = block.topk(k, dim=1)
        similarities.append(best.values.cpu())
        places.append(best.indices.cpu())
    if not similarities:
        return torch.zeros(0, k), torch.zeros(0, k, dtype=torch.int64)
    return torch.cat(similarities), torch.cat(places)
