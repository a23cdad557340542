"""Where the time of a training went, as rows of text for every form of the report."""

from __future__ import annotations

from clipsan.report.schema import Profile


def profile_rows(profile: Profile) -> list[list[str]]:
    """A header, then each part with its seconds, its share and its milliseconds an update."""
    rows = [["Part of the training", "Seconds", "Share", "ms an update"]]
    for part in profile.parts:
        share = part.seconds / profile.seconds if profile.seconds else 0.0
        each = 1e3 * part.seconds / max(1, profile.updates)
        rows.append([part.name, f"{part.seconds:.2f}", f"{100 * share:.1f} %", f"{each:.1f}"])
    return rows
