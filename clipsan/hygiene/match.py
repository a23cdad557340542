"""Pairs whose image and text do not match, by the cosine of their embeddings under each judge.

Two rules. A crowd: among pairs with captions like this one, far more match as badly as this one than in the
whole set. That is what poisoning does to the captions of its target, and it tells planted pairs from pairs
that a weak model merely does not recognise, which are spread over all captions. And lone outliers: the worst
few of the set, if they lie far out by median and MAD.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.neighbours import BLOCK
from clipsan.hygiene.robust import OUTLIER_Z, robust_z, worst

CROWD = 1 / 40  # of the pairs are the captions alike, within:
FEWEST, MOST = 64, 1024
WORST = 0.2  # of the pairs may belong to a crowd at all
EXCESS = 2.0  # times as many as in the whole set: at least half of them do not belong
SURE = 0.01  # chance that any caption of a set without a crowd seems to have one
LONE = 0.01  # of the pairs at most are dropped alone
BOUND = 0.05  # of the pairs at most are dropped in all, for each judge
FEWEST_PAIRS = 200


def check_match(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops crowds and lone outliers under each judge."""
    finding = Finding(
        settings={"excess": EXCESS, "worst_share": WORST, "chance": SURE, "z": OUTLIER_Z, "lone_share": LONE,
                  "bound_share": BOUND}
    )  # fmt: skip
    if len(rows) < FEWEST_PAIRS:
        finding.notes.append(f"{len(rows)} pairs are too few to say which match worse than usual")
        return finding
    for judge, every_image in evidence.images.items():
        images, texts = every_image[rows], evidence.texts[judge][rows]
        mismatch = -(images * texts).sum(dim=1)
        crowd, score = crowded(mismatch, texts, evidence.device)
        z = robust_z(mismatch)
        most = int(BOUND * len(rows))
        in_crowd = worst(crowd, score, most)
        lone = worst((z > OUTLIER_Z) & ~crowd, z, int(LONE * len(rows)))
        if int(crowd.sum()) > most:
            finding.notes.append(
                f"{int(crowd.sum())} pairs match badly in crowds under the {judge};"
                f" the worst {most} are dropped"
            )
        for place in (in_crowd | lone).nonzero()[:, 0].tolist():
            text = "one of many pairs with such a caption whose image and text do not match"
            if not in_crowd[place]:
                text = "image and text do not match"
            finding.drops.setdefault(rows[place], (f"{text}, under the {judge}", float(z[place])))
        finding.settings[f"median_cosine_{judge}"] = -float(mismatch.median())
    return finding


def crowded(mismatch: Tensor, texts: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which pairs belong to a crowd of bad matches.

    For pair i let a be the share of all pairs that match as badly or worse, and c their number among the k
    pairs with the captions most alike. Without poisoning c is about Poisson with mean a k. The pair
    belongs to a crowd if a <= WORST, c >= EXCESS a k, and so high a count has a chance below SURE over the
    number of distinct captions (Bonferroni); so do pairs with its caption that match worse still.

    Args:
        mismatch: float [n], larger is worse.
        texts: float32 [n x d], unit length; equal captions have equal rows.
        device: where to compare captions.

    Returns:
        bool [n], and a score [n] by which to order them: the excess c / (a k), divided by a.
    """
    n = len(mismatch)
    k = min(n, max(FEWEST, min(MOST, round(CROWD * n))))
    order = mismatch.argsort(stable=True)
    rank = torch.empty(n, dtype=torch.int64)
    rank[order] = torch.arange(n)
    share = (n - rank).double() / n
    distinct, caption_of = torch.unique(texts, dim=0, return_inverse=True)
    count = torch.zeros(n, dtype=torch.float64)
    by_caption = caption_of.argsort(stable=True)
    starts = torch.searchsorted(caption_of[by_caption], torch.arange(len(distinct) + 1))
    right = texts.to(device).T
    step = max(1, BLOCK // n)
    for start in range(0, len(distinct), step):
        part = distinct[start : start + step].to(device)
        alike = (part @ right).topk(k, dim=1).indices.cpu()
        ranks = rank[alike].sort(dim=1).values  # [captions x k]
        pairs = by_caption[starts[start] : starts[min(start + step, len(distinct))]]
        mine = ranks[caption_of[pairs] - start]
        count[pairs] = k - torch.searchsorted(mine, rank[pairs][:, None]).squeeze(1).double()
    expected = share * k
    chance = torch.special.gammainc(count.clamp_min(1e-9), expected)  # P(Poisson(expected) >= count)
    excess = count / expected
    flagged = (share <= WORST) & (excess >= EXCESS) & (chance < SURE / len(distinct)) & (count >= 1)
    least = torch.full((len(distinct),), torch.inf, dtype=mismatch.dtype)
    least = least.scatter_reduce(0, caption_of[flagged], mismatch[flagged], "amin")
    return mismatch >= least[caption_of], excess / share
