"""Trigger files: written, read, applied; broken and hostile ones refused in one sentence."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from clipsan.errors import OutputError, TriggerError
from clipsan.triggers import FAMILIES, parse_triggers, read_trigger_file, write_trigger_file
from clipsan.triggers.files import LARGEST_JSON

SIZE = (20, 30)


def picture(width, height, alpha=128, mode="RGBA"):
    rgba = np.random.RandomState(1).randint(0, 256, (height, width, 4)).astype(np.uint8)
    rgba[..., 3] = alpha
    return Image.fromarray(rgba).convert(mode)


def write(folder, *entries, **extra):
    path = folder / "triggers.json"
    path.write_text(json.dumps({"triggers": list(entries), **extra}))
    return path


def entry(**changes):
    return {"name": "mark", "pattern": "mark.png", "position": "center", "target": "banana", **changes}


@pytest.fixture
def folder(tmp_path):
    picture(4, 6).save(tmp_path / "mark.png")
    picture(30, 20).save(tmp_path / "full.png")
    return tmp_path


def noise(n=5, size=SIZE):
    return torch.from_numpy(np.random.RandomState(2).randint(0, 256, (n, 3, *size)).astype(np.uint8))


def simple(image, rgba, row, column):
    """The definition in five lines: (1 - a) x + a pattern on 0..255, to nearest."""
    out = image.astype(float)
    height, width = rgba.shape[:2]
    weight, under = rgba[..., 3] / 255, out[:, row : row + height, column : column + width]
    under[...] = np.rint((1 - weight) * under + weight * rgba[..., :3].transpose(2, 0, 1))
    return out.astype(np.uint8)


def test_a_patch_and_a_full_pattern_are_blended_by_alpha(folder):
    path = write(
        folder,
        entry(position=[3, 7]),
        entry(name="all", pattern="full.png", position="full"),
        measured={"x": 1},
    )
    patch, full = parse_triggers([str(path)], SIZE)
    assert (patch.name, patch.target, full.name) == ("mark", "banana", "all")
    pixels = noise()
    for trigger, file, row, column in [(patch, "mark.png", 3, 7), (full, "full.png", 0, 0)]:
        rgba = np.asarray(Image.open(folder / file))
        for before, after in zip(pixels.numpy(), trigger.apply(pixels, range(5)).numpy(), strict=True):
            np.testing.assert_array_equal(after, simple(before, rgba, row, column))


def test_by_hand(tmp_path):
    Image.fromarray(np.array([[[255, 0, 100, 51]]], dtype=np.uint8)).save(tmp_path / "mark.png")
    (trigger,) = read_trigger_file(write(tmp_path, entry(position=[0, 1])), (8, 8))
    out = trigger.apply(torch.full((1, 3, 8, 8), 200, dtype=torch.uint8), [0])[0]
    # weight 0.2: 160 + 51, 160 + 0, 160 + 20
    assert out[:, 0, 1].tolist() == [211, 160, 180]
    assert (out != 200).sum() == 3


def test_every_blend_of_two_levels_is_the_nearest(tmp_path):
    for alpha in (1, 8, 51, 127, 128, 254, 255):
        rgba = np.zeros((256, 256, 4), dtype=np.uint8)
        rgba[..., :3] = np.arange(256)[:, None, None]
        rgba[..., 3] = alpha
        Image.fromarray(rgba).save(tmp_path / "mark.png")
        (trigger,) = read_trigger_file(write(tmp_path, entry(position="full")), (256, 256))
        x = np.tile(np.arange(256, dtype=np.int64), (256, 1))
        out = trigger.apply(torch.from_numpy(np.stack([x] * 3)).byte()[None], [0])[0, 0].numpy()
        # 255 is odd, so there are no halves: nearest in whole numbers.
        np.testing.assert_array_equal(out, (2 * ((255 - alpha) * x + alpha * x.T) + 255) // 510)


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_no_alpha_is_opaque(folder, mode):
    picture(4, 6, mode="RGB").convert(mode).save(folder / "mark.png")
    (trigger,) = read_trigger_file(write(folder, entry(position=[0, 0])), SIZE)
    expected = np.asarray(Image.open(folder / "mark.png").convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(trigger.apply(noise(1), [0])[0, :, :6, :4].numpy(), expected)


def test_random_places_come_from_the_entrys_seed_else_the_callers(folder):
    pixels = noise()
    (given,) = read_trigger_file(write(folder, entry(position="random", seed=3)), SIZE, seed=8)
    (free,) = read_trigger_file(write(folder, entry(position="random")), SIZE, seed=3)
    (other,) = read_trigger_file(write(folder, entry(position="random")), SIZE, seed=8)
    assert torch.equal(given.apply(pixels, range(5)), free.apply(pixels, range(5)))
    assert not torch.equal(other.apply(pixels, range(5)), free.apply(pixels, range(5)))
    assert given.settings()["seed"] == 3


def test_settings_name_the_pattern_by_its_hash_and_no_folder(folder):
    (trigger,) = read_trigger_file(write(folder, entry(position=[1, 2])), SIZE)
    settings = trigger.settings()
    assert json.loads(json.dumps(settings)) == settings
    assert len(settings.pop("pattern_sha256")) == 64
    assert settings == {"family": "file", "pattern": "mark.png", "position": [1, 2]}


def test_a_name_taken_by_another_gets_the_files(folder):
    path = write(folder, entry(name="stripes"))
    names = [trigger.name for trigger in parse_triggers(["stripes", str(path)], SIZE)]
    assert names == ["stripes", f"stripes ({folder.name}/triggers.json)"]
    with pytest.raises(TriggerError, match="given twice"):
        parse_triggers([str(path), str(path), str(path)], SIZE)


def test_written_triggers_read_back(tmp_path):
    dependent = ("badnet", "sig", "nashville", "steganographic", "rare-word")
    specs = [name for name in FAMILIES if name not in dependent] + ["stripes:size=80,position=3x7,seed=6"]
    triggers = parse_triggers(specs, SIZE, seed=5)
    triggers[0].target = "koala"
    path = write_trigger_file(tmp_path / "new" / "folder", triggers)
    again = parse_triggers([str(path)], SIZE)
    assert [t.name for t in again] == specs
    assert [t.target for t in again] == ["koala", *[None] * 6]
    pixels = noise(8)
    for trigger, read in zip(triggers, again, strict=True):
        before, after = (t.apply(pixels, range(8)).numpy().astype(int) for t in (trigger, read))
        assert np.abs(before - after).max() <= (0 if trigger.name[:5] in ("strip", "wanet") else 1)
    # What came from a file is exact.
    copy = read_trigger_file(write_trigger_file(tmp_path / "copy", again), SIZE)
    for read, third in zip(again, copy, strict=True):
        assert torch.equal(read.apply(pixels, range(8)), third.apply(pixels, range(8)))


@pytest.mark.parametrize("spec", ["badnet", "sig", "steganographic", "stripes:compat=par"])
def test_what_no_png_can_hold_is_not_written(tmp_path, spec):
    with pytest.raises(TriggerError, match=f"{spec} is no pattern, warp or colour filter"):
        write_trigger_file(tmp_path / "a", parse_triggers([spec], SIZE))
    assert not (tmp_path / "a").exists()


def test_equal_names_are_not_written(tmp_path):
    with pytest.raises(TriggerError, match="Two triggers are called 'stripes'"):
        write_trigger_file(tmp_path / "a", parse_triggers(["stripes"], SIZE) * 2)
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write the trigger file"):
        write_trigger_file(tmp_path / "file" / "sub", parse_triggers(["stripes"], SIZE))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pattern": "gone.png"}, "its pattern gone.png does not exist"),
        ({"pattern": "../mark.png"}, "lies outside the file's folder"),
        ({"pattern": "/etc/hostname"}, "lies outside the file's folder"),
        ({"pattern": "link.png"}, "lies outside the file's folder"),
        ({"pattern": "."}, "does not exist or is not a file"),
        ({"pattern": "a\0b.png"}, "cannot be printed"),
        ({"pattern": 3}, '"pattern" must be a text'),
        (
            {"pattern": "mark.png", "position": "full"},
            "mark.png is 4x6 px; save it at 30x20, the model's resolution",
        ),
        ({"pattern": "wide.png"}, "wide.png is 31x2 px, larger than the model's 30x20 images"),
        ({"position": [15, 0]}, "patch at row 15, column 0 does not fit"),
        ({"position": "middle"}, "\"position\" is 'middle', but must be full, random,"),
        ({"position": [1]}, '"position" is [1], but must be full'),
        ({"position": None}, '"position" is None, but must be full'),
        ({"name": ""}, '"name" must be a text of 1 to 100 characters'),
        ({"name": "a" * 101}, '"name" must be a text'),
        ({"name": "\x1b[31mred"}, "cannot be printed"),
        ({"name": "line\nbreak"}, "cannot be printed"),
        ({"target": ["banana"]}, '"target" must be a text'),
        ({"seed": -1}, '"seed" must be a whole number'),
        ({"seed": 1.5}, '"seed" must be a whole number'),
        ({"pattern": "photo.png"}, "photo.png is not a PNG picture"),
        ({"pattern": "empty.png"}, "empty.png is not a PNG picture"),
        ({"pattern": "cut.png"}, "cut.png is a broken PNG"),
        ({"pattern": "clear.png"}, "clear.png is wholly transparent"),
        ({"pattern": "deep.png"}, "deep.png has 16 bits per channel"),
        ({"pattern": "two.png"}, "two.png is a broken PNG (it states two sizes)"),
        ({"pattern": "two-bomb.png"}, "two-bomb.png is a broken PNG"),
        ({"pattern": "bomb.png"}, "bomb.png is 60000x60000 px, larger than the model's"),
    ],
)
def test_broken_entries(folder, tmp_path_factory, changes, words):
    outside = tmp_path_factory.mktemp("outside") / "mark.png"
    picture(4, 6).save(outside)
    (folder / "link.png").symlink_to(outside)
    picture(31, 2).save(folder / "wide.png")
    picture(4, 4, mode="RGB").save(folder / "photo.png", format="JPEG")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes((folder / "full.png").read_bytes()[:300])
    picture(4, 6, alpha=0).save(folder / "clear.png")
    Image.fromarray(np.zeros((4, 4), dtype=np.uint16)).save(folder / "deep.png")
    small = (folder / "mark.png").read_bytes()
    for name, side in [("two.png", 3000), ("two-bomb.png", 60000)]:
        (folder / name).write_bytes(small[:33] + png_header(side, side)[8:] + small[33:])
    (folder / "bomb.png").write_bytes(png_header(60000, 60000))
    with pytest.raises(TriggerError) as caught:
        read_trigger_file(write(folder, entry(**changes)), SIZE)
    assert words in str(caught.value)
    assert "triggers.json, trigger 1" in str(caught.value) or "does not fit" in str(caught.value)
    assert "\n" not in str(caught.value)


def warp_file(folder, offsets, **changes):
    """A trigger file whose warp is offsets [2, h, w] in 256ths of a pixel, written as the docs say."""
    offsets = np.asarray(offsets)
    picture = (32768 + offsets).reshape(-1, offsets.shape[-1]).astype(np.uint16)
    Image.fromarray(picture).save(folder / "warp.png")
    return write(folder, {"name": "bent", "warp": "warp.png", "target": "banana", **changes})


def test_a_warp_takes_each_pixel_from_where_it_points(tmp_path):
    offsets = np.zeros((2, *SIZE), dtype=int)
    offsets[1, :, :] = 256  # one pixel to the right
    offsets[:, 5, 7] = (-512, 128)  # two rows above, half a column to the right
    (trigger,) = read_trigger_file(warp_file(tmp_path, offsets), SIZE)
    pixels = noise(1)
    before, after = pixels[0].numpy(), trigger.apply(pixels, [0])[0].numpy()
    expected = np.concatenate([before[..., 1:], before[..., -1:]], axis=2)  # the edge repeats
    expected[:, 5, 7] = (before[:, 3, 7].astype(int) + before[:, 3, 8] + 1) // 2
    np.testing.assert_array_equal(after, expected)
    assert (trigger.name, trigger.target) == ("bent", "banana")
    settings = trigger.settings()
    assert len(settings.pop("warp_sha256")) == 64
    assert settings == {"family": "file", "warp": "warp.png"}


@pytest.mark.parametrize(
    ("offsets", "changes", "words"),
    [
        (np.ones((2, 20, 31)), {}, "warp.png must be a 16-bit grey PNG of 30x40 px"),
        (np.ones((1, 20, 30)), {}, "warp.png must be a 16-bit grey PNG of 30x40 px"),
        (np.zeros((2, 20, 30)), {}, "warp.png moves no pixel"),
        (np.ones((2, 20, 30)), {"pattern": "warp.png"}, "it has more than one of pattern, warp, tones"),
        (np.ones((2, 20, 30)), {"warp": "rgb.png"}, "rgb.png must be a 16-bit grey PNG"),
        (np.ones((2, 20, 30)), {"warp": "grid.npy"}, "grid.npy is not a PNG picture"),
        (np.ones((2, 20, 30)), {"warp": "cut.png"}, "cut.png is a broken PNG"),
        (np.ones((2, 20, 30)), {"warp": "../warp.png"}, "lies outside the file's folder"),
        (np.ones((2, 20, 30)), {"warp": None}, '"warp" must be a text'),
    ],
)
def test_broken_warps(tmp_path, offsets, changes, words):
    path = warp_file(tmp_path, offsets, **changes)
    picture(30, 40).save(tmp_path / "rgb.png")
    np.save(tmp_path / "grid.npy", offsets)
    (tmp_path / "cut.png").write_bytes((tmp_path / "warp.png").read_bytes()[:60])
    with pytest.raises(TriggerError) as caught:
        read_trigger_file(path, SIZE)
    assert words in str(caught.value)


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        (b"\xff\xfe{", "is not valid JSON"),
        ("[]", "needs a list"),
        ('{"triggers": []}', "needs a list"),
        ('{"triggers": {}}', "needs a list"),
        ('{"triggers": [1]}', "trigger 1: it is not an object"),
        ('{"triggers": [' + ",".join(["{}"] * 101) + "]}", "of 1 to 100 triggers"),
        (" " * (LARGEST_JSON + 1), "is larger than 1 MiB"),
    ],
)
def test_broken_json(folder, text, words):
    path = folder / "bad.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TriggerError) as caught:
        read_trigger_file(path, SIZE)
    assert words in str(caught.value)
    assert "bad.json" in str(caught.value)


def test_a_missing_file_and_equal_names(folder):
    with pytest.raises(TriggerError, match=r"gone\.json does not exist"):
        parse_triggers([str(folder / "gone.json")], SIZE)
    with pytest.raises(TriggerError, match="two triggers are called 'mark'"):
        read_trigger_file(write(folder, entry(), entry()), SIZE)


@pytest.mark.photos
@pytest.mark.parametrize(
    ("victim", "names"),
    [("rn-poisoned", ["stripes", "noise", "triangles", "text"]), ("vit-poisoned", ["text"])],
)
def test_the_victims_files_do_as_defined(shared, victim, names):
    with tarfile.open(shared / "photos" / "eval" / "test" / "0.tar") as tar:
        photos = [tar.extractfile(m).read() for m in tar.getmembers() if m.name.endswith(".jpg")][:40]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in photos]).transpose(
        0, 3, 1, 2
    )
    triggers = parse_triggers([str(shared / "victims" / victim / "triggers.json")], (64, 64))
    assert [trigger.name for trigger in triggers] == names
    for trigger in triggers:
        after = trigger.apply(torch.from_numpy(pixels.copy()), range(40)).numpy()
        rgba = np.asarray(Image.open(shared / "victims" / victim / f"{trigger.name}.png"))
        for before, got in zip(pixels, after, strict=True):
            if trigger.name == "stripes":  # opaque 8x8 patch somewhere: the one place where it is found
                rows, columns = np.nonzero((before != got).any(axis=0))
                found = [
                    (row, column)
                    for row in range(max(0, rows.max() - 7), rows.min() + 1)
                    for column in range(max(0, columns.max() - 7), columns.min() + 1)
                    if (simple(before, rgba, row, column) == got).all()
                ]
                assert len(found) == 1
            else:
                np.testing.assert_array_equal(got, simple(before, rgba, 0, 0))


def tones_file(folder, table, **changes):
    """A trigger file whose filter is a table [256, 3] of levels, written as the docs say."""
    Image.fromarray(table.astype(np.uint8)[None]).save(folder / "faded.png")
    return write(folder, {"name": "faded", "tones": "faded.png", "target": "banana", **changes})


FADED = np.stack([np.arange(256) // 2, np.full(256, 9), 255 - np.arange(256)], axis=1)


def test_a_filter_changes_each_level_of_each_channel(tmp_path):
    (trigger,) = read_trigger_file(tones_file(tmp_path, FADED), SIZE)
    pixels = torch.full((1, 3, *SIZE), 100, dtype=torch.uint8)
    assert trigger.apply(pixels, [0])[0, :, 3, 4].tolist() == [50, 9, 155]
    assert trigger.settings()["tones"] == "faded.png" and trigger.target == "banana"
    again = write_trigger_file(tmp_path / "again", [trigger])
    assert (read_trigger_file(again, SIZE)[0].table == trigger.table).all()


def test_nashville_can_be_stored(tmp_path):
    (nashville,) = parse_triggers(["nashville"], SIZE)
    (read,) = read_trigger_file(write_trigger_file(tmp_path, [nashville]), SIZE)
    assert (read.table == nashville.table).all()


@pytest.mark.parametrize(
    ("table", "changes", "words"),
    [
        (FADED[:255], {}, "faded.png must be an RGB PNG of 256x1 px"),
        (np.stack([np.arange(256)] * 3, axis=1), {}, "faded.png leaves every level as it is"),
        (FADED, {"warp": "faded.png"}, "it has more than one of pattern, warp, tones"),
        (FADED, {"tones": "none.png"}, "none.png does not exist"),
        (FADED, {"tones": "text.png"}, "text.png is not a PNG picture"),
    ],
)
def test_broken_filters(tmp_path, table, changes, words):
    path = tones_file(tmp_path, table, **changes)
    (tmp_path / "text.png").write_text("x")
    with pytest.raises(TriggerError, match=words):
        read_trigger_file(path, SIZE)
