"""How many wrong and right pairs a judge flags: photographs, a tenth with the caption of another one.

    python benchmarks/judge_agreement.py SHARED

SHARED holds `photos/pairs/00000.tar` and `victims/rn-clean`. The photographs are 64 pixels wide and of 20
classes, so about one in twenty of the wrong captions names the right class all the same.
"""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clipsan.synthesis.judge import open_judge
from clipsan.synthesis.maker import Made

PAIRS, WRONG = 1000, 0.1


def read_pairs(tar: Path) -> list[Made]:
    """The first pairs of a webdataset tar."""
    parts: dict[str, dict[str, bytes]] = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            stem, _, kind = member.name.partition(".")
            content = archive.extractfile(member)
            if content is not None:
                parts.setdefault(stem, {})[kind] = content.read()
    return [
        Made(np.asarray(Image.open(io.BytesIO(each["jpg"])).convert("RGB")), each["txt"].decode(), {})
        for each in list(parts.values())[:PAIRS]
    ]


def main(shared: Path) -> None:
    """Print a line for each share."""
    pairs = read_pairs(shared / "photos/pairs/00000.tar")
    random = np.random.RandomState(0)
    wrong = random.rand(len(pairs)) < WRONG
    others = random.permutation(len(pairs))
    made = [
        Made(pair.pixels, pairs[others[at]].caption if wrong[at] else pair.caption, {})
        for at, pair in enumerate(pairs)
    ]
    for share in ("5%", "10%", "20%"):
        judge = open_judge(shared / "victims/rn-clean", share, torch.device("cpu"))
        threshold = judge.calibrate(made[: judge.first])
        scores = judge.scores(made)
        area = np.mean(scores[~wrong][:, None] > scores[wrong][None])
        low = scores < threshold
        print(
            f"{share}: threshold {threshold:.3f}, flagged {low[wrong].mean():.1%} of {wrong.sum()} wrong"
            f" pairs and {low[~wrong].mean():.1%} of {(~wrong).sum()} right ones;"
            f" area under the curve {area:.3f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
