"""Scenes with captions, drawn here: image-caption pairs and evaluation sets that need no download."""

from clipsan.synth.captions import TEMPLATES
from clipsan.synth.folders import save_png, write_labelled, write_pairs
from clipsan.synth.scenes import CLASSES, Scene, draw_scene

__all__ = ["CLASSES", "TEMPLATES", "Scene", "draw_scene", "save_png", "write_labelled", "write_pairs"]
