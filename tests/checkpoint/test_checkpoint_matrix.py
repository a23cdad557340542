"""Every form of input, ResNet and ViT, to every form of output, against the real libraries."""

from __future__ import annotations

import shutil

import open_clip
import pytest
import torch
from tiny_files import FORMAT_NAMES, MAKERS, NEEDS_TEXT
from tiny_models import make_tiny

from clipsan.checkpoint import families_of, load, write_folder
from clipsan.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit:FutureWarning")
QUICK = ("torchscript",)  # made with QuickGELU, as OpenAI's are


@pytest.fixture(scope="module")
def models():
    """(kind, activation) -> a tiny model."""
    return {(kind, quick): make_tiny(kind, quick_gelu=quick) for kind in ("rn", "vit") for quick in (0, 1)}


def embeddings(tiny, model, tokenizer):
    return torch.cat([tiny.image_embedding(model), tiny.text_embedding(model, tokenizer)])


def check_open_clip(folder, tiny, wanted):
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    found = embeddings(tiny, model.eval(), open_clip.get_tokenizer(f"local-dir:{folder}"))
    assert torch.equal(found, wanted)


def check_transformers(folder, tiny, wanted):
    transformers = pytest.importorskip("transformers")
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(
        ["a photo of a dog", "two red triangles, upside down"],
        padding="max_length", truncation=True, max_length=12, return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        pixels = model.vision_model(tiny.pixels).pooler_output
        words = model.text_model(**tokens).pooler_output
        found = torch.cat([model.visual_projection(pixels), model.text_projection(words)])
    difference = torch.nn.functional.normalize(found) - torch.nn.functional.normalize(wanted)
    assert float(difference.abs().max()) <= 1e-5


@pytest.mark.parametrize("kind", ["rn", "vit"])
@pytest.mark.parametrize("form", MAKERS)
def test_every_input_to_every_output(form, kind, models, tmp_path):
    tiny = models[kind, form in QUICK]
    (tmp_path / "in").mkdir()
    path = MAKERS[form](tiny, tmp_path / "in")
    text_from = str(tiny.write_folder(tmp_path / "base")) if form in NEEDS_TEXT else None
    suspect = load(path, text_from=text_from)
    assert suspect.provenance.format == FORMAT_NAMES[form]
    assert not suspect.model.training
    assert all(parameter.requires_grad for parameter in suspect.model.parameters())
    assert suspect.context_length == 12
    size = tiny.cfg["vision_cfg"]["image_size"]
    assert suspect.image_size == (size, size)
    wanted = embeddings(tiny, tiny.model, suspect.tokenizer)
    assert torch.equal(embeddings(tiny, suspect.model, suspect.tokenizer), wanted)
    settled = "folder" in FORMAT_NAMES[form] or form in (*QUICK, *NEEDS_TEXT)
    kinds = {bool(candidate.model_cfg.get("quick_gelu")) for candidate in suspect.candidates}
    assert (len(kinds) < 2) == settled
    assert suspect.activation == ("quickgelu" if form in QUICK else "gelu")
    for format in ("same", "open_clip", "transformers", "both"):
        if kind == "rn" and format in ("transformers", "both"):
            with pytest.raises(UsageError, match="ResNet"):
                families_of(format, suspect)
            continue
        families = families_of(format, suspect)
        out = tmp_path / f"out-{format}"
        out.mkdir()
        written = write_folder(out, suspect, suspect.model.state_dict(), {"method": "none"}, families)
        assert written.weights.parent == out
        if "open_clip" in families:
            check_open_clip(out, tiny, wanted)
        if "transformers" in families:
            check_transformers(out, tiny, wanted)
        again = load(out)
        assert again.candidates == ()
        assert torch.equal(embeddings(tiny, again.model, again.tokenizer), wanted)


def transformers_folder(model, folder):
    model.save_pretrained(folder)
    return folder


def transformers_shards(model, folder):
    model.save_pretrained(folder, max_shard_size="2MB")
    assert (folder / "model.safetensors.index.json").is_file()
    return folder


def transformers_pickle(model, folder):
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


def transformers_file(model, folder):
    """The weights with the configuration beside them, named as a file."""
    model.save_pretrained(folder)
    return folder / "model.safetensors"


def transformers_training_file(model, folder):
    model.save_pretrained(folder / "saved")
    shutil.copy(folder / "saved" / "config.json", folder)
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 2}, folder / "epoch_2.pt")
    return folder / "epoch_2.pt"


def image_tower_class(name):
    def save(model, folder):
        import transformers

        model.save_pretrained(folder / "whole")
        getattr(transformers, name).from_pretrained(folder / "whole").save_pretrained(folder / "tower")
        return folder / "tower"

    save.__name__ = name
    return save


ALONE = tuple(image_tower_class(name) for name in ("CLIPVisionModel", "CLIPVisionModelWithProjection"))
SAVERS = (
    transformers_folder, transformers_shards, transformers_pickle, transformers_file,
    transformers_training_file, *ALONE,
)  # fmt: skip


@pytest.mark.parametrize("save", SAVERS, ids=lambda save: save.__name__)
def test_every_form_of_transformers_to_every_output(save, tmp_path):
    tiny_transformers = pytest.importorskip("tiny_transformers")
    model = tiny_transformers.make_clip()
    (tmp_path / "in").mkdir()
    path = save(model, tmp_path / "in")
    suspect = load(path, text_from=tmp_path / "in" / "whole" if save in ALONE else None)
    assert suspect.family == "transformers"
    assert suspect.candidates == ()
    assert suspect.activation == "quickgelu"
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    tokens = suspect.tokenizer(["a photo of a dog", "two red triangles, upside down"])
    with torch.no_grad():
        theirs = model(input_ids=tokens, pixel_values=pixels)
    wanted = torch.cat([theirs.image_embeds, theirs.text_embeds])
    assert far(embed(suspect.model, pixels, tokens), wanted) <= 1e-5
    for format in ("same", "open_clip", "transformers", "both"):
        out = tmp_path / f"out-{format}"
        out.mkdir()
        families = families_of(format, suspect)
        assert families[0] == ("open_clip" if format == "open_clip" else "transformers")
        write_folder(out, suspect, suspect.model.state_dict(), {}, families)
        if "transformers" in families:
            again = type(model).from_pretrained(out).eval()
            with torch.no_grad():
                found = again(input_ids=tokens, pixel_values=pixels)
            assert far(torch.cat([found.image_embeds, found.text_embeds]), wanted) <= 1e-5
        if "open_clip" in families:
            again, _ = open_clip.create_model_from_pretrained(f"local-dir:{out}")
            assert far(embed(again.eval(), pixels, tokens), wanted) <= 1e-5
        assert far(embed(load(out).model, pixels, tokens), wanted) <= 1e-5


def embed(model, pixels, tokens):
    with torch.no_grad():
        found = torch.cat([model.encode_image(pixels), model.encode_text(tokens)])
    return torch.nn.functional.normalize(found)


def far(found, wanted):
    return float((found - wanted).abs().max())
