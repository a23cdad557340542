"""The demo's scenes: shapes of 24 classes, with captions, as pairs and as evaluation sets.

They stay apart from `drawing`, whose objects look like things: the demo's small CLIP and its figures are
tuned on these pixels, which are the same on every platform, and colour says nothing about their class.
`drawing` paints its simplest kinds with the same outlines.
"""

from clipsan.synthesis.shapes.captions import TEMPLATES
from clipsan.synthesis.shapes.folders import save_png, write_labelled, write_pairs
from clipsan.synthesis.shapes.scenes import CLASSES, Scene, draw_scene

__all__ = ["CLASSES", "TEMPLATES", "Scene", "draw_scene", "save_png", "write_labelled", "write_pairs"]
