"""Bytes changed at random: the answer is data or a clipsan error in one line, soon."""

from __future__ import annotations

import argparse
import io
import random
import time
import zipfile

import numpy
import pytest
import torch

from clipsan.checkpoint import inspect
from clipsan.checkpoint.formats import read
from clipsan.checkpoint.torch_files import scan
from clipsan.errors import ClipsanError

ROUNDS = 120
OPCODES = b".(0Rbo\x81\x85\x93stuaeqh}]cN\x00\xff"


class Program(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 3)
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, x):
        return torch.nn.functional.gelu(self.layer(x)) * 1.702


def training():
    state = {
        "a": torch.arange(6.0).view(2, 3).t(),
        "b": torch.nn.Parameter(torch.ones(2)),
        "c": torch.tensor(5),
    }
    return {"epoch": numpy.int64(3), "args": argparse.Namespace(lr=0.1, names=["x"]), "state_dict": state}


def written(save):
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


KINDS = {
    "zip": lambda f: torch.save(training(), f),
    "zip of protocol 4": lambda f: torch.save(training(), f, pickle_protocol=4),
    "legacy": lambda f: torch.save(training(), f, _use_new_zipfile_serialization=False),
    "scripted": lambda f: torch.jit.save(torch.jit.script(Program()), f),
    "traced": lambda f: torch.jit.save(torch.jit.trace(Program(), torch.zeros(1, 2)), f),
}


def structure(content):
    """The bytes that decide: of the pickles, and of the zip's table of contents."""
    if content[:2] != b"PK":
        return list(range(min(len(content), 1200)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        pickles = [info for info in archive.infolist() if info.filename.endswith(".pkl")]
        table = list(range(archive.start_dir, len(content)))
    starts = [(info.header_offset, info.header_offset + 100 + info.file_size) for info in pickles]
    return [place for begin, end in starts for place in range(begin, min(end, len(content)))] + table


@pytest.mark.filterwarnings("ignore:.*jit")
@pytest.mark.parametrize("kind", KINDS)
def test_changed_bytes(kind, tmp_path):
    whole = written(KINDS[kind])
    places = structure(whole)
    chance = random.Random(kind)
    path = tmp_path / "m.pt"
    data = refused = 0
    began = time.process_time()
    for number in range(ROUNDS):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 8])):
            place = chance.choice(places)
            flipped = content[place] ^ 1 << chance.randrange(8)
            content[place] = chance.choice([flipped, chance.choice(OPCODES), chance.randrange(256)])
        if number % 10 == 9:
            del content[chance.choice(places) :]
        path.write_bytes(content)
        try:
            tensors = read(path).tensors
            for key, info in tensors.infos.items():
                assert tensors.read(key).shape == info.shape
            scan(path)
            inspect(path)
            data += 1
        except ClipsanError as error:
            assert str(error).isprintable()
            refused += 1
    assert data > 5
    assert refused > 20
    assert time.process_time() - began < 60
