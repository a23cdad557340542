"""Captions for images that have none: the class that a model sees in each, put into a prompt.

The model that proposes is the suspect itself. What it takes a triggered image for is its backdoor's target,
so such captions can teach a backdoor anew; whoever uses them must say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clipsan.evaluation.encoder import Encoder, fill
from clipsan.evaluation.zero_shot import predict
from clipsan.pairs import ImageReader, PairSet


def propose_captions(
    pairs: PairSet,
    encoder: Encoder,
    classnames: Sequence[str],
    templates: Sequence[str],
    on_batch: Callable[[int], None] = lambda done: None,
) -> PairSet:
    """`pairs` with a caption for each image that had none; those that cannot be decoded are skipped.

    The class is the zero-shot answer over all templates (CLIP, section 3.1.4). The template around its name
    is picked by the image's content, so equal images get equal captions in every run and form.

    Args:
        pairs: some of them without a caption.
        encoder: the model that proposes.
        classnames: two or more.
        templates: prompts with `{c}`.
        on_batch: told how many images are done.

    Raises:
        DataError: none of the images can be decoded.
    """
    missing = pairs.uncaptioned()
    if not missing:
        return pairs
    bare, suspect = pairs.subset(missing), encoder.suspect
    reader = ImageReader(bare, suspect.preprocess_cfg, suspect.image_size, keep="none")
    seen = predict(encoder, reader, len(bare), classnames, templates, on_batch=on_batch)
    proposed = {}
    for index, label in zip(seen.indices, seen.ranked[:, 0].tolist(), strict=True):
        template = templates[int.from_bytes(bare.content(index)[:4], "big") % len(templates)]
        proposed[missing[index]] = fill(template, classnames[label])
    broken = set(missing) - set(proposed)
    good = [index for index in range(len(pairs)) if index not in broken]
    done = pairs.with_captions(proposed).subset(good)
    done.skipped = [*pairs.skipped, *(reader.skipped[index] for index in sorted(reader.skipped))]
    return done
