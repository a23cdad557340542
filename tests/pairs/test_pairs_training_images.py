"""Decoding for training: near open_clip's picture, never smaller than needed, the same on every way."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from drawn_pairs import encode, noise, write_tar
from PIL import Image

from clipsan.errors import DataError
from clipsan.pairs import ImageReader, decode, open_pairs
from clipsan.pairs import training_images as module
from clipsan.pairs.training_images import REDUCTIONS, decode_for_training, reduction, resized_size


def scene(height, width, seed=0):
    """Soft blobs of colour with a little grain, as a photograph has them."""
    rough = Image.fromarray(noise(7, 9, seed)).resize((width, height), Image.Resampling.BICUBIC)
    grain = np.random.RandomState(seed).randint(-6, 7, (height, width, 1))
    return (np.asarray(rough) + grain).clip(0, 255).astype(np.uint8)


def save(image, form="JPEG", **settings):
    buffer = io.BytesIO()
    image.save(buffer, form, **settings)
    return buffer.getvalue()


def difference(data, settings, size):
    near = decode_for_training(data, settings, size)
    assert (near.dtype, near.shape) == (np.uint8, (3, *size)) and near.flags.c_contiguous
    return np.abs(near.astype(int) - decode(data, settings, size))


@pytest.fixture(params=["simplejpeg", "pillow"])
def decoder(request, monkeypatch):
    if request.param == "simplejpeg":
        pytest.importorskip("simplejpeg")
    else:
        monkeypatch.setattr(module, "_simplejpeg", lambda: None)
    return request.param


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", [(90, 110), (121, 77), (64, 64), (30, 45), (64, 120), (400, 71)])
def test_a_picture_decoded_whole_differs_by_rounding_alone(form, mode, interpolation, shape):
    data = encode(scene(*shape), form)
    settings = {"resize_mode": mode, "interpolation": interpolation}
    off = difference(data, settings, (64, 64))
    assert off.max() <= 2 and off.mean() < 0.3
    if shape == (64, 64):
        assert off.max() == 0


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_only_jpegs_are_decoded_smaller(form):
    off = difference(encode(scene(260, 330), form), {}, (64, 64))
    assert off.max() <= 2 and off.mean() < 0.3


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("shape", [(130, 170), (257, 300), (301, 520), (900, 641)])
@pytest.mark.parametrize("settings", [{}, {"resize_mode": "squash"}])
@pytest.mark.parametrize("quality", [{"quality": 95, "subsampling": 0}, {"quality": 85, "progressive": True}])
def test_a_jpeg_decoded_smaller_stays_near(shape, settings, quality):
    off = difference(encode(scene(*shape), "JPEG", **quality), settings, (64, 64))
    assert off.mean() < 1 and off.max() <= 8


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("more", [0, 1, 5])
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_ramp_stays_a_ramp(factor, more, mode):
    """Column c of n shows (c + ½)/n of the way from black to white, whatever the size it came from.

    With a side that `factor` does not divide, libjpeg decodes a little beyond the picture.
    """
    side = 64 * factor + more
    assert reduction((side, side), (64, 64)) == factor
    ramp = ((np.arange(side) + 0.5) / side * 256).astype(np.uint8)
    data = save(Image.fromarray(np.tile(ramp, (side, 1))).convert(mode), quality=95)
    pixels = decode_for_training(data, {}, (64, 64))
    expected = (np.arange(64) + 0.5) / 64 * 256 - 0.5
    assert np.abs(pixels[..., 2:-2] - expected[2:-2]).max() <= 3
    assert abs((pixels - expected)[..., 2:-2].mean()) < 0.6
    assert (pixels[0] == pixels[1]).all() and (pixels[1] == pixels[2]).all()


def test_reductions_leave_every_pixel_that_is_needed():
    assert reduction((500, 375), (224, 298)) == 1  # half of 375 is below 224
    assert reduction((448, 448), (224, 224)) == 2
    assert reduction((447, 600), (300, 224)) == 1
    assert reduction((1600, 1200), (224, 298)) == 4
    assert reduction((1792, 1792), (224, 224)) == 8
    assert reduction((9000, 9000), (224, 224)) == 8
    assert reduction((9000, 230), (224, 224)) == 1  # squashed: the short side decides
    assert reduction((100, 100), (224, 224)) == 1
    random = np.random.RandomState(0)
    for width, height in random.randint(8, 3000, (500, 2)).tolist():
        resized = resized_size((width, height), (224, 224), "shortest")
        factor = reduction((width, height), resized)
        assert factor in (*REDUCTIONS, 1)
        assert factor == 1 or (width // factor >= resized[1] and height // factor >= resized[0])


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("shape", [(127, 500), (129, 501), (129, 131), (255, 256), (520, 511), (1100, 600)])
def test_what_is_resized_is_never_smaller_than_the_result(monkeypatch, shape):
    seen = []

    def watched(image, **settings):
        result = plain(image, **settings)
        seen.append((tuple(image.shape[2:]), tuple(result.shape[2:])))
        return result

    plain = module.F.interpolate
    monkeypatch.setattr(module.F, "interpolate", watched)
    decode_for_training(encode(scene(*shape), "JPEG"), {}, (64, 64))
    ((decoded, resized),) = seen
    assert resized == resized_size(shape[::-1], (64, 64), "shortest")
    factor = reduction(shape[::-1], resized)
    assert decoded == tuple(-(-side // factor) for side in shape)
    assert all(have >= need for have, need in zip(decoded, resized, strict=True))


def test_the_size_before_the_crop_is_open_clips():
    assert resized_size((500, 375), (224, 224), "shortest") == (224, 298)
    assert resized_size((375, 500), (224, 224), "shortest") == (298, 224)
    assert resized_size((375, 500), (224, 200), "squash") == (224, 200)
    assert resized_size((375, 500), (224, 200), "shortest") is None
    assert resized_size((375, 500), (224, 224), "longest") is None


def _picture():
    return Image.fromarray(scene(150, 170))


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize(
    ("data", "settings", "size"),
    [
        (save(_picture().convert("CMYK")), {}, (64, 64)),
        (save(_picture().convert("P"), "PNG"), {}, (64, 64)),
        (save(_picture().convert("P"), "PNG", transparency=3), {}, (64, 64)),
        (save(_picture().convert("RGBA"), "PNG"), {}, (64, 64)),
        (save(_picture().convert("LA").convert("RGBA").rotate(9), "WEBP"), {}, (64, 64)),
        (save(_picture().convert("LA"), "PNG"), {}, (64, 64)),
        (save(_picture().convert("1"), "PNG"), {}, (64, 64)),
        (save(Image.fromarray(np.arange(9000, dtype=np.uint16).reshape(90, 100)), "PNG"), {}, (64, 64)),
        (save(_picture()), {"resize_mode": "longest", "fill_color": 9}, (64, 64)),
        (save(_picture()), {}, (64, 48)),
    ],
)
def test_all_else_is_left_to_open_clip(data, settings, size):
    assert difference(data, settings, size).max() == 0


@pytest.mark.parametrize("shape", [(90, 110), (300, 257), (640, 480)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
def test_both_decoders_give_the_same_pixels(monkeypatch, shape, mode, settings):
    pytest.importorskip("simplejpeg")
    data = save(Image.fromarray(scene(*shape)).convert(mode), **settings)
    with_it = decode_for_training(data, {}, (64, 64))
    monkeypatch.setattr(module, "_simplejpeg", lambda: None)
    assert np.array_equal(with_it, decode_for_training(data, {}, (64, 64)))


def test_both_decoders_refuse_the_same_files(monkeypatch):
    simplejpeg = module._simplejpeg()
    if simplejpeg is None:
        pytest.skip("simplejpeg is not installed")
    random = np.random.RandomState(0)
    whole = [encode(scene(70, 90), "JPEG", progressive=progressive) for progressive in (False, True)]
    refused = 0
    for number in range(200):
        data = bytearray(whole[number % 2])
        if number % 3 == 0:
            del data[random.randint(4, len(data)) :]
        else:
            end = 640 if number % 3 == 1 else len(data)
            for place in random.randint(2, end, 3):
                data[place] = random.randint(256)
        results = []
        for present in (simplejpeg, None):
            monkeypatch.setattr(module, "_simplejpeg", lambda present=present: present)
            try:
                results.append(decode_for_training(bytes(data), {}, (32, 32)).tobytes())
            except DataError as error:
                results.append(str(error))
        assert results[0] == results[1]
        refused += isinstance(results[0], str)
    assert 20 < refused < 180


def test_only_a_reader_for_training_takes_the_fast_way(tmp_path):
    members = []
    for i in range(12):
        members += [(f"{i}.jpg", encode(scene(140 + i, 160, i), "JPEG")), (f"{i}.txt", b"text")]
    write_tar(tmp_path / "t.tar", members)
    pairs = open_pairs(tmp_path)
    exact = np.stack([decode(pairs.read(i), {}, (64, 64)) for i in range(12)])
    near = np.stack([decode_for_training(pairs.read(i), {}, (64, 64)) for i in range(12)])
    assert not np.array_equal(exact, near)
    assert np.array_equal(ImageReader(pairs, {}, (64, 64)).batch(range(12))[0].numpy(), exact)
    for threads in (1, 2, 5):
        reader = ImageReader(pairs, {}, (64, 64), exact=False, threads=threads, keep="none")
        assert np.array_equal(reader.batch(range(12))[0].numpy(), near)
    assert torch.equal(reader.batch([3])[0][0], torch.from_numpy(near[3]))
