"""Pairs, embeddings and evidence made on the spot."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from clipsan.hygiene.evidence import Evidence
from clipsan.pairs import ImageReader, PairSet
from clipsan.pairs.pairset import Origin


class Images:
    def __init__(self, encoded):
        self.encoded = encoded

    def size(self, place):
        return len(self.encoded[place])

    def read(self, place):
        return self.encoded[place]

    def tail(self, place, length):
        return self.encoded[place][-length:]


class Embedder:
    """Fixed embeddings: of images by their pixels, of texts by themselves."""

    def __init__(self, pixels, images, texts):
        self.by_pixels = {p.tobytes(): e for p, e in zip(pixels, images, strict=True)}
        self.by_text = texts

    def images(self, pixels):
        return torch.stack([self.by_pixels[p.tobytes()] for p in pixels.numpy()])

    def texts(self, texts):
        return torch.stack([self.by_text[text] for text in texts])


def png(pixels):
    """PNG of uint8 [3, h, w]."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.asarray(pixels).transpose(1, 2, 0))).save(buffer, "PNG")
    return buffer.getvalue()


def pair_set(encoded, captions):
    names = [f"{number:04d}.png" for number in range(len(encoded))]
    return PairSet(
        images=Images(encoded), names=names, captions=list(captions), skipped=[],
        origins=[Origin("made", "made here")],
    )  # fmt: skip


def reader_of(pairs, size):
    return ImageReader(pairs, {}, (size, size), threads=1)


def natural(count, size, seed=0):
    """Images with a natural image's 1/f spectrum and random phases: uint8 [n, 3, size, size]."""
    random = np.random.RandomState(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(random.standard_normal((count, 3, size, size)))
    images = np.fft.irfft2(white / frequency, s=(size, size))
    images *= 50 / images.std(axis=(1, 2, 3), keepdims=True)
    return (images + 128).clip(0, 255).round().astype(np.uint8)


def unit(rows, dimensions, seed=0):
    """Random unit vectors, float32 [rows x dimensions]."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dimensions, generator=generator), dim=1)


def evidence(captions, *, images=None, texts=None, digests=None, hashes=None, short_side=None, spread=None):
    """Evidence that is nothing but what is given."""
    n = len(captions)
    blank = png(np.zeros((3, 16, 16), np.uint8))
    pairs = pair_set([blank] * n, captions)
    found = Evidence(pairs, reader_of(pairs, 16), torch.device("cpu"), index=list(range(n)))
    found.digests = digests or [str(number).encode() for number in range(n)]
    found.hashes = torch.ones(n, 64, dtype=torch.int8) if hashes is None else hashes
    found.short_side = short_side or [16] * n
    found.spread = torch.full((n,), 50.0) if spread is None else torch.tensor(spread)
    if images is not None:
        found.images["suspect"] = images
        found.texts["suspect"] = images if texts is None else texts
    return found
