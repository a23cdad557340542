"""Image embeddings that lie oddly among their neighbours.

Sparse: backdoor samples have sparser neighbourhoods than clean ones under a model that learned them, if
few of them are among the images compared (Huang et al., arXiv 2502.01385). The score is theirs that is
cheapest, SLOF (Schubert, Zimek and Kriegel 2014): an image's distance to its k-th neighbour, over the mean
of the same distance at its neighbours; k = 16.

Dense: where many are there, as in a set poisoned for fine-tuning, a known trigger does the opposite: it
pulls images of any content to one point, and their k-th neighbour is much nearer than a clean image's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.neighbours import nearest
from clipsan.hygiene.robust import OUTLIER_Z, robust_z, worst

K = 16
REFERENCES = 16384
SPARSE = 0.01  # of the pairs at most are dropped as sparse
DENSE = 0.05  # of the pairs at most are dropped as dense
FEWEST_PAIRS = 200


def check_density(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops images in places of unusual density under the suspect."""
    finding = Finding(settings={"k": K, "z": OUTLIER_Z, "sparse_share": SPARSE, "dense_share": DENSE})
    if len(rows) < FEWEST_PAIRS:
        finding.notes.append(f"{len(rows)} pairs are too few to speak of density")
        return finding
    suspect = next(iter(evidence.images))
    distance, slof = densities(evidence.images[suspect][rows], evidence.device)
    floor = 1e-6  # of a distance, for images that are the same
    near = -robust_z(distance.clamp_min(floor).log())
    thin = robust_z(slof.clamp_min(floor).log())
    for scores, share, text in (
        (near, DENSE, "the suspect sees many other images as nearly this one"),
        (thin, SPARSE, "in a sparser place of the suspect's embeddings than its neighbours"),
    ):
        for place in worst(scores > OUTLIER_Z, scores, int(share * len(rows))).nonzero()[:, 0].tolist():
            finding.drops.setdefault(rows[place], (text, float(scores[place])))
    return finding


def densities(embeddings: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Distance to the K-th neighbour [n] and SLOF [n].

    Args:
        embeddings: float32 [n x d], unit length, n > K.
        device: where to compare them.
    """
    n = len(embeddings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        chosen = torch.randperm(n)[:REFERENCES]
    own = torch.full((n,), -1)
    own[chosen] = torch.arange(len(chosen))
    alike, place = nearest(embeddings, embeddings[chosen], K, own=own, device=device)
    distance = (2 - 2 * alike[:, -1]).clamp_min(0).sqrt()
    of_neighbours = distance[chosen][place].clamp_min(1e-6)
    return distance, (distance[:, None] / of_neighbours).mean(dim=1)
