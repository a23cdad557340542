"""Adversarial views: triggers stamped on part of the training images, which keep their own captions.

A backdoor ties a trigger to its target; a pair whose image carries the trigger and whose caption is its own
unties them. The triggers are those that somebody suspects or that a scan has inverted; what they are on, and
where, is fixed by a seed, the image and how often the image has come, whatever the batch it comes in.

Optionally the stamped images are also pulled to where the model puts the same images without the trigger:

    L + pull · mean over stamped images of ‖φ(t(x)) − sg φ(x)‖²

with sg: no gradient. Both views get the same augmentation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clipsan.errors import UsageError
from clipsan.methods import Batch, Loss, Method, Views
from clipsan.methods.par import distance
from clipsan.training.processes import ALONE, Share
from clipsan.training.state import State
from clipsan.training.transfer import sent
from clipsan.triggers import Trigger

Prepare = Callable[[Tensor], Tensor]
"""uint8 [b x 3 x h x w] to augmented and normalised float32 on the device."""

_PARTS = 2**64


@dataclass(frozen=True)
class Counter:
    """What is stamped on the training images.

    Attributes:
        triggers: to choose from, each as often as the others.
        share: of the images that carry one, in (0, 1].
        pull: weight of the pull to the clean view; 0: none, and no second pass.
    """

    triggers: tuple[Trigger, ...]
    share: float = 0.5
    pull: float = 0.0

    def __post_init__(self) -> None:
        check_dose(self.share, self.pull)


def check_dose(share: float, pull: float) -> None:
    """UsageError unless the share is in (0, 1] and the pull finite and not below 0."""
    if not 0 < share <= 1:
        raise UsageError(f"--counter-share is {share:g}, but is a share of the images: above 0, at most 1")
    if not 0 <= pull < float("inf"):
        raise UsageError(f"--counter-pull is {pull:g}, but must be a finite number of at least 0")


class Stamper:
    """Puts a counter's triggers on batches, remembering how often each image has come."""

    def __init__(self, counter: Counter, pairs: int, seed: int) -> None:
        """`pairs`: how many there are; `seed`: of what is stamped, and where."""
        self._counter = counter
        self._seed = seed
        self._visits = np.zeros(pairs, np.int64)

    def stamp(
        self, pixels: Tensor, indices: Sequence[int], share: Share | None = None
    ) -> tuple[Tensor, Tensor]:
        """The images with triggers on some, and which rows of the batch: uint8 [b x 3 x h x w], int64 [m].

        `indices` are the whole batch's; `pixels` may be only a share of its rows.
        """
        share = share or ALONE.share(len(indices))
        rows_of: dict[int, list[int]] = {}
        places: list[int] = []
        for row, index in enumerate(indices):
            visit = int(self._visits[index])
            self._visits[index] += 1
            chosen, place = self._choice(index, visit)
            places.append(place)
            if chosen is not None:
                rows_of.setdefault(chosen, []).append(row)
        stamped = pixels.clone()
        for number, chosen_rows in rows_of.items():
            rows = [row for row in chosen_rows if share.start <= row < share.stop]
            if not rows:
                continue
            trigger = self._counter.triggers[number]
            own = [row - share.start for row in rows]
            stamped[own] = trigger.apply(pixels[own], [places[row] for row in rows])
        return stamped, torch.tensor(sorted(row for rows in rows_of.values() for row in rows))

    def state(self) -> State:
        """How often each image has come."""
        return State({"visits": torch.from_numpy(self._visits)})

    def load_state(self, state: State) -> None:
        """Go on from there."""
        self._visits[:] = state.tensors["visits"].numpy()

    def _choice(self, index: int, visit: int) -> tuple[int | None, int]:
        """The number of the trigger that this image gets at this visit, None: it stays clean; its place."""
        digest = hashlib.sha256(f"clipsan counter {self._seed} {index} {visit}".encode()).digest()
        if int.from_bytes(digest[:8], "big") >= self._counter.share * _PARTS:
            return None, 0
        # a trigger takes its place from an image's index: any whole number is one
        place = int.from_bytes(digest[24:], "big")
        return int.from_bytes(digest[8:24], "big") % len(self._counter.triggers), place


@dataclass(frozen=True)
class PulledBack:
    """A method whose loss also pulls some images of the batch to given embeddings.

    Attributes:
        method: the loss that is added to.
        rows: int64 [m], the images that are pulled.
        clean: float32 [m x d], unit-length, where to.
        weight: of the mean squared distance.
    """

    method: Method
    rows: Tensor
    clean: Tensor
    weight: float

    @property
    def name(self) -> str:
        """As the method within."""
        return self.method.name

    @property
    def uses_frozen(self) -> bool:
        """As the method within."""
        return self.method.uses_frozen

    @property
    def views(self) -> Views | None:
        """As the method within."""
        return self.method.views

    def loss(self, batch: Batch) -> Loss:
        """The method's loss with the pull added, which stands under `pull` among the terms."""
        loss = self.method.loss(batch)
        if not len(self.rows):
            return loss
        pull = distance(batch.student.image[self.rows], self.clean)
        return Loss(loss.total + self.weight * pull, {**loss.terms, "pull": pull.detach()})


def pulled_views(
    method: Method,
    counter: Counter,
    stamped: tuple[Tensor, Tensor],
    pixels: Tensor,
    prepare: Prepare,
    embed: Prepare,
    generator: torch.Generator,
    share: Share | None = None,
) -> tuple[Tensor, Method]:
    """The images to train on, and the method with the pull that the counter asks for.

    Args:
        method: of the run.
        counter: what was stamped.
        stamped: what `Stamper.stamp` gave for the batch.
        pixels: the same batch without triggers.
        prepare: augments; draws from `generator` alone.
        embed: unit-length embeddings without a graph; leaves BatchNorm's averages alone.
        share: which rows of the batch the images are, where `embed` gathers all; None: all of them.
        generator: of the augmentation. It goes on as if only one view had been made.
    """
    images, rows = stamped
    if not counter.pull or not len(rows):
        return prepare(images), method
    state = generator.get_state()
    share = share or ALONE.share(len(pixels))
    own = rows[(rows >= share.start) & (rows < share.stop)] - share.start
    clean = prepare(pixels)[sent(own, generator.device)]
    generator.set_state(state)
    return prepare(images), PulledBack(method, sent(rows, generator.device), embed(clean), counter.pull)
