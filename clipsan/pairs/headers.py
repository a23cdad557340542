"""Width and height from the first bytes of a JPEG, PNG or WebP file, before any decoder sees it.

Pillow also reads them, but warns or fails on its own limits, and reserves the whole canvas of a WebP file
merely to open it.
"""

from __future__ import annotations

import struct

from clipsan.errors import DataError

MAX_SCANNED = 2_000_000_000
"""Pixels that the scans of one progressive JPEG go over: 2 to 3 seconds. Encoders write about ten scans, but
a scan of a hundred bytes can go over the whole picture, and a file of such scans cost a day."""

_JPEG = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_START_OF_SCAN = b"\xff\xda"
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))


def header_size(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels as the header claims; DataError for other formats and broken headers."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", data, 16)
            return width, height
        if data.startswith(_JPEG):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError, ValueError) as error:
        raise DataError("its header is cut off") from error
    raise DataError("is not a JPEG, PNG or WebP image" if data else "is empty")


def jpeg_channels(data: bytes) -> int:
    """1 for grey, 3 for colour, 4 for CMYK, 0 for other formats, of a file that `header_size` has passed."""
    if not data.startswith(_JPEG):
        return 0
    at = _jpeg_frame(data) + 7
    return int.from_bytes(data[at : at + 1], "big")


def _jpeg(data: bytes) -> tuple[int, int]:
    at = _jpeg_frame(data)
    height, width = struct.unpack_from(">HH", data, at + 3)
    if data[at - 1] in _PROGRESSIVE:
        scans = data.count(_START_OF_SCAN)
        if scans * width * height > MAX_SCANNED:
            raise DataError(f"would take too long to decode ({scans} scans of {width}x{height} pixels)")
    return width, height


def _jpeg_frame(data: bytes) -> int:
    """Where the frame header (SOF) begins, after its marker.

    Found by walking the markers as ITU T.81 B.1.1 lays them out.
    """
    at = 2
    while True:
        at = data.index(b"\xff", at)
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in _ALONE or marker == 0:
            continue
        if marker in (0xD9, 0xDA):
            raise DataError("its header names no size")
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _FRAMES:
            return at
        at += max(length, 2)


def _webp(data: bytes) -> tuple[int, int]:
    """The canvas of an extended file, or the frame of a simple one (RFC 9649)."""
    kind = data[12:16]
    if kind == b"VP8X":
        wide, high, wide_top, high_top = (*struct.unpack_from("<HxHx", data, 24), data[26], data[29])
        return (wide | wide_top << 16) + 1, (high | high_top << 16) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise DataError("its header names no size")
