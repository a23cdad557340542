"""Captions of a run's pairs: given with them, or proposed by the suspect where there are none."""

from __future__ import annotations

from pathlib import Path

import torch

from clipsan.checkpoint import Suspect
from clipsan.errors import UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.labelled import DEFAULT_TEMPLATES, LabelledSet
from clipsan.evaluation.proposed import propose_captions
from clipsan.pairs import PairSet
from clipsan.runs.probes import class_names
from clipsan.runs.watch import Watcher
from clipsan.training.processes import ALONE, Processes

SUSPECT = "suspect"


def may_lack_captions(
    captions_from: str | None,
    held_out: float | None,
    classes: str | Path | None,
    labelled: str | Path | None,
) -> bool:
    """Whether images without captions are taken, by --captions-from.

    Raises:
        UsageError: an unknown value, no class list, or pairs to hold out: measuring the suspect on captions
            of its own would prove nothing.
    """
    if captions_from is None:
        return False
    if captions_from != SUSPECT:
        raise UsageError(
            f"--captions-from is {captions_from!r}, and only 'suspect' can propose captions: leave it out "
            "where the pairs have them"
        )
    if classes is None and labelled is None:
        raise UsageError("--captions-from suspect needs class names to choose from: give --classes FILE")
    if held_out:
        raise UsageError(
            "--held-out does not go with --captions-from: the suspect would be measured on its own captions; "
            "give --eval a labelled set"
        )
    return True


def captioned(
    pairs: PairSet,
    suspect: Suspect,
    classes: str | Path | None,
    labelled: LabelledSet | None,
    device: torch.device,
    batch_size: int,
    watcher: Watcher,
    processes: Processes = ALONE,
) -> tuple[PairSet, tuple[str, ...]]:
    """(the pairs with every caption that was missing, warnings for the report).

    The class names are those of the file, else those of the labelled set. Several `processes`
    share the work.

    Raises:
        UsageError: the suspect itself is not settled, which takes pairs with captions.
    """
    missing = pairs.uncaptioned()
    if not missing:
        return pairs, ()
    if suspect.candidates:
        raise UsageError(
            "nothing says how this model is built in every detail, and images without captions cannot tell: "
            "say --activation or --arch"
        )
    names = labelled.classnames if classes is None and labelled is not None else class_names(classes)
    watcher.stage(f"Proposing captions for {len(missing)} images")
    try:
        encoder = Encoder(suspect, device, batch_size, processes=processes)
        done = propose_captions(
            pairs, encoder, names, DEFAULT_TEMPLATES, lambda count: watcher.measuring(count, len(missing))
        )
    finally:
        watcher.finished()
    warning = (
        f"The captions of {len(missing)} of {len(pairs)} images were proposed by the suspect itself, by "
        f"zero-shot over {len(names)} class names. A poisoned suspect calls an image with its trigger the "
        "target, so if any of these images carries the trigger, training on them teaches the backdoor anew; "
        "and what the suspect gets wrong is taught as right. Use captions of another origin if there are any."
    )
    return done, (warning,)
