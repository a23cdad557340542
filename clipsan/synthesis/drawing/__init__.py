"""Images by drawing: no weights, no downloads, hundreds a second.

`kinds` is the parametric library (what can be drawn), `plan` decides on a scene and what its caption says,
`scene` draws it with `brush`, `light` and `backdrops`, `SceneMaker` answers requests.
"""

from clipsan.synthesis.drawing.kinds import KINDS, find_kind
from clipsan.synthesis.drawing.maker import SceneMaker

__all__ = ["KINDS", "SceneMaker", "find_kind"]
