"""Images that hold the same small patch somewhere, and whose captions agree: what a sticker does.

Of each image the few windows with the most fine structure are compared with those of all others, at any
place. Natural windows resemble one another to a degree that the set itself shows; a stamped patch is
repeated nearly exactly. An image is dropped where the images that repeat its patch agree, far beyond chance,
on a word of its caption.

Cost: n * s * 27 * d multiplications, s <= 8192 being the images searched and d <= 192.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clipsan.hygiene.details import MOST
from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.robust import MAD_TO_SD
from clipsan.hygiene.words import Agreement

NEIGHBOURS = 16
FEWEST = 5  # other images that must hold the patch
REPEATED_Z = 4.5
SURE = -6.0  # log10 of the chance that captions agree so
_ROWS = 256


def check_patch(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops pairs whose image repeats a patch of at least FEWEST others that agree on a word with it."""
    finding = Finding(settings={"z": REPEATED_Z, "fewest": FEWEST, "log10_chance": SURE})
    alive = set(rows)
    kept = [place for place, row in enumerate(evidence.searched.tolist()) if row in alive]
    finding.settings["images_searched"] = len(kept)
    if evidence.finder is None or len(kept) < 4 * FEWEST:
        finding.notes.append(f"too few images ({len(kept)}) to search for a patch in")
        return finding
    where = [int(row) for row in evidence.searched[kept]]
    rest = sorted(alive.difference(where))
    captions = Agreement([evidence.caption(row) for row in [*where, *rest]])
    thresholds: dict[str, float] = {}
    repeated: list[tuple[Tensor, Tensor, float]] = []  # windows, places of their images, threshold
    for size, windows in zip(evidence.finder.sizes, evidence.windows, strict=True):
        own = windows[kept]
        alike, place = resembling(own, own, torch.arange(len(own)), evidence.device)
        threshold = repeated_above(alike[:, FEWEST - 1])
        thresholds[str(size)] = threshold
        finding_of = _judge(alike, place, torch.arange(len(own)), threshold, captions)
        for image, word in finding_of.items():
            _drop(finding, where[image], float(alike[image, FEWEST - 1]), word, size)
        flagged = torch.tensor(sorted(finding_of), dtype=torch.int64)
        repeated.append((own[flagged], flagged, threshold))
    finding.settings["correlation_above"] = thresholds
    order = {row: len(where) + number for number, row in enumerate(rest)}
    if rest and any(len(flagged) >= FEWEST for _, flagged, _ in repeated):
        for batch, pixels in evidence.pixels(rest):
            for number, cut in enumerate(evidence.finder.cut(pixels)):
                known, flagged, threshold = repeated[number]
                if len(flagged) < FEWEST:
                    continue
                none = torch.full((len(cut),), -1)
                alike, place = resembling(cut, known, none, evidence.device)
                mine = torch.tensor([order[row] for row in batch])
                for image, word in _judge(alike, flagged[place], mine, threshold, captions).items():
                    score = float(alike[image, FEWEST - 1])
                    _drop(finding, batch[image], score, word, evidence.finder.sizes[number])
    return finding


def _drop(finding: Finding, row: int, score: float, word: str, size: int) -> None:
    earlier = finding.drops.get(row)
    if earlier is None or (earlier[1] or 0.0) < score:
        finding.drops[row] = (f"repeats a patch of other images captioned with {word!r}", score)


def resembling(windows: Tensor, known: Tensor, own: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """The images with the windows most alike each image's, by the best of all their pairs of windows.

    Args:
        windows: float32 [n x t x d], unit length.
        known: float32 [m x t x d].
        own: int64 [n], the place of each image among the known, left out; -1: it is none.
        device: where to compute.

    Returns:
        correlation [n x k] and place [n x k], most alike first, k = min(NEIGHBOURS, m - 1 or m).
    """
    right = known.to(device).flatten(0, 1).T
    k = min(NEIGHBOURS, len(known) - (1 if len(own) and int(own.max()) >= 0 else 0))
    best, places = [], []
    for start in range(0, len(windows), _ROWS):
        part = windows[start : start + _ROWS].to(device)
        alike = (part.flatten(0, 1) @ right).view(len(part), MOST, len(known), MOST).amax(dim=(1, 3))
        here = own[start : start + _ROWS]
        mine = (here >= 0).nonzero()[:, 0]
        alike[mine.to(device), here[mine].to(device)] = -2.0
        top = alike.topk(k, dim=1)
        best.append(top.values.cpu())
        places.append(top.indices.cpu())
    return torch.cat(best), torch.cat(places)


def repeated_above(alike: Tensor) -> float:
    """The correlation that a natural window reaches so rarely that more means a repeated patch.

    REPEATED_Z robust standard deviations above the median, in Fisher's z = atanh(correlation), in which
    correlations are nearly normal.
    """
    z = torch.atanh(alike.double().clamp(-0.999999, 0.999999))
    middle = z.median()
    scale = MAD_TO_SD * (z - middle).abs().median()
    return float(torch.tanh(middle + REPEATED_Z * scale))


def _judge(
    alike: Tensor, place: Tensor, mine: Tensor, threshold: float, captions: Agreement
) -> dict[int, str]:
    """Row -> word, of the rows whose repeats agree on a word of their own caption."""
    found = {}
    for row in (alike[:, FEWEST - 1] > threshold).nonzero()[:, 0].tolist():
        others = place[row][alike[row] > threshold].tolist()
        word, chance = captions.on(others, among=captions.words(int(mine[row])))
        if chance < SURE:
            found[row] = word
    return found
