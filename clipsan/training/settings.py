"""Everything that decides a training run besides the model and the pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from clipsan.errors import UsageError
from clipsan.methods import Method, make_method

PUBLISHED_BATCH = 2048
PUBLISHED_UPDATES = 244
AUGMENTATIONS = ("brightening-noise", "erase", "flip", "patterns")
PUBLISHED_AUGMENT = ("brightening-noise", "erase")
PRECISIONS = ("auto", "fp32", "bf16")
BATCH_NORM = ("frozen", "train")
LOCKS = ("none", "text", "image")
AT_ONCE = 256
"""Pairs in memory at once where neither is said nor found how many."""


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one fine-tuning run; the defaults are PAR's published ones (arXiv 2412.00727).

    Attributes:
        method: a name of `clipsan.methods.METHODS`.
        tau: PAR's threshold on S_img and S_txt, in (0, 4].
        in_modal: weight of CleanCLIP's terms within a modality; None: 1, as published.
        pool: size of RoCLIP's pool as a share of the pairs; None: 0.02, at least a batch.
        match_every: RoCLIP matches on every so many-th update; None: 2.
        lr_start: learning rate of the first update.
        lr: learning rate reached, linearly, at half of the updates; a cosine to 1e-9 follows.
        epochs: passes over the pairs, where `steps` is not given.
        steps: updates; None: from `epochs`.
        batch_size: pairs in the contrastive loss.
        micro_batch: pairs in memory at once; the gradient is the full batch's all the same. None: as many as
            the free memory holds (`memory.py`), on a CPU up to AT_ONCE, and AT_ONCE where their number
            matters (`batch_norm`).
        batch_norm: `frozen` keeps the suspect's running statistics, `train` uses and updates batch ones.
        lock: a tower that keeps the suspect's weights and statistics, `text` or `image`; `none`: both train.
        precision: `fp32`, `bf16` (autocast) or `auto`: bf16 on a GPU that has it, else fp32.
        augment: applied to images in this order; names of `AUGMENTATIONS`.
        weight_decay: of matrices; biases and norm layers have none.
        seed: of shuffling and augmentation.
    """

    method: str = "par"
    tau: float = 2.15
    lr_start: float = 3e-5
    lr: float = 3e-6
    epochs: float = 2.0
    steps: int | None = None
    batch_size: int = PUBLISHED_BATCH
    micro_batch: int | None = None
    batch_norm: str = "frozen"
    lock: str = "none"
    precision: str = "auto"
    augment: tuple[str, ...] = PUBLISHED_AUGMENT
    weight_decay: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-8
    seed: int = 0
    in_modal: float | None = None
    pool: float | None = None
    match_every: int | None = None

    def __post_init__(self) -> None:
        self._positive("--lr", self.lr)
        self._positive("--lr-start", self.lr_start)
        self._positive("--epochs", self.epochs)
        if self.steps is not None:
            self._at_least("--steps", self.steps, 1)
        self._at_least("--batch-size", self.batch_size, 2)
        if self.micro_batch is not None:
            self._at_least("--micro-batch", self.micro_batch, 1)
        self._at_least("--seed", self.seed, 0)
        self._one_of("--batch-norm", self.batch_norm, BATCH_NORM)
        self._one_of("--lock", self.lock, LOCKS)
        self._one_of("--precision", self.precision, PRECISIONS)
        for name in self.augment:
            self._one_of("--augment", name, AUGMENTATIONS)
        self.make_method()

    @property
    def at_once(self) -> int:
        """Pairs that are embedded at once without a graph, and with one where nothing else is found."""
        return AT_ONCE if self.micro_batch is None else self.micro_batch

    def updates(self, pairs: int) -> int:
        """Updates of a run over so many training pairs; at least 1."""
        if self.steps is not None:
            return self.steps
        return max(1, int(self.epochs * pairs) // self.batch_size)

    def make_method(self) -> Method:
        """The method, made anew with its options. UsageError where it has not all that are given."""
        return make_method(
            self.method, self.tau, in_modal=self.in_modal, pool=self.pool, match_every=self.match_every
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `TrainSettings(**settings.to_dict())` is equal."""
        return {**asdict(self), "augment": list(self.augment)}

    @staticmethod
    def _positive(option: str, value: float) -> None:
        if not 0 < value < float("inf"):
            raise UsageError(f"{option} is {value:g}, but must be a finite number above 0")

    @staticmethod
    def _at_least(option: str, value: int, least: int) -> None:
        if value < least:
            raise UsageError(f"{option} is {value}, but must be at least {least}")

    @staticmethod
    def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise UsageError(f"{option} is {value!r}, but must be one of {', '.join(known)}")
