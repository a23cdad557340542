"""Every mistake a user can make: one sentence on stderr, exit code 2, nothing written, nothing lost."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from clipsan.checkpoint.write import write_weights
from clipsan.cli import main


def folder_of_pairs(folder: Path, images: dict[str, bytes], captions: dict[str, bytes] | None = None) -> Path:
    """A metadata.jsonl folder with the given image bytes and captions (as raw JSON lines)."""
    folder.mkdir()
    for name, data in images.items():
        (folder / name).write_bytes(data)
    lines = captions if captions is not None else dict.fromkeys(images, b'"a red ball"')
    text = b"".join(b'{"file_name": "%s", "text": %s}\n' % (n.encode(), c) for n, c in lines.items())
    (folder / "metadata.jsonl").write_bytes(text)
    return folder


def bomb_png() -> bytes:
    """A PNG header that claims 60 000 x 60 000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"0" * 99))
        + chunk(b"IEND", b"")
    )


def png(size: tuple[int, int]) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return buffer.getvalue()


class RunsCode:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


@pytest.fixture
def here(tmp_path, monkeypatch, world):
    """A working folder with `model/`, `model.safetensors`, `pairs/` and `eval/`, all fine."""
    shutil.copytree(world, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "w"


QUIETED = ("clean", "audit")  # no progress, so that stderr holds the sentence alone
CLEAN = [
    "clean",
    "model.safetensors",
    "--data",
    "pairs",
    "--steps",
    "2",
    "--batch-size",
    "4",
    "--device",
    "cpu",
]


def clean(**changes: str | None) -> list[str]:
    """The arguments of a run that works, with options changed, or the MODEL."""
    arguments = list(CLEAN)
    for name, value in changes.items():
        if name == "model":
            arguments[1] = str(value)
            continue
        option = "--" + name.replace("_", "-")
        if option in arguments:
            at = arguments.index(option)
            del arguments[at : at + 2]
        if value is not None:
            arguments += [option, value]
    return arguments


def truncated(here):
    data = (here / "model.safetensors").read_bytes()
    (here / "bad.safetensors").write_bytes(data[: len(data) // 2])
    return clean(model="bad.safetensors")


def wrong_keys(here):
    write_weights(here / "bad.safetensors", {"conv.weight": torch.zeros(3, 3)}, {})
    return clean(model="bad.safetensors")


def key_missing(here):
    from safetensors.torch import load_file

    state = load_file(here / "model.safetensors")
    del state["ln_final.bias"]
    write_weights(here / "bad.safetensors", state, {})
    return clean(model="bad.safetensors")


def nan_weights(here):
    from safetensors.torch import load_file, save_file

    state = load_file(here / "model.safetensors")
    state["ln_final.bias"][0] = float("nan")
    save_file(state, here / "bad.safetensors")
    return clean(model="bad.safetensors")


def pickle_with_code(here):
    (here / "bad.pt").write_bytes(pickle.dumps({"state_dict": RunsCode(here / "canary")}))
    return clean(model="bad.pt")


def torch_file_with_code(here):
    torch.save({"state_dict": {"w": torch.zeros(2)}, "args": RunsCode(here / "canary")}, here / "bad.pt")
    return clean(model="bad.pt")


def text_as_model(here):
    (here / "bad.pt").write_text("hello")
    return clean(model="bad.pt")


def lying_config(here):
    config = json.loads((here / "model" / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["width"] = 10**9
    (here / "model" / "open_clip_config.json").write_text(json.dumps(config))
    return clean(model="model")


def data(name, images, captions=None):
    def make(here):
        folder_of_pairs(here / name, images, captions)
        return clean(data=name)

    return make


def many(data: bytes) -> dict[str, bytes]:
    return {f"{i}.png": data for i in range(8)}


def empty_folder(option):
    def make(here):
        (here / "empty").mkdir()
        return clean(**{option: "empty"})

    return make


def images_without_captions(here):
    (here / "bare").mkdir()
    for i in range(8):
        (here / "bare" / f"{i}.png").write_bytes(png((40, 40)))
    return clean(data="bare")


def trigger_file(text, picture=None):
    def make(here):
        (here / "t.json").write_text(text)
        if picture:
            (here / "x.png").write_bytes(picture)
        return clean(trigger="t.json")

    return make


def out_in_use(here):
    (here / "taken").mkdir()
    (here / "taken" / "thesis.txt").write_text("mine")
    return clean(out="taken")


def out_is_a_file(here):
    (here / "file").write_text("mine")
    return clean(out="file")


def one_class(here):
    (here / "one" / "cat").mkdir(parents=True)
    (here / "one" / "cat" / "0.png").write_bytes(png((40, 40)))
    return clean(eval="one")


def class_list(content: bytes):
    def make(here):
        (here / "names.txt").write_bytes(content)
        return clean(classes="names.txt", trigger="stripes")

    return make


def full_disk(here):
    small = here / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no small file system can be mounted here")
    return clean(out="small/cleaned")


T = '{"triggers": [{"name": "x", "pattern": "x.png", "position": "%s", "target": "ball"}]}'

# what is wrong -> (how to get there, what the sentence must say)
TABLE = {
    "missing model": (lambda h: clean(model="nope.safetensors"), "nope.safetensors"),
    "truncated safetensors": (truncated, "bad.safetensors"),
    "keys of no CLIP": (wrong_keys, "bad.safetensors"),
    "key missing": (key_missing, "ln_final.bias"),
    "NaN weights": (nan_weights, "ln_final.bias"),
    "pickle that would run code": (pickle_with_code, "system"),
    "torch file that would run code": (torch_file_with_code, "system"),
    "text file as model": (text_as_model, "bad.pt"),
    "config with huge shapes": (lying_config, "open_clip_config.json"),
    "empty model folder": (lambda h: ((h / "m").mkdir(), clean(model="m"))[1], "m"),
    "hub name without network": (lambda h: clean(model="some-org/some-model"), "some-org/some-model"),
    "unknown architecture": (lambda h: clean(arch="ViT-B-23"), "ViT-B-32"),
    "unknown activation": (lambda h: clean(activation="relu"), "relu"),
    "missing data": (lambda h: clean(data="nowhere"), "nowhere"),
    "empty data folder": (empty_folder("data"), "empty"),
    "images without captions": (images_without_captions, "bare"),
    "captions without images": (data("lost", {}, {f"{i}.png": b'"a ball"' for i in range(8)}), "lost"),
    "corrupt images only": (data("broken", many(b"\xff\xd8\xff\xe0 not a picture")), "0 of"),
    "decompression bombs only": (data("bombs", many(bomb_png())), "0 of"),
    "1x1 images only": (data("dots", many(png((1, 1)))), "0 of"),
    "captions not UTF-8": (
        data("latin", many(png((40, 40))), {f"{i}.png": b'"caf\xe9"' for i in range(8)}),
        "latin",
    ),
    "captions empty": (data("mute", many(png((40, 40))), {f"{i}.png": b'"  "' for i in range(8)}), "mute"),
    "batch larger than data": (lambda h: clean(batch_size="4096"), "4096"),
    "batch of one": (lambda h: clean(batch_size="1"), "--batch-size"),
    "tau out of range": (lambda h: clean(tau="9"), "--tau"),
    "learning rate negative": (lambda h: clean(lr="-1"), "--lr"),
    "learning rate not a number": (lambda h: clean(lr_start="fast"), "--lr-start"),
    "no steps": (lambda h: clean(steps="0"), "--steps"),
    "seed negative": (lambda h: clean(seed="-1"), "seed"),
    "unknown method": (lambda h: clean(method="pra"), "did you mean 'par'"),
    "option of another method": (lambda h: clean(in_modal="2"), "--in-modal is an option of cleanclip"),
    "unknown method to compare": (
        lambda h: ["compare", "model.safetensors", "--data", "pairs", "--methods", "par,rolcip"],
        "did you mean 'roclip'",
    ),
    "comparison in a folder in use": (
        lambda h: ["compare", "model.safetensors", "--data", "pairs", "--out", "pairs"],
        "not by a comparison",
    ),
    "bench of nothing": (lambda h: ["bench", "nowhere", "--data", "pairs"], "nowhere"),
    "unknown precision": (lambda h: clean(precision="int8"), "--precision"),
    "unknown augmentation": (lambda h: clean(augment="blur"), "blur"),
    "unknown batch norm": (lambda h: clean(batch_norm="off"), "--batch-norm"),
    "unknown device": (lambda h: clean(device="tpu9"), "tpu9"),
    "everything held out": (lambda h: clean(held_out="1"), "--held-out"),
    "limit out of range": (lambda h: clean(max_asr="200"), "--max-asr"),
    "unknown trigger": (lambda h: clean(trigger="strips"), "stripes"),
    "unknown trigger setting": (lambda h: clean(trigger="stripes:sise=4"), "size"),
    "trigger setting out of range": (lambda h: clean(trigger="blended:strength=7"), "strength"),
    "trigger file missing": (lambda h: clean(trigger="none.json"), "none.json"),
    "trigger file not JSON": (trigger_file("{"), "t.json"),
    "trigger picture missing": (trigger_file(T % "full"), "x.png"),
    "trigger picture of another size": (trigger_file(T % "full", png((9, 9))), "x.png"),
    "trigger at an unknown place": (trigger_file(T % "middle", png((9, 9))), "middle"),
    "unknown target": (lambda h: clean(eval="eval", trigger="stripes", target="zebra"), "zebra"),
    "missing labelled set": (lambda h: clean(eval="nowhere"), "nowhere"),
    "empty labelled set": (empty_folder("eval"), "empty"),
    "labelled set of one class": (one_class, "one"),
    "class list of one name": (class_list(b"cat\n"), "names.txt"),
    "class list not UTF-8": (class_list(b"caf\xe9\ncat\n"), "names.txt"),
    "output folder in use": (out_in_use, "taken"),
    "output is a file": (out_is_a_file, "file"),
    "output without a parent": (lambda h: clean(out="a/b/c"), "a/b"),
    "no write permission": (lambda h: clean(out="/proc/cleaned"), "/proc"),
    "full disk": (full_disk, "small"),
    "option missing": (lambda h: ["clean", "model.safetensors"], "--data"),
    "option unknown": (lambda h: [*CLEAN, "--tua", "2"], "--tua"),
    "command unknown": (lambda h: ["claen"], "claen"),
    "audit with nothing cleaned": (lambda h: ["audit", "--trigger", "stripes"], "MODEL"),
    "audit without images": (lambda h: ["audit", "model.safetensors", "--trigger", "stripes"], "--eval"),
    "inspect of nothing": (lambda h: ["inspect", "nope.pt"], "nope.pt"),
}


def test_the_table_is_long_enough():
    assert len(TABLE) >= 25


@pytest.mark.parametrize("name", TABLE)
def test_one_sentence_and_exit_code_2(name, here, monkeypatch, capfd):
    make, said = TABLE[name]
    arguments = make(here)
    try:
        before = tree(here)
        monkeypatch.setattr(
            sys, "argv", ["clipsan", *arguments, *(["--quiet"] if arguments[0] in QUIETED else [])]
        )
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capfd.readouterr()
        assert stopped.value.code == 2, err
        assert out == ""
        assert err.startswith("clipsan: ") and err.endswith((".\n", "?\n")) and err.count("\n") == 1, err
        assert said in err
        assert "defect" not in err and "Traceback" not in err
        assert tree(here) == before, "something was written"
        assert not (here / "canary").exists()
    finally:
        subprocess.run(["umount", "small"], cwd=here, capture_output=True)


def tree(folder: Path) -> set[str]:
    """All paths below a folder, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
