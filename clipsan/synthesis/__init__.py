"""Image-caption pairs from nothing: captions from a list of concepts, and images by a maker.

`captions` writes the sentences, a maker (`maker.py`) the images: `drawing` draws them, without weights.
`folder` fills a folder that a killed run can go on with. `shapes` draws the demo's simpler scenes.
"""
