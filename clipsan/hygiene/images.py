"""Images that teach nothing: broken, tiny or blank."""

from __future__ import annotations

from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding

ENLARGED = 2.0  # times: a short side that must grow by more is tiny
BLANK = 2.0  # of 255: standard deviation of all values


def check_images(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops tiny and blank images; those that cannot be decoded are the filter's, having no row."""
    smallest = min(_size(evidence)) / ENLARGED
    finding = Finding(settings={"shortest_side": smallest, "least_deviation": BLANK})
    for row in rows:
        if evidence.short_side[row] < smallest:
            finding.drops[row] = (f"short side under {smallest:g} pixels", float(-evidence.short_side[row]))
        elif float(evidence.spread[row]) < BLANK:
            finding.drops[row] = ("blank", -float(evidence.spread[row]))
    return finding


def _size(evidence: Evidence) -> tuple[int, int]:
    pixels, _ = evidence.reader.batch(evidence.index[:1])
    return (pixels.shape[2], pixels.shape[3])
