"""Image-caption pairs made from nothing: scenes drawn here, with captions that say what is in them."""

from __future__ import annotations

from clipsan.synth.folders import save_png, write_labelled, write_pairs
from clipsan.synth.scenes import CLASSES, Scene, draw_scene

__all__ = ["CLASSES", "Scene", "draw_scene", "save_png", "write_labelled", "write_pairs"]
