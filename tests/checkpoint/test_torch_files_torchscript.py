"""TorchScript archives: the weights equal `state_dict()`, and the program is never run."""

from __future__ import annotations

import copy
import io
import zipfile

import pytest
import torch
from open_clip.model import CLIP
from tiny_models import CONFIGS

from clipsan.checkpoint import inspect
from clipsan.checkpoint.formats import read
from clipsan.checkpoint.torch_files import load_torch
from clipsan.errors import CheckpointError, UnsafeFileError

pytestmark = pytest.mark.filterwarnings("ignore:.*jit", "ignore::torch.jit.TracerWarning")


class Frames(torch.nn.Module):
    """What modules have beside weights: lists, dicts, numbers as names, ties, modules without weights."""

    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.GELU(), torch.nn.Linear(4, 4)])
        self.norm = torch.nn.Sequential(torch.nn.BatchNorm1d(4))
        self.twice = self.blocks[0]
        self.tied = self.blocks[2].weight
        self.steps: list[int] = [1, 2]
        self.names = ("a", "b")
        self.table = {"x": torch.ones(2)}
        self.pair = [torch.ones(1), torch.zeros(1)]
        self.constant = torch.full((3,), 7.0)
        self.register_buffer("count", torch.tensor(5))
        self.register_buffer("kept", torch.arange(3.0), persistent=False)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.norm(x) + self.constant[0] + self.table["x"][0] + self.pair[0]


def compiled(model, how, *inputs):
    with torch.no_grad():
        if how == "script":
            return torch.jit.script(model.eval())
        return torch.jit.trace(model.eval(), inputs, check_trace=False)


def assert_same(path, expected):
    weights = read(path)
    assert weights.format == "TorchScript archive"
    assert set(weights.tensors.infos) == set(expected)
    for key, want in expected.items():
        found = weights.tensors.read(key)
        assert found.dtype == want.dtype
        assert torch.equal(found, want)
    return weights


@pytest.mark.parametrize("how", ["script", "trace"])
def test_a_module_with_everything(how, tmp_path):
    program = compiled(Frames(), how, torch.zeros(2, 4))
    program.save(str(tmp_path / "m.pt"))
    weights = assert_same(tmp_path / "m.pt", program.state_dict())
    assert "TorchScript archive: tensors read as data, its program was not run" in weights.evidence
    if how == "script":  # a trace keeps it among its constants
        assert "constant: left out, neither parameter nor buffer of the program" in weights.evidence


def tiny_clip(kind, quick_gelu, half):
    torch.manual_seed(0)
    model = CLIP(**copy.deepcopy(CONFIGS[kind]), quick_gelu=quick_gelu).eval()
    return model.half() if half else model


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("quick_gelu", [False, True], ids=["gelu", "quickgelu"])
@pytest.mark.parametrize("kind", ["rn", "vit"])
@pytest.mark.parametrize("how", ["script", "trace"])
def test_a_clip(how, kind, quick_gelu, half, tmp_path):
    model = tiny_clip(kind, quick_gelu, half)
    size = CONFIGS[kind]["vision_cfg"]["image_size"]
    pixels = torch.rand(1, 3, size, size, dtype=torch.float16 if half else torch.float32)
    program = compiled(model, how, pixels, torch.zeros(1, 12, dtype=torch.long))
    program.save(str(tmp_path / "m.pt"))
    assert program.state_dict().keys() - model.state_dict().keys() == {"attn_mask"}
    weights = assert_same(tmp_path / "m.pt", model.state_dict())
    place = "program text" if how == "script" or not quick_gelu else "constants"
    assert weights.activation[0] == ("quickgelu" if quick_gelu else "gelu")
    assert weights.activation[1].startswith(f"from the {place} of the archive")
    if how == "script":
        assert "context_length 12, vocab_size 49408: said by the archive" in weights.evidence


class Like(torch.nn.Module):
    """A module with what OpenAI's archives have beside weights: three scalars, registered as buffers."""

    def __init__(self):
        super().__init__()
        self.visual = torch.nn.Linear(3, 2)
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.5))
        for name, value in (("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x):
        x = self.visual(x)
        return x * torch.sigmoid(1.702 * x) * self.logit_scale * self.input_resolution


OPENAI_LINE = "input_resolution 224, context_length 77, vocab_size 49408: said by the archive"


def as_torch_1_7(path):
    """The layout of torch 1.7: `version` 3 at the root, no byte order, weights saved on a GPU."""
    buffer = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w") as new:
        root = old.namelist()[0].split("/")[0]
        for name in old.namelist():
            if not name.endswith(("byteorder", "version", ".data/serialization_id")):
                content = old.read(name)
                if name == f"{root}/data.pkl":
                    content = content.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
                packed = (
                    zipfile.ZIP_DEFLATED if "/code/" in name and len(content) > 200 else zipfile.ZIP_STORED
                )
                new.writestr(f"ViT-B-32/{name.removeprefix(f'{root}/')}", content, packed)
        new.writestr("ViT-B-32/version", b"3\n")


@pytest.mark.parametrize("old", [False, True], ids=["today", "torch 1.7"])
@pytest.mark.parametrize("how", ["script", "trace"])
def test_an_archive_like_openais(how, old, tmp_path):
    model = Like()
    program = compiled(model, how, torch.zeros(1, 3))
    model.visual.half()  # after tracing: the program shares its weights
    program.save(str(tmp_path / "m.pt"))
    if old:
        as_torch_1_7(tmp_path / "m.pt")
    expected = program.state_dict()
    for name in ("input_resolution", "context_length", "vocab_size"):
        del expected[name]
    weights = assert_same(tmp_path / "m.pt", expected)
    assert weights.tensors.infos["visual.weight"].dtype == torch.float16
    assert OPENAI_LINE in weights.evidence
    assert weights.activation[0] == "quickgelu"


def test_a_mask_that_is_not_the_causal_one_stays(tmp_path):
    model = torch.nn.Linear(2, 2)
    model.register_buffer("attn_mask", torch.zeros(3, 3))
    torch.jit.script(model).save(str(tmp_path / "m.pt"))
    assert "attn_mask" in read(tmp_path / "m.pt").tensors.infos


def test_text_without_or_with_both_activations_says_nothing(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "none.pt"))
    assert read(tmp_path / "none.pt").activation is None

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

        def forward(self, x):
            return torch.nn.functional.gelu(self.layer(x)) * 1.702

    compiled(Both(), "trace", torch.zeros(1, 2)).save(str(tmp_path / "both.pt"))
    assert read(tmp_path / "both.pt").activation is None


def test_the_program_is_reported_and_not_run(tmp_path):
    path = tmp_path / "m.pt"
    torch.jit.script(tiny_clip("vit", True, False)).save(str(path))
    found = inspect(path)
    assert found.format == "TorchScript archive"
    assert any(name.endswith(".py") for name in found.unsafe)
    assert all("/code/" in name or name.endswith("constants.pkl") for name in found.unsafe)
    assert found.tensors == len(tiny_clip("vit", True, False).state_dict())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:  # a program that no compiler takes changes nothing
        for name, content in members.items():
            archive.writestr(name, b"1.702 not a program (" if name.endswith(".py") else content)
    weights = read(path)
    assert weights.activation[0] == "quickgelu"
    assert set(weights.tensors.infos) == set(tiny_clip("vit", True, False).state_dict())


def archive(data):
    """A program archive of a given `data.pkl`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr("m/data.pkl", b"\x80\x02" + data + b".")
        written.writestr("m/constants.pkl", b"\x80\x02).")
    return buffer.getvalue()


MODULE = b"c__torch__.M\nM\n)\x81"
KEY = b"X\x01\0\0\0"


def chain(levels, names):
    """A module that holds the one below it under each of the names, and so on."""
    data = MODULE + b"}bq\x00"
    for level in range(levels):
        held = b"".join(KEY + name + b"h" + bytes([level]) for name in names)
        data += MODULE + b"}(" + held + b"ubq" + bytes([level + 1])
    return data


REFUSED = {
    "no module": (b"]", "does not describe a module"),
    "a state that is no dict": (MODULE + b"]b", "does not describe a module"),
    "no tensors": (MODULE + b"}b", "has no parameters"),
    "50 levels": (chain(50, [b"a"]), "has no parameters"),
    "100 levels": (chain(100, [b"a"]), "hold one another without end"),
    "2^60 modules": (chain(60, [b"a", b"b"]), "hold one another without end"),
    "holds itself": (MODULE + b"q\0}(" + KEY + b"ah\0ub", "hold one another without end"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_archives_that_cannot_be_read_name_the_hub(case, tmp_path):
    data, sentence = REFUSED[case]
    (tmp_path / "m.pt").write_bytes(archive(data))
    with pytest.raises(UnsafeFileError, match=sentence) as caught:
        read(tmp_path / "m.pt")
    assert "cannot be read without running it" in str(caught.value)
    assert "hf-hub:timm/vit_base_patch32_clip_224.openai" in str(caught.value)


def test_names_of_the_program_are_harmless_and_others_are_not(tmp_path):
    program = compiled(Frames(), "script")
    program.save(str(tmp_path / "m.pt"))
    assert load_torch(tmp_path / "m.pt").content.name.startswith("__torch__.")
    (tmp_path / "m.pt").write_bytes(archive(MODULE + b"}(" + KEY + b"acos\nsystem\nub"))
    with pytest.raises(UnsafeFileError, match=r"its pickle names os\.system"):
        read(tmp_path / "m.pt")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:  # without a program, those names are of a Python module
        written.writestr("m/data.pkl", b"\x80\x02" + MODULE + b"}b.")
    (tmp_path / "m.pt").write_bytes(buffer.getvalue())
    with pytest.raises(UnsafeFileError, match=r"its pickle names __torch__\.M\.M"):
        read(tmp_path / "m.pt")


def test_a_cut_archive_is_damaged(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "m.pt"))
    content = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="truncated archive"):
        read(tmp_path / "m.pt")
