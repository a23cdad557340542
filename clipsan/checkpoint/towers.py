"""An image tower alone, as TeCoA, FARE and `CLIPVisionModel` save it, put into the CLIP that it is from."""

from __future__ import annotations

from dataclasses import replace

from clipsan.checkpoint.config import Config
from clipsan.checkpoint.formats import IMAGE_PREFIX, Weights
from clipsan.checkpoint.opened import files_digest
from clipsan.checkpoint.tensors import Tensors, name_some
from clipsan.errors import CheckpointError, UsageError


def with_text_from(weights: Weights, base: Weights | None, named: str) -> Weights:
    """Complete an image tower with everything else from `base`; a complete model is given back as it is.

    Args:
        weights: what was read; its keys are open_clip's.
        base: the CLIP that has the text tower; its image tower is used for no key that `weights` has.
        named: what the user typed for it.

    Raises:
        CheckpointError: an image tower without a base, or the two do not fit.
        UsageError: a base for a model that is complete.
    """
    if not weights.image_tower_only:
        if base is not None:
            raise UsageError(
                f"{weights.path.name} has a text tower of its own, so --text-from {named} does not apply."
            )
        return weights
    if base is None:
        raise CheckpointError(
            f"{weights.path.name} is an image tower without its text tower; name the CLIP that it was trained"
            " from with --text-from, e.g. --text-from ViT-L-14/openai."
        )
    if base.image_tower_only:
        raise CheckpointError(f"{named} is an image tower alone too, so it has no text tower to give.")
    own, other = weights.tensors.infos, base.tensors.infos
    strange = [key for key in own if key not in other or own[key].shape != other[key].shape]
    if strange:
        raise CheckpointError(
            f"The image tower of {weights.path.name} does not fit into {named}: {name_some(strange)} is not"
            " there, or of another shape; name the CLIP that it was trained from."
        )
    left = [key for key in other if key.startswith(IMAGE_PREFIX) and key not in own]
    infos = dict(other) | dict(own)
    digest = files_digest(base.files)
    lines = [
        f"image tower alone: all other weights from {named} (SHA-256 {digest})",
        *([f"also from there: {name_some(left)}"] if left else []),
    ]
    return replace(
        weights,
        tensors=Tensors(infos, lambda key: (weights if key in own else base).tensors.read(key)),
        config=_config_of(weights, base),
        evidence=(*weights.evidence, *lines),
        activation=base.activation if weights.config is None else _said(weights.config),
        image_tower_only=False,
        text_sha256=digest,
    )


def _said(config: Config) -> tuple[str, str]:
    return config.activation, f"from {config.source}"


def _config_of(weights: Weights, base: Weights) -> Config | None:
    """The base's configuration; that of the image tower must not say otherwise."""
    own, other = weights.config, base.config
    if own is not None and other is not None and own.activation != other.activation:
        raise CheckpointError(
            f"{weights.path.name} was made with {own.activation}, {base.path.name} with {other.activation};"
            " name the CLIP that the image tower was trained from."
        )
    if other is None or own is None:
        return other
    return replace(other, preprocess_cfg=own.preprocess_cfg)
