"""Decoding: exactly open_clip's picture, or a reason."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from drawn_pairs import encode, noise, write_tar
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from clipsan.errors import CheckpointError, DataError
from clipsan.pairs import ImageReader, decode, open_pairs
from clipsan.pairs.headers import header_size
from clipsan.pairs.training_images import decode_for_training


def save(image, form="PNG", **settings):
    buffer = io.BytesIO()
    image.save(buffer, form, **settings)
    return buffer.getvalue()


def by_open_clip(data, **settings):
    """uint8 [3, h, w] through open_clip's whole transform, with a mean and deviation that change nothing."""
    config = PreprocessCfg(mean=(0.0,) * 3, std=(1.0,) * 3, **settings)
    with Image.open(io.BytesIO(data)) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (image_transform_v2(config, is_train=False)(image) * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
@pytest.mark.parametrize("shape", [(32, 32), (33, 71), (90, 40), (10, 13), (61, 62)])
def test_geometry_is_open_clips(mode, interpolation, size, shape):
    data = encode(noise(*shape), "JPEG", quality=95)
    settings = {"resize_mode": mode, "interpolation": interpolation, "fill_color": 7}
    pixels = decode(data, settings, size)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (3, *size))
    assert np.array_equal(pixels, by_open_clip(data, size=size, **settings))


def _picture():
    return Image.fromarray(noise(20, 30))


@pytest.mark.parametrize(
    "data",
    [
        save(_picture().convert("CMYK"), "JPEG"),
        save(_picture().convert("L"), "JPEG"),
        save(_picture().convert("P")),
        save(_picture().convert("P"), transparency=bytes(range(256))),
        save(_picture().convert("P"), transparency=3),
        save(_picture(), transparency=(1, 2, 3)),
        save(_picture().convert("RGBA")),
        save(_picture().convert("LA")),
        save(_picture().convert("1")),
        save(_picture(), "WEBP"),
        save(_picture(), "WEBP", lossless=True),
        save(_picture().convert("RGBA"), "WEBP", lossless=True),
        save(_picture(), "WEBP", save_all=True, append_images=[_picture().rotate(180)]),
        save(_picture(), "PNG", save_all=True, append_images=[_picture().rotate(180)]),
        save(
            _picture(),
            "JPEG",
            exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
        ),
        save(_picture(), "JPEG", progressive=True),
    ],
)
def test_unusual_pictures_decode_as_open_clip_does(data):
    assert header_size(data) == (30, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = decode(data, {}, (16, 16))
    assert np.array_equal(pixels, by_open_clip(data, size=(16, 16)))


def test_16_bit_grey_keeps_its_shades():
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    pixels = decode(save(Image.fromarray(grey)), {}, (16, 16))
    assert pixels[0].ravel().tolist() == (grey >> 8).ravel().tolist()
    assert pixels[0].max() == 255 and pixels[0].min() == 0 and len(np.unique(pixels[0])) == 256


def png_claiming(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def webp_claiming(width, height):
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


GOOD = encode(noise(16, 16))
JPEG = encode(noise(40, 40), "JPEG")


def two_frames():
    """A JPEG with a second frame header of another size, of which the first is small."""
    at = JPEG.index(b"\xff\xc0")
    length = 2 + int.from_bytes(JPEG[at + 2 : at + 4], "big")
    frame = bytearray(JPEG[at : at + length])
    frame[5:9] = struct.pack(">HH", 9000, 9000)
    return JPEG[: at + length] + bytes(frame) + JPEG[at + length :]


def many_scans(count, side=16):
    """A progressive JPEG with its last scan repeated, which decoders go through again and again."""
    whole = bytearray(encode(noise(16, 16), "JPEG", progressive=True))
    frame = whole.index(b"\xff\xc2")
    whole[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    at, end = whole.rindex(b"\xff\xda"), len(whole) - 2
    return bytes(whole[:at] + whole[at:end] * count + whole[end:])


HOSTILE = {
    "scans.jpg": (
        many_scans(40, 8000),
        "would take too long to decode (49 scans of 8000x8000 pixels)",
    ),
    "frames.jpg": (two_frames(), "its header contradicts itself about the size"),
    "bomb.png": (
        png_claiming(100_000, 100_000),
        "is too large (100000x100000 pixels; the limit is 64 million)",
    ),
    "warned.png": (png_claiming(10_000, 10_000), "is too large (10000x10000 pixels"),
    "bomb.webp": (webp_claiming(16_384, 16_384), "is too large (16384x16384 pixels"),
    "line.png": (png_claiming(4_000_000, 8), "is too narrow (4000000x8 pixels)"),
    "empty.png": (png_claiming(64, 64), "cannot be decoded"),
    "half.jpg": (JPEG[: len(JPEG) // 2], "cannot be decoded"),
    "header.jpg": (JPEG[:30], "its header is cut off"),
    "zero.png": (b"", "is empty"),
    "dot.png": (encode(noise(1, 1)), "is too small (1x1 pixels; each side must have 8)"),
    "anim.gif.png": (encode(noise(16, 16), "GIF"), "is not a JPEG, PNG or WebP image"),
    "text.jpg": (b"just text", "is not a JPEG, PNG or WebP image"),
    "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a JPEG, PNG or WebP image"),
    "eps.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is not a JPEG, PNG or WebP image"),
    "riff.webp": (b"RIFF\0\0\0\0WEBPXXXX" + bytes(40), "its header names no size"),
}


DECODERS = pytest.mark.parametrize("decode", [decode, decode_for_training])


@DECODERS
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_image_is_a_reason(name, decode):
    data, reason = HOSTILE[name]
    with warnings.catch_warnings(), pytest.raises(DataError) as caught:
        warnings.simplefilter("error")
        decode(data, {}, (16, 16))
    assert str(caught.value).startswith(reason)


def test_many_scans_of_a_small_picture_are_fine():
    assert decode(many_scans(200), {}, (16, 16)).shape == (3, 16, 16)


@DECODERS
def test_every_cut_of_a_file_is_a_reason_or_a_picture(decode):
    """No length of a truncated file raises anything but DataError."""
    for form in ("JPEG", "PNG", "WEBP"):
        whole = encode(noise(12, 12), form)
        broken = 0
        for length in range(0, len(whole) - 16, 7):
            try:
                assert decode(whole[:length], {}, (12, 12)).shape == (3, 12, 12)
            except DataError:
                broken += 1
        assert broken > len(whole) // 14


@pytest.mark.parametrize("exact", [True, False])
def test_a_hostile_folder_never_stops_a_reader(tmp_path, exact):
    members = []
    for i, (data, _) in enumerate(HOSTILE.values()):
        members += [
            (f"bad{i}.jpg", data),
            (f"bad{i}.txt", b"bad"),
            (f"good{i}.png", GOOD),
            (f"good{i}.txt", b"good"),
        ]
    write_tar(tmp_path / "t.tar", members)
    pairs = open_pairs(tmp_path)
    assert len(pairs) == 2 * len(HOSTILE)
    for threads, keep in ((1, "none"), (4, "memory")):
        reader = ImageReader(pairs, {}, (16, 16), exact=exact, threads=threads, keep=keep)
        for _ in range(2):  # the second time nothing is found again
            pixels, good = reader.batch(range(len(pairs)))
            assert good == list(range(1, len(pairs), 2))
            assert pixels.dtype == torch.uint8 and pixels.shape == (len(HOSTILE), 3, 16, 16)
            assert torch.equal(pixels[0], torch.from_numpy(decode(GOOD, {}, (16, 16))))
            assert sorted(reader.skipped) == list(range(0, len(pairs), 2))
        assert reader.skipped[4].name == "t.tar/bad2"
        assert reader.skipped[4].reason == "is too large (100000x100000 pixels; the limit is 64 million)"


def test_a_setting_open_clip_does_not_know_is_no_broken_image(tmp_path):
    with pytest.raises(CheckpointError, match="resize_mode is 'crop'"):
        decode(GOOD, {"resize_mode": "crop"}, (16, 16))
    write_tar(tmp_path / "t.tar", [("a.png", GOOD), ("a.txt", b"a")])
    with pytest.raises(CheckpointError, match="interpolation is 'nearest'"):
        ImageReader(open_pairs(tmp_path), {"interpolation": "nearest"}, (16, 16))


def test_an_image_that_goes_away_is_skipped(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(GOOD)
        (tmp_path / f"{name}.txt").write_text(name)
    pairs = open_pairs(tmp_path)
    (tmp_path / "a.png").unlink()
    reader = ImageReader(pairs, {}, (16, 16))
    assert reader.batch([1, 0, 1])[1] == [1, 1]
    assert reader.skipped[0].reason == "cannot be read (No such file or directory)"
