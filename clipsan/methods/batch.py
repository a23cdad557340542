"""What a method sees of one batch, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

ImageViews = Literal["autoaugment", "crop-colour-blur"]


@dataclass(frozen=True)
class Embeddings:
    """Unit-length embeddings of the same b pairs.

    Attributes:
        image: float32 [b x d].
        text: float32 [b x d].
    """

    image: Tensor
    text: Tensor


@dataclass(frozen=True)
class Views:
    """Which augmented views of a batch a method asks for; captions are varied word by word (EDA).

    Attributes:
        images: how the images are varied, a name of `clipsan.training.image_views.IMAGE_VIEWS`.
        instead: True: the views take the place of the plain pairs (a frozen suspect then sees the images'
            views, and the plain captions). False: they come beside them.
    """

    images: ImageViews
    instead: bool


@dataclass(frozen=True)
class Batch:
    """All that a loss may look at.

    Attributes:
        student: embeddings of b pairs by the model that is trained.
        logit_scale: exp of CLIP's parameter, a scalar without graph.
        frozen: the frozen suspect's embeddings of the same images and captions; None: not asked for.
        views: the student's embeddings of an augmented view of each image and caption; None: not asked for.
        step: 0 for the first update.
        pairs: that the run trains on.
    """

    student: Embeddings
    logit_scale: Tensor
    frozen: Embeddings | None = None
    views: Embeddings | None = None
    step: int = 0
    pairs: int = 0


@dataclass(frozen=True)
class Loss:
    """A loss over one batch.

    Attributes:
        total: the scalar to minimise, with its graph.
        terms: scalars to watch, without graph: `clip` always, `s_image` and `s_text` where the method
            has a frozen copy.
    """

    total: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)


class Method(Protocol):
    """A fine-tuning defence: one loss over one batch, nothing else.

    A method is made anew for each run, so it may remember earlier batches; `loss` is called once for each
    update, in their order.
    """

    @property
    def name(self) -> str:
        """The name on the command line and in the report."""

    @property
    def uses_frozen(self) -> bool:
        """Whether the loss needs the embeddings of the frozen suspect."""

    @property
    def views(self) -> Views | None:
        """The augmented views that the loss needs; None: only the plain pairs."""

    def loss(self, batch: Batch) -> Loss:
        """The loss of one batch."""
