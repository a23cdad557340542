"""Images by a text-to-image model of diffusers that the user names; there is no default one.

Default use:

    maker = open_maker(Options(model="hf-hub:org/name"))
    maker.notes, maker.warnings  # steps and guidance with the evidence for them; an unknown licence
    made = maker.make(requests)

A model is a stranger's: `source` checks every file against the tables of `classes` before diffusers sees any,
and diffusers is given a temporary folder with nothing else in it. Nothing here imports torch before it is
used.
"""

from __future__ import annotations

from clipsan.synthesis.diffusion.options import Options, open_maker

__all__ = ["Options", "open_maker"]
